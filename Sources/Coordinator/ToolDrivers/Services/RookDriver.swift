// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// The CephCluster of one cluster: exactly the planned disks, by serial, and never "every empty disk on every node" (D47).
struct RookDriver: Sendable {
    let client: KubernetesClient

    private static let image = "quay.io/ceph/ceph:v19.2.3"

    func applyCluster(for cluster: MeshSpec.Cluster) async throws {
        try await client.apply(Self.cephCluster(for: cluster), at: "/apis/ceph.rook.io/v1/namespaces/rook-ceph/cephclusters/rook-ceph")
    }

    static func cephCluster(for cluster: MeshSpec.Cluster) -> HelmValue {
        let nodes: [HelmValue] = cluster.nodes.compactMap { node in
            let disks = node.disks.filter { $0.use == .rookCeph }
            guard !disks.isEmpty else { return nil }
            return .map(["name": .string(node.name.text), "devices": .list(disks.map(device))])
        }
        // Monitors vote: an odd number, and no two on one node.
        let monitors = cluster.nodes.count >= 3 ? 3 : 1
        return .map([
            "apiVersion": .string("ceph.rook.io/v1"), "kind": .string("CephCluster"),
            "metadata": .map(["name": .string("rook-ceph"), "namespace": .string("rook-ceph")]),
            "spec": .map([
                "cephVersion": .map(["image": .string(image)]),
                "dataDirHostPath": .string("/var/lib/rook"),
                "mon": .map(["count": .integer(Int64(monitors)), "allowMultiplePerNode": .bool(false)]),
                "storage": .map(["useAllNodes": .bool(false), "useAllDevices": .bool(false), "nodes": .list(nodes)]),
            ]),
        ])
    }

    private static func device(_ disk: MeshSpec.Node.Disk) -> HelmValue {
        .map(["name": .string(disk.serial.map { "/dev/disk/by-id/virtio-\($0)" } ?? disk.name)])
    }
}
