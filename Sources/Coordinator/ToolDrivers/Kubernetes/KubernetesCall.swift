// SPDX-License-Identifier: Apache-2.0

import MeshHTTP

/// One call of an API server, before anybody knows with which credential.
struct KubernetesCall: Sendable {
    var method: HTTPRequest.Method
    /// Absolute, with query, escaped.
    var path: String
    var body: [UInt8] = []
    var contentType: String?
    var deadline: Duration
    /// True when the server's state is the same after one such call and after two: only these are sent again when an answer is lost.
    var isRepeatable: Bool

    /// `GET /api/v1/nodes`, for messages: without the query, which only repeats what we asked.
    var name: String { "\(method.rawValue) \(path.prefix { $0 != "?" })" }

    /// Any text as part of a query.
    static func escape(_ text: String) -> String {
        var escaped = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                escaped.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                escaped += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return escaped
    }

    /// `path` with more in its query.
    static func adding(_ parameters: KeyValuePairs<String, String>, to path: String) -> String {
        guard !parameters.isEmpty else { return path }
        let text = parameters.map { "\($0.key)=\(escape($0.value))" }.joined(separator: "&")
        return path + (path.contains("?") ? "&" : "?") + text
    }
}
