// SPDX-License-Identifier: Apache-2.0

package import Gating
package import MeshModel
package import Planning

/// `POST /v1/nodes/{node}/check`: look at a node now.
package struct CheckRequest: Hashable, Sendable, Codable {
    package var topic: CheckTopic
    /// What the caller's plan requires of the node; empty to see facts only.
    package var checks: [PlannedCheck]
    package init(topic: CheckTopic, checks: [PlannedCheck]) {
        self.topic = topic
        self.checks = checks
    }
}

/// What was found, and how it stands against the plan.
package struct CheckReply: Hashable, Sendable, Codable {
    package var node: NodeID
    package var topic: CheckTopic
    /// False when the node's agent is not connected, or said nothing in time.
    package var answered: Bool
    /// From question to last answer.
    package var took: TimeSpan
    /// One for each question that was put; a question without an answer has the fact `unavailable`.
    package var evidence: [Evidence]
    /// One for each gate that the plan has on the node under this topic.
    package var gates: [CheckedGate]
    package init(node: NodeID, topic: CheckTopic, answered: Bool, took: TimeSpan, evidence: [Evidence], gates: [CheckedGate]) {
        self.node = node
        self.topic = topic
        self.answered = answered
        self.took = took
        self.evidence = evidence
        self.gates = gates
    }

    /// Everything was answered, and nothing of the plan holds.
    package var isGood: Bool {
        answered && gates.allSatisfy { $0.verdict == "pass" }
            && evidence.allSatisfy { $0.facts.allSatisfy { if case .unavailable = $0 { false } else { true } } }
    }
}

/// A gate on the node, judged on the answers alone.
package struct CheckedGate: Hashable, Sendable, Codable {
    package var gate: GateID
    package var title: String
    /// `pass`, `hold`, `deny` or `unknown`.
    package var verdict: String
    package var reasons: [Reason]
    /// Steps of the plan that wait for what does not pass; empty when all passes.
    package var steps: [StepID]
    package init(gate: GateID, title: String, verdict: String, reasons: [Reason], steps: [StepID]) {
        self.gate = gate
        self.title = title
        self.verdict = verdict
        self.reasons = reasons
        self.steps = steps
    }
}
