// SPDX-License-Identifier: Apache-2.0

/// Something outside of the mesh that a host needs, as mesh.yaml names it.
package struct OutsideTarget: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    package enum Kind: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
        /// The host's own resolver finds an address.
        case name
        /// It answers with a time that it believes in itself (SNTP).
        case time
        /// It takes a TCP connection: where images come from.
        case registry
        package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }
    package var kind: Kind
    package var host: HostName
    /// Of a registry; the others have their own.
    package var port: UInt16?

    package init(_ kind: Kind, _ host: HostName, port: UInt16? = nil) {
        self.kind = kind
        self.host = host
        self.port = port
    }

    /// Where SNTP is asked.
    package static let timePort: UInt16 = 123

    package var description: String {
        switch kind {
        case .name: "the name \(host)"
        case .time: "time server \(host)"
        case .registry: "registry \(host)" + (port.map { ":\($0)" } ?? "")
        }
    }
    package static func < (left: Self, right: Self) -> Bool {
        (left.kind, left.host, left.port ?? 0) < (right.kind, right.host, right.port ?? 0)
    }
}

/// What became of asking for it.
package struct OutsideFact: Hashable, Sendable, Codable {
    package enum Result: String, Hashable, Sendable, Codable, CaseIterable {
        case answered
        /// The resolver says that there is no such name, or nothing at all.
        case unresolved
        case timedOut, refused, unreachable
        /// A time server that does not know the time itself.
        case unsynchronised
        case failed
    }
    package var target: OutsideTarget
    package var result: Result
    /// The address that answered, or the last one that was tried.
    package var address: IPAddress?
    /// In the words of the resolver or of the kernel.
    package var detail: String?

    package init(target: OutsideTarget, result: Result, address: IPAddress? = nil, detail: String? = nil) {
        self.target = target
        self.result = result
        self.address = address
        self.detail = detail
    }

    /// Which of several addresses answered is no news.
    func says(sameAs other: OutsideFact) -> Bool { target == other.target && result == other.result }
}
