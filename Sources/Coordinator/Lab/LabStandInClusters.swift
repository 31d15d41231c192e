// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Glibc
package import MeshModel
internal import MeshSystem

/// Starts the stand-in API server of every cluster and lays the stand-in tools on the coordinator's PATH.
///
/// The agreement with the stand-ins, per cluster, in `world/CLUSTER/`:
///
///     faults.json          written here when the tools shall be slower, or otherwise misbehave (`StandInFaults`)
///     seed.json            written here before the start: what the cluster is made of (`LabSeed`)
///     api.port             written by the API server when it listens on 127.0.0.1: the port, in decimal, and a line end
///     clustermesh-enabled  made by the stand-in cilium when clustermesh is enabled: the nodes then listen on the NodePort
///     clustermesh-server.json  the certificate that they show there (`LabServerCertificate`)
///
/// The server is `meshgate lab stand-in-api --world WORLD --cluster CLUSTER` (WORLD is `world`, not `world/CLUSTER`). A tool is a symbolic link in
/// `bin` to the meshgate binary, called by its name; it finds the API servers through KUBECONFIG, which is JSON.
package struct LabStandInClusters: Sendable {
    /// The tools that are played.
    package static let tools = ["terraform", "talosctl", "cilium", "kubectl", "helm", "ansible-playbook"]

    private let topology: LabTopology
    private let paths: LabPaths
    private let processes: LabProcesses
    private let program: String

    package init(_ topology: LabTopology, paths: LabPaths, processes: LabProcesses, program: String) {
        self.topology = topology
        self.paths = paths
        self.processes = processes
        self.program = program
    }

    /// Writes the seeds and the links, starts the servers, waits until each has said its port, and writes kubeconfig and talosconfig.
    package func start(
        foreignCAs: Set<ClusterName> = [], staleServers: Set<ClusterName> = [], toolDelay: Duration = .zero
    ) async throws {
        for tool in Self.tools {
            let link = "\(paths.bin)/\(tool)"
            guard symlink(program, link) == 0 || errno == EEXIST else {
                throw LabError.system(doing: "make a link", on: link, errno: errno)
            }
        }
        var servers: [String: String] = [:]
        for cluster in topology.clusters {
            let world = paths.world(of: cluster)
            try LabFiles.makeDirectory(world)
            try LabFiles.write(try LabSeed(cluster, hasForeignCA: foreignCAs.contains(cluster.name)).text, to: world + "/seed.json")
            if toolDelay > .zero || staleServers.contains(cluster.name) {
                var faults = StandInFaults()
                faults.toolDelay = Int(clamping: toolDelay.inMilliseconds)
                faults.showsStaleCertificate = staleServers.contains(cluster.name)
                try faults.save(world)
            }
            try LabFiles.removeTree(world + "/api.port")
            let name = "api-\(cluster.name)"
            let process = try processes.start(
                name, program, ["lab", "stand-in-api", "--world", paths.world, "--cluster", cluster.name.text], in: .rootNamespace)
            let port = try await LabPatience.value(
                "hear the port of the stand-in API server of \(cluster.name)", for: .seconds(20), remedy: "see \(paths.log(name))",
                while: { process.isAlive }, look: { LabFiles.text(world + "/api.port").flatMap { UInt16($0) } })
            servers[cluster.name.text] = "http://127.0.0.1:\(port)"
        }
        try LabFiles.write(try LabMeshFile(topology).kubeconfig(servers: servers), to: paths.kubeconfig, mode: 0o600)
        try LabFiles.write(LabMeshFile(topology).talosconfig, to: paths.talosconfig, mode: 0o600)
    }
}

extension LabStandInClusters {
    /// The clustermesh API server takes up the certificate that its Secret has.
    func reloadServer(of cluster: LabTopology.Cluster) throws {
        let world = paths.world(of: cluster)
        var faults = try StandInFaults.load(world)
        faults.showsStaleCertificate = false
        try faults.save(world)
    }

    /// A stand-in tool, as the admin would call it.
    func tool(_ name: String, _ arguments: [String], with runner: any CommandRunner) async throws {
        let result = try await runner.run(
            Invocation(
                name, arguments, searchPath: [paths.bin],
                environment: processes.environment.merging(["KUBECONFIG": paths.kubeconfig]) { $1 },
                deadline: .seconds(30)))
        guard result.succeeded else {
            throw LabError.tool(
                command: ([name] + arguments).joined(separator: " "), exit: result.exit.description,
                said: LabTools.lastWords(of: result))
        }
    }
}

/// What a stand-in cluster is made of when it begins.
package struct LabSeed: Hashable, Sendable, Codable {
    package struct Node: Hashable, Sendable, Codable {
        package var name: String
        package var address: String
        package var podCIDR: String
        package var controlPlane: Bool
    }
    package var cluster: String
    /// Cilium's cluster id.
    package var id: Int
    package var endpoint: String
    package var nodePort: Int
    package var nodes: [Node]
    /// True when the cluster already has a Secret `cilium-ca` that is not the mesh's.
    package var foreignCA: Bool

    init(_ cluster: LabTopology.Cluster, hasForeignCA: Bool) {
        self.cluster = cluster.name.text
        id = cluster.id
        endpoint = "https://\(cluster.endpoint):6443"
        nodePort = cluster.nodePort
        foreignCA = hasForeignCA
        let podBase = cluster.podCIDR.split(separator: ".").prefix(2).joined(separator: ".")
        nodes = cluster.nodes.enumerated().map { index, node in
            Node(
                name: node.name.text, address: node.address.description, podCIDR: "\(podBase).\(index).0/24",
                controlPlane: node.role == .controlPlane)
        }
    }

    var text: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
        }
    }

    /// Reads the seed in `world/CLUSTER`.
    package static func load(_ directory: String) throws -> LabSeed {
        guard let bytes = LabFiles.bytes(directory + "/seed.json") else {
            throw LabError.unexpected(doing: "read the seed of a stand-in cluster", found: "no readable \(directory)/seed.json")
        }
        return try JSONDecoder().decode(LabSeed.self, from: Data(bytes))
    }
}
