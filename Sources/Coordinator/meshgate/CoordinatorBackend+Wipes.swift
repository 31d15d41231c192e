// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import Gating
import MeshModel
import MeshSystem
import MeshTrust
import OperatorAPI
import Planning
import Running
import TrustAuthority

/// Wipes: what would be lost, warrants, and wipers that must be armed.
extension CoordinatorBackend {
    func wipes() async throws -> WipesReply {
        let machine = controller.snapshot
        guard let run = machine.run else { throw InputRefusal.noRun }
        let moment = now()
        let ids = try run.steps.map { _ in try entropy.hexID() }
        return WipesReply(
            wipes: zip(run.steps, ids).compactMap { record, id in
                guard case .wipe(let node, let disk, let method, let route) = record.step.action else { return nil }
                var evidence = WipeEvidence(machine, node: node, disk: disk, gates: record.step.gates)
                if route == .talosAPI {
                    evidence.seeThroughHypervisor(
                        store: authority.ownStore, in: machine, maxAge: run.plan.spec.policy.evidenceMaxAge.duration, now: moment)
                }
                let verification = (run.plan.spec.policy.wipes ?? MeshSpec.Wipes()).verification(method, size: disk.size.bytes)
                let draft = WarrantDraft(
                    mesh: mesh, plan: run.plan.digest, step: record.step.id, node: node, method: method, verification: verification)
                let key = route == .talosAPI ? .zero : roll.key(of: node)
                let (text, missing) = draft.text(evidence, nodeKey: key, id: id, now: moment.wall)
                let gates = record.step.gates.filter { $0.gate != .warrant }
                let obstacles = record.status.isOver ? [] : machine.judge(now: moment).judge(gates).reasons
                return WipeReply(
                    step: record.step.id, node: node, state: record.status.word, plannedSerial: disk.serial, plannedSize: disk.size,
                    method: method, verification: verification, disk: evidence.disk, hypervisor: evidence.hypervisor,
                    witness: evidence.witness, witnessLag: evidence.witnessLag, wiper: evidence.wiper, obstacles: obstacles, warrant: text,
                    missing: missing,
                    submitted: machine.warrants[record.step.id]?.note.id, throughTalos: route == .talosAPI)
            })
    }

    func submit(_ request: WarrantRequest, by caller: Caller) async throws -> DoneReply {
        let (id, notAfter) = try terms(of: request.envelope.text)
        try checkSigned(request.envelope)
        guard now().wall < notAfter else {
            throw BackendRefusal(
                .badRequest, code: "warrantExpired", "the warrant expired at \(notAfter)", remedy: "request a new one and sign it")
        }
        return DoneReply(
            journal: try await submit(.warrant(step: request.step, id: id, notAfter: notAfter, envelope: request.envelope)))
    }

    /// Of a wipe or of a teardown; the first line tells which.
    private func terms(of text: String) throws -> (id: WarrantID, notAfter: Timestamp) {
        do {
            if TeardownTerms.isMeant(by: text) {
                let terms = try TeardownTerms(parsing: text)
                return (terms.id, terms.notAfter)
            }
            let terms = try WarrantTerms(parsing: text)
            return (terms.id, terms.notAfter)
        } catch {
            throw BackendRefusal(.badRequest, code: "warrantMalformed", "the warrant's text cannot be used: \(error)")
        }
    }

    func arming(_ node: NodeID) async throws -> ArmingReply {
        let facts = try await ask(node)
        let wiper = facts.lazy.compactMap { if case .wiper(let wiper) = $0 { wiper } else { nil } }.first
        guard let wiper else {
            let why = facts.lazy.compactMap { if case .unavailable(let words) = $0 { words } else { nil } }.first
            throw BackendRefusal(
                .unavailable, code: "noWiper", "\(node) says nothing of its wiper" + (why.map { ": \($0)" } ?? ""),
                remedy: "is meshgate-wiper running there, and of this version?")
        }
        return reply(node, wiper)
    }

    /// The wiper judges the message; the journal keeps who asked and what came of it.
    func arm(_ node: NodeID, _ request: ArmRequest, by caller: Caller) async throws -> ArmingReply {
        let terms: ArmingTerms
        do {
            terms = try ArmingTerms(parsing: request.envelope.text)
        } catch {
            throw BackendRefusal(.badRequest, code: "armingMalformed", "the message cannot be used: \(error)")
        }
        try checkSigned(request.envelope)
        guard terms.node == node else {
            throw BackendRefusal(.badRequest, code: "armingMismatch", "the message is for \(terms.node) and not for \(node)")
        }
        _ = try await submit(.alarm(subject: .node(node), text: "\(caller.name) asks its wiper to begin the replay store \(terms.store)"))
        let result = try await order(.arm(request.envelope), node)
        switch result {
        case .facts(let facts):
            for case .wiper(let wiper) in facts where wiper.disarmed == nil {
                _ = try await submit(.alarm(subject: .node(node), text: "its wiper began the replay store \(terms.store)"))
                return reply(node, wiper)
            }
            throw BackendRefusal(.unavailable, code: "armingUnclear", "\(node) answered, and its wiper is not armed")
        case .refused(let refusal):
            _ = try await submit(.alarm(subject: .node(node), text: "its wiper refused to be armed: \(refusal)"))
            throw BackendRefusal(.conflict, code: "armingRefused", "the wiper of \(node) refused: \(refusal)")
        case .failed(let problem): throw BackendRefusal(.unavailable, code: "armingUnclear", "\(node): \(problem)")
        case .wiped: throw BackendRefusal(.unavailable, code: "armingUnclear", "\(node) answered something else than was asked")
        }
    }

    private func reply(_ node: NodeID, _ wiper: WiperFact) -> ArmingReply {
        var reply = ArmingReply(node: node, store: wiper.store, disarmed: wiper.disarmed, text: nil, missing: [])
        guard wiper.disarmed != nil else { return reply }
        guard let challenge = wiper.challenge else {
            reply.missing.append("the wiper gives no store to begin: what disarms it is not its record of spent warrants")
            return reply
        }
        let boot = controller.snapshot.evidence.boots[node]
        let key = roll.key(of: node)
        if boot == nil { reply.missing.append("\(node) has not reported its boot yet") }
        if key == nil { reply.missing.append("no agent is enrolled as \(node)") }
        guard let boot, let key else { return reply }
        let moment = now().wall
        reply.text =
            ArmingTerms(
                mesh: mesh, node: node, nodeKey: key, boot: boot, store: challenge, notBefore: moment + WarrantDraft.backdate,
                notAfter: moment + WarrantDraft.life
            ).text
        return reply
    }

    private func checkSigned(_ envelope: WarrantEnvelope) throws {
        guard envelope.signatures.isEmpty else { return }
        throw BackendRefusal(
            .badRequest, code: "warrantUnsigned", "the text carries no signature",
            remedy: "sign it with `ssh-keygen -Y sign -n \(WarrantTerms.namespace) -f KEY FILE`")
    }

    // MARK: asking one node now

    private static let answerPatience = Duration.seconds(20)

    /// The node's disks and its wiper, as of now.
    private func ask(_ node: NodeID) async throws -> [Fact] {
        switch try await order(.probe(.disks), node) {
        case .facts(let facts): return facts
        case .refused(let refusal): throw BackendRefusal(.unavailable, code: "refused", "\(node) refused: \(refusal)")
        case .failed(let problem): throw BackendRefusal(.unavailable, code: "failed", "\(node): \(problem)")
        case .wiped: return []
        }
    }

    private func order(_ order: NodeTask.Order, _ node: NodeID) async throws -> TaskReport.Result {
        guard let id = TaskID("\(AnswerDesk.prefix)\(try entropy.hexID())") else {
            throw BackendRefusal(.unavailable, code: "noEntropy", "no task id could be made")
        }
        let task = NodeTask(
            id: id, node: node, epoch: controller.snapshot.epoch, deadline: now().wall + .seconds(300), order: order)
        let result = await answers.answer(to: task, within: Self.answerPatience) { await gateway.dispatch($0) == .sent }
        switch result {
        case .answered(let report): return report.result
        case .notConnected:
            throw BackendRefusal(
                .unavailable, code: "notConnected", "the agent of \(node) is not connected", remedy: "see `meshgate status`")
        case .silent:
            throw BackendRefusal(
                .unavailable, code: "noAnswer", "\(node) did not answer within \(Self.answerPatience)", remedy: "try again; look at its log"
            )
        }
    }
}

/// What is known of the disk of one wipe step, from the newest evidence.
struct WipeEvidence {
    let node: NodeID
    private(set) var disk: DiskFact?
    private(set) var wiper: WiperFact?
    let boot: BootID?
    /// Why the node could not tell about its disks.
    let problem: String?
    let hypervisor: NodeID?
    let witness: VirtualDiskFact?
    let witnessLag: Int64?

    init(_ machine: RunMachine, node: NodeID, disk planned: Requirement.PlannedDisk, gates: [Requirement]) {
        self.node = node
        let inside = machine.evidence.newest[EvidenceKey(.node(node), .disks)]
        let facts = inside?.facts ?? []
        let disks = facts.compactMap { if case .disk(let disk) = $0 { disk } else { nil } }
        let matches = disks.filter(planned.isMeant)
        disk = matches.count == 1 ? matches[0] : nil
        wiper = facts.lazy.compactMap { if case .wiper(let wiper) = $0 { wiper } else { nil } }.first
        problem = facts.lazy.compactMap { if case .unavailable(let words) = $0 { words } else { nil } }.first
        boot = machine.evidence.boots[node]
        let host = gates.lazy.compactMap { if case .diskWitness(_, _, let hypervisor, _) = $0 { hypervisor } else { nil } }.first
        hypervisor = host
        let outside = host.flatMap { machine.evidence.newest[EvidenceKey(.node($0), .virtualDisks)] }
        let twins = (outside?.facts ?? []).compactMap {
            if case .virtualDisk(let disk) = $0, disk.serial == planned.serial { disk } else { nil }
        }
        witness = twins.count == 1 ? twins[0] : nil
        witnessLag =
            if let inside, let outside { (inside.takenAt.wall - outside.takenAt.wall).components.seconds } else { nil }
    }
}

extension WipeEvidence {
    /// Of a machine without an agent: who the disk is, Talos says; what it holds, its hypervisor; and the spent warrants are the journal's.
    /// Nobody compares the disk with the warrant once more on the machine, so no text is made of a look that is too old for a gate.
    mutating func seeThroughHypervisor(store: ReplayStoreMark?, in machine: RunMachine, maxAge: Duration, now: Moment) {
        wiper = WiperFact(store: store, disarmed: nil, challenge: nil)
        disk?.fingerprint = nil
        disk?.signatures = witness?.signatures ?? []
        disk?.blank = witness?.blank ?? false
        guard let hypervisor, let witness else {
            disk?.unreadable = "no hypervisor has looked into it yet"
            return
        }
        for key in [EvidenceKey(.node(node), .disks), EvidenceKey(.node(hypervisor), .virtualDisks)] {
            guard case .fresh = machine.evidence.standing(key, now: now, maxAge: maxAge, notBefore: nil) else {
                disk?.unreadable = "the last \(key.probe.rawValue) evidence from \(key.subject) is too old; wait for the next look"
                return
            }
        }
        disk?.unreadable = witness.unread
        disk?.fingerprint = witness.fingerprint
    }
}

/// The text of a warrant for one wipe step, when all it names is known.
struct WarrantDraft {
    var mesh: String
    var plan: Digest
    var step: StepID
    var node: NodeID
    var method: WarrantTerms.Method
    var verification: WarrantTerms.Verification

    /// How long a warrant asked for now is good.
    static let life = Duration.seconds(1800)
    /// A node's clock may be behind ours by as much as the gate of a wipe allows, and moves on while somebody signs.
    static let backdate = Duration.zero - Planner.wipeClockLimit - .seconds(30)

    func text(_ evidence: WipeEvidence, nodeKey: Digest?, id: String, now: Timestamp) -> (text: String?, missing: [String]) {
        var missing: [String] = []
        if evidence.disk == nil {
            missing.append(evidence.problem.map { "\(node) says: \($0)" } ?? "the disk is not in \(node)'s last inventory")
        }
        if let disk = evidence.disk, disk.fingerprint == nil {
            missing.append("the disk's content could not be read" + (disk.unreadable.map { ": \($0)" } ?? ""))
        }
        if evidence.boot == nil { missing.append("\(node) has not reported yet") }
        if nodeKey == nil { missing.append("no agent is enrolled as \(node)") }
        if evidence.disk != nil, evidence.wiper?.store == nil {
            missing.append(
                evidence.wiper?.disarmed.map { "the wiper of \(node) is disarmed: \($0)" } ?? "\(node) says nothing of its wiper's record")
        }
        guard let disk = evidence.disk, let fingerprint = disk.fingerprint, let boot = evidence.boot, let nodeKey,
            let store = evidence.wiper?.store, let id = WarrantID(id)
        else { return (nil, missing) }
        let terms = WarrantTerms(
            mesh: mesh, id: id, plan: plan, step: step, node: node, nodeKey: nodeKey, boot: boot, store: store, disk: disk.identity,
            holds: WarrantTerms.holds(disk.signatures), fingerprint: fingerprint, method: method, verification: verification,
            notBefore: now + Self.backdate, notAfter: now + Self.life)
        return (terms.text, [])
    }
}
