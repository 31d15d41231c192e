// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Rendering
import Running

/// Pools, policies and BGP of one cluster, by server-side apply: fields that others own stay theirs.
struct CiliumResourceDriver: Sendable {
    let client: KubernetesClient
    let release: SemanticVersion

    /// Applies what is planned, then removes what carries our label and is planned no more. What nobody labelled as ours is left alone.
    func apply(_ cluster: MeshSpec.Cluster) async throws -> Outcome {
        let planned = CiliumResources.of(cluster, cilium: release)
        for resource in planned { try await client.apply(resource.object, at: "\(resource.kind.path(release))/\(resource.name)") }
        let removed = try await removeOurs(but: Set(planned.map { "\($0.kind.rawValue)/\($0.name)" }))
        return .succeeded("\(planned.count) applied, \(removed) removed")
    }

    /// Removes what carries our label, and says how many that were.
    func removeOurs(but kept: Set<String> = []) async throws -> Int {
        var removed = 0
        for kind in CiliumResource.Kind.allCases {
            for item in try await client.listIfServed(kind.path(release)) ?? [] {
                guard Self.isOurs(item), let name = item["metadata", "name"]?.string, !kept.contains("\(kind.rawValue)/\(name)") else {
                    continue
                }
                // By uid: one that somebody made anew in the meantime is not the one that was looked at.
                if try await client.delete("\(kind.path(release))/\(name)", uid: item["metadata", "uid"]?.string) { removed += 1 }
            }
        }
        return removed
    }

    /// Every object of the kinds that we render, by `kind/name`; `nil` while the cluster serves none of them.
    func observe() async throws -> [String: ClusterFact.CiliumObject]? {
        var objects: [String: ClusterFact.CiliumObject]?
        for kind in CiliumResource.Kind.allCases {
            guard let items = try await client.listIfServed(kind.path(release)) else { continue }
            objects = objects ?? [:]
            for item in items {
                guard let name = item["metadata", "name"]?.string else { continue }
                objects?["\(kind.rawValue)/\(name)"] = ClusterFact.CiliumObject(
                    spec: item["spec"] ?? .map([:]), isOurs: Self.isOurs(item), conflict: Self.conflict(item))
            }
        }
        return objects
    }

    private static func isOurs(_ item: HelmValue) -> Bool {
        item["metadata", "labels"]?[CiliumResource.owner.label]?.string == CiliumResource.owner.value
    }

    /// The conditions of Cilium's operator that say what is wrong when they are true.
    private static let complaints = [
        "cilium.io/PoolConflict", "cilium.io/NoMatchingNode", "cilium.io/MissingPeerConfigs", "cilium.io/ConflictingClusterConfig",
        "cilium.io/MissingAuthSecret",
    ]

    private static func conflict(_ item: HelmValue) -> String? {
        let found = (item["status", "conditions"]?.list ?? []).first { condition in
            condition["status"]?.string == "True" && complaints.contains(condition["type"]?.string ?? "")
        }
        guard let found else { return nil }
        let (type, message) = (found["type"]?.string ?? "", found["message"]?.string ?? "")
        return message.isEmpty ? type : "\(type): \(message)"
    }
}
