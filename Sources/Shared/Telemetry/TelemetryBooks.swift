// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// What became of the events of one source or stream: produced = delivered + lost by reason + pending, always.
package struct TelemetryAccount: Hashable, Sendable {
    /// Every event that the source told of, lost ones too.
    package var produced: UInt64
    /// Events that are in the coordinator's store.
    package var delivered: UInt64
    package var lost: [LossReason: UInt64]

    package init(produced: UInt64 = 0, delivered: UInt64 = 0, lost: [LossReason: UInt64] = [:]) {
        self.produced = produced
        self.delivered = delivered
        self.lost = lost
    }

    package var lostInAll: UInt64 { lost.values.reduce(0, +|) }
    /// Events whose fate is not known yet: in the agent's memory, in its spool or on the way.
    package var pending: UInt64 {
        let settled = delivered +| lostInAll
        return produced > settled ? produced - settled : 0
    }
    /// False when more was settled than was produced, which no honest sequence of numbers can bring about.
    package var isBalanced: Bool { delivered +| lostInAll <= produced }

    package mutating func add(_ other: TelemetryAccount) {
        produced = produced +| other.produced
        delivered = delivered +| other.delivered
        for (reason, count) in other.lost { lost[reason, default: 0] = lost[reason, default: 0] +| count }
    }
}

/// The accounts of every node and source, as the coordinator shows them.
package struct TelemetryBooks: Hashable, Sendable {
    package struct Key: Hashable, Comparable, Sendable {
        package var node: NodeID
        package var source: TelemetrySource
        package init(node: NodeID, source: TelemetrySource) {
            self.node = node
            self.source = source
        }
        package static func < (left: Self, right: Self) -> Bool { (left.node, left.source) < (right.node, right.source) }
    }

    package private(set) var accounts: [Key: TelemetryAccount]
    package init(accounts: [Key: TelemetryAccount] = [:]) { self.accounts = accounts }

    package mutating func add(_ account: TelemetryAccount, node: NodeID, source: TelemetrySource) {
        accounts[Key(node: node, source: source), default: TelemetryAccount()].add(account)
    }

    package mutating func merge(_ other: TelemetryBooks) {
        for (key, account) in other.accounts { accounts[key, default: TelemetryAccount()].add(account) }
    }

    /// Everything together.
    package var total: TelemetryAccount { accounts.values.reduce(into: TelemetryAccount()) { $0.add($1) } }
    package var isBalanced: Bool { accounts.values.allSatisfy(\.isBalanced) }
}
