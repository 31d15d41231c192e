// SPDX-License-Identifier: Apache-2.0

import MeshSystem
import NIOCore
import NIOPosix
import NIOSSL

/// What SwiftNIO and BoringSSL report, as a person can use it: no error queues and no source paths.
enum ConnectionWords {
    static func of(_ error: any Error) -> String {
        switch error {
        case let error as NIOSSLError: ofTLS(error)
        case let error as BoringSSLError: ofBoringSSL("\(error)")
        case let error as NIOConnectionError: ofConnect(error)
        case let error as IOError: explain(error.errnoCode)
        case ChannelError.connectTimeout(let limit): "no answer within \(limit.nanoseconds / 1_000_000_000)s"
        default: "\(error)"
        }
    }

    private static func ofTLS(_ error: NIOSSLError) -> String {
        switch error {
        case .handshakeFailed(let cause): ofBoringSSL("\(cause)")
        case .uncleanShutdown: "the connection was cut"
        default: "\(error)"
        }
    }

    /// BoringSSL's names for its reasons stand in its own text only: `…:OPENSSL_internal:REASON at FILE:LINE`.
    private static func ofBoringSSL(_ text: String) -> String {
        guard let head = text.firstRange(of: "OPENSSL_internal:") else {
            return text.contains("eofDuringHandshake") ? "the other side hung up during the TLS handshake" : text
        }
        let reason = text[head.upperBound...].prefix { $0 != " " && $0 != "]" }
        switch reason {
        case "SSLV3_ALERT_CERTIFICATE_UNKNOWN", "SSLV3_ALERT_CERTIFICATE_REVOKED", "SSLV3_ALERT_CERTIFICATE_EXPIRED",
            "SSLV3_ALERT_BAD_CERTIFICATE", "TLSV1_ALERT_UNKNOWN_CA", "TLSV1_ALERT_ACCESS_DENIED":
            return "the coordinator does not accept this agent's certificate; was the node revoked, or has the certificate run out?"
        case "WRONG_VERSION_NUMBER", "UNSUPPORTED_PROTOCOL", "HTTP_REQUEST": return "the other side does not speak TLS 1.3"
        default: return "TLS: \(reason.lowercased().replacing("_", with: " "))"
        }
    }

    private static func ofConnect(_ error: NIOConnectionError) -> String {
        if error.dnsAError != nil || error.dnsAAAAError != nil, error.connectionErrors.isEmpty {
            return "the name \(error.host) cannot be resolved"
        }
        var said: [String] = []
        for failure in error.connectionErrors {
            let words = of(failure.error)
            if !said.contains(words) { said.append(words) }
        }
        return said.isEmpty ? "it cannot be reached" : said.joined(separator: "; ")
    }
}
