// SPDX-License-Identifier: Apache-2.0

package import AgentCore
package import MeshModel

/// Carries out one admitted order. Called concurrently; cancelled when the agent stops. It never throws: what went wrong is a result.
package protocol TaskHandler: Sendable {
    /// `progress` may be told at any time, and as often as is worth showing; what it is told is never kept.
    func perform(_ task: NodeTask, progress: @escaping @Sendable (TaskProgress) -> Void) async -> TaskReport.Result
    /// Whether this agent can do such an order at all; others are refused as `unsupported`.
    func supports(_ order: NodeTask.Order) -> Bool
    /// Tells unasked what changed on this host, as the whole answer to a probe of that kind, until it is cancelled or has nothing to watch. Each
    /// telling replaces the one before.
    func watch(_ tell: @escaping @Sendable (ProbeKind, [Fact]) -> Void) async
}

extension TaskHandler {
    /// Everything, unless told otherwise.
    package func supports(_ order: NodeTask.Order) -> Bool { true }
    /// Nothing, unless told otherwise.
    package func watch(_ tell: @escaping @Sendable (ProbeKind, [Fact]) -> Void) async {}
}

/// Keeps reports over a restart of the agent. After `save` returns, the outbox is on disk.
package protocol OutboxStore: Sendable {
    /// `nil` when nothing was ever saved.
    func load() throws -> Outbox?
    func save(_ outbox: Outbox) throws
}

/// What an agent must not forget between starts.
package struct AgentState: Hashable, Sendable {
    /// The highest epoch that was obeyed.
    package var epoch: Generation
    /// The end of the journal at the last acknowledgement.
    package var acknowledged: JournalHead
    /// Random, made with the state: a clone of the disk has the same one.
    package var installation: String
    package init(epoch: Generation, acknowledged: JournalHead, installation: String) {
        self.epoch = epoch
        self.acknowledged = acknowledged
        self.installation = installation
    }
}

/// Keeps `AgentState`. After `save` returns, it is on disk.
package protocol AgentStateStore: Sendable {
    /// `nil` when nothing was ever saved.
    func load() throws -> AgentState?
    func save(_ state: AgentState) throws
}

/// What the link tells its surroundings, for logs and the agent's health page.
package enum LinkEvent: Hashable, Sendable {
    case connecting(Endpoint)
    case live(Endpoint, epoch: Generation)
    case refused(Endpoint, code: String, words: String)
    case lost(Endpoint, why: String)
    case waiting(Duration)
    case performed(TaskID)
    case dropped(reports: UInt64)
    case storageFailed(String)
}
