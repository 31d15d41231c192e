// SPDX-License-Identifier: Apache-2.0

package import Gating
package import MeshModel
import Planning
package import Running

/// A journal record as the outward stream tells it: the same for NDJSON and SSE. The journal's own form is no promise to readers; this is.
package struct FeedEvent: Hashable, Sendable {
    package let sequence: UInt64
    package let time: Timestamp
    /// The kind of entry, such as `stepHeld`.
    package let kind: String
    package let run: RunID?
    package let step: StepID?
    package let node: NodeID?
    package let cluster: ClusterName?
    package let attempt: Int?
    /// Who asked for it, when a person did.
    package let by: String?
    /// Why a step is held.
    package let reasons: [Reason]
    /// One sentence for people.
    package let text: String

    /// - Parameter run: the run that was going on when the record was made.
    package init(_ record: JournalRecord, run: RunID?) {
        let facts = Facts(record.entry)
        sequence = record.sequence
        time = record.at.wall
        kind = facts.kind
        self.run = facts.run ?? (facts.step == nil ? nil : run)
        step = facts.step
        let parts = facts.step?.text.split(separator: "/").map(String.init) ?? []
        let place = parts.first == "mesh" ? [] : parts
        node = facts.node ?? (place.count > 2 ? NodeID(place[1]) : nil)
        cluster = facts.cluster ?? place.first.flatMap(ClusterName.init)
        attempt = facts.attempt
        by = facts.by
        reasons = facts.reasons
        text = facts.text
    }
}

/// The event of one record as one line of JSON, with its newline.
package func eventJSON(_ record: JournalRecord, run: RunID? = nil) -> String { FeedEvent(record, run: run).json + "\n" }

extension FeedEvent {
    /// One line of JSON without its newline.
    package var json: String {
        var object = JSONText()
        object.add("seq", sequence)
        object.add("time", time.description)
        object.add("kind", kind)
        object.add("run", run?.text)
        object.add("step", step?.text)
        object.add("node", node?.text)
        object.add("cluster", cluster?.text)
        object.add("attempt", attempt)
        object.add("by", by)
        if !reasons.isEmpty { object.add("reasons", reasons.prefix(20).map(Self.json)) }
        object.add("text", text)
        return object.finished
    }

    private static func json(_ reason: Reason) -> JSONText {
        var object = JSONText()
        object.add("gate", reason.gate.rawValue)
        object.add("subject", reason.subject.description)
        object.add("code", reason.code.rawValue)
        object.add("detail", reason.detail)
        object.add("remedy", reason.remedy)
        object.add("since", reason.since?.description)
        return object
    }
}

/// What an entry holds, taken apart in one place.
private struct Facts {
    var kind: String
    var text: String
    var run: RunID?
    var step: StepID?
    var node: NodeID?
    var cluster: ClusterName?
    var attempt: Int?
    var by: String?
    var reasons: [Reason] = []

    init(_ entry: JournalEntry) {
        switch entry {
        case .coordinatorStarted(let epoch, _): self.init("coordinatorStarted", "the coordinator took over as epoch \(epoch)")
        case .runStarted(let run, let plan, let by):
            self.init("runStarted", "\(by) started run \(run): plan \(plan.digest.short), \(plan.steps.count) steps")
            self.run = run
            self.by = by
        case .evidenceTaken(let evidence):
            let facts = evidence.facts.count
            self.init("evidenceTaken", "\(evidence.probe.rawValue) of \(evidence.subject): \(facts) fact\(facts == 1 ? "" : "s")")
            place(evidence.subject)
        case .evidenceRenewed(let key, _):
            self.init("evidenceRenewed", "\(key.probe.rawValue) of \(key.subject): unchanged")
            place(key.subject)
        case .warrantTaken(let step, let id, let notAfter, _):
            self.init("warrantTaken", "warrant \(id) for \(step), good until \(notAfter)", step)
        case .overrideGranted(let override):
            let words =
                "\(override.by) passes gate \(override.gate.rawValue) of \(override.step) until \(override.until): \(override.reason)"
            self.init("overrideGranted", words, override.step)
            by = override.by
        case .stepHeld(let step, let verdict):
            let first = verdict.reasons.first.map { "\($0.gate.rawValue) \($0.detail)" } ?? "no reason given"
            let more = verdict.reasons.count > 1 ? " (and \(verdict.reasons.count - 1) more)" : ""
            self.init("stepHeld", "\(step) is held: \(first)\(more)", step)
            reasons = verdict.reasons
        case .stepSkipped(let step): self.init("stepSkipped", "\(step) is done already", step)
        case .stepStarted(let step, let attempt): self.init("stepStarted", "\(step) begins", step, attempt)
        case .stepReported(let step, let attempt, let outcome):
            self.init("stepReported", "\(step): \(Self.word(outcome)): \(outcome.words)", step, attempt)
        case .stepFinished(let step, let attempt): self.init("stepFinished", "\(step) is done and seen to be so", step, attempt)
        case .stepFailed(let step, let attempt, let problem): self.init("stepFailed", "\(step) failed: \(problem)", step, attempt)
        case .stepUnsettled(let step, let attempt):
            self.init("stepUnsettled", "\(step) was interrupted; what it left behind is looked at", step, attempt)
        case .stepReturned(let step, let attempt):
            self.init("stepReturned", "\(step) is not done and waits for another attempt", step, attempt)
        case .stepRegressed(let step, let verdict):
            let first = verdict.reasons.first.map { "\($0.gate.rawValue) \($0.detail)" } ?? "no reason given"
            let more = verdict.reasons.count > 1 ? " (and \(verdict.reasons.count - 1) more)" : ""
            self.init("stepRegressed", "the ground of \(step) has given way: \(first)\(more)", step)
            reasons = verdict.reasons
        case .stepRecovered(let step): self.init("stepRecovered", "the ground of \(step) is good again", step)
        case .runFinished(let run, let ending):
            self.init("runFinished", "run \(run) \(ending.rawValue)")
            self.run = run
        case .bootSeen(let node, let boot):
            self.init("bootSeen", "\(node) runs boot \(boot)")
            self.node = node
        case .agentEnrolled(let node, let serial, let by):
            self.init("agentEnrolled", "\(node) joined with certificate \(serial)")
            self.node = node
            self.by = by
        case .agentRevoked(let node, let serial, let by, let reason):
            self.init("agentRevoked", "\(by) revoked certificate \(serial) of \(node): \(reason)")
            self.node = node
            self.by = by
        case .alarm(let subject, let text):
            self.init("alarm", "\(subject): \(text)")
            place(subject)
        }
    }

    private init(_ kind: String, _ text: String, _ step: StepID? = nil, _ attempt: Int? = nil) {
        self.kind = kind
        self.text = text
        self.step = step
        self.attempt = attempt
    }

    private mutating func place(_ subject: Subject) {
        switch subject {
        case .mesh, .service: break
        case .cluster(let name): cluster = name
        case .node(let id): node = id
        }
    }

    private static func word(_ outcome: Outcome) -> String {
        switch outcome {
        case .succeeded: "reported as done"
        case .failed: "reported as failed"
        case .refused: "refused"
        case .unknown: "outcome unknown"
        }
    }
}
