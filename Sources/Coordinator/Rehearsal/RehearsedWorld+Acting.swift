// SPDX-License-Identifier: Apache-2.0

import Gating
package import MeshModel
package import Planning
package import Running

/// What steps do to a rehearsed world.
extension RehearsedWorld {
    /// Carries a step out; `nil` when no answer comes.
    package mutating func carryOut(_ step: Step, warrant: WarrantEnvelope?) -> Outcome? {
        switch lies.removeValue(forKey: step.id) {
        case .hangs: return nil
        case .fails: return .failed("exit code 1")
        case .nothingDone: return .succeeded("exit code 0")
        case nil: break
        }
        switch step.action {
        case .provision(_, let phase): provisioned.insert(phase ?? "")
        case .bootstrapTalos(let name): return talos[name]?.bootstrap()
        case .upgradeTalos(let name):
            for case .talosRelease(_, let nodes, let wanted) in step.done { talos[name]?.upgrade(nodes, to: wanted.version) }
        case .awaitTalos(let name), .awaitNodes(let name): unregistered.subtract((spec.cluster(name)?.nodes ?? []).map(\.name))
        case .look, .proveService: break
        case .storeSecrets(let names): secrets.formUnion(names)
        case .installGatewayAPI(let name, let version): clusters[name]?.gateway = version
        case .seedMeshCA(let name): clusters[name]?.authority = "mesh"
        case .trustAuthorities(let name):
            guard clusters[name]?.cilium == true else { break }
            let wanted = Set(clusters.values.compactMap(\.authority)).union(["mesh"])
            guard clusters[name]?.bundle?.isSuperset(of: wanted) != true else { break }
            let all = wanted.union(clusters[name]?.bundle ?? [])
            clusters[name]?.bundle = all
            leaveBehind(.beganBefore, on: name)
        case .reissueCertificates(let name):
            guard let state = clusters[name], state.issuer != nil, state.issuer != state.authority else { break }
            clusters[name]?.issuer = state.authority
            leaveBehind(.olderCertificate, on: name)
        case .awaitServers: break
        case .dropAuthorities(let name):
            guard clusters[name]?.bundle != nil else { break }
            clusters[name]?.bundle = nil
            leaveBehind(.otherSource, on: name)
        case .installCilium(let name):
            clusters[name]?.cilium = true
            clusters[name]?.ciliumRelease = nil
        case .applyCiliumResources(let name):
            for case .ciliumResources(name, let objects) in step.done { clusters[name]?.resources = objects }
        case .enableClustermesh(let name):
            let authority = clusters[name]?.authority
            clusters[name]?.apiserver = true
            clusters[name]?.issuer = authority
        case .connectClustermesh(let names):
            for name in names { clusters[name]?.remotes = Set(names).subtracting([name]) }
        case .testConnectivity(let from, let to):
            clusters[from]?.tested.insert(to)
            let seen = spec.policy.telemetry?.flows == nil ? nil : seenFlows(from, to)
            clusters[from]?.flows[to] = seen
        case .installService(let service, let name):
            clusters[name]?.services.insert(service)
            if service == "rook-ceph" {
                clusters[name]?.ceph = spec.cluster(name)?.nodes.flatMap(\.disks).count { $0.use == .rookCeph } ?? 0
            }
        case .wipe(let node, let disk, _, _): return wipe(node, disk, warrant)
        case .undo(let remnant):
            // As the driver does: data goes with a warrant only.
            if remnant.holdsData, warrant == nil { return .refused("warrantMissing") }
            undo(remnant)
        }
        return .succeeded("exit code 0")
    }

    /// Pods that are not restarted with the others.
    private mutating func leaveBehind(_ why: CiliumTrust.Straggler.Why, on name: ClusterName) {
        let stuck = clusters[name]?.stuck ?? [:]
        clusters[name]?.stuck = stuck.mapValues { $0.union([why]) }
    }

    private mutating func undo(_ remnant: Remnant) {
        switch remnant {
        case .service(let service, let name):
            clusters[name]?.services.remove(service)
            if service == "rook-ceph" { clusters[name]?.ceph = 0 }
        case .connections(let names): for name in names { clusters[name]?.remotes = [] }
        case .membership(let leaving, let others):
            clusters[leaving]?.remotes = []
            for other in others { clusters[other]?.remotes.remove(leaving) }
        case .clustermesh(let name):
            clusters[name]?.apiserver = false
            clusters[name]?.issuer = nil
        case .cilium(let name): clusters[name]?.cilium = false
        case .ciliumResources(let name): clusters[name]?.resources = [:]
        case .meshCA(let name): clusters[name]?.authority = nil
        case .gatewayAPI(let name): clusters[name]?.gateway = nil
        case .hostState, .orphans: break
        case .workloads(_, let node): drained.insert(node)
        case .registration(_, let node): unregistered.insert(node)
        case .secrets(let names): secrets.subtract(names)
        case .contexts: contextsGone = true
        case .servicePhase(_, _, let phase): provisioned.remove(phase)
        case .machines(_, let phase):
            provisioned.remove(phase ?? "")
            if provisioned.isDisjoint(with: spec.groundPhases.map { $0?.name ?? "" }) { unplug() }
        }
    }

    /// The machines are gone, and with them whatever was on them.
    private mutating func unplug() {
        unplugged = true
        for member in spec.members { machines[member.node.name]?.online = false }
        for cluster in spec.clusters {
            clusters[cluster.name] = ClusterState()
            clusters[cluster.name]?.reachable = false
        }
    }

    /// The agent's side, in short: one warrant, one wipe, never on a disk in use.
    private mutating func wipe(_ node: NodeID, _ disk: Requirement.PlannedDisk, _ warrant: WarrantEnvelope?) -> Outcome? {
        guard machines[node]?.online ?? false else { return nil }
        let serial = disk.serial ?? disk.name
        guard let warrant, let terms = try? WarrantTerms(parsing: warrant.text) else { return .refused("warrantMissing") }
        guard machines[node]?.usedWarrants.contains(terms.id) == false else { return .refused("warrantReused") }
        guard machines[node]?.busyDisks.contains(serial) == false else { return .refused("inUse") }
        machines[node]?.usedWarrants.insert(terms.id)
        machines[node]?.contents[serial] = nil
        machines[node]?.wipes[serial, default: 0] += 1
        return .succeeded("cleared")
    }
}
