// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import Telemetry

/// What an agent says on the feed. The value form of `WireAgentFeedFrame`.
package enum AgentFeedFrame: Hashable, Sendable {
    case hello(FeedHello)
    /// A batch as its bytes lie in the spool; `ordinal` counts them on this connection.
    case batch(ordinal: UInt64, [UInt8])
    case statement(number: UInt64, SpoolStatement)
}

/// What the coordinator says on the feed. The value form of `WireCoordinatorFeedFrame`.
package enum CoordinatorFeedFrame: Hashable, Sendable {
    case welcome(FeedWelcome)
    /// The batch need not come again; `refusal` says why it was not taken.
    case acknowledged(ordinal: UInt64, refusal: String?, credit: FeedCredit?)
    case rejected(Rejected)
    case taken(number: UInt64)
}

/// Who an agent says it is, at the beginning of its feed.
package struct FeedHello: Hashable, Sendable {
    package var agentVersion: String
    package var node: NodeID
    package var boot: BootID
    package init(agentVersion: String, node: NodeID, boot: BootID) {
        self.agentVersion = agentVersion
        self.node = node
        self.boot = boot
    }
}

/// The coordinator's answer to it.
package struct FeedWelcome: Hashable, Sendable {
    package var credit: FeedCredit
    /// How often a statement is expected.
    package var statement: Duration
    /// After how long without any byte the other side counts as dead.
    package var patience: Duration
    package init(credit: FeedCredit, statement: Duration, patience: Duration) {
        self.credit = credit
        self.statement = statement
        self.patience = patience
    }
}

/// What may be on the way at once: batches that are sent and not acknowledged.
package struct FeedCredit: Hashable, Sendable {
    package var batches: Int
    package var bytes: Int
    package init(batches: Int = 16, bytes: Int = 4 << 20) {
        self.batches = batches
        self.bytes = bytes
    }
}
