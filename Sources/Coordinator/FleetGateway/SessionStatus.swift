// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// One live session as seen now.
package struct SessionStatus: Hashable, Sendable {
    /// Grows with each session of this gateway; tells a session from the next one of the same node.
    package var number: UInt64
    package var peer: SessionPeer
    /// Address and port of the other end.
    package var from: String
    package var since: Moment
    package var agentVersion: String
    package var bootID: BootID
    package var installation: String
    package var acknowledged: JournalHead
    /// The number that the agent's next report had at Hello; a lower one than before means that its state was rolled back.
    package var nextReport: UInt64
    /// Reports that the agent's outbox had to drop so far.
    package var droppedReports: UInt64
    /// Bytes of tasks that wait for the socket.
    package var queuedBytes: Int
    /// Reports that wait for the inbox.
    package var waitingReports: Int
    /// How long ago the last byte came.
    package var silence: Duration
    package var node: NodeID { peer.node }
}

/// Why a session ended.
package enum SessionEnd: Hashable, Sendable, CustomStringConvertible {
    case left
    case silent(Duration)
    case turnedAway(String)
    case broken(String)
    case misbehaved(String)
    case replaced
    case disconnected(String)
    case inboxFailed(String)
    case stopping

    package var description: String {
        switch self {
        case .left: "the agent closed the connection"
        case .silent(let time): "nothing was heard for \(time.briefly)"
        case .turnedAway(let why): why
        case .broken(let why): "the connection broke: \(why)"
        case .misbehaved(let why): why
        case .replaced: "the same node came back while this connection gave no sign of life"
        case .disconnected(let why): why
        case .inboxFailed(let why): "a report could not be recorded: \(why)"
        case .stopping: "the coordinator stops"
        }
    }
}

/// What became of a task that was to be sent.
package enum DispatchOutcome: Hashable, Sendable {
    /// Handed to the node's connection. Nothing is promised: the caller waits for the report until the task's deadline.
    case sent
    case notConnected
    /// The node does not read its tasks; try again later.
    case queueFull
}
