// SPDX-License-Identifier: Apache-2.0

package import Gating
package import MeshModel
package import Planning

/// What happened: the append-only truth. Replaying all entries gives the state again; nothing else does.
///
/// The names of cases and labels are the stored form: they are never reused for another meaning, and a new label is optional.
package enum JournalEntry: Hashable, Sendable, Codable {
    /// A coordinator took over under a new epoch. `boot` is its machine's boot: ages across two boots mean nothing.
    case coordinatorStarted(epoch: Generation, boot: BootID)
    case runStarted(run: RunID, plan: Plan, by: String)
    case evidenceTaken(Evidence)
    /// The same facts as before, seen again.
    case evidenceRenewed(key: EvidenceKey, takenAt: Moment)
    case warrantTaken(step: StepID, id: WarrantID, notAfter: Timestamp, envelope: WarrantEnvelope)
    case overrideGranted(GateOverride)
    case stepHeld(step: StepID, verdict: Verdict)
    /// Done already: nothing was changed.
    case stepSkipped(step: StepID)
    /// The intent. It is durable before anybody acts on it.
    case stepStarted(step: StepID, attempt: Int)
    /// What the tool or the agent said. Not yet believed.
    case stepReported(step: StepID, attempt: Int, outcome: Outcome)
    /// The world was looked at and agrees.
    case stepFinished(step: StepID, attempt: Int)
    case stepFailed(step: StepID, attempt: Int, problem: String)
    /// The outcome of an interrupted attempt is not known; it is settled by looking.
    case stepUnsettled(step: StepID, attempt: Int)
    /// Looked at after an interruption: not done, and safe to do again.
    case stepReturned(step: StepID, attempt: Int)
    /// Of a step that has begun, what its gates had found good is so no more.
    case stepRegressed(step: StepID, verdict: Verdict)
    /// It is good again.
    case stepRecovered(step: StepID)
    case runFinished(run: RunID, ending: RunEnding)
    case bootSeen(node: NodeID, boot: BootID)
    case agentEnrolled(node: NodeID, serial: String, by: String)
    case agentRevoked(node: NodeID, serial: String, by: String, reason: String)
    case alarm(subject: Subject, text: String)

    private enum EvidenceTakenCodingKeys: String, CodingKey { case _0 = "evidence" }
    private enum OverrideGrantedCodingKeys: String, CodingKey { case _0 = "override" }
}

/// How a driver or an agent says an attempt ended.
package enum Outcome: Hashable, Sendable, Codable {
    case succeeded(String)
    case failed(String)
    /// It was refused before anything was done.
    case refused(String)
    case unknown(String)

    private enum SucceededCodingKeys: String, CodingKey { case _0 = "words" }
    private enum FailedCodingKeys: String, CodingKey { case _0 = "words" }
    private enum RefusedCodingKeys: String, CodingKey { case _0 = "words" }
    private enum UnknownCodingKeys: String, CodingKey { case _0 = "words" }

    package var words: String {
        switch self {
        case .succeeded(let text): text
        case .failed(let text): text
        case .refused(let text): text
        case .unknown(let text): text
        }
    }
}

package enum RunEnding: String, Hashable, Sendable, Codable { case succeeded, failed, stopped }

/// A person's decision to pass one gate of one step although it does not open: named, reasoned, expiring. Never for a wipe.
package struct GateOverride: Hashable, Sendable, Codable {
    package var step: StepID
    package var gate: GateID
    package var by: String
    package var reason: String
    package var until: Timestamp
    package init(step: StepID, gate: GateID, by: String, reason: String, until: Timestamp) {
        self.step = step
        self.gate = gate
        self.by = by
        self.reason = reason
        self.until = until
    }
}

/// An entry with its place in the chain.
package struct JournalRecord: Hashable, Sendable, Codable {
    /// 1 for the first.
    package var sequence: UInt64
    package var at: Moment
    package var entry: JournalEntry
    package init(sequence: UInt64, at: Moment, entry: JournalEntry) {
        self.sequence = sequence
        self.at = at
        self.entry = entry
    }
}
