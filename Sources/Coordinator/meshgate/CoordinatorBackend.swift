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
    let progress: ProgressBoard
    let answers: AnswerDesk
    let echoes: EchoDesk
    let telemetry: TelemetryDesk
    /// A look of the coordinator's own tools, outside of any run.
    let observe: @Sendable (EvidenceKey, Plan) async -> Evidence
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
            run: machine.run.map { StatusView.run($0, machine: machine, now: now(), progress: progress.progress) })
    }

    func nodes() async throws -> NodesReply {
        let sessions = Dictionary(await gateway.sessions().map { ($0.node, $0) }, uniquingKeysWith: { first, _ in first })
        let members = controller.snapshot.run?.plan.spec.members ?? []
        let clusters = Dictionary(members.map { ($0.node.name, $0.cluster.name) }, uniquingKeysWith: { first, _ in first })
        let hypervisors = Set((controller.snapshot.run?.plan.spec.hypervisors ?? []).map(\.name))
        let all = Set(sessions.keys).union(clusters.keys).union(hypervisors).union(roll.nodes).sorted()
        return NodesReply(
            nodes: all.map { node in
                let session = sessions[node]
                return NodeReply(
                    name: node, cluster: clusters[node], planned: clusters[node] != nil || hypervisors.contains(node),
                    connected: session != nil, address: session?.from,
                    agentVersion: session?.agentVersion, connectedSince: session?.since.wall, certificateSerial: session?.peer.serial,
                    certificateEnds: session?.peer.notAfter)
            })
    }

    func explain(_ step: StepID) async throws -> ExplainReply {
        let machine = controller.snapshot
        guard let run = machine.run else { throw InputRefusal.noRun }
        guard let record = run[step] else { throw InputRefusal.noSuchStep(step) }
        let moment = now()
        let below = machine.lostGround(below: record.step).reasons
        let remarks = machine.remarks(on: record.step)
        return ExplainReply(
            step: StatusView.step(record, machine: machine, now: moment),
            waitsFor: record.step.after.filter { run[$0]?.status.isDone != true },
            gates: StatusView.gates(record.step.gates, of: step, machine: machine, now: moment),
            done: StatusView.gates(record.step.done, of: step, machine: machine, now: moment),
            lostBelow: below.isEmpty ? nil : below, seen: remarks.isEmpty ? nil : remarks)
    }

    func evidence(about subject: String?) async throws -> EvidenceReply {
        let all = controller.snapshot.evidence.newest.values.sorted { $0.key < $1.key }
        guard let subject else { return EvidenceReply(evidence: all) }
        return EvidenceReply(evidence: all.filter { $0.subject.description == subject })
    }

    func books() async throws -> BooksReply { telemetry.books }

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

    /// Refusals pass through: the surface knows their codes.
    func submit(_ input: Input) async throws -> JournalHead { try await controller.submit(input) }
}
