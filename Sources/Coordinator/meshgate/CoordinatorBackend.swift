// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import Gating
import Logging
import MeshModel
import MeshSystem
import MeshTrust
import OperatorAPI
import Planning
import Running
import TrustAuthority

/// What the admin surface asks, answered from the last durable state. Changes go through the run controller and return when durable.
struct CoordinatorBackend: OperatorBackend {
    let mesh: String
    let controller: RunController
    let gateway: FleetGateway
    let authority: CertificateAuthority
    let tokens: JoinTokens
    let roll: AgentRoll
    let entropy: any Entropy
    let now: NowSource
    let startedAt: Timestamp
    let addresses: Addresses
    let metricsPage: @Sendable () async -> String

    /// Where the coordinator is reached; known once its listeners are bound.
    struct Addresses: Sendable {
        var agents: @Sendable () async -> String
        var http: @Sendable () async -> String
    }

    /// An exception that outlives the day is a change of the plan.
    private static let longestOverride = Duration.seconds(24 * 3600)

    // MARK: looking

    func status() async throws -> StatusReply {
        let machine = controller.snapshot
        return StatusReply(
            version: Version.text, mesh: mesh, epoch: machine.epoch.number, startedAt: startedAt, agents: await addresses.agents(),
            http: await addresses.http(), journal: controller.head, nodes: try await nodes().nodes,
            run: machine.run.map { StatusView.run($0, machine: machine, now: now()) })
    }

    func nodes() async throws -> NodesReply {
        let sessions = Dictionary(await gateway.sessions().map { ($0.node, $0) }, uniquingKeysWith: { first, _ in first })
        let members = controller.snapshot.run?.plan.spec.members ?? []
        let clusters = Dictionary(members.map { ($0.node.name, $0.cluster.name) }, uniquingKeysWith: { first, _ in first })
        let all = Set(sessions.keys).union(clusters.keys).union(roll.nodes).sorted()
        return NodesReply(
            nodes: all.map { node in
                let session = sessions[node]
                return NodeReply(
                    name: node, cluster: clusters[node], planned: clusters[node] != nil, connected: session != nil, address: session?.from,
                    agentVersion: session?.agentVersion, connectedSince: session?.since.wall, certificateSerial: session?.peer.serial,
                    certificateEnds: session?.peer.notAfter)
            })
    }

    func explain(_ step: StepID) async throws -> ExplainReply {
        let machine = controller.snapshot
        guard let run = machine.run else { throw InputRefusal.noRun }
        guard let record = run[step] else { throw InputRefusal.noSuchStep(step) }
        let moment = now()
        return ExplainReply(
            step: StatusView.step(record, machine: machine, now: moment),
            waitsFor: record.step.after.filter { run[$0]?.status.isDone != true },
            gates: StatusView.gates(record.step.gates, of: step, machine: machine, now: moment),
            done: StatusView.gates(record.step.done, of: step, machine: machine, now: moment))
    }

    func evidence(about subject: String?) async throws -> EvidenceReply {
        let all = controller.snapshot.evidence.newest.values.sorted { $0.key < $1.key }
        guard let subject else { return EvidenceReply(evidence: all) }
        return EvidenceReply(evidence: all.filter { $0.subject.description == subject })
    }

    func metrics() async -> String { await metricsPage() }

    func health() async -> (healthy: Bool, text: String) { (true, "ok") }

    // MARK: the run

    func apply(_ request: ApplyRequest, by caller: Caller) async throws -> ApplyReply {
        let machine = controller.snapshot
        let after = controller.head.sequence
        guard request.plan.spec.name == mesh else {
            throw BackendRefusal(
                .conflict, code: "otherMesh", "this coordinator serves mesh \"\(mesh)\", the plan is for \"\(request.plan.spec.name)\"",
                remedy: "use the coordinator of that mesh, or start one for it: `meshgate serve -f FILE --state-dir ANOTHER`")
        }
        if let run = machine.run, !run.isOver, run.plan.digest == request.plan.digest {
            return ApplyReply(run: run.id, following: true, after: after)
        }
        guard let id = RunID("run-\(try entropy.hexID(byteCount: 4))") else {
            throw BackendRefusal(.unavailable, code: "noEntropy", "no run id could be made")
        }
        _ = try await submit(.apply(run: id, plan: request.plan, by: caller.name))
        return ApplyReply(run: id, following: false, after: after)
    }

    func stop(by caller: Caller) async throws -> DoneReply { DoneReply(journal: try await submit(.stop(by: caller.name))) }

    func override(_ request: OverrideRequest, by caller: Caller) async throws -> DoneReply {
        guard let record = controller.snapshot.run?[request.step] else {
            throw controller.snapshot.run == nil ? InputRefusal.noRun : .noSuchStep(request.step)
        }
        guard record.step.gates.contains(where: { $0.gate == request.gate }) else {
            let gates = Set(record.step.gates.map(\.gate.rawValue)).sorted().joined(separator: ", ")
            throw BackendRefusal(
                .badRequest, code: "noSuchGate", "\(request.step) has no gate \(request.gate.rawValue) before it",
                remedy: gates.isEmpty ? "it has none at all" : "it has: \(gates)")
        }
        guard request.life.duration <= Self.longestOverride else {
            throw BackendRefusal(
                .badRequest, code: "overrideLife", "an override counts for 24h at most, not for \(request.life)",
                remedy: "ask for a shorter time, such as --for 10m, and again when it has passed")
        }
        let override = GateOverride(
            step: request.step, gate: request.gate, by: caller.name, reason: request.reason, until: now().wall + request.life.duration)
        return DoneReply(journal: try await submit(.override(override)))
    }

    // MARK: nodes

    func invite(_ node: NodeID, _ request: InviteRequest, by caller: Caller) async throws -> InviteReply {
        let moment = now().wall
        let life = request.life.duration
        guard life > .zero, life <= JoinTokens.longestLife else {
            throw BackendRefusal(
                .badRequest, code: "tokenLife", "a join token is good for 24h at most, and for longer than nothing",
                remedy: "ask for a shorter time, such as --for 15m")
        }
        let token = try tokens.invite(node, life: life, by: caller.name, pin: authority.pin, entropy: entropy, now: moment)
        return InviteReply(node: node, token: token, until: moment + life, coordinator: await addresses.agents())
    }

    func revoke(_ node: NodeID, _ request: RevokeRequest, by caller: Caller) async throws -> RevokeReply {
        guard !request.reason.allSatisfy(\.isWhitespace) else {
            throw BackendRefusal(.badRequest, code: "unreasoned", "a revocation needs a reason", remedy: "say why; it is journaled")
        }
        // First the tokens: an enrolment after this finds none, and one before it is in the roll.
        try tokens.void(node)
        let serials = roll.serials(of: node)
        guard !serials.isEmpty else {
            throw BackendRefusal(
                .notFound, code: "noSuchAgent", "no agent was ever enrolled as \(node)", remedy: "`meshgate node list` shows the agents")
        }
        for serial in serials {
            _ = try await submit(.revoked(node: node, serial: serial, by: caller.name, reason: request.reason))
        }
        await gateway.disconnect(node, why: "the certificate was revoked")
        return RevokeReply(node: node, serials: serials)
    }

    // MARK: wipes

    func wipes() async throws -> WipesReply {
        let machine = controller.snapshot
        guard let run = machine.run else { throw InputRefusal.noRun }
        let moment = now()
        return WipesReply(
            wipes: try run.steps.compactMap { record in
                guard case .wipe(let node, let disk, let method) = record.step.action else { return nil }
                let fact = Self.disk(disk, on: node, machine)
                let draft = WarrantDraft(mesh: mesh, run: run, step: record.step.id, node: node, method: method)
                let (text, missing) = draft.text(
                    disk: fact, problem: Self.diskProblem(node, machine), boot: machine.evidence.boots[node], nodeKey: roll.key(of: node),
                    id: try entropy.hexID(), now: moment.wall)
                return WipeReply(
                    step: record.step.id, node: node, state: record.status.word, plannedSerial: disk.serial, plannedSize: disk.size,
                    method: method, disk: fact, warrant: text, missing: missing, submitted: machine.warrants[record.step.id]?.note.id)
            })
    }

    func submit(_ request: WarrantRequest, by caller: Caller) async throws -> DoneReply {
        let terms: WarrantTerms
        do {
            terms = try WarrantTerms(parsing: request.envelope.text)
        } catch {
            throw BackendRefusal(.badRequest, code: "warrantMalformed", "the warrant's text cannot be used: \(error)")
        }
        guard !request.envelope.signatures.isEmpty else {
            throw BackendRefusal(
                .badRequest, code: "warrantUnsigned", "the warrant carries no signature",
                remedy: "sign its text with `ssh-keygen -Y sign -n \(WarrantTerms.namespace) -f KEY FILE`")
        }
        guard now().wall < terms.notAfter else {
            throw BackendRefusal(
                .badRequest, code: "warrantExpired", "the warrant expired at \(terms.notAfter)", remedy: "request a new one and sign it")
        }
        return DoneReply(
            journal: try await submit(.warrant(step: request.step, id: terms.id, notAfter: terms.notAfter, envelope: request.envelope)))
    }

    /// Why the node could not tell about its disks.
    private static func diskProblem(_ node: NodeID, _ machine: RunMachine) -> String? {
        let facts = machine.evidence.newest[EvidenceKey(.node(node), .disks)]?.facts ?? []
        return facts.lazy.compactMap { if case .unavailable(let words) = $0 { words } else { nil } }.first
    }

    private static func disk(_ planned: Requirement.PlannedDisk, on node: NodeID, _ machine: RunMachine) -> DiskFact? {
        let facts = machine.evidence.newest[EvidenceKey(.node(node), .disks)]?.facts ?? []
        let disks = facts.compactMap { if case .disk(let disk) = $0 { disk } else { nil } }
        let matches = disks.filter { planned.serial == nil ? $0.name == planned.name : $0.identity.serial == planned.serial }
        return matches.count == 1 ? matches[0] : nil
    }

    /// Refusals pass through: the surface knows their codes.
    private func submit(_ input: Input) async throws -> JournalHead { try await controller.submit(input) }
}

/// The text of a warrant for one wipe step, when all it names is known.
struct WarrantDraft {
    var mesh: String
    var run: RunStatus
    var step: StepID
    var node: NodeID
    var method: WarrantTerms.Method

    /// How long a warrant asked for now is good.
    static let life = Duration.seconds(1800)
    /// A node's clock may be a little behind ours. More would make a warrant older than the arming of a wiper that has just begun.
    static let backdate = Duration.seconds(-2)

    func text(
        disk: DiskFact?, problem: String?, boot: BootID?, nodeKey: Digest?, id: String, now: Timestamp
    ) -> (text: String?, missing: [String]) {
        var missing: [String] = []
        if disk == nil { missing.append(problem.map { "\(node) says: \($0)" } ?? "the disk is not in \(node)'s last inventory") }
        if disk != nil, disk?.fingerprint == nil { missing.append("the disk's content could not be read") }
        if boot == nil { missing.append("\(node) has not reported yet") }
        if nodeKey == nil { missing.append("no agent is enrolled as \(node)") }
        guard let disk, let fingerprint = disk.fingerprint, let boot, let nodeKey, let id = WarrantID(id) else { return (nil, missing) }
        let terms = WarrantTerms(
            mesh: mesh, id: id, plan: run.plan.digest, step: step, node: node, nodeKey: nodeKey, boot: boot, disk: disk.identity,
            fingerprint: fingerprint, method: method, notBefore: now + Self.backdate, notAfter: now + Self.life)
        return (terms.text, [])
    }
}
