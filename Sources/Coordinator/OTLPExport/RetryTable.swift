// SPDX-License-Identifier: Apache-2.0

import GRPCCore
import MeshHTTP

/// Which answers may be asked for again and which not, as OpenTelemetry's protocol specification lays down.
enum RetryTable {
    /// A collector that asks for more is not waited for longer.
    static let longestWait = Duration.seconds(3600)

    /// Of OTLP/HTTP.
    static func judge(_ response: HTTPResponse, now: Int64) -> OTLPReply {
        switch response.status {
        case 200..<300:
            // A page of some other server is no acceptance: what it was sent stays ours.
            guard let answer = OTLPAnswer.partialSuccess(response.body) else {
                return .retry(after: nil, why: "the answer \(response.status) is not a collector's; check the endpoint")
            }
            return .accepted(rejected: answer.rejected, said: answer.said)
        case 429, 502, 503, 504:
            return .retry(after: response.header("Retry-After").flatMap { wait($0, now: now) }, why: words(response))
        case 413: return .tooLarge(words(response))
        default: return .refused(words(response))
        }
    }

    /// Of OTLP/gRPC.
    static func judge(_ error: RPCError) -> OTLPReply {
        let details = error.metadata[binaryValues: "grpc-status-details-bin"].first { _ in true }.flatMap(OTLPAnswer.status)
        let why = "\(error.code): \(OTLPAnswer.clean(error.message.utf8))"
        let wait = details?.wait.map { min($0, longestWait) }
        switch error.code {
        case .cancelled, .deadlineExceeded, .aborted, .outOfRange, .unavailable, .dataLoss: return .retry(after: wait, why: why)
        case .resourceExhausted:
            if let wait { return .retry(after: wait, why: why) }
            // What servers say when a message is longer than they take.
            return error.message.contains("larger than") || error.message.contains("exceeds") ? .tooLarge(why) : .refused(why)
        default: return .refused(why)
        }
    }

    private static func words(_ response: HTTPResponse) -> String {
        let said =
            response.header("Content-Type")?.hasPrefix("application/x-protobuf") == true
            ? OTLPAnswer.status(response.body)?.said ?? "" : OTLPAnswer.clean(response.body)
        return said.isEmpty ? "HTTP \(response.status)" : "HTTP \(response.status): \(said)"
    }

    /// Retry-After: seconds, or a date of RFC 9110 in the form that servers must send.
    static func wait(_ text: String, now: Int64) -> Duration? {
        let trimmed = text.filter { $0 != "\t" }.split(separator: " ").joined(separator: " ")
        if let seconds = UInt64(trimmed) { return min(.seconds(Int64(clamping: seconds)), longestWait) }
        guard let date = seconds(httpDate: trimmed) else { return nil }
        return min(.seconds(max(0, date - now)), longestWait)
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT` as seconds since 1970.
    private static func seconds(httpDate text: String) -> Int64? {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[5] == "GMT", let day = Int64(parts[1]), let month = months.firstIndex(of: String(parts[2])),
            let year = Int64(parts[3]), (1970...9999).contains(year), (1...31).contains(day)
        else { return nil }
        let clock = parts[4].split(separator: ":").map { Int64($0) }
        guard clock.count == 3, let hour = clock[0], let minute = clock[1], let second = clock[2], (0..<24).contains(hour),
            (0..<60).contains(minute), (0...60).contains(second)
        else { return nil }
        // Days from civil, with March as the first month of a year.
        let shifted = month < 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * Int64((month + 10) % 12) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let days = era * 146_097 + dayOfEra - 719_468
        return ((days * 24 + hour) * 60 + minute) * 60 + second
    }
}
