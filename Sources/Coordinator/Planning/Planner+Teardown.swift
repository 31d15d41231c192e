// SPDX-License-Identifier: Apache-2.0

import Gating
package import MeshModel

extension Planner {
    /// The plan that undoes the build of `spec`, or a part of it: every step that leaves something becomes one that removes it, after all
    /// that stands on it. Disks are not wiped here, and machines stay unless the scope names them; what a wiped disk held is gone anyway.
    package static func takingDown(
        _ spec: MeshSpec, _ scope: Purpose.Scope, hash: Digester? = nil, digest: (Plan.Body) throws -> Digest
    ) rethrows -> Plan {
        let build = try plan(spec, hash: hash, digest: digest)
        let teardown = Teardown(spec: spec, build: build.steps, scope: scope)
        let body = Plan.Body(spec: spec, planner: version, steps: teardown.steps, purpose: .teardown(scope, of: build.digest))
        return Plan(body: body, digest: try digest(body))
    }
}

/// A build read backwards.
private struct Teardown {
    let spec: MeshSpec
    let build: [Step]
    let scope: Purpose.Scope
    /// The steps of the build that each step is directly waited for by.
    private let dependents: [StepID: [Step]]

    init(spec: MeshSpec, build: [Step], scope: Purpose.Scope) {
        self.spec = spec
        self.build = build
        self.scope = scope
        var dependents: [StepID: [Step]] = [:]
        for step in build { for earlier in step.after { dependents[earlier, default: []].append(step) } }
        self.dependents = dependents
    }

    var steps: [Step] {
        if case .node(let name) = scope { return departure(of: name) }
        var included: Set<StepID> = []
        var steps: [Step] = []
        for step in build.reversed() where isMeant(step) {
            guard let remnant = remnant(of: step) else { continue }
            included.insert(step.id)
            let before = standingOn(step.id, included)
            switch remnant {
            case .machines(let directory, let phase):
                let part = TerraformPart(directory: directory, phase: phase)
                steps.append(terraform(step, remnant, part, "machines with their disks", after: before.map(Self.undoID)))
                continue
            case .servicePhase(let service, let directory, let phase):
                let part = TerraformPart(directory: directory, phase: phase, service: service)
                steps.append(terraform(step, remnant, part, "whatever \(service) has stored", after: before.map(Self.undoID)))
                continue
            default: steps.append(undo(step, remnant, after: before.map(Self.undoID)))
            }
            // Machines that go are not rebooted first.
            if scope != .everything, case .cilium(let name) = remnant, let host = hostState(name, after: Self.undoID(step.id)) {
                steps.append(host)
            }
        }
        return steps + afterMachines(steps.last?.id)
    }

    /// What Ceph keeps on it may be the only copy, so it waits until Ceph itself has let go of the node. A control plane is a member of etcd, which
    /// a node cannot just be taken out of: it has no steps here.
    private func departure(of name: NodeID) -> [Step] {
        guard let (cluster, node) = spec.members.first(where: { $0.node.name == name }), node.role == .worker else { return [] }
        let gates: [Requirement] = [.clustersDistinct(spec.clusters.map(\.name)), .osdsAway(cluster.name, name)]
        func step(_ part: String, _ remnant: Remnant, after: [StepID], deadline: Duration) -> Step {
            Step(
                id: StepID(cluster.name.text, name.text, part, "undo"), title: title(remnant), place: .cluster(cluster.name),
                action: .undo(remnant), after: after, gates: gates, done: [.gone(remnant)], deadline: TimeSpan(deadline))
        }
        let drain = step("workloads", .workloads(cluster.name, name), after: [], deadline: .seconds(3600))
        return [drain, step("node", .registration(cluster.name, name), after: [drain.id], deadline: .seconds(300))]
    }

    /// What is only in the way, or only a copy, as long as machines stand.
    private func afterMachines(_ last: StepID?) -> [Step] {
        guard scope == .everything || scope == .machines, let last else { return [] }
        var steps: [Step] = []
        let guests = spec.members.compactMap { _, node in
            node.hypervisor.map {
                PlannedGuest(name: node.name, hypervisor: $0, vmid: node.vmid, serials: node.disks.compactMap(\.serial).sorted())
            }
        }
        if !guests.isEmpty {
            // Found and named; nothing is removed here, so the gate is the whole step.
            steps.append(
                Step(
                    id: StepID("mesh", "orphans", "undo"), title: "see that no hypervisor has a machine or disk of the mesh's left",
                    place: .mesh, action: .undo(.orphans(guests)), after: [last], gates: [.noOrphans(guests)], done: [.noOrphans(guests)]))
        }
        let contexts = Remnant.contexts(spec.clusters.map(\.name))
        steps.append(
            Step(
                id: StepID("mesh", "contexts", "undo"), title: title(contexts), place: .mesh, action: .undo(contexts), after: [last],
                done: [.gone(contexts)], deadline: TimeSpan(.seconds(60))))
        if spec.secrets != nil {
            let names = SecretNames.planned(spec)
            steps.append(
                Step(
                    id: StepID("mesh", "secrets", "undo"), title: "remove the clusters' credentials from the store of secrets",
                    place: .mesh,
                    action: .undo(.secrets(names)), after: [last], gates: [.secretsReadable(names)], done: [.secretsGone(names)],
                    deadline: TimeSpan(.seconds(600))))
        }
        return steps
    }

    /// `east/cilium` is undone by `east/cilium/undo`.
    static func undoID(_ id: StepID) -> StepID { StepID(id.text, "undo") }

    // MARK: which steps

    private func isMeant(_ step: Step) -> Bool {
        switch scope {
        case .mesh: !makesMachines(step)
        case .everything: true
        case .machines: makesMachines(step)
        case .cluster(let name): concerns(step, name)
        case .node: false
        case .step(let id): !makesMachines(step) && (step.id == id || reached(from: id).contains(step.id))
        }
    }

    private func concerns(_ step: Step, _ name: ClusterName) -> Bool {
        switch step.action {
        case .connectClustermesh(let names): names.contains(name)
        // A phase goes as a whole, or it stays: others still use what it made.
        case .provision(_, let phase): spec.service(ofPhase: phase)?.clusters == [name]
        default: step.place == .cluster(name)
        }
    }

    /// Whether it is Terraform's, and applied before the clusters.
    private func makesMachines(_ step: Step) -> Bool {
        if case .provision(_, let phase) = step.action { spec.service(ofPhase: phase) == nil } else { false }
    }

    /// Everything that stands on a step, near or far.
    private func reached(from id: StepID) -> Set<StepID> {
        var found: Set<StepID> = []
        var open = [id]
        while let next = open.popLast() {
            for step in dependents[next] ?? [] where found.insert(step.id).inserted { open.append(step.id) }
        }
        return found
    }

    /// The steps that are undone first: those that stand on this one, through steps that leave nothing. What one of them waits for anyway
    /// is not named again.
    private func standingOn(_ id: StepID, _ included: Set<StepID>) -> [StepID] {
        let all = reached(from: id).intersection(included)
        let later = all.reduce(into: Set<StepID>()) { $0.formUnion(reached(from: $1)) }
        return build.map(\.id).filter { all.contains($0) && !later.contains($0) }
    }

    // MARK: what each leaves

    private func remnant(of step: Step) -> Remnant? {
        switch step.action {
        case .installService(let service, let name): .service(service, name)
        case .connectClustermesh(let names):
            if case .cluster(let leaving) = scope { .membership(leaving, of: names.filter { $0 != leaving }) } else { .connections(names) }
        case .enableClustermesh(let name): .clustermesh(name)
        case .installCilium(let name): .cilium(name)
        case .applyCiliumResources(let name): .ciliumResources(name)
        case .seedMeshCA(let name): .meshCA(name)
        case .installGatewayAPI(let name, _): .gatewayAPI(name)
        case .provision(let directory, let phase):
            if let phase, let service = spec.service(ofPhase: phase) {
                .servicePhase(service.name, directory: directory, phase: phase)
            } else {
                .machines(directory: directory, phase: phase)
            }
        // What they change goes with Cilium and its CA.
        case .trustAuthorities, .reissueCertificates, .dropAuthorities, .awaitServers: nil
        case .storeSecrets, .bootstrapTalos, .awaitTalos, .awaitNodes, .upgradeTalos, .wipe, .testConnectivity, .proveService, .look, .undo:
            nil
        }
    }

    private func undo(_ step: Step, _ remnant: Remnant, after: [StepID]) -> Step {
        let id = Self.undoID(step.id)
        // A cluster that is alone is compared with itself: that its API server says who it is.
        var gates: [Requirement] = [.clustersDistinct(spec.clusters.map(\.name))]
        let losses = losses(remnant)
        if !losses.isEmpty { gates.append(.teardownWarranted(id)) }
        return Step(
            id: id, title: title(remnant), place: step.place, action: .undo(remnant), after: after, gates: gates,
            done: [.gone(remnant, with: scope == .everything && !spec.groundPhases.isEmpty ? spec.provision?.terraformDirectory : nil)],
            destroys: losses, deadline: TimeSpan(.seconds(1800)), settling: TimeSpan(.seconds(600)))
    }

    /// Which objects go, only Terraform knows, and only when it is asked: they are listed before anybody signs, and the signature is for them.
    private func terraform(_ step: Step, _ remnant: Remnant, _ part: TerraformPart, _ most: String, after: [StepID]) -> Step {
        let id = Self.undoID(step.id)
        let what = part.phase.map { "phase \($0) of \(part.directory)" } ?? part.directory
        return Step(
            id: id, title: title(remnant), place: step.place, action: .undo(remnant), after: after,
            gates: [
                .terraformReady(directory: part.directory, service: part.service),
                .stateLocked(directory: part.directory, service: part.service),
                .provisionSafe(directory: part.directory, phase: part.phase, service: part.service),
                .lossesWarranted(id, directory: part.directory, phase: part.phase, service: part.service),
            ], done: [.gone(remnant)],
            destroys: [
                "every object that Terraform keeps in \(what), \(most) among them: each is listed before anybody signs"
            ],
            deadline: step.deadline, settling: TimeSpan(.seconds(600)))
    }

    /// What Cilium leaves on a node lasts until it boots anew.
    private func hostState(_ name: ClusterName, after: StepID) -> Step? {
        guard let cluster = spec.cluster(name) else { return nil }
        let nodes = cluster.nodes.filter(\.hasAgent).map(\.name)
        guard !nodes.isEmpty else { return nil }
        let remnant = Remnant.hostState(name, nodes)
        return Step(
            id: StepID(name.text, "host-state", "undo"), title: title(remnant), place: .cluster(name), action: .undo(remnant),
            after: [after],
            gates: [.clustersDistinct(spec.clusters.map(\.name))],
            done: nodes.flatMap { [.hostClean($0)] + (cluster.kind == .talos ? [] : [.cniFilesGone($0)]) },
            deadline: TimeSpan(.seconds(3600)), settling: TimeSpan(.seconds(900)))
    }

    private func title(_ remnant: Remnant) -> String {
        switch remnant {
        case .service(let service, _): "uninstall \(service)"
        case .connections(let names): "disconnect \(names.count) clusters from each other"
        case .membership(let name, let others): "disconnect \(name) from \(others.map(\.text).joined(separator: ", "))"
        case .clustermesh: "disable the clustermesh API server"
        case .cilium: "uninstall Cilium"
        case .hostState: "reboot the nodes one by one, if links of Cilium are left on any of them"
        case .ciliumResources: "remove load balancer pools, L2 policies and BGP"
        case .meshCA: "remove the mesh's Cilium CA"
        case .gatewayAPI: "remove the Gateway API CRDs, when no object needs them"
        case .workloads(_, let node): "put nothing new on \(node), and move its pods to other nodes"
        case .registration(let name, let node): "take \(node) out of \(name)"
        case .secrets: "remove the clusters' credentials from the store of secrets"
        case .contexts: "remove the clusters' contexts from kubeconfig and talosconfig"
        case .orphans: "see that no hypervisor has a machine or disk of the mesh's left"
        case .machines(let directory, let phase):
            "destroy \(phase.map { "phase \($0)" } ?? "machines") with Terraform in \(directory)"
        case .servicePhase(let service, let directory, let phase):
            "destroy \(service), phase \(phase), with Terraform in \(directory)"
        }
    }

    private func losses(_ remnant: Remnant) -> [String] {
        guard remnant.holdsData, case .service(_, let name) = remnant, let cluster = spec.cluster(name) else { return [] }
        let disks = cluster.nodes.flatMap { node in
            node.disks.filter { $0.use == .rookCeph }.map { "Ceph's data on disk \($0.serial ?? $0.name) (\($0.size)) of \(node.name)" }
        }
        return ["every volume, bucket and file system in Ceph on cluster \(name)"] + disks
    }
}
