// SPDX-License-Identifier: Apache-2.0

/// Where a cluster's clustermesh API server is spoken to by TLS, and under which name.
package struct HandshakeTarget: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Whose server it is.
    package var cluster: ClusterName
    package var address: IPAddress
    package var port: UInt16
    /// The name that it has to prove, such as `west.mesh.cilium.io`.
    package var serverName: String

    package init(cluster: ClusterName, address: IPAddress, port: UInt16, serverName: String) {
        self.cluster = cluster
        self.address = address
        self.port = port
        self.serverName = serverName
    }

    /// In bytes (RFC 1035).
    package static let longestName = 253

    package static func < (left: Self, right: Self) -> Bool {
        (left.cluster, left.address, left.port, left.serverName) < (right.cluster, right.address, right.port, right.serverName)
    }

    package var endpoint: String { address.family == .v6 ? "[\(address)]:\(port)" : "\(address):\(port)" }
    package var description: String { "\(cluster) (\(endpoint), \(serverName))" }
}

/// As JSON it is one short text, because plans of large meshes name many: `west 192.168.20.21 32380 west.mesh.cilium.io`.
extension HandshakeTarget: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        let words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard words.count == 4, let cluster = ClusterName(words[0]), let address = IPAddress(words[1]), let port = UInt16(words[2]),
            port > 0,
            (1...Self.longestName).contains(words[3].utf8.count)
        else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\"\(text)\" is not CLUSTER ADDRESS PORT NAME")
        }
        self.init(cluster: cluster, address: address, port: port, serverName: words[3])
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode("\(cluster) \(address) \(port) \(serverName)")
    }
}

/// A certificate that a server has shown. Texts come from that server; they are bounded and printable, and that is all that is known of them.
package struct ShownCertificate: Hashable, Sendable, Codable {
    /// SHA-256 of the DER.
    package var fingerprint: Digest
    package var subject: String
    package var issuer: String
    /// Which key of the issuer has signed it, in hex, as the certificate says.
    package var issuerKey: String?
    /// The first of the names and addresses that it is for, wildcards included.
    package var names: [String]
    package var namesLeftOut: Int
    package var notBefore: Timestamp
    package var notAfter: Timestamp
    /// May be shown by a server.
    package var servesServers: Bool

    package init(
        fingerprint: Digest, subject: String, issuer: String, issuerKey: String?, names: [String], namesLeftOut: Int, notBefore: Timestamp,
        notAfter: Timestamp, servesServers: Bool
    ) {
        self.fingerprint = fingerprint
        self.subject = subject
        self.issuer = issuer
        self.issuerKey = issuerKey
        self.names = names
        self.namesLeftOut = namesLeftOut
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.servesServers = servesServers
    }

    package static let mostNames = 16
    /// Of each text, in bytes.
    package static let longestText = 256
}

/// What became of one TLS handshake. No bytes of the server are kept, and nothing was told it but the name.
package struct HandshakeFact: Hashable, Sendable, Codable {
    package enum Outcome: String, Hashable, Sendable, Codable, CaseIterable {
        /// The server has shown a certificate and proven that it has the key.
        case shaken
        // no connection
        case refused, timedOut, unreachable, failed
        // a connection, and then:
        /// Not everything came in time.
        case stalled
        /// Something else than TLS.
        case notTLS
        /// TLS that came to no end.
        case broken
    }
    package var target: HandshakeTarget
    package var outcome: Outcome
    /// What happened, where it is more than the outcome says.
    package var problem: String?
    /// `TLSv1.3`
    package var version: String?
    /// The server asks for a client certificate, as etcd does; none was shown.
    package var wantsClientCertificate: Bool
    package var leaf: ShownCertificate?
    /// Of the authorities that the order carried, the fingerprints of those that the certificate leads to, dates aside.
    package var trusted: [Digest]
    /// It is for the name that was asked for.
    package var provesName: Bool
    package var took: TimeSpan

    package init(
        target: HandshakeTarget, outcome: Outcome, problem: String? = nil, version: String? = nil, wantsClientCertificate: Bool = false,
        leaf: ShownCertificate? = nil, trusted: [Digest] = [], provesName: Bool = false, took: TimeSpan = TimeSpan(.zero)
    ) {
        self.target = target
        self.outcome = outcome
        self.problem = problem
        self.version = version
        self.wantsClientCertificate = wantsClientCertificate
        self.leaf = leaf
        self.trusted = trusted
        self.provesName = provesName
        self.took = took
    }

    /// How many authorities one order may carry: those of the clusters, and of a mesh that changes from one to another some more.
    package static let mostAnchors = 32
    /// How many servers are spoken to for one order.
    package static let mostTargets = 512

    /// How long it took is no news.
    func says(sameAs other: HandshakeFact) -> Bool {
        var other = other
        other.took = took
        return self == other
    }
}

extension HandshakeFact {
    /// What keeps a client from going on, in the order in which a client finds out.
    package enum Fault: Hashable, Sendable {
        /// There is nobody to be spoken to.
        case noAnswer(String)
        /// Somebody answers who speaks no TLS, or not to its end.
        case noHandshake(String)
        case otherAuthority
        case otherName
        case notForServers
        case notYetValid
        case ended
    }

    /// Everything that is wrong for a client that trusts these authorities.
    package func faults(trusting anchors: some Collection<Digest>, now: Timestamp) -> [Fault] {
        let more = problem.map { ": \($0)" } ?? ""
        switch outcome {
        case .refused: return [.noAnswer("the connection is refused")]
        case .timedOut: return [.noAnswer("nothing answers")]
        case .unreachable: return [.noAnswer("there is no route")]
        case .failed: return [.noAnswer("no connection could be made" + more)]
        case .stalled: return [.noHandshake("it accepts the connection and then says too little" + more)]
        case .notTLS: return [.noHandshake("it does not speak TLS" + more)]
        case .broken: return [.noHandshake("its handshake comes to no end" + more)]
        case .shaken: break
        }
        guard let leaf else { return [.noHandshake("it shows no certificate")] }
        var faults: [Fault] = []
        if !anchors.contains(where: trusted.contains) { faults.append(.otherAuthority) }
        if !provesName { faults.append(.otherName) }
        if !leaf.servesServers { faults.append(.notForServers) }
        if now < leaf.notBefore { faults.append(.notYetValid) }
        if now > leaf.notAfter { faults.append(.ended) }
        return faults
    }
}
