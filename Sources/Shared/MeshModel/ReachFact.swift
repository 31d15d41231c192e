// SPDX-License-Identifier: Apache-2.0

/// Where a node should be able to connect to.
package struct ReachTarget: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    /// The node that owns the address, for messages.
    package var node: NodeID
    package var address: IPAddress
    package var port: UInt16
    package init(node: NodeID, address: IPAddress, port: UInt16) {
        self.node = node
        self.address = address
        self.port = port
    }
    package static func < (left: Self, right: Self) -> Bool {
        (left.node, left.address, left.port) < (right.node, right.address, right.port)
    }
    package var description: String { "\(node) (\(address), TCP \(port))" }
}

/// What became of one TCP connect.
package struct ReachFact: Hashable, Sendable, Codable {
    package enum Result: String, Hashable, Sendable, Codable {
        case connected, refused, timedOut, unreachable, failed
    }
    package var target: ReachTarget
    package var result: Result
    package var attempts: Int
    /// Of the attempt that connected.
    package var roundTrip: TimeSpan?
    package init(target: ReachTarget, result: Result, attempts: Int, roundTrip: TimeSpan?) {
        self.target = target
        self.result = result
        self.attempts = attempts
        self.roundTrip = roundTrip
    }
}
