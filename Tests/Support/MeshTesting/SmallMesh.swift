// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Meshes for tests, small enough to read.
package enum SmallMesh {
    /// Two clusters, `east` and `west`, of one control plane and two workers each; each worker has a data disk `vdb` for Ceph.
    package static func spec(clusters: Int = 2, services: Bool = true) throws -> MeshSpec {
        let letters = ["east", "west", "north", "south"]
        let list = try (0..<clusters).map { index in
            try cluster(name: index < 4 ? letters[index] : "c\(index)", number: index)
        }
        let names = list.map(\.name)
        let rook = MeshSpec.Service(
            name: "rook-ceph", source: .chart(repository: "https://charts.rook.io/release", name: "rook-ceph", version: "v1.18.7"),
            clusters: names)
        return MeshSpec(
            name: "small",
            versions: .init(
                talos: SemanticVersion(1, 11, 3), cilium: SemanticVersion(1, 18, 5), gatewayAPI: SemanticVersion(1, 3, 0)),
            networks: try (0..<clusters).map { index in
                .init(
                    name: "lan-\(index)", vlan: 1500 + index, cidr: try need(CIDR("192.168.\(15 + index).0/24")),
                    gateway: try need(IPAddress("192.168.\(15 + index).1")))
            },
            clusters: list, services: services ? [rook] : [])
    }

    /// The same with Terraform: machines before the clusters, and an object store on all of them once they stand.
    package static func withObjectStore(services: Bool = false) throws -> MeshSpec {
        var spec = try spec(services: services)
        spec.provision = .init(
            terraformDirectory: "tf",
            phases: [
                .init(name: "machines", addresses: ["terraform_data.machine"]),
                .init(name: "object-store", addresses: ["terraform_data.bucket"]),
            ])
        spec.services.insert(
            .init(name: "object-store", source: .terraform(phase: "object-store"), clusters: spec.clusters.map(\.name)), at: 0)
        return spec
    }

    private static func cluster(name: String, number: Int) throws -> MeshSpec.Cluster {
        let letter = number < 4 ? String(name.prefix(1)) : name
        func node(_ name: String, _ role: MeshSpec.Node.Role, _ host: Int) throws -> MeshSpec.Node {
            .init(
                name: try need(NodeID(name)), role: role, address: try need(IPAddress("192.168.\(15 + number).\(host)")),
                interfaces: [.init(name: "ens18", network: "lan-\(number)")],
                disks: role == .worker ? [.init(name: "vdb", serial: "\(name)-data", size: .gibibytes(12))] : [])
        }
        return .init(
            name: try need(ClusterName(name)), id: number + 1, context: "admin@\(name)", endpoint: "https://192.168.\(15 + number).11:6443",
            network: "lan-\(number)", podCIDRs: [try need(CIDR("10.\(100 + number).0.0/16"))],
            serviceCIDRs: [try need(CIDR("10.96.0.0/12"))],
            cilium: .init(clustermesh: .init(nodePort: 32379 + number)),
            nodes: [
                try node("cp-\(letter)-1", .controlPlane, 11), try node("wrk-\(letter)-1", .worker, 21),
                try node("wrk-\(letter)-2", .worker, 22),
            ])
    }

    package struct NotThere: Error {
        package init() {}
    }

    /// Unwraps what the test itself wrote.
    package static func need<Value>(_ value: Value?) throws -> Value {
        guard let value else { throw NotThere() }
        return value
    }
}
