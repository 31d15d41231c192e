// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshSystem
import OperatorAPI
import Planning
import Running

/// What the run would destroy besides disks, and the warrants for it.
extension CoordinatorBackend {
    func losses() async throws -> LossesReply {
        let machine = controller.snapshot
        guard let run = machine.run else { throw InputRefusal.noRun }
        let moment = now()
        return LossesReply(
            losses: try run.steps.compactMap { record -> LossReply? in
                let step = record.step
                let losses = machine.losses(of: step)
                // What Terraform makes is a loss only when it would take something away.
                guard step.gates.contains(.teardownWarranted(step.id)) || step.terraform != nil && (losses != nil || !step.destroys.isEmpty)
                else { return nil }
                let gates = step.gates.filter { $0.gate != .teardownWarrant }
                return LossReply(
                    step: step.id, title: step.title, state: record.status.word, destroys: losses?.lines ?? step.destroys,
                    obstacles: record.status.isOver ? [] : machine.judge(now: moment).judge(gates).reasons,
                    warrant: try losses.map { try warrant(for: step, of: run.plan.digest, $0, now: moment.wall) },
                    submitted: machine.warrants[step.id]?.note.id, objects: losses?.objects)
            })
    }

    private func warrant(
        for step: Step, of plan: Digest, _ losses: (lines: [String], objects: Digest?), now: Timestamp
    ) throws -> String {
        guard let id = WarrantID(try entropy.hexID()) else {
            throw BackendRefusal(.unavailable, code: "noEntropy", "no warrant id could be made")
        }
        return TeardownTerms(
            mesh: mesh, id: id, plan: plan, step: step.id, destroys: TeardownTerms.losses(losses.lines), objects: losses.objects,
            notBefore: now + WarrantDraft.backdate, notAfter: now + WarrantDraft.life
        ).text
    }

    /// What a teardown would take away, seen now and before anything is begun: Terraform is asked, and nothing is changed.
    func preview(_ request: ApplyRequest) async throws -> LossesReply {
        let plan = request.plan
        guard plan.spec.name == mesh else {
            throw BackendRefusal(
                .conflict, code: "otherMesh", "this coordinator serves mesh \"\(mesh)\", the plan is for \"\(plan.spec.name)\"")
        }
        var table = EvidenceTable()
        for key in Set(plan.steps.compactMap { $0.terraform?.key }).sorted() {
            let evidence = await observe(key, plan)
            for case .unavailable(let why) in evidence.facts { throw BackendRefusal(.unavailable, code: "notSeen", why) }
            table.take(evidence)
        }
        let judge = Judge(evidence: table, maxAge: .seconds(600), now: now())
        return LossesReply(
            losses: plan.steps.compactMap { step -> LossReply? in
                guard !step.destroys.isEmpty else { return nil }
                let losses = step.terraform.flatMap { table.losses(of: $0) }
                return LossReply(
                    step: step.id, title: step.title, state: "planned",
                    destroys: step.terraform == nil ? step.destroys : losses?.lines ?? [],
                    obstacles: step.terraform == nil ? [] : judge.judge(step.gates.filter { $0.gate != .teardownWarrant }).reasons,
                    warrant: nil, submitted: nil, objects: losses?.digest)
            })
    }
}
