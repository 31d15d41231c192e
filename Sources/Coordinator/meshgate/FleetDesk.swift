// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import Logging
import MeshModel
import Running

/// Turns what the fleet says into inputs of the run, and returns only when they are durable: then the agent may forget.
struct FleetDesk: FleetInbox {
    let controller: RunController
    let released: @Sendable (EvidenceKey) -> Void
    let log: Logger

    func sessionOpened(_ session: SessionStatus) async {}

    func sessionClosed(_ session: SessionStatus, why: SessionEnd) async {
        log.info("session closed", metadata: ["node": "\(session.node)", "why": "\(why)"])
    }

    func reported(_ report: TaskReport, receivedAt: Moment) async throws -> JournalHead {
        let takenAt = receivedAt.advanced(by: .zero - report.age.duration)
        switch report.result {
        case .facts(let facts): return try await evidence(report, facts, takenAt)
        case .refused(let refusal): return try await refused(report, refusal, takenAt)
        case .wiped(let wipe): return try await ended(report, Self.outcome(of: wipe))
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
        return try await ended(report, .refused("\(report.node) refused: \(refusal)"))
    }

    /// A report of a task that no step waits for is acknowledged all the same, or it would come for ever.
    private func ended(_ report: TaskReport, _ outcome: Outcome) async throws -> JournalHead {
        guard let task = StepTask(report.task) else { return controller.head }
        return try await controller.submit(.outcome(step: task.step, attempt: task.attempt, outcome))
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
