// SPDX-License-Identifier: Apache-2.0

/// A way over the network to another node, and what it has to carry.
package struct PathTarget: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The node that owns the address.
    package var node: NodeID
    package var address: IPAddress
    /// The UDP port that datagrams have to get through to; absent where nobody answers there, and only ICMP and TCP 4240 are tried.
    package var port: UInt16?
    /// The largest IP packet in bytes that has to get through in one piece.
    package var mtu: Int

    package init(node: NodeID, address: IPAddress, port: UInt16?, mtu: Int) {
        self.node = node
        self.address = address
        self.port = port
        self.mtu = mtu
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.node, left.address, left.port ?? 0, left.mtu) < (right.node, right.address, right.port ?? 0, right.mtu)
    }

    package var description: String { "\(node) (\(address)\(port.map { ", UDP \($0)" } ?? ""))" }

    /// Once a kernel's own tunnel holds a port, nobody else can answer there: the next one is used then.
    package static func substitute(for port: UInt16) -> UInt16 { port == .max ? port - 1 : port + 1 }

    /// What IP and UDP put before a datagram's own bytes.
    package static func headers(_ family: IPAddress.Family) -> Int { family == .v4 ? 28 : 48 }
    /// Sizes that can be asked for: from what every IP network must carry on.
    package static let sizes = 576...65_535
}

/// As JSON it is one short text, because plans of large meshes name many ways: `wrk-e-1 192.168.15.21 8472 1500`, or `-` for no port.
extension PathTarget: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        let words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard words.count == 4, let node = NodeID(words[0]), let address = IPAddress(words[1]), let mtu = Int(words[3]),
            Self.sizes.contains(mtu)
        else { throw Self.malformed(text, container) }
        guard words[2] != "-" else {
            self.init(node: node, address: address, port: nil, mtu: mtu)
            return
        }
        guard let port = UInt16(words[2]), port > 0 else { throw Self.malformed(text, container) }
        self.init(node: node, address: address, port: port, mtu: mtu)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode("\(node) \(address) \(port.map { String($0) } ?? "-") \(mtu)")
    }

    private static func malformed(_ text: String, _ container: any SingleValueDecodingContainer) -> DecodingError {
        .dataCorruptedError(in: container, debugDescription: "\"\(text)\" is not NODE ADDRESS PORT MTU")
    }
}

/// For a short time a node answers datagrams that carry this token, on one address and port. The token makes it answer nobody else.
package struct EchoWindow: Hashable, Sendable, Codable {
    package var token: Digest
    /// The address of the node's own to answer on.
    package var address: IPAddress
    package var port: UInt16
    /// From when the order arrives; `longest` at most.
    package var lasts: TimeSpan
    package static let longest = TimeSpan(.seconds(30))

    package init(token: Digest, address: IPAddress, port: UInt16, lasts: TimeSpan) {
        self.token = token
        self.address = address
        self.port = port
        self.lasts = lasts
    }
}

/// What one way over the network was found to do.
package struct PathFact: Hashable, Sendable, Codable {
    /// What became of the datagrams.
    package struct Echo: Hashable, Sendable, Codable {
        /// The port that answered: the planned one or its substitute.
        package var port: UInt16
        package var sent: Int
        package var received: Int
        /// Round trips in microseconds: half of them, and 99 of 100, took no longer.
        package var median: Int
        package var slowest: Int
        /// The address that the datagrams left with.
        package var local: IPAddress
        /// The address that the other end saw them come from.
        package var seen: IPAddress
        /// The largest packets in bytes that got there, and that came back, of those up to the asked size.
        package var there: Int
        package var back: Int

        package init(
            port: UInt16, sent: Int, received: Int, median: Int, slowest: Int, local: IPAddress, seen: IPAddress, there: Int, back: Int
        ) {
            self.port = port
            self.sent = sent
            self.received = received
            self.median = median
            self.slowest = slowest
            self.local = local
            self.seen = seen
            self.there = there
            self.back = back
        }

        /// One in a hundred may be lost.
        package var isSound: Bool { received * 100 >= sent * 99 }
    }

    package var target: PathTarget
    /// Absent when no datagram was answered, or none was to be sent.
    package var echo: Echo?
    /// Whether an ICMP echo was answered.
    package var pinged: Bool
    /// What became of a TCP connect to the port of Cilium's health checks; `refused` shows that the way is open.
    package var health: ReachFact.Result
    /// What the own kernel said to the sending, when it refused.
    package var problem: String?

    package init(target: PathTarget, echo: Echo?, pinged: Bool, health: ReachFact.Result, problem: String? = nil) {
        self.target = target
        self.echo = echo
        self.pinged = pinged
        self.health = health
        self.problem = problem
    }

    /// The TCP port of Cilium's health checks.
    package static let healthPort: UInt16 = 4240

    /// Round trips, and a datagram more or less, are no news.
    func says(sameAs other: PathFact) -> Bool {
        guard var theirs = other.echo, let mine = echo, mine.isSound == theirs.isSound else { return self == other }
        (theirs.sent, theirs.received, theirs.median, theirs.slowest) = (mine.sent, mine.received, mine.median, mine.slowest)
        var other = other
        other.echo = theirs
        return self == other
    }
}
