// SPDX-License-Identifier: Apache-2.0

import Gating
package import MeshModel
import MeshSystem
package import MeshTrust
package import Planning
package import Running

/// Undoes what a build left, one remnant at a time. It removes only what is the mesh's own by exact identity, and says of everything else whose
/// it may be. Removing what is gone already is no error: a teardown that was cut off is begun again.
package struct TeardownDriver: Sendable {
    private let tools: Toolbox
    private let warrants: LossWarrants

    /// `signers`: who may sign for what a teardown destroys; the coordinator's own file.
    package init(tools: Toolbox, signers: @escaping @Sendable () throws -> AllowedSigners) {
        self.tools = tools
        warrants = LossWarrants(signers: signers, now: tools.now)
    }

    /// Runs to the end of the tool. A step that destroys data does nothing without a warrant that counts now.
    package func carryOut(_ step: Step, plan: Plan, warrant: WarrantEnvelope?) async -> Outcome {
        do {
            guard case .undo(let remnant) = step.action else { return .refused("\(step.id) undoes nothing") }
            guard remnant.holdsData || step.takesWarrant else { return try await undo(remnant, step, plan.spec, permitted: nil) }
            switch warrants.permission(warrant, for: step, in: plan) {
            case .success(let permitted): return try await undo(remnant, step, plan.spec, permitted: permitted)
            case .failure(let refusal): return .refused(refusal.words)
            }
        } catch let error as DriverError where error.isDryRun {
            return .refused("\(error)")
        } catch {
            return .failed("\(error)")
        }
    }

    private func undo(
        _ remnant: Remnant, _ step: Step, _ spec: MeshSpec, permitted: PermittedLosses?
    ) async throws -> Outcome {
        let consent = permitted.map { ServiceRemoval.Consent.dataLoss($0.warrant) } ?? .none
        let deadline = step.deadline.duration
        let cilium = CiliumDriver(tools: tools)
        func cluster(_ name: ClusterName) throws -> MeshSpec.Cluster {
            guard let found = spec.cluster(name) else { throw DriverError.unreadable(what: "cluster \(name)", where: "the plan") }
            return found
        }
        switch remnant {
        case .service(let service, let name):
            guard let found = spec.services.first(where: { $0.name == service }) else {
                throw DriverError.unreadable(what: "service \(service)", where: "the plan")
            }
            let cluster = try cluster(name)
            if consent != .none,
                let problem = try await RookDriver(client: tools.client(for: cluster)).removeCluster(of: cluster, within: deadline)
            {
                return .failed(problem)
            }
            return try await ServiceDriver(tools: tools, spec: spec)
                .uninstall(found, on: cluster, consent: consent, step: step.id, deadline: deadline)
        case .connections(let names):
            return try await cilium.disconnect(names.map(cluster), mode: .mesh, step: step.id, deadline: deadline)
        case .membership(let name, let others):
            return try await cilium.disconnect(
                [cluster(name)] + others.map(cluster), mode: .bidirectional, step: step.id, deadline: deadline)
        case .clustermesh(let name): return try await cilium.disableClustermesh(cluster(name), step: step.id, deadline: deadline)
        case .cilium(let name):
            let outcome = try await cilium.uninstall(cluster(name), step: step.id, deadline: deadline)
            guard case .succeeded(let words) = outcome else { return outcome }
            let leftovers = CiliumLeftovers(tools: tools, client: try tools.client(for: cluster(name)))
            return .succeeded("\(words); \(try await leftovers.remove())")
        case .hostState(let name, let nodes): return try await reboot(nodes, of: cluster(name), step: step.id, deadline: deadline)
        case .ciliumResources(let name):
            let driver = CiliumResourceDriver(client: try tools.client(for: cluster(name)), release: spec.versions.cilium)
            return .succeeded("removed \(try await driver.removeOurs())")
        case .meshCA(let name): return try await removeCA(tools.client(for: cluster(name)))
        case .gatewayAPI(let name): return try await GatewayAPIRemoval(client: tools.client(for: cluster(name))).remove()
        case .workloads(let name, let node):
            return try await NodeDeparture(client: tools.client(for: cluster(name)), node: node).drain(within: deadline)
        case .registration(let name, let node):
            return try await NodeDeparture(client: tools.client(for: cluster(name)), node: node).remove()
        case .secrets(let names): return try await SecretsDriver(tools: tools, spec: spec).remove(names)
        case .contexts(let names): return try await ContextsDriver(tools: tools, spec: spec).remove(names)
        case .orphans: return .refused("what is left on a hypervisor is removed by a person")
        case .machines(let directory, let phase): return try await destroy(directory, phase, step, spec, permitted)
        case .servicePhase(_, let directory, let phase): return try await destroy(directory, phase, step, spec, permitted)
        }
    }

    private func destroy(
        _ directory: String, _ phase: String?, _ step: Step, _ spec: MeshSpec, _ permitted: PermittedLosses?
    ) async throws -> Outcome {
        guard let provision = spec.provision, let permitted else {
            throw DriverError.unreadable(what: "the provisioning of \(directory)", where: "the plan")
        }
        return try await TerraformDriver(tools: tools, provision: provision)
            .destroy(phase: phase, step: step.id, deadline: step.deadline.duration, permitted: permitted)
    }

    /// One after the other, so that a cluster keeps its majority. Machines that Talos does not run are rebooted by a person.
    private func reboot(_ names: [NodeID], of cluster: MeshSpec.Cluster, step: StepID, deadline: Duration) async throws -> Outcome {
        guard cluster.kind == .talos else {
            return .succeeded("nothing was done: reboot the nodes of \(cluster.name) on which links of Cilium are left")
        }
        for node in cluster.nodes where names.contains(node.name) {
            let arguments = [
                "--context", cluster.context, "--nodes", node.address.description, "reboot", "--wait", "--timeout", "10m",
            ]
            let result = try await tools.run("talosctl", arguments, step: step, deadline: min(deadline, .seconds(720)))
            guard result.succeeded else { return Outcome(result, command: "talosctl reboot of \(node.name)", done: "") }
        }
        return .succeeded("rebooted one by one")
    }

    /// Only the CA of this mesh: another one is somebody's else, and their certificates hang on it.
    private func removeCA(_ client: KubernetesClient) async throws -> Outcome {
        let path = "/api/v1/namespaces/kube-system/secrets/cilium-ca"
        guard let secret = try await client.get(path) else { return .succeeded("there was none") }
        let own = try tools.meshCertificate().map { try Certificate(pem: $0).spkiDigest }
        let found = secret["data", "ca.crt"]?.string.flatMap(JSON.unbase64)
            .flatMap { try? Certificate(pem: String(decoding: $0, as: UTF8.self)).spkiDigest }
        guard let own, found == own else {
            return .failed(
                "Secret kube-system/cilium-ca holds another CA than this mesh's; it was left alone. Delete it yourself if nobody needs it")
        }
        try await client.delete(path)
        return .succeeded("removed")
    }
}
