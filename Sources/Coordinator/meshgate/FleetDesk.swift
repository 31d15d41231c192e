// SPDX-License-Identifier: Apache-2.0

import FeedExport
import FleetGateway
import Gating
import Logging
import MeshModel
import MeshSystem
import Planning
import Running

/// Turns what the fleet says into inputs of the run, and returns only when they are durable: then the agent may forget.
struct FleetDesk: FleetInbox {
    let controller: RunController
    let released: @Sendable (EvidenceKey) -> Void
    let answers: AnswerDesk
    let seeds: SeedBook
    let echoes: EchoDesk
    let drifts = DriftBook()
    let progress: ProgressBoard
    let feed: EventFeed
    let now: NowSource
    let log: Logger

    func progressed(_ news: TaskProgress, of node: NodeID) {
        let moment = now()
        guard let (step, shown) = progress.take(news, of: node, machine: controller.snapshot, now: moment) else { return }
        feed.tell(FeedProgress(step: step, node: node, at: moment.wall, progress: shown))
    }

    func sessionOpened(_ session: SessionStatus) async {
        do {
            try await controller.submit(.booted(node: session.node, boot: session.bootID))
        } catch {
            log.error("a session's boot was not recorded", metadata: ["node": "\(session.node)", "error": "\(error)"])
        }
    }

    func sessionClosed(_ session: SessionStatus, why: SessionEnd) async {
        // What its agent was asked and has not answered is asked anew, when it is back.
        for probe in ProbeKind.allCases { released(EvidenceKey(.node(session.node), probe)) }
        log.info("session closed", metadata: ["node": "\(session.node)", "why": "\(why)"])
    }

    func reported(_ report: TaskReport, receivedAt: Moment) async throws -> JournalHead {
        let report = drifts.noted(report, receivedAt: receivedAt)
        answers.take(report)
        // It answers what one person asked in their own way, and is no answer to the run's question.
        if report.task.text.hasPrefix(AnswerDesk.privatePrefix) { return controller.head }
        if ProbeTask(report.task)?.purpose == .listen {
            echoes.listened(report)
            return controller.head
        }
        let takenAt = receivedAt.advanced(by: .zero - report.age.duration)
        switch report.result {
        case .facts(let facts): return try await evidence(report, facts, takenAt)
        case .refused(let refusal): return try await refused(report, refusal, takenAt)
        case .wiped(let wipe):
            // The account is evidence: counts, ranges and hashes stay in the journal, whatever becomes of the step.
            if wipeTask(of: report) != nil { try await controller.submit(.evidence(account(wipe, report, takenAt))) }
            return try await ended(report, Self.outcome(of: wipe))
        case .failed(let problem):
            if report.probe != nil { return try await evidence(report, [.unavailable(problem)], takenAt) }
            return try await ended(report, .failed(problem))
        }
    }

    func alarm(_ alarm: FleetAlarm) async {
        log.warning("fleet alarm", metadata: ["alarm": "\(alarm)"])
        do {
            try await controller.submit(.alarm(subject: alarm.subject, text: "\(alarm)"))
        } catch {
            log.error("alarm was not recorded", metadata: ["error": "\(error)"])
        }
    }

    private func evidence(_ report: TaskReport, _ facts: [Fact], _ takenAt: Moment) async throws -> JournalHead {
        guard let probe = report.probe else { return controller.head }
        // A proof is worth what its seed is: chosen here, for this question, after the wipe.
        if probe == .blankness, !facts.allSatisfy({ isAnswer($0, to: report.task) }) {
            let words = "the agent of \(report.node) sent a proof that nobody asked for in this way; it does not count"
            return try await controller.submit(.alarm(subject: .node(report.node), text: words))
        }
        if let words = setBack(report.node, facts) { try await controller.submit(.alarm(subject: .node(report.node), text: words)) }
        let evidence = Evidence(
            subject: .node(report.node), probe: probe, bootID: report.bootID, takenAt: takenAt, facts: facts, task: report.task)
        let head = try await controller.submit(.evidence(evidence))
        released(evidence.key)
        return head
    }

    private func refused(_ report: TaskReport, _ refusal: TaskRefusal, _ takenAt: Moment) async throws -> JournalHead {
        // An agent that does not know the kind of a question cannot name it.
        var report = report
        if report.probe == nil, case .probe(let kind)? = ProbeTask(report.task)?.purpose, kind.diesWithBoot, kind != .wipe {
            report.probe = kind
        }
        if report.probe != nil {
            return try await evidence(report, [.unavailable("the agent refused: \(refusal)")], takenAt)
        }
        log.warning("task refused", metadata: ["node": "\(report.node)", "task": "\(report.task)", "why": "\(refusal)"])
        let words = "\(report.node) refused: \(refusal)"
        switch refusal.code {
        // It may have been begun, or be under way at this moment: that is not "nothing was touched".
        case .busy, .warrantReused, .duplicate: return try await ended(report, .unknown(words))
        // The account was lost on its way, with a reboot or a restart; the host's own record says how it ended.
        case .warrantDone: return try await ended(report, .succeeded("\(report.node) has it on record as carried out to the end"))
        case .warrantFailed, .warrantInterrupted: return try await ended(report, .failed(words))
        // It is sent again by itself.
        case .overloaded: return controller.head
        case .wrongNode, .oldEpoch, .deadlinePassed, .unsupported, .warrantMissing, .warrantMalformed, .warrantSignature, .warrantExpired,
            .warrantNotYetValid, .warrantOtherNode, .disarmed, .signersMissing, .clockUnsure, .noSuchDisk, .ambiguousDisk, .notWholeDisk,
            .readOnly, .identityMismatch, .inUse, .fingerprintMismatch, .foreignContent, .onlyDisk, .tooLarge, .contentsMismatch,
            .storeMismatch, .storeFull, .tooPrivileged, .stopping, .locked:
            return try await ended(report, .refused(words))
        }
    }

    private func isAnswer(_ fact: Fact, to task: TaskID) -> Bool {
        switch fact {
        case .blankness(let proof): proof.seed == seeds.seed(of: task)
        case .unavailable: true
        default: false
        }
    }

    /// A record of spent warrants only grows. What another one, or a shorter one, means is for a person to find out.
    private func setBack(_ node: NodeID, _ facts: [Fact]) -> String? {
        func mark(_ facts: [Fact]) -> ReplayStoreMark? {
            facts.lazy.compactMap { if case .wiper(let wiper) = $0 { wiper.store } else { nil } }.first
        }
        guard let new = mark(facts), let old = mark(controller.snapshot.evidence.newest[EvidenceKey(.node(node), .disks)]?.facts ?? [])
        else { return nil }
        if new.id != old.id { return "its wiper keeps another replay store (\(new.id)) than before (\(old.id))" }
        return new.records < old.records
            ? "its replay store has \(new.records) records and had \(old.records): it was set back, with a snapshot or a backup" : nil
    }

    private func account(_ wipe: WipeReport, _ report: TaskReport, _ takenAt: Moment) -> Evidence {
        Evidence(
            subject: .node(report.node), probe: .wipe, bootID: report.bootID, takenAt: takenAt, facts: [.wipe(wipe)], task: report.task)
    }

    /// The wipe of the present run that this report is about; `nil` when there is none, or when it is not this node's.
    private func wipeTask(of report: TaskReport) -> StepTask? {
        guard let task = StepTask(report.task), let run = controller.snapshot.run, run.id == task.run,
            case .wipe(let node, _, _, nil)? = run[task.step]?.step.action, node == report.node
        else { return nil }
        return task
    }

    /// An agent ends the wipe that it was ordered to do and nothing else: another node's step, or one that a tool carries out, is not its
    /// business. A report of a task that nobody waits for is acknowledged all the same, or it would come for ever.
    private func ended(_ report: TaskReport, _ outcome: Outcome) async throws -> JournalHead {
        guard let task = StepTask(report.task), let run = controller.snapshot.run, run.id == task.run else { return controller.head }
        guard wipeTask(of: report) != nil else {
            let words = "the agent of \(report.node) reported on \(task.step), which is not its step; revoke it if you did not expect that"
            log.warning("foreign report", metadata: ["node": "\(report.node)", "task": "\(report.task)"])
            return try await controller.submit(.alarm(subject: .node(report.node), text: words))
        }
        return try await controller.submit(.outcome(run: task.run, step: task.step, attempt: task.attempt, outcome))
    }

    static func outcome(of wipe: WipeReport) -> Outcome {
        let counts =
            "\(wipe.areas.count) areas, \(wipe.bytesWritten) bytes written, \(wipe.bytesVerified) read back as zero, NIST 800-88 Clear"
        switch wipe.ending {
        case .cleared: return .succeeded("disk \(wipe.disk.serial ?? "without serial") cleared: \(counts)")
        case .failed: return .failed("the wipe failed: \(wipe.problem ?? "no reason given"); \(counts)")
        case .interrupted:
            return .failed("the wipe was interrupted: \(wipe.problem ?? "no reason given"); sign a new warrant to start over")
        }
    }
}

extension FleetAlarm {
    var subject: Subject {
        switch self {
        case .duplicateSession(let node, _, _), .forkedJournal(let node, _, _), .unknownHead(let node, _), .overtaken(let node, _, _),
            .foreignNode(let node, _, _), .turnedAway(let node, _), .malformed(let node, _):
            .node(node)
        }
    }
}
