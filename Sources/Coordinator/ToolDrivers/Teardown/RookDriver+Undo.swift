// SPDX-License-Identifier: Apache-2.0

import MeshModel

extension RookDriver {
    private static let path = "/apis/ceph.rook.io/v1/namespaces/rook-ceph/cephclusters/rook-ceph"
    private static let pause = Duration.seconds(2)

    /// Lets Rook take its cluster down, data included, and waits until the object is gone: without the operator nobody could any more.
    ///
    /// - Returns: why it did not go in time; `nil` when it is gone.
    func removeCluster(of cluster: MeshSpec.Cluster, within deadline: Duration) async throws -> String? {
        guard try await client.get(Self.path) != nil else { return nil }
        try await client.apply(Self.doomed(Self.cephCluster(for: cluster)), at: Self.path)
        try await client.delete(Self.path)
        let end = ContinuousClock.now.advanced(by: deadline)
        while ContinuousClock.now < end {
            guard let left = try await client.get(Self.path) else { return nil }
            guard left["metadata", "deletionTimestamp"] != nil else {
                return "the CephCluster is there again: something else keeps applying it"
            }
            try await Task.sleep(for: Self.pause)
        }
        return "the CephCluster is still being deleted after \(deadline.briefly); look at its conditions and at what depends on it"
    }

    /// rook.io/docs, "Cleaning up a Cluster": without this the operator keeps the data and refuses while volumes exist. The whole object is
    /// applied: server-side apply would take back what it does not name.
    static func doomed(_ object: HelmValue) -> HelmValue {
        guard case .map(var fields) = object, case .map(var spec)? = fields["spec"] else { return object }
        spec["cleanupPolicy"] = .map([
            "confirmation": .string("yes-really-destroy-data"), "allowUninstallWithVolumes": .bool(true),
        ])
        fields["spec"] = .map(spec)
        return .map(fields)
    }
}
