// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import Rendering

/// What is installed after the mesh stands.
extension Planner {
    /// In the order of the file, cluster by cluster: a service waits for the one before it on the same cluster.
    func serviceSteps() -> [Step] {
        var last: [ClusterName: StepID] = [:]
        var steps: [Step] = []
        func before(_ cluster: MeshSpec.Cluster) -> StepID {
            // A service of type LoadBalancer waits for an address until there is a pool.
            let hasResources = !CiliumResources.of(cluster, cilium: spec.versions.cilium).isEmpty
            return last[cluster.name] ?? (hasResources ? resourceStepID(cluster) : StepID(cluster.name.text, "cilium"))
        }
        for service in spec.services {
            let clusters = service.clusters.compactMap(spec.cluster)
            if let phase = service.phase, let provision = spec.provision {
                let step = phaseStep(service, phase, provision, on: clusters, after: clusters.map(before))
                steps.append(step)
                for cluster in clusters { last[cluster.name] = step.id }
                continue
            }
            for cluster in clusters {
                let step = serviceStep(service, on: cluster, after: before(cluster))
                steps.append(step)
                last[cluster.name] = step.id
            }
            steps += proofSteps(service)
        }
        return steps
    }

    /// One step for all clusters: Terraform plans and applies a phase as one. Whose the objects are its state tells, and it makes none that is
    /// there already, so that nobody else is asked.
    private func phaseStep(
        _ service: MeshSpec.Service, _ phase: String, _ provision: MeshSpec.Provision, on clusters: [MeshSpec.Cluster], after: [StepID]
    ) -> Step {
        let id = StepID("mesh", "service-" + service.name)
        let directory = provision.terraformDirectory
        var (before, gates, ends) = (unique(after), [Requirement](), [Requirement]())
        for cluster in clusters {
            let storage = storage(of: service, on: cluster)
            before += storage.map { wipeStepID($0.1, of: $0.0, in: cluster) }
            gates += ground(of: service, on: cluster, storage)
            ends += self.ends(of: service, on: cluster.name) + (storage.isEmpty ? [] : [.cephHealthy(cluster.name, osds: storage.count)])
        }
        gates += [
            .terraformReady(directory: directory, service: service.name), .stateLocked(directory: directory, service: service.name),
            .provisionSafe(directory: directory, phase: phase, service: service.name),
            .lossesWarranted(id, directory: directory, phase: phase, service: service.name),
        ]
        return Step(
            id: id, title: "provision \(service.name), phase \(phase), with Terraform in \(directory)", place: .mesh,
            action: .provision(directory: directory, phase: phase), after: before, gates: gates,
            done: [.provisioned(directory: directory, phase: phase, service: service.name)] + ends,
            deadline: TimeSpan(.seconds(3600)), settling: TimeSpan(.seconds(1800)))
    }

    /// Two clusters may wait for the same step.
    private func unique(_ steps: [StepID]) -> [StepID] {
        steps.enumerated().filter { steps.firstIndex(of: $1) == $0 }.map(\.element)
    }

    private func serviceStep(_ service: MeshSpec.Service, on cluster: MeshSpec.Cluster, after: StepID) -> Step {
        let name = cluster.name
        let storage = storage(of: service, on: cluster)
        return Step(
            id: StepID(name.text, "service-" + service.name), title: "install \(service.name)", place: .cluster(name),
            action: .installService(service.name, name), after: [after] + storage.map { wipeStepID($0.1, of: $0.0, in: cluster) },
            gates: ground(of: service, on: cluster, storage, besides: [.serviceUnclaimed(name, service: service.name)]),
            done: ends(of: service, on: name) + (storage.isEmpty ? [] : [.cephHealthy(name, osds: storage.count)]),
            deadline: TimeSpan(.seconds(1800)), settling: TimeSpan(.seconds(1800)))
    }

    private typealias Storage = [(MeshSpec.Node, MeshSpec.Node.Disk)]

    /// The disks that a service takes.
    private func storage(of service: MeshSpec.Service, on cluster: MeshSpec.Cluster) -> Storage {
        guard service.known?.probe == .ceph else { return [] }
        return cluster.nodes.flatMap { node in node.disks.filter { $0.use == .rookCeph }.map { (node, $0) } }
    }

    /// What a service stands on, wherever it comes from.
    private func ground(
        of service: MeshSpec.Service, on cluster: MeshSpec.Cluster, _ storage: Storage, besides: [Requirement] = []
    ) -> [Requirement] {
        [.ciliumHealthy(cluster.name, version: spec.versions.cilium, nodes: cluster.nodes.count)] + besides
            + needs(of: service, on: cluster) + storage.flatMap { node, disk in storageGates(node, disk, cluster) }
            + storageClocks(storage.map(\.0))
    }

    /// Once the service is on all its clusters: policies across clusters show only where there are several.
    private func proofSteps(_ service: MeshSpec.Service) -> [Step] {
        guard service.known?.probe == .policyProof, service.clusters.count > 1 else { return [] }
        return [
            Step(
                id: StepID("mesh", "prove-" + service.name), title: "prove that the policies of \(service.name) hold across clusters",
                place: .mesh, action: .proveService(service.name, service.clusters),
                after: [connectStep] + service.clusters.map { StepID($0.text, "service-" + service.name) },
                gates: [.meshConnected(service.clusters)]
                    + service.clusters.map { .serviceDeployed($0, service: service.name, version: nil) },
                done: service.clusters.map { .serviceWorks($0, service: service.name) }, deadline: TimeSpan(.seconds(300)))
        ]
    }

    /// What is true of a service that is installed: as planned, admitted, and working.
    private func ends(of service: MeshSpec.Service, on name: ClusterName) -> [Requirement] {
        var ends: [Requirement] = []
        switch service.source {
        case .chart:
            ends.append(
                .serviceDeployed(
                    name, service: service.name, version: service.pinnedVersion, release: service.home + "/" + service.release))
        case .manifest, .playbook: ends.append(.serviceDeployed(name, service: service.name, version: nil))
        // That its phase is applied is asked once for all clusters.
        case .terraform: break
        case .builtIn:
            // Hubble is part of Cilium's release, which has gates of its own.
            if service.known?.probe == .policyProof { ends.append(.serviceDeployed(name, service: service.name, version: nil)) }
        }
        if let level = service.known?.podSecurity { ends.append(.podSecurity(name, namespace: service.home, level: level)) }
        // Ceph has a gate of its own, which knows how many disks there are to be.
        // What policies do is asked in a step of its own, when every cluster has the service.
        if let known = service.known, known.probe != .ceph, known.probe != .policyProof {
            ends.append(.serviceWorks(name, service: service.name))
        }
        if let hosts = service.egress { ends.append(.egressListed(name, service: service.name, hosts: hosts)) }
        return ends
    }

    /// Of machines without an agent nothing is known about kernels, as for Cilium.
    private func needs(of service: MeshSpec.Service, on cluster: MeshSpec.Cluster) -> [Requirement] {
        let nodes = cluster.nodes.filter(\.hasAgent)
        let workers = nodes.filter { $0.role == .worker }
        return (service.known?.needs ?? []).flatMap { need -> [Requirement] in
            switch need {
            case .kernelTracing: nodes.map { .kernelTracing($0.name) }
            case .kernelModule(let module): (workers.isEmpty ? nodes : workers).map { .kernelModule($0.name, module) }
            case .servingCertificates: [.servingCertificates(cluster.name)]
            }
        }
    }

    /// Ceph's monitors warn from 50 ms of clock skew on.
    private func storageClocks(_ nodes: [MeshSpec.Node]) -> [Requirement] {
        var asked: [NodeID] = []
        for node in nodes where node.hasAgent && !asked.contains(node.name) { asked.append(node.name) }
        return asked.count < 2 ? [] : [.clocksTogether(asked, TimeSpan(.milliseconds(50)))]
    }

    /// A disk that is not blank is refused or, worse, adopted.
    private func storageGates(
        _ node: MeshSpec.Node, _ disk: MeshSpec.Node.Disk, _ cluster: MeshSpec.Cluster
    ) -> [Requirement] {
        let planned = Requirement.PlannedDisk(name: disk.name, serial: disk.serial, size: disk.size)
        return [.diskIdentity(node.name, planned), .diskBlank(node.name, planned, cluster: cluster.name, seenBy: way(to: node).seenBy)]
    }
}
