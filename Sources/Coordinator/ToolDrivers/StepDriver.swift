// SPDX-License-Identifier: Apache-2.0

import Gating
package import MeshModel
package import MeshTrust
package import Planning
package import Running

/// Carries out the steps that are done with tools, and observes what the coordinator sees for itself. One place where an action of the
/// plan meets its driver.
package struct StepDriver: Sendable {
    private let tools: Toolbox
    private let warrants: LossWarrants

    /// `signers`: who may sign for what Terraform would take away; the coordinator's own file.
    package init(tools: Toolbox, signers: @escaping @Sendable () throws -> AllowedSigners) {
        self.tools = tools
        warrants = LossWarrants(signers: signers, now: tools.now)
    }

    /// Runs to the end of the tool. Every error becomes an outcome: nothing was believed, so nothing is lost.
    package func carryOut(_ step: Step, plan: Plan, warrant: WarrantEnvelope? = nil) async -> Outcome {
        do {
            var permitted: PermittedLosses?
            if let warrant {
                switch warrants.permission(warrant, for: step, in: plan) {
                case .success(let losses): permitted = losses
                case .failure(let refusal): return .refused(refusal.words)
                }
            }
            return try await perform(step, plan: plan, permitted: permitted)
        } catch let error as DriverError where error.isDryRun {
            return .refused("\(error)")
        } catch {
            return .failed("\(error)")
        }
    }

    private func perform(_ step: Step, plan: Plan, permitted: PermittedLosses?) async throws -> Outcome {
        let deadline = step.deadline.duration
        let cilium = CiliumDriver(tools: tools)
        func cluster(_ name: ClusterName) throws -> MeshSpec.Cluster {
            guard let found = plan.spec.cluster(name) else { throw DriverError.unreadable(what: "cluster \(name)", where: "the plan") }
            return found
        }
        switch step.action {
        case .provision(let directory, let phase):
            guard let provision = plan.spec.provision else {
                throw DriverError.unreadable(what: "the provisioning of \(directory)", where: "the plan")
            }
            return try await TerraformDriver(tools: tools, provision: provision)
                .apply(phase: phase, step: step.id, deadline: deadline, permitted: permitted)
        case .bootstrapTalos(let name):
            return try await BootstrapDriver(tools: tools, cluster: cluster(name)).carryOut(step: step.id, deadline: deadline)
        case .awaitTalos(let name): return try await talosHealth(cluster(name), step: step.id, deadline: deadline)
        case .upgradeTalos(let name):
            let target = try cluster(name)
            for case .talosRelease(_, _, let wanted) in step.done {
                return try await UpgradeDriver(tools: tools, cluster: target, wanted: wanted).carryOut(step: step.id, deadline: deadline)
            }
            throw DriverError.unreadable(what: "the release that \(name) is to run", where: "the plan")
        case .awaitNodes: return .succeeded("nothing to do but wait for the nodes")
        case .installGatewayAPI(let name, let version):
            return try await GatewayAPIDriver(tools: tools).apply(version, on: cluster(name))
        case .seedMeshCA(let name): return try await seedCA(cluster(name))
        case .trustAuthorities(let name):
            return try await AuthorityMigration(tools: tools, cluster: cluster(name))
                .trust(plan.spec.clusters, step: step.id, deadline: deadline)
        case .reissueCertificates(let name):
            return try await AuthorityMigration(tools: tools, cluster: cluster(name)).reissue(step: step.id, deadline: deadline)
        case .awaitServers: return .succeeded("nothing to do but wait for the API servers")
        case .dropAuthorities(let name):
            return try await AuthorityMigration(tools: tools, cluster: cluster(name)).drop(step: step.id, deadline: deadline)
        case .installCilium(let name):
            return try await cilium.install(cluster(name), spec: plan.spec, step: step.id, deadline: deadline)
        case .applyCiliumResources(let name):
            let target = try cluster(name)
            return try await CiliumResourceDriver(client: tools.client(for: target), release: plan.spec.versions.cilium).apply(target)
        case .wipe: return .refused("wipes need a warrant in hand and are not done here")
        case .enableClustermesh(let name): return try await cilium.enableClustermesh(cluster(name), step: step.id, deadline: deadline)
        case .connectClustermesh(let names):
            return try await cilium.connect(names.map(cluster), step: step.id, deadline: deadline)
        case .testConnectivity(let from, let to):
            return try await cilium.testConnectivity(
                from: cluster(from), to: cluster(to), plan: plan, step: step.id, deadline: deadline)
        case .proveService(_, let names):
            return try await PolicyProof(tools: tools).run(
                among: names.map(cluster), plan: plan.buildDigest, step: step.id, deadline: deadline)
        case .installService(let service, let name):
            guard let found = plan.spec.services.first(where: { $0.name == service }) else {
                throw DriverError.unreadable(what: "service \(service)", where: "the plan")
            }
            return try await ServiceDriver(tools: tools, spec: plan.spec)
                .install(found, on: cluster(name), step: step.id, deadline: deadline)
        case .storeSecrets: return try await SecretsDriver(tools: tools, spec: plan.spec).store()
        case .look: return .refused("a question is not carried out")
        case .undo: return .refused("what is undone may need a warrant in hand and is not done here")
        }
    }

    private func talosHealth(_ cluster: MeshSpec.Cluster, step: StepID, deadline: Duration) async throws -> Outcome {
        let controlPlanes = cluster.nodes.filter { $0.role == .controlPlane }.map(\.address.description)
        let workers = cluster.nodes.filter { $0.role == .worker }.map(\.address.description)
        guard let first = controlPlanes.first else { return .refused("\(cluster.name) has no control plane to ask") }
        // Of one node: a talosconfig often lists all, and `health` refuses more than one (D21).
        var arguments = ["--context", cluster.name.text, "--nodes", first, "health", "--wait-timeout", "10m"]
        arguments += ["--control-plane-nodes", controlPlanes.joined(separator: ",")]
        if !workers.isEmpty { arguments += ["--worker-nodes", workers.joined(separator: ",")] }
        let result = try await tools.run("talosctl", arguments, step: step, deadline: deadline)
        return Outcome(result, command: "talosctl health", done: "healthy")
    }

    /// With Helm's ownership marks, or the chart refuses the Secret (D35). The key travels in the request's body and nowhere else.
    private func seedCA(_ cluster: MeshSpec.Cluster) async throws -> Outcome {
        let authority = try tools.meshCA()
        let secret: HelmValue = .map([
            "apiVersion": .string("v1"), "kind": .string("Secret"), "type": .string("Opaque"),
            "metadata": .map([
                "name": .string("cilium-ca"), "namespace": .string("kube-system"),
                "labels": .map(["app.kubernetes.io/managed-by": .string("Helm")]),
                "annotations": .map([
                    "meta.helm.sh/release-name": .string("cilium"), "meta.helm.sh/release-namespace": .string("kube-system"),
                ]),
            ]),
            "data": .map([
                "ca.crt": .string(JSON.base64(Array(authority.certificate.utf8))),
                "ca.key": .string(JSON.base64(Array(authority.key.utf8))),
            ]),
        ])
        try await tools.client(for: cluster).apply(secret, at: "/api/v1/namespaces/kube-system/secrets/cilium-ca")
        return .succeeded("seeded")
    }

    /// Looks for itself. What cannot be seen is a fact of its own: `unavailable`, which opens no gate.
    package func observe(_ key: EvidenceKey, plan: Plan) async -> Evidence {
        let began = tools.now()
        let facts: [Fact]
        var boot: BootID?
        do {
            if case (.disks, .node(let name)) = (key.probe, key.subject) {
                (boot, facts) = try await talosDisks(of: name, plan: plan)
            } else {
                facts = try await look(key, plan: plan)
            }
        } catch {
            facts = [.unavailable("\(error)")]
        }
        // Taken when the look began: nothing seen is younger than that.
        return Evidence(subject: key.subject, probe: key.probe, bootID: boot, takenAt: began, facts: facts)
    }

    /// Of a machine without an agent. The boot is asked for on both sides of the look.
    private func talosDisks(of name: NodeID, plan: Plan) async throws -> (BootID, [Fact]) {
        guard let (cluster, node) = plan.spec.members.first(where: { $0.node.name == name }) else {
            throw DriverError.unreadable(what: "node \(name)", where: "the plan")
        }
        let disks = TalosDisks(tools: tools, cluster: cluster, node: node)
        let boot = try await disks.bootID()
        let facts = try await disks.facts()
        guard try await disks.bootID() == boot else {
            throw DriverError.unreadable(what: "the disks of \(name)", where: "Talos: it rebooted meanwhile")
        }
        return (boot, facts)
    }

    private func look(_ key: EvidenceKey, plan: Plan) async throws -> [Fact] {
        switch (key.probe, key.subject) {
        case (.provision, let subject):
            guard let provision = plan.spec.provision else { return [] }
            var phases = plan.spec.groundPhases
            // A service's phase is looked at alone: before its clusters stand it cannot be planned.
            if case .service(let name) = subject {
                phases = (provision.phases ?? []).filter { plan.spec.service(ofPhase: $0.name)?.name == name }
            }
            let terraform = TerraformDriver(tools: tools, provision: provision)
            if case .teardown = plan.purpose { return try await terraform.observeDestruction(phases) }
            return try await terraform.observe(phases)
        case (.contexts, _): return [.contexts(try ContextsDriver(tools: tools, spec: plan.spec).observe())]
        case (.secrets, _):
            guard plan.spec.secrets != nil else { return [] }
            var isTeardown = false
            if case .teardown = plan.purpose { isTeardown = true }
            return [.secrets(try await SecretsDriver(tools: tools, spec: plan.spec).observe(comparing: !isTeardown))]
        case (.cluster, .cluster(let name)):
            guard let cluster = plan.spec.cluster(name) else { return [] }
            var leaving: NodeID?
            if case .teardown(.node(let node), _) = plan.purpose, cluster.nodes.contains(where: { $0.name == node }) { leaving = node }
            return [
                .cluster(
                    try await ClusterObserver(tools: tools).observe(
                        cluster, cilium: plan.spec.versions.cilium, services: plan.spec.services.filter { $0.clusters.contains(name) },
                        plan: plan.buildDigest, leaving: leaving, watchesTrust: plan.spec.policy.migratesCA == true))
            ]
        case (.hypervisor, .node(let name)):
            guard let host = plan.spec.hypervisors.first(where: { $0.name == name }), let api = host.api else { return [] }
            let client = try ProxmoxClient(api, of: name, tools: tools)
            return [.hypervisor(try await ProxmoxObserver(client: client, host: host, spec: plan.spec).observe())]
        case (.talos, .cluster(let name)):
            guard let cluster = plan.spec.cluster(name) else { return [] }
            let facts = await TalosObserver(tools: tools, cluster: cluster).observe()
            let answered = facts.contains { if case .talos(let fact) = $0, case .machine = fact.answer { true } else { false } }
            if answered { try ContextsDriver.rememberTalos(name, tools) }
            return facts
        case (.connectivity, .cluster(let name)):
            let pairs = plan.steps.flatMap(\.done).compactMap { requirement -> (from: ClusterName, to: ClusterName)? in
                if case .connectivity(let from, let to) = requirement, from == name { (from, to) } else { nil }
            }
            var facts: [Fact] = []
            for (from, to) in pairs {
                var fact = try ConnectivityReport(tools: tools, from: from, to: to).fact(plan: plan.buildDigest)
                if fact.tests > 0 {
                    let stage = ConnectivityStage(tools: tools, clusters: [from, to].compactMap { plan.spec.cluster($0) })
                    let left = try await stage.remains()
                    fact.leftovers = left.isEmpty ? nil : left
                }
                facts.append(.connectivity(fact))
            }
            return facts
        default: return [.unavailable("the coordinator has no way to observe \(key.probe.rawValue) of \(key.subject)")]
        }
    }
}
