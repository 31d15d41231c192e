// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import OperatorAPI
import Planning
import Running

/// The run's state in the words of the admin surface.
enum StatusView {
    /// `progress`: what agents told of steps that run.
    static func run(_ run: RunStatus, machine: RunMachine, now: Moment, progress: (StepTask) -> StepProgress?) -> RunReply {
        RunReply(
            id: run.id, plan: run.plan.digest, by: run.by, startedAt: run.startedAt.wall, endedAt: run.endedAt?.wall,
            ending: run.ending?.rawValue, changed: run.changed,
            steps: run.steps.map { record in
                var reply = step(record, machine: machine, now: now)
                if case .running = record.status {
                    reply.progress = progress(StepTask(run: run.id, step: record.step.id, attempt: record.attempts))
                }
                return reply
            }, purpose: run.plan.purpose.word)
    }

    static func step(_ record: RunStatus.StepRecord, machine: RunMachine, now: Moment) -> StepReply {
        var since: Timestamp?
        var reasons: [Reason] = []
        var detail = ""
        switch record.status {
        case .waiting: break
        case .held(let verdict, let at):
            since = at.wall
            // As of now: the journal keeps only that answers were awaited, not which one is still missing.
            reasons = machine.run.flatMap { $0.isOver ? nil : machine.obstacle(of: record.step, now: now)?.reasons } ?? verdict.reasons
            if case .refused(let words) = record.lastReport { detail = "the last attempt was refused: \(words)" }
        case .running(let at): since = at.wall
        case .verifying(let outcome, let at):
            since = at.wall
            detail = outcome.words
        case .done(_, let at):
            since = at.wall
            detail = machine.remarks(on: record.step).joined(separator: "; ")
        case .failed(let problem, let at):
            since = at.wall
            detail = problem
        }
        return StepReply(
            id: record.step.id, title: record.step.title, state: record.status.word, since: since, attempts: record.attempts,
            driver: record.step.action.driver, after: record.step.after, reasons: reasons, detail: detail,
            lost: record.regression?.verdict.reasons)
    }

    /// Requirements of one gate together, in the order of the plan.
    static func gates(_ requirements: [Requirement], of step: StepID, machine: RunMachine, now: Moment) -> [GateReply] {
        let judge = machine.judge(now: now)
        let waived = Set(machine.overrides.filter { $0.step == step && now.wall < $0.until }.map(\.gate))
        var order: [GateID] = []
        var verdicts: [GateID: [Verdict]] = [:]
        for requirement in requirements {
            if verdicts[requirement.gate] == nil { order.append(requirement.gate) }
            verdicts[requirement.gate, default: []].append(judge.judge(requirement))
        }
        return order.map { gate in
            let verdict = Verdict.all(verdicts[gate] ?? [])
            return GateReply(
                gate: gate, title: gate.title, verdict: word(verdict), reasons: verdict.reasons, overridden: waived.contains(gate))
        }
    }

    static func word(_ verdict: Verdict) -> String {
        switch verdict {
        case .pass: "pass"
        case .hold: "hold"
        case .deny: "deny"
        case .unknown: "unknown"
        }
    }
}
