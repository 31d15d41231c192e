// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Who hears what the fleet says. The calls about one session come one at a time and in order; those of different sessions come at once.
package protocol FleetInbox: Sendable {
    /// The session is live from now on.
    func sessionOpened(_ session: SessionStatus) async
    /// Comes once for every `sessionOpened`, after the session's last report.
    func sessionClosed(_ session: SessionStatus, why: SessionEnd) async
    /// Makes the report durable and returns the end of the journal with it; only then does the acknowledgement leave. The same report may come
    /// again (same node and sequence) and is then only answered. An error closes the session, and the agent will send the report again.
    func reported(_ report: TaskReport, receivedAt: Moment) async throws -> JournalHead
    /// How far an order of the node has come. It comes straight from the event loop: it must not wait, and what it tells may be lost.
    func progressed(_ progress: TaskProgress, of node: NodeID)
    /// Something that a person should know.
    func alarm(_ alarm: FleetAlarm) async
}

/// What the gateway asks of the authority when an agent without a certificate comes.
package protocol Enroller: Sendable {
    /// Spends the token and issues a certificate for the key in the request. `presentedKey` is the key that the TLS handshake proved; the gateway
    /// has compared it with the request's. `from` is the peer's address, for the record.
    func enrol(token: String, node: NodeID, csr: [UInt8], presentedKey: Digest, from: String) async -> Result<
        IssuedIdentity, EnrolmentRefusal
    >
}

/// A new agent's certificate and the roots it shall trust, DER.
package struct IssuedIdentity: Hashable, Sendable {
    /// Leaf first.
    package var chain: [[UInt8]]
    package var roots: [[UInt8]]
    package init(chain: [[UInt8]], roots: [[UInt8]]) {
        self.chain = chain
        self.roots = roots
    }
}

/// Why an agent may not join. The words reach the agent's administrator; they tell no secrets.
package struct EnrolmentRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// A short word such as `unknownToken`.
    package var code: String
    package var words: String
    package init(code: String, words: String) {
        self.code = code
        self.words = words
    }
    package var description: String { "\(words) (\(code))" }
}

/// What the journal says about the head that an agent remembers.
package enum HeadVerdict: Hashable, Sendable {
    /// The journal holds an entry of this number and hash.
    case agrees
    /// The journal cannot say, for example because it was shortened on purpose; the session goes on and an alarm is raised.
    case unknown
    /// The journal is another one, or ends before it: acknowledged evidence is missing. The session is refused. The text says what differs.
    case forked(String)
}

/// What a person should know about the fleet.
package enum FleetAlarm: Hashable, Sendable, CustomStringConvertible {
    /// A second agent came with a live node's key. The newer one was refused; whether the key was stolen is for a person to say.
    case duplicateSession(NodeID, live: String, refused: String)
    /// An agent remembers a journal that this coordinator does not have.
    case forkedJournal(NodeID, remembered: JournalHead, problem: String)
    case unknownHead(NodeID, remembered: JournalHead)
    /// An agent has obeyed a later epoch: another coordinator is or was acting.
    case overtaken(NodeID, agent: Generation, ours: Generation)
    /// An agent spoke in another node's name.
    case foreignNode(NodeID, claimed: NodeID, from: String)
    /// A live session was cut because its certificate is revoked or has expired.
    case turnedAway(NodeID, String)
    /// An enrolled agent sent what no agent of ours sends.
    case malformed(NodeID, String)

    package var description: String {
        switch self {
        case .duplicateSession(let node, let live, let refused):
            "a second agent with the key of \(node) came from \(refused) while the one from \(live) is alive; one of them may be a thief or a clone: "
                + "revoke the certificate and join the node again"
        case .forkedJournal(let node, let head, let problem):
            "\(node) remembers journal entry \(head.sequence) with hash \(head.hash.short), and ours differs: \(problem); "
                + "was the journal restored from an old copy?"
        case .unknownHead(let node, let head):
            "\(node) remembers journal entry \(head.sequence) and our journal cannot say whether it had it"
        case .overtaken(let node, let agent, let ours):
            "\(node) has obeyed epoch \(agent) and ours is \(ours): another coordinator is acting, or our state is old"
        case .foreignNode(let node, let claimed, let from):
            "the agent of \(node) at \(from) spoke in the name of \(claimed); its session was closed"
        case .turnedAway(let node, let why): "the session of \(node) was cut: \(why)"
        case .malformed(let node, let problem): "the agent of \(node) sent what cannot be read: \(problem)"
        }
    }
}
