// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Running

/// Connecting clusters, pair by pair.
extension CiliumDriver {
    typealias Pair = (MeshSpec.Cluster, MeshSpec.Cluster)

    /// Connects every cluster with every other, each through several of its nodes. Pairs that share no cluster go on at the same time.
    func connect(_ clusters: [MeshSpec.Cluster], step: StepID, deadline: Duration) async throws -> Outcome {
        guard clusters.count > 1 else { return .refused("one cluster alone is not a mesh") }
        var endpoints: [ClusterName: [String]] = [:]
        for cluster in clusters {
            guard cluster.cilium.clustermesh.serviceType == .nodePort else { continue }
            let found = try await self.endpoints(of: cluster)
            guard !found.isEmpty else {
                return .refused(
                    "no node of \(cluster.name) can serve as an endpoint: none is ready and schedulable, or the clustermesh API server has no port"
                )
            }
            endpoints[cluster.name] = found
        }
        let ways = endpoints
        let outcome = try await eachPair(of: clusters, command: "cilium clustermesh connect", deadline: deadline) { (pair, left) in
            var arguments = global(pair.0) + ["clustermesh", "connect", "--destination-context", pair.1.context]
            arguments += (ways[pair.0.name] ?? []).flatMap { ["--source-endpoint", $0] }
            arguments += (ways[pair.1.name] ?? []).flatMap { ["--destination-endpoint", $0] }
            let all = arguments
            return try await operation.run(on: [pair.0, pair.1]) {
                try await tools.run("cilium", all, step: step, deadline: left)
            }
        }
        guard case .succeeded = outcome else { return outcome }
        let thin = ways.filter { $0.value.count == 1 }.map { "\($0.key) through \($0.value[0]) alone" }.sorted()
        return .succeeded("connect was carried out" + (thin.isEmpty ? "" : "; \(thin.joined(separator: ", "))"))
    }

    /// The nodes and the port of one cluster, as they are now.
    func endpoints(of cluster: MeshSpec.Cluster) async throws -> [String] {
        let client = try tools.client(for: cluster)
        let service = try await client.get("/api/v1/namespaces/kube-system/services/clustermesh-apiserver")
        let port = service?["spec", "ports"]?.list.first { $0["port"]?.integer == 2379 }?["nodePort"]?.integer
        guard let port else { return [] }
        return MeshEndpoints.choose(nodes: try await client.list("/api/v1/nodes"), port: port)
    }

    /// Round after round until one fails; what ends a round unknown or failed is told with the pairs it was about.
    func eachPair(
        of clusters: [MeshSpec.Cluster], command: String, deadline: Duration,
        _ work: @escaping @Sendable (Pair, Duration) async throws -> CommandResult
    ) async throws -> Outcome {
        let began = tools.now()
        for round in MeshPairs.rounds(of: clusters) {
            let left = deadline - tools.now().age(of: began)
            guard left > .zero else { return .unknown("`\(command)` did not come to an end for all pairs before the deadline") }
            let outcomes = try await withThrowingTaskGroup(of: Outcome.self) { group in
                for pair in round {
                    group.addTask {
                        let outcome = Outcome(try await work(pair, left), command: command, done: "done")
                        return outcome.about("\(pair.0.name) and \(pair.1.name)")
                    }
                }
                return try await group.reduce(into: [Outcome]()) { $0.append($1) }
            }
            if let worst = Outcome.worst(outcomes) { return worst }
        }
        return .succeeded("done")
    }
}

extension Outcome {
    /// The same, naming whom it is about where it is not a success.
    fileprivate func about(_ whom: String) -> Outcome {
        switch self {
        case .succeeded: self
        case .failed(let words): .failed("\(whom): \(words)")
        case .refused(let words): .refused("\(whom): \(words)")
        case .unknown(let words): .unknown("\(whom): \(words)")
        }
    }

    /// `nil` when all succeeded. What is unknown outweighs what failed: the world has to be looked at.
    fileprivate static func worst(_ outcomes: [Outcome]) -> Outcome? {
        let bad = outcomes.filter { if case .succeeded = $0 { false } else { true } }
        guard !bad.isEmpty else { return nil }
        let words = bad.map(\.words).sorted().joined(separator: "; ")
        return bad.contains { if case .unknown = $0 { true } else { false } } ? .unknown(words) : .failed(words)
    }
}
