// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
package import Lab
package import MeshModel
package import MeshSystem

/// Stand-in clusters for a test: their API servers, a kubeconfig that leads to them, and a runner for the stand-in tools.
package struct StandInWorld: Sendable {
    /// The clusters' state is in `DIRECTORY/world/CLUSTER`.
    package let directory: String
    /// By cluster name.
    package let servers: [String: String]
    package let runner = InProcessStandInRunner()
    package var kubeconfig: String { directory + "/kubeconfig" }

    /// Runs `body` while the clusters of `spec` live, each made as `faults` says (ready within a few milliseconds where nothing is said).
    package static func with<Value: Sendable>(
        _ spec: MeshSpec, faults: [String: StandInFaults] = [:], _ body: @escaping @Sendable (StandInWorld) async throws -> Value
    ) async throws -> Value {
        let root = FileManager.default.temporaryDirectory.path + "/stand-in-world-" + (try KernelEntropy().hexID(byteCount: 6))
        let world = root + "/world"
        try FileManager.default.createDirectory(atPath: world, withIntermediateDirectories: true)
        let result = await Result { () async throws -> Value in
            for cluster in spec.clusters {
                let place = world + "/" + cluster.name.text
                try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
                try write(JSONEncoder().encode(Seed(cluster)), to: place + "/seed.json")
                try (faults[cluster.name.text] ?? quick()).save(place)
            }
            return try await serve(spec, root: root, body)
        }
        try FileManager.default.removeItem(atPath: root)
        return try result.get()
    }

    /// Everything is ready after 20 milliseconds.
    package static func quick(_ change: (inout StandInFaults) -> Void = { _ in }) -> StandInFaults {
        var faults = StandInFaults()
        faults.readyAfter = 20
        change(&faults)
        return faults
    }

    /// Puts other faults into effect.
    package func set(_ faults: StandInFaults, on cluster: String) throws { try faults.save(directory + "/world/" + cluster) }

    /// One call of a stand-in tool.
    package func call(_ tool: String, _ arguments: [String], deadline: Duration = .seconds(30)) async throws -> CommandResult {
        try await runner.run(
            Invocation(
                tool, arguments, environment: ["KUBECONFIG": kubeconfig], workingDirectory: directory, deadline: deadline), onOutput: nil)
    }

    private static func serve<Value: Sendable>(
        _ spec: MeshSpec, root: String, _ body: @escaping @Sendable (StandInWorld) async throws -> Value
    ) async throws -> Value {
        let (ports, announced) = AsyncStream.makeStream(of: (String, Int).self)
        return try await withThrowingTaskGroup(of: Value?.self) { group in
            for cluster in spec.clusters {
                group.addTask {
                    try await LabStandInAPI.run(cluster: cluster.name.text, worldDirectory: root + "/world") { port in
                        announced.yield((cluster.name.text, port))
                    }
                    return nil
                }
            }
            group.addTask {
                var servers: [String: String] = [:]
                for await (name, port) in ports {
                    servers[name] = "http://127.0.0.1:\(port)"
                    if servers.count == spec.clusters.count { break }
                }
                try write(JSONEncoder().encode(Kubeconfig(spec, servers)), to: root + "/kubeconfig")
                return try await body(StandInWorld(directory: root, servers: servers))
            }
            defer { group.cancelAll() }
            while let ended = try await group.next() {
                if let value = ended { return value }
            }
            throw CancellationError()
        }
    }

    private static func write(_ data: Data, to path: String) throws {
        try data.write(to: URL(filePath: path))
    }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

/// As `LabSeed` writes it.
private struct Seed: Encodable {
    struct Node: Encodable {
        var name: String
        var address: String
        var podCIDR: String
        var controlPlane: Bool
    }
    var cluster: String
    var id: Int
    var endpoint: String
    var nodePort: Int
    var nodes: [Node]
    var foreignCA = false

    init(_ cluster: MeshSpec.Cluster) {
        self.cluster = cluster.name.text
        id = cluster.id
        endpoint = cluster.endpoint
        nodePort = cluster.cilium.clustermesh.nodePort ?? 32379
        let base = (cluster.podCIDRs.first?.description ?? "10.0.0.0/16").split(separator: ".").prefix(2).joined(separator: ".")
        nodes = cluster.nodes.enumerated().map { index, node in
            Node(
                name: node.name.text, address: node.address.description, podCIDR: "\(base).\(index).0/24",
                controlPlane: node.role == .controlPlane)
        }
    }
}

private struct Kubeconfig: Encodable {
    struct Named: Encodable {
        var name: String
        var cluster: [String: String]?
        var context: [String: String]?
    }
    var kind = "Config"
    var clusters: [Named]
    var contexts: [Named]
    var current: String
    enum CodingKeys: String, CodingKey {
        case kind, clusters, contexts
        case current = "current-context"
    }

    init(_ spec: MeshSpec, _ servers: [String: String]) {
        clusters = spec.clusters.map { Named(name: $0.name.text, cluster: ["server": servers[$0.name.text] ?? ""]) }
        contexts = spec.clusters.map { Named(name: $0.context, context: ["cluster": $0.name.text, "user": "test"]) }
        current = spec.clusters.first?.context ?? ""
    }
}
