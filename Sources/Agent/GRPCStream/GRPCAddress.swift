// SPDX-License-Identifier: Apache-2.0

/// Where a gRPC service listens.
package enum GRPCAddress: Hashable, Sendable, CustomStringConvertible {
    /// A Unix socket: whoever may open it is trusted, and nothing is encrypted.
    case unix(String)
    /// A port; with TLS, or on this host.
    case tcp(host: String, port: Int)

    /// What is accepted as text, for messages.
    package static let form = "unix:///PATH or HOST:PORT"

    /// Reads `unix:///run/x.sock`, `unix:/run/x.sock`, `/run/x.sock`, `localhost:54321`, `10.0.0.1:4244` or `[fd00::1]:4244`.
    package init?(_ text: String) {
        var path: Substring?
        if text.hasPrefix("unix://") {
            path = text.dropFirst(7)
        } else if text.hasPrefix("unix:") {
            path = text.dropFirst(5)
        } else if text.hasPrefix("/") {
            path = text[...]
        }
        if let path {
            // 107 bytes and a zero are what the kernel takes.
            guard path.hasPrefix("/"), path.utf8.count <= 107, !path.utf8.contains(0) else { return nil }
            self = .unix(String(path))
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            guard host.contains(":"), host.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." }) else { return nil }
        } else {
            let allowed = host.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == ".") }
            guard allowed, (1...253).contains(host.utf8.count), !host.hasPrefix("-") else { return nil }
        }
        self = .tcp(host: String(host), port: Int(port))
    }

    package var isUnix: Bool {
        if case .unix = self { true } else { false }
    }

    /// Whether nobody on a wire can listen in, so that it may be used without TLS.
    package var isOnThisHost: Bool {
        switch self {
        case .unix: true
        case .tcp(let host, _): host == "localhost" || host == "::1" || Self.isLoopback(host)
        }
    }

    /// 127.0.0.0/8, and no name that only begins like it.
    private static func isLoopback(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    package var description: String {
        switch self {
        case .unix(let path): "unix://\(path)"
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }
}
