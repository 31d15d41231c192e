// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import Gating
import MeshModel
import MeshSystem
import OperatorAPI
import Planning
import Running

/// Looks at nodes by hand: the questions go to agents beside those of the run, and what they answer comes in by the same door.
extension CoordinatorBackend {
    /// How long answers may take; below what the surface allows a request.
    private static let checkPatience = Duration.seconds(20)
    /// Of an inventory that reads disks.
    private static let diskPatience = Duration.seconds(45)

    func check(_ node: NodeID, _ request: CheckRequest) async throws -> CheckReply {
        let begun = now()
        let requirements = request.checks.map(\.requirement)
        guard requirements.allSatisfy({ request.topic.node(of: $0) == node }) else {
            throw BackendRefusal(
                .badRequest, code: "otherNode", "the check is of \(node), and not all that is to be judged is about it under this topic")
        }
        let machine = controller.snapshot
        let orders = RunMachine.orders(for: node, request.topic, requirements: requirements, evidence: machine.evidence, now: begun)
        let epoch = machine.epoch
        let plan = machine.run?.plan
        let found = await withTaskGroup(of: (Evidence, Bool).self) { group in
            for order in orders {
                group.addTask {
                    guard order.probe == nil else { return await look(order, epoch: epoch) }
                    return await lookByDriver(order.key, plan)
                }
            }
            return await group.reduce(into: [(Evidence, Bool)]()) { $0.append($1) }
        }
        var table = EvidenceTable()
        for (evidence, _) in found { table.take(evidence) }
        // Whom a cluster trusts hardly ever changes, and the coordinator knows it from its runs: what it saw last counts, whatever its age.
        let clusters = Set(requirements.flatMap(\.needs)).filter { if case .cluster = $0.subject { true } else { false } }
        for key in clusters {
            guard var known = machine.evidence.newest[key] else { continue }
            known.takenAt = begun
            table.take(known)
        }
        let judged = request.checks.filter { $0.requirement.needs.allSatisfy { !clusters.contains($0) || table.newest[$0] != nil } }
        let judge = Judge(evidence: table, clusters: machine.run?.plan.spec.clusters.map(\.name) ?? [], maxAge: .seconds(600), now: now())
        return CheckReply(
            node: node, topic: request.topic, answered: found.contains { $0.1 && $0.0.subject == .node(node) },
            took: TimeSpan(.milliseconds(now().age(of: begun).inMilliseconds)), evidence: found.map(\.0).sorted { $0.key < $1.key },
            gates: Self.gates(judged, judge))
    }

    /// What the coordinator asks by itself. The spec of the plan that runs, or ran last, says where.
    private func lookByDriver(_ key: EvidenceKey, _ plan: Plan?) async -> (Evidence, answered: Bool) {
        guard let plan else {
            let why = "the coordinator has had no plan yet, and knows no address and no token of its API: `meshgate apply` first"
            return (Evidence(subject: key.subject, probe: key.probe, bootID: nil, takenAt: now(), facts: [.unavailable(why)]), false)
        }
        let evidence = await observe(key, plan)
        return (evidence, !evidence.facts.contains { if case .unavailable = $0 { true } else { false } })
    }

    /// One question and its answer; what is not answered says so as a fact.
    private func look(_ order: ProbeOrder, epoch: Generation) async -> (Evidence, answered: Bool) {
        func silence(_ why: String) -> (Evidence, Bool) {
            (Evidence(subject: order.key.subject, probe: order.key.probe, bootID: nil, takenAt: now(), facts: [.unavailable(why)]), false)
        }
        guard case .node(let node) = order.key.subject, let probe = order.probe else { return silence("it is no question to an agent") }
        // Others may have other targets: such an answer is for the one who asks alone.
        let prefix = order.key.probe.isWhole ? AnswerDesk.prefix : AnswerDesk.privatePrefix
        guard let secret = try? entropy.hexID(), let id = TaskID(prefix + secret) else { return silence("no task id could be made") }
        let question = await echoes.completed(probe, epoch: epoch, now: now())
        let task = NodeTask(id: id, node: node, epoch: epoch, deadline: now().wall + .seconds(3600), order: .probe(question))
        let patience = order.key.probe.topic == .disk ? Self.diskPatience : Self.checkPatience
        switch await answers.answer(to: task, within: patience, { await gateway.dispatch($0) == .sent }) {
        case .notConnected: return silence("the agent of \(node) is not connected")
        case .silent: return silence("the agent of \(node) did not answer within \(patience.briefly)")
        case .answered(let report):
            let facts: [Fact] =
                switch report.result {
                case .facts(let facts): facts
                case .refused(let refusal): [.unavailable("the agent refused: \(refusal)")]
                case .failed(let problem): [.unavailable(problem)]
                case .wiped: [.unavailable("the agent sent the account of a wipe")]
                }
            let evidence = Evidence(
                subject: order.key.subject, probe: order.key.probe, bootID: report.bootID,
                takenAt: now().advanced(by: .zero - report.age.duration), facts: facts, task: id)
            return (evidence, true)
        }
    }

    private static func gates(_ checks: [PlannedCheck], _ judge: Judge) -> [CheckedGate] {
        var order: [GateID] = []
        var verdicts: [GateID: [Verdict]] = [:]
        var waiting: [GateID: [StepID]] = [:]
        for check in checks {
            let gate = check.requirement.gate
            if verdicts[gate] == nil { order.append(gate) }
            let verdict = judge.judge(check.requirement)
            verdicts[gate, default: []].append(verdict)
            if !verdict.passes { waiting[gate, default: []] += check.steps.filter { !(waiting[gate] ?? []).contains($0) } }
        }
        return order.map { gate in
            let verdict = Verdict.all(verdicts[gate] ?? [])
            return CheckedGate(
                gate: gate, title: gate.title, verdict: StatusView.word(verdict), reasons: verdict.reasons, steps: waiting[gate] ?? [])
        }
    }
}
