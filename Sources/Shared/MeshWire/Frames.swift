// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// What an agent says. The value form of `WireAgentFrame`.
package enum AgentFrame: Hashable, Sendable {
    case join(Join)
    case hello(Hello)
    case report(TaskReport)
    case heartbeat(Heartbeat)
    /// How far an order has come; never acknowledged.
    case progress(TaskProgress)
}

/// What the coordinator says. The value form of `WireCoordinatorFrame`.
package enum CoordinatorFrame: Hashable, Sendable {
    case joined(Joined)
    case rejected(Rejected)
    case welcome(Welcome)
    case task(NodeTask)
    /// An order of a kind that this version does not know; it is answered with a refusal and nothing else happens.
    case unknownOrder(TaskID)
    case acknowledged(Acknowledged)
    case heartbeat(Heartbeat)
}

/// A request to become the agent of a node.
package struct Join: Hashable, Sendable {
    /// The one-time secret; never logged.
    package var token: String
    package var node: NodeID
    /// PKCS #10 in DER; only its public key counts.
    package var request: [UInt8]
    package init(token: String, node: NodeID, request: [UInt8]) {
        self.token = token
        self.node = node
        self.request = request
    }
}

/// The answer to a granted join: the agent's certificate and the roots it trusts from now on, DER.
package struct Joined: Hashable, Sendable {
    /// Leaf first.
    package var chain: [[UInt8]]
    package var roots: [[UInt8]]
    package init(chain: [[UInt8]], roots: [[UInt8]]) {
        self.chain = chain
        self.roots = roots
    }
}

/// The end of a session or of a join, with its reason. The code is for programs, the words are for people.
package struct Rejected: Hashable, Sendable, CustomStringConvertible {
    package var code: String
    package var words: String
    package init(code: String, words: String) {
        self.code = code
        self.words = words
    }
    package var description: String { "\(words) (\(code))" }
}

/// Who an agent says it is and where it stands.
package struct Hello: Hashable, Sendable {
    package var protocolVersion: UInt32
    package var agentVersion: String
    package var node: NodeID
    package var bootID: BootID
    /// Chosen at random when the agent's state was made; a clone has the same one.
    package var installation: String
    /// The end of the journal at the last acknowledgement.
    package var acknowledged: JournalHead
    /// The highest epoch that this agent obeyed.
    package var epoch: Generation
    /// The number that the next new report will get; it never goes back.
    package var nextReport: UInt64
    /// Reports that the outbox had to drop so far.
    package var droppedReports: UInt64
    package init(
        protocolVersion: UInt32 = LinkProtocol.version, agentVersion: String, node: NodeID, bootID: BootID, installation: String,
        acknowledged: JournalHead, epoch: Generation, nextReport: UInt64, droppedReports: UInt64
    ) {
        self.protocolVersion = protocolVersion
        self.agentVersion = agentVersion
        self.node = node
        self.bootID = bootID
        self.installation = installation
        self.acknowledged = acknowledged
        self.epoch = epoch
        self.nextReport = nextReport
        self.droppedReports = droppedReports
    }
}

/// The coordinator's answer to Hello; the session is live.
package struct Welcome: Hashable, Sendable {
    package var protocolVersion: UInt32
    package var epoch: Generation
    /// The boot id of the coordinator's machine.
    package var coordinatorBoot: BootID
    /// How often the agent asks for a sign of life.
    package var heartbeat: Duration
    /// After how long without any byte the other side counts as dead.
    package var patience: Duration
    package init(
        protocolVersion: UInt32 = LinkProtocol.version, epoch: Generation, coordinatorBoot: BootID, heartbeat: Duration, patience: Duration
    ) {
        self.protocolVersion = protocolVersion
        self.epoch = epoch
        self.coordinatorBoot = coordinatorBoot
        self.heartbeat = heartbeat
        self.patience = patience
    }
}

/// A sign of life, asked for or given.
package struct Heartbeat: Hashable, Sendable {
    package var number: UInt64
    /// True in the answer, which repeats the number.
    package var answer: Bool
    /// Reports that the agent's outbox had to drop so far; zero from the coordinator.
    package var droppedReports: UInt64
    package init(number: UInt64, answer: Bool, droppedReports: UInt64 = 0) {
        self.number = number
        self.answer = answer
        self.droppedReports = droppedReports
    }
}

/// A report is durable; `head` is the end of the journal with it.
package struct Acknowledged: Hashable, Sendable {
    package var sequence: UInt64
    package var head: JournalHead
    package init(sequence: UInt64, head: JournalHead) {
        self.sequence = sequence
        self.head = head
    }
}
