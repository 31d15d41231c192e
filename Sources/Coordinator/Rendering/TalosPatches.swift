// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Strategic merge patches for the machine configuration of Talos clusters: what mesh.yaml decides of it, and nothing else. Keys, tokens and
/// certificates stay with whoever made the configuration.
package struct TalosPatches {
    private let spec: MeshSpec
    private let agents: AgentSettings?
    private let digest: Digester

    /// What an agent's machine configuration must say of the mesh that the spec does not know.
    package struct AgentSettings: Hashable, Sendable {
        /// `HOST:PORT`.
        package var coordinator: String
        /// Who may sign warrants, as the wiper reads it; without it no wiper is configured.
        package var allowedSigners: String?
        /// One-time secrets for the first meeting.
        package var joinTokens: [NodeID: String]
        package init(coordinator: String, allowedSigners: String? = nil, joinTokens: [NodeID: String] = [:]) {
            self.coordinator = coordinator
            self.allowedSigners = allowedSigners
            self.joinTokens = joinTokens
        }
    }

    package init(_ spec: MeshSpec, agents: AgentSettings? = nil, digest: @escaping Digester) {
        self.spec = spec
        self.agents = agents
        self.digest = digest
    }

    /// `talos/CLUSTER/cluster.yaml` for all its machines, `talos/CLUSTER/NODE.yaml` for each, and the schematic of their image.
    package func files(of cluster: MeshSpec.Cluster) -> [RenderedFile] {
        let directory = "talos/\(cluster.name)"
        var files = [RenderedFile(path: "\(directory)/cluster.yaml", form: .yaml([clusterPatch(cluster)]))]
        if let talos = cluster.talos, talos.installer == nil {
            files.append(RenderedFile(path: "\(directory)/schematic.yaml", form: .text(Schematic(talos).text)))
        }
        return files + cluster.nodes.map { file(of: $0, in: cluster) }
    }

    /// The file of one machine.
    package func file(of node: MeshSpec.Node, in cluster: MeshSpec.Cluster) -> RenderedFile {
        RenderedFile(
            path: "talos/\(cluster.name)/\(node.name).yaml", form: .yaml(documents(node, cluster)),
            isSecret: node.hasAgent && agents?.joinTokens[node.name] != nil)
    }

    private func clusterPatch(_ cluster: MeshSpec.Cluster) -> HelmValue {
        // KubePrism is how Cilium reaches the API server where no kube-proxy is.
        let port = cluster.cilium.localPort ?? 7445
        var machine: [String: HelmValue] = [
            "features": .map(["kubePrism": .map(["enabled": .bool(true), "port": .integer(Int64(port))])])
        ]
        if let talos = cluster.talos {
            if let version = spec.versions.talos {
                machine["install"] = .map(["image": .string(talos.installImage(version, digest: digest))])
            }
            if !talos.timeServers.isEmpty { machine["time"] = .map(["servers": texts(talos.timeServers)]) }
        }
        return .map([
            "machine": .map(machine),
            "cluster": .map([
                "controlPlane": .map(["endpoint": .string(cluster.endpoint)]),
                "network": .map([
                    "cni": .map(["name": .string("none")]), "podSubnets": texts(cluster.podCIDRs.map(\.description)),
                    "serviceSubnets": texts(cluster.serviceCIDRs.map(\.description)),
                ]),
                "proxy": .map(["disabled": .bool(cluster.cilium.kubeProxyReplacement)]),
            ]),
        ])
    }

    private func documents(_ node: MeshSpec.Node, _ cluster: MeshSpec.Cluster) -> [HelmValue] {
        var machine: [String: HelmValue] = [:]
        var network: [String: HelmValue] = [:]
        let interfaces = TalosInterfaces(spec: spec, node: node).entries
        if !interfaces.isEmpty { network["interfaces"] = .list(interfaces) }
        let named = namesHostByDocument
        if !named { network["hostname"] = .string(node.name.text) }
        if !network.isEmpty { machine["network"] = .map(network) }
        var cluster: [String: HelmValue] = [:]
        if let home = home(of: node) {
            // With several networks kubelet and etcd would take the address that they find first.
            let subnets = texts([home.cidr.description])
            machine["kubelet"] = .map(["nodeIP": .map(["validSubnets": subnets])])
            if node.role == .controlPlane { cluster["etcd"] = .map(["advertisedSubnets": subnets]) }
        }
        var patch: [String: HelmValue] = [:]
        if !machine.isEmpty { patch["machine"] = .map(machine) }
        if !cluster.isEmpty { patch["cluster"] = .map(cluster) }
        var documents: [HelmValue] = patch.isEmpty ? [] : [.map(patch)]
        if named { documents.append(hostname(node)) }
        return documents + extensions(node)
    }

    /// From 1.12 on Talos generates configurations with a document of the name's own, which a name in the old place contradicts.
    private var namesHostByDocument: Bool { spec.versions.talos.map { $0 >= SemanticVersion(1, 12, 0) } ?? false }

    private func hostname(_ node: MeshSpec.Node) -> HelmValue {
        .map([
            "apiVersion": .string("v1alpha1"), "kind": .string("HostnameConfig"), "hostname": .string(node.name.text),
            "auto": .string("off"),
        ])
    }

    private func home(of node: MeshSpec.Node) -> MeshSpec.Network? {
        let networks = Set(node.interfaces.map(\.network))
        guard networks.count > 1 else { return nil }
        return spec.networks.first { networks.contains($0.name) && $0.cidr.contains(node.address) }
    }

    private func extensions(_ node: MeshSpec.Node) -> [HelmValue] {
        guard node.hasAgent, let agents else { return [] }
        var settings = "node = \(node.name)\ncoordinator = \(agents.coordinator)\n"
        var files: [HelmValue] = []
        if let token = agents.joinTokens[node.name] {
            settings += "join-token-file = /etc/meshgate/join-token\n"
            files.append(file("/etc/meshgate/join-token", token + "\n"))
        }
        files.insert(file("/etc/meshgate/agent.conf", settings), at: 0)
        var documents = [service("meshgate-agent", files)]
        if let signers = agents.allowedSigners {
            documents.append(
                service(
                    "meshgate-wiper",
                    [file("/etc/meshgate/agent.conf", "node = \(node.name)\n"), file("/etc/meshgate/allowed_signers", signers)]))
        }
        return documents
    }

    private func service(_ name: String, _ files: [HelmValue]) -> HelmValue {
        .map([
            "apiVersion": .string("v1alpha1"), "kind": .string("ExtensionServiceConfig"), "name": .string(name),
            "configFiles": .list(files),
        ])
    }

    private func file(_ path: String, _ content: String) -> HelmValue {
        .map(["mountPath": .string(path), "content": .string(content)])
    }

    private func texts(_ items: [String]) -> HelmValue { .list(items.map { .string($0) }) }
}
