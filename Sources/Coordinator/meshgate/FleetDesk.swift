// SPDX-License-Identifier: Apache-2.0

import FeedExport
import FleetGateway
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
        log.info("session closed", metadata: ["node": "\(session.node)", "why": "\(why)"])
    }

    func reported(_ report: TaskReport, receivedAt: Moment) async throws -> JournalHead {
        answers.take(report)
        let takenAt = receivedAt.advanced(by: .zero - report.age.duration)
        switch report.result {
        case .facts(let facts): return try await evidence(report, facts, takenAt)
        case .refused(let refusal): return try await refused(report, refusal, takenAt)
        case .wiped(let wipe):
            // The account is evidence: counts, ranges and hashes stay in the journal, whatever becomes of the step.
            if isExpected(report) { try await controller.submit(.evidence(account(wipe, report, takenAt))) }
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
        let evidence = Evidence(
            subject: .node(report.node), probe: probe, bootID: report.bootID, takenAt: takenAt, facts: facts, task: report.task)
        let head = try await controller.submit(.evidence(evidence))
        released(evidence.key)
        return head
    }

    private func refused(_ report: TaskReport, _ refusal: TaskRefusal, _ takenAt: Moment) async throws -> JournalHead {
        if report.probe != nil {
            return try await evidence(report, [.unavailable("the agent refused: \(refusal)")], takenAt)
        }
        log.warning("task refused", metadata: ["node": "\(report.node)", "task": "\(report.task)", "why": "\(refusal)"])
        let words = "\(report.node) refused: \(refusal)"
        switch refusal.code {
        // It may have been begun, or be under way at this moment: that is not "nothing was touched".
        case .busy, .warrantReused, .duplicate: return try await ended(report, .unknown(words))
        // It is sent again by itself.
        case .overloaded: return controller.head
        case .wrongNode, .oldEpoch, .deadlinePassed, .unsupported, .warrantMissing, .warrantMalformed, .warrantSignature, .warrantExpired,
            .warrantNotYetValid, .warrantOtherNode, .disarmed, .signersMissing, .clockUnsure, .noSuchDisk, .ambiguousDisk, .notWholeDisk,
            .readOnly, .identityMismatch, .inUse, .fingerprintMismatch, .foreignContent, .onlyDisk, .tooLarge, .contentsMismatch,
            .storeMismatch, .storeFull, .tooPrivileged, .stopping:
            return try await ended(report, .refused(words))
        }
    }

    private func account(_ wipe: WipeReport, _ report: TaskReport, _ takenAt: Moment) -> Evidence {
        Evidence(
            subject: .node(report.node), probe: .wipe, bootID: report.bootID, takenAt: takenAt, facts: [.wipe(wipe)], task: report.task)
    }

    /// Whether the report ends a wipe that this node was ordered to do in the present run.
    private func isExpected(_ report: TaskReport) -> Bool {
        guard let task = StepTask(report.task), let run = controller.snapshot.run, run.id == task.run,
            case .wipe(let node, _, _, nil)? = run[task.step]?.step.action
        else { return false }
        return node == report.node
    }

    /// An agent ends the wipe that it was ordered to do and nothing else: another node's step, or one that a tool carries out, is not its
    /// business. A report of a task that nobody waits for is acknowledged all the same, or it would come for ever.
    private func ended(_ report: TaskReport, _ outcome: Outcome) async throws -> JournalHead {
        guard let task = StepTask(report.task), let run = controller.snapshot.run, run.id == task.run else { return controller.head }
        guard let step = run[task.step]?.step, case .wipe(let node, _, _, nil) = step.action, node == report.node else {
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
