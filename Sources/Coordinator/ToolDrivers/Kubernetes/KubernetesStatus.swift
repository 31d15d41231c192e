// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshModel

/// The `Status` with which an API server says no.
package struct KubernetesStatus: Hashable, Sendable, CustomStringConvertible {
    /// One of several things that are wrong with a request.
    package struct Cause: Hashable, Sendable, CustomStringConvertible {
        package var field: String
        package var reason: String
        package var message: String
        package var description: String {
            let words = message.isEmpty ? reason : message
            return field.isEmpty ? words : "\(field): \(words)"
        }
    }

    /// The HTTP status.
    package var code: Int
    /// One of Kubernetes' reasons (`NotFound`, `Conflict`, ...); empty when the answer held no Status.
    package var reason: String
    package var message: String
    package var causes: [Cause]
    /// When the server says that the call may be tried again.
    package var retryAfter: Duration?
    /// Whether an API server spoke, and not something in front of it.
    package var isFromAPI: Bool

    /// Shown at most, of a message and of causes.
    private static let longestMessage = 2000
    private static let mostCauses = 16

    init(_ response: HTTPResponse) {
        let json = JSON.decode(response.body)
        self.init(code: response.status, json: json, text: response.text)
        retryAfter = retryAfter ?? response.header("Retry-After").flatMap { Int64($0) }.flatMap { $0 >= 0 ? .seconds($0) : nil }
    }

    /// - Parameter text: what to show when there is no Status.
    init(code: Int, json: HelmValue?, text: String = "") {
        self.code = code
        guard let json, json["kind"]?.string == "Status" else {
            // The API server's own router answers for paths that no group serves.
            isFromAPI = code == 404 && text.trimmingSpaces == "404 page not found"
            reason = isFromAPI ? "NotFound" : ""
            message = String(text.shown.prefix(200))
            causes = []
            return
        }
        isFromAPI = true
        reason = (json["reason"]?.string ?? "").shown
        message = String((json["message"]?.string ?? "").shown.prefix(Self.longestMessage))
        causes = (json["details", "causes"]?.list ?? []).prefix(Self.mostCauses).map { cause in
            Cause(
                field: (cause["field"]?.string ?? "").shown, reason: (cause["reason"]?.string ?? "").shown,
                message: String((cause["message"]?.string ?? "").shown.prefix(Self.longestMessage)))
        }
        retryAfter = json["details", "retryAfterSeconds"]?.integer.flatMap { $0 > 0 ? .seconds($0) : nil }
    }

    /// The object or the whole kind is not there, by the word of an API server.
    package var isAbsence: Bool { code == 404 && isFromAPI && reason == "NotFound" }
    /// A resource version or a page token is too old: list anew.
    package var isExpired: Bool { code == 410 || reason == "Expired" || reason == "Gone" }

    package var description: String {
        var text = "\(code)"
        if !reason.isEmpty { text += " \(reason)" }
        if !message.isEmpty { text += ": \(message)" }
        // Most messages of kind Invalid already list their causes.
        let more = causes.map(\.description).filter { !$0.isEmpty && !message.contains($0) }
        return more.isEmpty ? text : text + " (\(more.joined(separator: "; ")))"
    }
}

extension String {
    /// One line without control characters: it came from outside and goes to a terminal.
    var shown: String { String(String.UnicodeScalarView(unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? " " : $0 })) }
    fileprivate var trimmingSpaces: String { split(whereSeparator: \.isWhitespace).joined(separator: " ") }
}
