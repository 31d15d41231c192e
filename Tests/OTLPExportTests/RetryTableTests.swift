// SPDX-License-Identifier: Apache-2.0

import GRPCCore
import MeshHTTP
import Telemetry
import Testing

@testable import OTLPExport

@Suite("Which answers are asked for again")
struct RetryTableTests {
    private func kind(_ reply: OTLPReply) -> String {
        switch reply {
        case .accepted: "accepted"
        case .retry: "retry"
        case .refused: "refused"
        case .tooLarge: "too large"
        }
    }

    @Test("of HTTP 429, 502, 503 and 504 only")
    func statuses() {
        for status in 200..<600 {
            let wanted =
                status < 300 ? "accepted" : [429, 502, 503, 504].contains(status) ? "retry" : status == 413 ? "too large" : "refused"
            #expect(kind(RetryTable.judge(HTTPResponse(status: status), now: 0)) == wanted, "\(status)")
        }
    }

    @Test(
        "Retry-After is seconds or a date, and never more than an hour",
        arguments: [
            ("7", 7), ("0", 0), ("99999999999", 3600), ("Sun, 06 Nov 1994 08:49:37 GMT", 37), ("Sun, 06 Nov 1994 08:48:00 GMT", 0),
            ("Sat, 06 Nov 2094 08:49:37 GMT", 3600), ("soon", nil), ("-1", nil), ("", nil), ("Sun, 06 Nov 1994 08:49:37 CET", nil),
            ("Sun, 06 Foo 1994 08:49:37 GMT", nil), ("1 2 3 4 5 GMT", nil), ("18446744073709551616", nil),
        ] as [(String, Int64?)])
    func retryAfter(text: String, seconds: Int64?) {
        // 784111777 is 06 Nov 1994 08:49:37.
        #expect(RetryTable.wait(text, now: 784_111_740) == seconds.map { .seconds($0) })
        let response = HTTPResponse(status: 429, headers: [HTTPHeader("retry-after", text)])
        guard case .retry(let after, _) = RetryTable.judge(response, now: 784_111_740) else { return #expect(Bool(false)) }
        #expect(after == seconds.map { .seconds($0) })
    }

    @Test("of gRPC the codes that say so, and exhausted resources only with a RetryInfo")
    func codes() throws {
        let again: [RPCError.Code] = [.cancelled, .deadlineExceeded, .aborted, .outOfRange, .unavailable, .dataLoss]
        let all: [RPCError.Code] =
            again + [
                .unknown, .invalidArgument, .notFound, .alreadyExists, .permissionDenied, .failedPrecondition, .unimplemented,
                .internalError,
                .unauthenticated, .resourceExhausted,
            ]
        #expect(Set(all).count == 16)
        for code in all {
            #expect(kind(RetryTable.judge(RPCError(code: code, message: "m"))) == (again.contains(code) ? "retry" : "refused"), "\(code)")
        }
        var metadata: Metadata = [:]
        metadata.addBinary(Self.status(seconds: 12, nanoseconds: 500_000_000), forKey: "grpc-status-details-bin")
        guard case .retry(let after, _) = RetryTable.judge(RPCError(code: .resourceExhausted, message: "full", metadata: metadata)) else {
            return #expect(Bool(false))
        }
        #expect(after == .milliseconds(12_500))
        #expect(
            kind(RetryTable.judge(RPCError(code: .resourceExhausted, message: "grpc: received message larger than max (5 vs. 4)")))
                == "too large")
        var later: Metadata = [:]
        later.addBinary(Self.status(seconds: 86_000, nanoseconds: 0), forKey: "grpc-status-details-bin")
        guard case .retry(let longest, _) = RetryTable.judge(RPCError(code: .unavailable, message: "", metadata: later)) else {
            return #expect(Bool(false))
        }
        #expect(longest == .seconds(3600))
    }

    @Test("a web page with status 200 is no acceptance, an empty answer and one of a later version are")
    func acceptance() {
        #expect(kind(RetryTable.judge(HTTPResponse(status: 200, body: Array("<html>".utf8)), now: 0)) == "retry")
        #expect(RetryTable.judge(HTTPResponse(status: 200), now: 0) == .accepted(rejected: 0, said: ""))
        var later = ProtoWriter()
        later.number(9, 4)
        later.message(1) {
            $0.number(1, 3)
            $0.block(2, "no\nroom\u{1b}[2J".utf8)
            $0.number(7, 1)
        }
        #expect(
            RetryTable.judge(HTTPResponse(status: 202, body: later.bytes), now: 0)
                == .accepted(rejected: 3, said: "no\u{fffd}room\u{fffd}[2J"))
        var negative = ProtoWriter()
        negative.message(1) { $0.number(1, UInt64(bitPattern: -5)) }
        #expect(RetryTable.judge(HTTPResponse(status: 200, body: negative.bytes), now: 0) == .accepted(rejected: 0, said: ""))
    }

    @Test("whatever a collector answers with, the judgement ends and its words stay short and clean")
    func hostile() {
        var generator = SystemRandomNumberGenerator.seeded(7)
        let sound = Self.status(seconds: 3, nanoseconds: 9)
        for _ in 0..<5000 {
            var bytes =
                Bool.random(using: &generator)
                ? sound : (0..<Int.random(in: 0...900, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) }
            for _ in 0..<Int.random(in: 0...4, using: &generator) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            if let status = OTLPAnswer.status(bytes) { #expect(status.wait.map { $0 >= .zero && $0 <= .seconds(86_401) } ?? true) }
            for status in [200, 400, 413, 503] {
                let headers = [HTTPHeader("content-type", Bool.random(using: &generator) ? "application/x-protobuf" : "text/html")]
                switch RetryTable.judge(HTTPResponse(status: status, headers: headers, body: bytes), now: 0) {
                case .accepted(_, let said), .retry(_, let said), .refused(let said), .tooLarge(let said):
                    #expect(said.utf8.count < 400 && said.unicodeScalars.allSatisfy { $0.value >= 0x20 })
                }
            }
        }
    }

    /// google.rpc.Status with a RetryInfo among its details.
    static func status(seconds: UInt64, nanoseconds: UInt64) -> [UInt8] {
        var writer = ProtoWriter()
        writer.number(1, 8)
        writer.block(2, "slow down".utf8)
        writer.message(3) { any in
            any.block(1, "type.googleapis.com/google.rpc.RetryInfo".utf8)
            any.message(2) { info in
                info.message(1) {
                    $0.number(1, seconds)
                    $0.number(2, nanoseconds)
                }
            }
        }
        return writer.bytes
    }
}
