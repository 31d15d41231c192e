// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// What one step of a build leaves behind, as that which a teardown removes.
package enum Remnant: Hashable, Sendable, Codable {
    /// A day-2 service on one cluster.
    case service(String, ClusterName)
    /// The connections of these clusters, each with every other.
    case connections([ClusterName])
    /// One cluster's connections with the others, which stay connected among themselves.
    case membership(ClusterName, of: [ClusterName])
    case clustermesh(ClusterName)
    case cilium(ClusterName)
    /// Links of Cilium that outlive its uninstallation until the node boots anew.
    case hostState(ClusterName, [NodeID])
    case meshCA(ClusterName)
    /// Load balancer pools, L2 policies and BGP that carry our label.
    case ciliumResources(ClusterName)
    case gatewayAPI(ClusterName)
    /// What Terraform made in a directory, or in one phase of it: machines, disks, networks.
    case machines(directory: String, phase: String? = nil)
    /// What Terraform made for a service, in a phase of its own.
    case servicePhase(String, directory: String, phase: String)
    /// The clusters' credentials in the store of secrets, by exact names.
    case secrets([String])
    /// The contexts of these clusters in the coordinator's kubeconfig and talosconfig.
    case contexts([ClusterName])
    /// Pods on a node that is to leave, which go elsewhere.
    case workloads(ClusterName, NodeID)
    /// A node's own object in Kubernetes.
    case registration(ClusterName, NodeID)
    /// What hypervisors still have of these machines. Found and named; removed by a person.
    case orphans([PlannedGuest])

    private enum WorkloadsCodingKeys: String, CodingKey { case _0 = "cluster", _1 = "node" }
    private enum RegistrationCodingKeys: String, CodingKey { case _0 = "cluster", _1 = "node" }
    private enum ServicePhaseCodingKeys: String, CodingKey { case _0 = "service", directory, phase }
    private enum SecretsCodingKeys: String, CodingKey { case _0 = "names" }
    private enum ContextsCodingKeys: String, CodingKey { case _0 = "clusters" }
    private enum OrphansCodingKeys: String, CodingKey { case _0 = "guests" }
    private enum ServiceCodingKeys: String, CodingKey { case _0 = "service", _1 = "cluster" }
    private enum ConnectionsCodingKeys: String, CodingKey { case _0 = "clusters" }
    private enum MembershipCodingKeys: String, CodingKey { case _0 = "cluster", of }
    private enum ClustermeshCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum CiliumCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum HostStateCodingKeys: String, CodingKey { case _0 = "cluster", _1 = "nodes" }
    private enum CiliumResourcesCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum MeshCACodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum GatewayAPICodingKeys: String, CodingKey { case _0 = "cluster" }

    /// The tool that removes it.
    package var driver: String {
        switch self {
        case .service: "helm/kubectl/ansible"
        case .connections, .membership, .clustermesh, .cilium: "cilium"
        case .hostState: "talosctl"
        case .meshCA, .ciliumResources, .gatewayAPI, .workloads, .registration: "kubernetes"
        case .machines, .servicePhase: "terraform"
        case .secrets: "doppler"
        case .contexts: "contexts"
        case .orphans: "you"
        }
    }

    /// Whether somebody's data goes with it.
    package var holdsData: Bool {
        switch self {
        case .service(let name, _): ServiceCatalogue.service(name)?.holdsData ?? false
        case .machines, .servicePhase: true
        case .connections, .membership, .clustermesh, .cilium, .hostState, .meshCA, .ciliumResources, .gatewayAPI, .secrets, .contexts,
            .orphans, .workloads, .registration:
            false
        }
    }

    /// What shows whether it is there.
    var seenBy: [EvidenceKey] {
        switch self {
        case .service(_, let name), .clustermesh(let name), .cilium(let name), .ciliumResources(let name), .meshCA(let name),
            .gatewayAPI(let name), .workloads(let name, _), .registration(let name, _):
            [EvidenceKey(.cluster(name), .cluster)]
        case .connections(let names): names.map { EvidenceKey(.cluster($0), .cluster) }
        case .membership(let name, let others): ([name] + others).map { EvidenceKey(.cluster($0), .cluster) }
        case .hostState(_, let nodes): nodes.flatMap { [EvidenceKey(.node($0), .links), EvidenceKey(.node($0), .kernel)] }
        case .machines: [EvidenceKey(.mesh, .provision)]
        case .servicePhase(let service, let directory, let phase):
            [TerraformPart(directory: directory, phase: phase, service: service).key]
        case .secrets: [EvidenceKey(.mesh, .secrets)]
        case .contexts: [EvidenceKey(.mesh, .contexts)]
        case .orphans(let guests): Set(guests.map(\.hypervisor)).sorted().map { EvidenceKey(.node($0), .virtualDisks) }
        }
    }
}

/// A machine as the plan puts it on a hypervisor.
package struct PlannedGuest: Hashable, Sendable, Codable {
    package var name: NodeID
    package var hypervisor: NodeID
    /// Proxmox' number of the machine, where the plan has one.
    package var vmid: Int?
    package var serials: [String]
    package init(name: NodeID, hypervisor: NodeID, vmid: Int?, serials: [String]) {
        self.name = name
        self.hypervisor = hypervisor
        self.vmid = vmid
        self.serials = serials
    }
}
