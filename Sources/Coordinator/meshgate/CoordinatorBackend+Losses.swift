// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshSystem
import OperatorAPI
import Planning
import Running

/// What a teardown destroys, and the warrants for it.
extension CoordinatorBackend {
    func losses() async throws -> LossesReply {
        let machine = controller.snapshot
        guard let run = machine.run else { throw InputRefusal.noRun }
        let moment = now()
        return LossesReply(
            losses: try run.steps.filter { $0.step.gates.contains { $0.gate == .teardownWarrant } }.map { record in
                let gates = record.step.gates.filter { $0.gate != .teardownWarrant }
                guard let id = WarrantID(try entropy.hexID()) else {
                    throw BackendRefusal(.unavailable, code: "noEntropy", "no warrant id could be made")
                }
                let terms = TeardownTerms(
                    mesh: mesh, id: id, plan: run.plan.digest, step: record.step.id, destroys: TeardownTerms.losses(record.step.destroys),
                    notBefore: moment.wall + WarrantDraft.backdate, notAfter: moment.wall + WarrantDraft.life)
                return LossReply(
                    step: record.step.id, title: record.step.title, state: record.status.word, destroys: record.step.destroys,
                    obstacles: record.status.isOver ? [] : machine.judge(now: moment).judge(gates).reasons, warrant: terms.text,
                    submitted: machine.warrants[record.step.id]?.note.id)
            })
    }
}
