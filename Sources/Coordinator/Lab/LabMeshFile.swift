// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
package import MeshModel

/// The files that an admin would bring to a mesh, written for a lab: mesh.yaml, a kubeconfig, a Terraform tree and a manifest.
package struct LabMeshFile: Hashable, Sendable {
    package let topology: LabTopology
    private let services: [LabService]
    private let api: API?
    private let watchesAfterRun: Bool
    private let migratesCA: Bool
    private let wantsTelemetry: Bool
    private let drops: [String]

    /// Where the hypervisor's API is, and with what it is asked.
    package struct API: Hashable, Sendable {
        package var server: String
        package var authority: String
        /// The file with the token.
        package var token: String
    }

    /// What is installed, by the product and by hand.
    package static let cilium = SemanticVersion(1, 18, 5)
    /// The release that Cilium 1.18 expects.
    package static let gatewayAPI = SemanticVersion(1, 3, 0)

    package init(
        _ topology: LabTopology, services: LabPlan.Services = .core, api: API? = nil, watchesAfterRun: Bool = false,
        migratesCA: Bool = false, wantsTelemetry: Bool = false, drops: [String] = []
    ) {
        self.topology = topology
        self.api = api
        self.watchesAfterRun = watchesAfterRun
        self.migratesCA = migratesCA
        self.wantsTelemetry = wantsTelemetry
        self.drops = drops
        self.services = LabService.all(services)
        hasObjectStore = services == .catalogue
    }

    /// With the whole catalogue, a service that Terraform brings: a phase of the same configuration, applied when the clusters stand.
    private let hasObjectStore: Bool

    /// Manifests that mesh.yaml names, by path below the lab's directory.
    package var manifests: [String: String] { services.reduce(into: [:]) { all, service in all[service.path] = service.manifest } }

    /// What a teardown asks a person to type.
    static let meshName = "lab"

    /// The mesh as an admin would describe it. The one hypervisor is this machine, which has the nodes' disks as images.
    package var mesh: String {
        """
        # The mesh of this lab. Real agents, disks and networks; the clusters behind the API servers are stand-ins.
        apiVersion: meshgate.dev/v1alpha1
        kind: Mesh
        metadata:
          name: \(Self.meshName)
        spec:
          versions: { talos: 1.11.3, cilium: \(Self.cilium), gatewayAPI: \(Self.gatewayAPI) }

          networks:
        \((topology.clusters.map(network) + trunkNetwork).joined(separator: "\n"))

          hypervisors:
            - name: \(LabTopology.hypervisor)
              kind: proxmox
              address: \(topology.coordinator)
              bridges: [ \(topology.clusters.map { "{ name: \($0.bridge), network: \($0.network) }" }.joined(separator: ", ")) ]\(apiLines)

          clusters:
        \(topology.clusters.map(cluster).joined(separator: "\n"))

          provision:
            terraform: \(provision)
          services:
        \((services.map(\.line) + objectStore).map { "    - " + $0 }.joined(separator: "\n"))
          policy:
            evidence: { maxAge: 10m }
            # A lab has no time for the minute that a mesh is to stay connected.
            mesh: { steadyFor: 2s\(migratesCA ? ", migrateCA: true" : "") }
            watch: { holdOnRegression: true, afterRun: \(watchesAfterRun) }
            warrants: { signatures: 1 }\(telemetryLines)

        """
    }

    private var telemetryLines: String {
        let wanted = drops.isEmpty ? "" : ", drops: [\(drops.joined(separator: ", "))]"
        return wantsTelemetry ? "\n    telemetry: { required: true, silence: 30s\(wanted) }" : ""
    }

    private var apiLines: String {
        guard let api else { return "" }
        return "\n      api: { server: \"\(api.server)\", authority: \"\(api.authority)\", token: { file: \"\(api.token)\" } }"
    }

    private func network(_ cluster: LabTopology.Cluster) -> String {
        "    - { name: \(cluster.network), vlan: \(cluster.vlan), cidr: \(cluster.cidr), gateway: \(cluster.gateway), mtu: 1500 }"
    }

    /// It has no router, as storage networks have none.
    private var trunkNetwork: [String] {
        guard topology.hasTrunks else { return [] }
        return ["    - { name: \(LabTopology.trunkNetwork), vlan: \(LabTopology.trunkVLAN), cidr: 172.30.0.0/24, mtu: 1500 }"]
    }

    private func cluster(_ cluster: LabTopology.Cluster) -> String {
        """
            - name: \(cluster.name)
              id: \(cluster.id)
              kind: talos
              context: \(cluster.context)
              endpoint: https://\(cluster.endpoint):6443
              network: \(cluster.network)
              podCIDRs: [\(cluster.podCIDR)]
              serviceCIDRs: [\(cluster.serviceCIDR)]
              kubeProxy: false\(topology.listsPacketFilter ? "\n      hosts: { packetFilter: true }" : "")
              cilium:
                kubeProxyReplacement: true
                routingMode: tunnel
                tunnelProtocol: vxlan
                encryption: none
                clustermesh: { serviceType: NodePort, nodePort: \(cluster.nodePort) }
              nodes:
        \(cluster.nodes.map { node($0, cluster) }.joined(separator: "\n"))
        """
    }

    private func node(_ node: LabTopology.Node, _ cluster: LabTopology.Cluster) -> String {
        var lines = [
            "        - name: \(node.name)", "          role: \(node.role.rawValue)", "          address: \(node.address)",
        ]
        let nic = "{ name: \(LabTopology.nic), network: \(cluster.network), mac: \"\(node.mac)\" }"
        if topology.hasTrunks {
            // A VLAN of the second NIC. The kernel of a lab need not be able to make one: the frames are real, their sender is the prober.
            let trunk =
                "{ name: \(LabTopology.trunkNIC).\(LabTopology.trunkVLAN), network: \(LabTopology.trunkNetwork), "
                + "mac: \"\(node.trunkMAC)\" }"
            lines.append("          interfaces: [ \(nic), \(trunk) ]")
        } else {
            lines += ["          hypervisor: \(LabTopology.hypervisor)", "          interfaces: [ \(nic) ]"]
        }
        if let disk = node.disk {
            lines.append(
                "          disks: [ { name: \(disk.device), serial: \(disk.serial), size: \(disk.size), use: rook-ceph } ]")
        }
        return lines.joined(separator: "\n")
    }

    /// One context per cluster, each pointing to a stand-in API server; in JSON, which is YAML too. `servers` by cluster name.
    package func kubeconfig(servers: [String: String]) throws -> String {
        let clusters = topology.clusters.map { NamedCluster(name: $0.name.text, cluster: .init(server: servers[$0.name.text] ?? "")) }
        let contexts = topology.clusters.map {
            NamedContext(name: $0.context, context: .init(cluster: $0.name.text, user: "lab"))
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let file = Kubeconfig(
            clusters: clusters, contexts: contexts, users: [NamedUser(name: "lab", user: .init(token: "stand-in"))],
            currentContext: contexts.first?.name ?? "")
        return String(decoding: try encoder.encode(file), as: UTF8.self) + "\n"
    }

    /// One context per cluster, called like it; the stand-in talosctl looks at nothing else.
    package var talosconfig: String {
        let contexts = topology.clusters.map { cluster in
            let endpoints = topology.nodes.filter { $0.cluster == cluster.name && $0.role == .controlPlane }.map(\.address.description)
            return """
                    \(cluster.name):
                        endpoints: [\(endpoints.joined(separator: ", "))]
                        ca: "stand-in of \(cluster.name)"

                """
        }
        return "context: \"\(topology.clusters.first?.name.text ?? "")\"\ncontexts:\n" + contexts.joined()
    }

    private var objectStore: [String] {
        hasObjectStore ? ["{ name: object-store, terraform: { phase: object-store }, clusters: all }"] : []
    }

    private var provision: String {
        let whole = "directory: terraform, varsFrom: files"
        guard hasObjectStore else { return "{ \(whole) }" }
        let machines = topology.nodes.map { "lab_machine." + resource($0) }.joined(separator: ", ")
        return
            "{ \(whole), phases: [{ name: machines, addresses: [\(machines)] }, { name: object-store, addresses: [lab_bucket.traces] }] }"
    }

    private func resource(_ node: LabTopology.Node) -> String { String(node.name.text.map { $0 == "-" ? "_" : $0 }) }

    /// One machine resource per node, enough for Terraform's stand-in to have something to plan, and a bucket for the service of its own.
    package var terraform: String {
        let machines = topology.nodes.map { node in
            """
            resource "lab_machine" "\(resource(node))" {
              name    = "\(node.name)"
              address = "\(node.address)"
            }

            """
        }
        let bucket = """
            resource "lab_bucket" "traces" {
              name = "traces"
            }

            """
        return "# The machines of the lab; its Terraform is a stand-in that counts resources.\n" + machines.joined()
            + (hasObjectStore ? bucket : "")
    }
}

private struct Kubeconfig: Encodable {
    var apiVersion = "v1"
    var kind = "Config"
    var clusters: [NamedCluster]
    var contexts: [NamedContext]
    var users: [NamedUser]
    var currentContext: String
    enum CodingKeys: String, CodingKey {
        case apiVersion, kind, clusters, contexts, users
        case currentContext = "current-context"
    }
}

private struct NamedCluster: Encodable {
    struct Cluster: Encodable { var server: String }
    var name: String
    var cluster: Cluster
}

private struct NamedContext: Encodable {
    struct Context: Encodable {
        var cluster: String
        var user: String
    }
    var name: String
    var context: Context
}

private struct NamedUser: Encodable {
    struct User: Encodable { var token: String }
    var name: String
    var user: User
}
