// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import MeshSystem

/// What a connectivity test needs before it, and leaves behind.
struct ConnectivityStage: Sendable {
    let tools: Toolbox
    let clusters: [MeshSpec.Cluster]

    /// The CLI makes the first by its default name, and labels none: under Pod Security "baseline", which Talos enforces, its pods are refused
    /// (D13).
    static let namespaces = ["cilium-test-1", "cilium-test-ccnp1", "cilium-test-ccnp2"]
    /// A sysdump beyond this is not kept.
    private static let longestSysdump = 256 << 20

    /// Creates the namespaces with the labels that let the test's pods in.
    func prepare() async throws {
        for cluster in clusters {
            let client = try tools.client(for: cluster)
            for name in Self.namespaces {
                let labels = ["enforce", "audit", "warn"].map { ("pod-security.kubernetes.io/\($0)", HelmValue.string("privileged")) }
                try await client.apply(
                    .map([
                        "apiVersion": .string("v1"), "kind": .string("Namespace"),
                        "metadata": .map(["name": .string(name), "labels": .map(Dictionary(uniqueKeysWithValues: labels))]),
                    ]), at: Self.path(name))
            }
        }
    }

    /// Asks for their removal. They end some time later; `remains` tells.
    func clear() async throws {
        for cluster in clusters {
            let client = try tools.client(for: cluster)
            for name in Self.namespaces {
                guard let found = try await client.get(Self.path(name)), let uid = found["metadata", "uid"]?.string else { continue }
                try await client.delete(Self.path(name), uid: uid)
            }
        }
    }

    /// `cluster/namespace` of what is still there.
    func remains() async throws -> [String] {
        var left: [String] = []
        for cluster in clusters {
            let client = try tools.client(for: cluster)
            for name in Self.namespaces where try await client.get(Self.path(name)) != nil { left.append("\(cluster.name)/\(name)") }
        }
        return left
    }

    private static func path(_ namespace: String) -> String { "/api/v1/namespaces/\(namespace)" }

    /// Everything that Cilium's people would ask for, in one archive; words about where it is, or why there is none. It replaces the one of
    /// the test before.
    func sysdump(_ global: [String], step: StepID, named stem: String) async throws -> String {
        let path = tools.workDirectory + "/" + stem
        try tools.files.remove(path + ".zip")
        let result = try await tools.run(
            "cilium", global + ["sysdump", "--output-filename", path], step: step, deadline: .seconds(600))
        let size = try? FileManager.default.attributesOfItem(atPath: path + ".zip")[.size] as? UInt64
        guard let size = size ?? nil else { return "there is no sysdump: \(result.lastWords)" }
        guard size <= Self.longestSysdump else {
            try tools.files.remove(path + ".zip")
            return "the sysdump was larger than \(Self.longestSysdump >> 20) MiB and was not kept"
        }
        return "a sysdump is in \(path).zip"
    }
}
