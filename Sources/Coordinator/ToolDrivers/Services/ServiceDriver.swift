// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Running

/// Day-2 services: a Helm chart, a manifest or a playbook, always with the cluster named and never by the current context.
struct ServiceDriver: Sendable {
    let tools: Toolbox
    let spec: MeshSpec

    func install(_ service: MeshSpec.Service, on cluster: MeshSpec.Cluster, step: StepID, deadline: Duration) async throws -> Outcome {
        if let refusal = service.refusal { return .refused(refusal) }
        try await prepareNamespace(of: service, on: cluster)
        switch service.source {
        case .chart(let repository, let name, let version):
            let chart = ChartReference(repository: repository, name: name, version: version)
            let outcome = try await ChartDriver(tools: tools).install(service, chart, on: cluster, step: step, deadline: deadline)
            guard case .succeeded = outcome, service.known?.probe == .ceph else { return outcome }
            try await RookDriver(client: tools.client(for: cluster)).applyCluster(for: cluster)
            return outcome
        case .manifest(let path):
            let manifests = ManifestDriver(tools: tools)
            return try await manifests.install(
                service, try await manifests.content(of: path, pinnedTo: service.sha256), source: path, on: cluster, step: step,
                deadline: deadline)
        case .playbook(let path):
            return try await PlaybookDriver(tools: tools, spec: spec).play(service, path, on: cluster, step: step, deadline: deadline)
        case .terraform(let phase): return .refused("phase \(phase) of Terraform is applied by a step of its own, for all clusters")
        case .builtIn:
            if service.known?.probe == .policyProof {
                return try await ManifestDriver(tools: tools).install(
                    service, try StarWars.manifest(clusters: service.clusters), source: "meshgate", on: cluster, step: step,
                    deadline: deadline)
            }
            // The one service that is part of Cilium's own release: its values bring it.
            return try await CiliumDriver(tools: tools).install(cluster, spec: spec, step: step, deadline: deadline)
        }
    }

    /// What `uninstall` would remove, in its order, and why it may not; changes nothing.
    func uninstallPreview(
        _ service: MeshSpec.Service, on cluster: MeshSpec.Cluster, consent: ServiceRemoval.Consent = .none
    ) async throws -> ServiceRemoval {
        try await ServiceRemover(tools: tools, spec: spec).preview(service, on: cluster, consent: consent)
    }

    /// Removes exactly what the preview lists. Safe to repeat at any point; what somebody else made stays.
    func uninstall(
        _ service: MeshSpec.Service, on cluster: MeshSpec.Cluster, consent: ServiceRemoval.Consent, step: StepID, deadline: Duration
    ) async throws -> Outcome {
        try await ServiceRemover(tools: tools, spec: spec).remove(
            service, on: cluster, consent: consent, step: step, deadline: deadline)
    }

    /// The namespace with the Pod Security label that the service's pods need: without it their controller would be refused every pod, and
    /// say so in events that nobody reads. What lies in a namespace of the admin's own manifest is the manifest's business.
    private func prepareNamespace(of service: MeshSpec.Service, on cluster: MeshSpec.Cluster) async throws {
        switch service.source {
        case .chart, .builtIn: break
        case .terraform: return
        case .manifest, .playbook: guard service.known != nil || service.namespace != nil else { return }
        }
        let client = try tools.client(for: cluster)
        let path = "/api/v1/namespaces/" + service.home
        var metadata: [String: HelmValue] = ["name": .string(service.home)]
        if let level = service.known?.podSecurity {
            metadata["labels"] = .map([
                PodSecurity.label: .string(level.rawValue), PodSecurity.label.replacing("enforce", with: "warn"): .string(level.rawValue),
            ])
        }
        // Whoever made a namespace is who may take it away again.
        if try await client.get(path) == nil { metadata["annotations"] = .map([Self.madeBy: .string(spec.name)]) }
        guard metadata.count > 1 else { return }
        try await client.apply(
            .map(["apiVersion": .string("v1"), "kind": .string("Namespace"), "metadata": .map(metadata)]), at: path)
    }

    /// On a namespace that did not exist before: the mesh whose plan made it.
    static let madeBy = "meshgate.dev/made-by"
}

extension PodSecurity {
    /// The label by which Kubernetes' admission enforces a level.
    static let label = "pod-security.kubernetes.io/enforce"
}

extension Toolbox {
    /// How every call of kubectl begins.
    func kubectl(_ cluster: MeshSpec.Cluster) -> [String] { ["--kubeconfig", kubeconfig, "--context", cluster.context] }
}
