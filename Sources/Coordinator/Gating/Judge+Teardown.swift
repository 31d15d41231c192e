// SPDX-License-Identifier: Apache-2.0

import MeshModel

extension Judge {
    /// Whether somebody has signed; who may, the coordinator's own list says when the warrant is handed in and again when it is used.
    func teardownWarranted(_ step: StepID, _ say: Findings) -> Verdict {
        guard let warrant = warrants[step] else {
            return say.hold(
                .mesh, .needsWarrant, "no warrant for what \(step) destroys",
                "`meshgate destroy losses` shows what would be lost; `meshgate approve \(step)` signs and submits")
        }
        guard now.wall < warrant.notAfter else {
            return say.hold(
                .mesh, .needsWarrant, "the warrant \(warrant.id) for \(step) expired at \(warrant.notAfter)",
                "sign a new one: `meshgate approve \(step)`")
        }
        return .pass
    }

    /// For what is on machines that are to go, too. A cluster that still answers is believed; one that does not is gone when Terraform has
    /// nothing left of the machines.
    func gone(_ remnant: Remnant, with directory: String, _ found: Found, _ say: Findings) -> Verdict {
        let seen = judge(.gone(remnant))
        guard case .unknown = seen else { return seen }
        let facts = (found.facts[EvidenceKey(.mesh, .provision)] ?? []).compactMap { fact -> DestructionFact? in
            if case .destruction(let fact) = fact, fact.directory == directory { fact } else { nil }
        }
        let nothingLeft = !facts.isEmpty && facts.allSatisfy { $0.losses == nil && $0.refusals == nil && $0.problem == nil }
        return nothingLeft && remnant.seenBy.allSatisfy(isSilent) ? .pass : seen
    }

    /// It was asked lately, and could not answer.
    private func isSilent(_ key: EvidenceKey) -> Bool {
        guard case .fresh(let item) = evidence.standing(key, now: now, maxAge: maxAge, notBefore: notBefore) else { return false }
        return item.facts.contains { if case .unavailable = $0 { true } else { false } }
    }

    func gone(_ remnant: Remnant, _ found: Found, _ say: Findings) -> Verdict {
        switch remnant {
        case .machines(let directory, let phase): return machinesGone(TerraformPart(directory: directory, phase: phase), found, say)
        case .servicePhase(let service, let directory, let phase):
            return machinesGone(TerraformPart(directory: directory, phase: phase, service: service), found, say)
        case .secrets(let names): return secretsGone(names, found, say)
        case .contexts(let names): return contextsGone(names, found, say)
        case .orphans(let guests): return noOrphans(guests, found, say)
        case .workloads(let name, let node): return workloadsGone(name, node, found, say)
        case .registration(let name, let node):
            guard let fact = departure(name, node, found) else { return say.nothing(about: "\(node)", .cluster(name)) }
            guard fact.uid != nil else { return .pass }
            return say.hold(.cluster(name), .inUse, "\(node) is still registered in \(name)", "the plan's step removes it")
        case .service(let service, let name):
            return absent(name, found, say) { fact in
                // What Meshgate itself brings has no release of its own name.
                let known = ServiceCatalogue.service(service)
                let name = known?.source == .builtIn ? service : known?.release ?? service
                let releases = fact.releases.keys.filter { $0.hasSuffix("/\(name)") }.sorted().map { "release \($0)" }
                return releases + (service == "rook-ceph" ? fact.ceph.keys.sorted().map { "CephCluster \($0)" } : [])
            }
        case .connections(let names):
            return .all(names.map { name in disconnected(name, from: names.filter { $0 != name }, found, say) })
        case .membership(let name, let others):
            return .all([disconnected(name, from: others, found, say)] + others.map { disconnected($0, from: [name], found, say) })
        case .clustermesh(let name): return absent(name, found, say) { $0.clustermesh == nil ? [] : ["the clustermesh API server"] }
        case .cilium(let name):
            return absent(name, found, say) { fact in
                var left: [String] = []
                if fact.releases["kube-system/cilium"] != nil { left.append("release kube-system/cilium") }
                if fact.daemonSets["kube-system/cilium"] != nil { left.append("DaemonSet kube-system/cilium") }
                if fact.ciliumConfig != nil { left.append("ConfigMap kube-system/cilium-config") }
                return left + (fact.ciliumLeftovers ?? [])
            }
        case .hostState(_, let nodes): return .all(nodes.map { hostClean($0, found, say) })
        case .ciliumResources(let name):
            return absent(name, found, say) { fact in (fact.ciliumObjects ?? [:]).filter(\.value.isOurs).keys.sorted() }
        case .meshCA(let name): return absent(name, found, say) { $0.meshCA == nil ? [] : ["Secret kube-system/cilium-ca"] }
        case .gatewayAPI(let name):
            return absent(name, found, say) { fact in fact.gatewayBundle.map { ["the Gateway API CRDs \($0)"] } ?? [] }
        }
    }

    // MARK: a node that leaves

    private func departure(_ name: ClusterName, _ node: NodeID, _ found: Found) -> ClusterFact.Departure? {
        found.cluster(name)?.leaving.flatMap { $0.node == node ? $0 : nil }
    }

    /// Nothing is on it and nothing new comes; or it is gone as a whole.
    private func workloadsGone(_ name: ClusterName, _ node: NodeID, _ found: Found, _ say: Findings) -> Verdict {
        guard let fact = departure(name, node, found) else { return say.nothing(about: "the pods on \(node)", .cluster(name)) }
        guard fact.uid != nil else { return .pass }
        var reasons: [Reason] = []
        if !fact.cordoned {
            reasons.append(
                say.reason(.cluster(name), .inUse, "new pods may come to \(node): it is not cordoned", "the plan's step cordons it"))
        }
        if !fact.pods.isEmpty {
            let more = fact.pods.count > 5 ? " and \(fact.pods.count - 5) more" : ""
            reasons.append(
                say.reason(
                    .cluster(name), .inUse,
                    "\(fact.pods.prefix(5).joined(separator: ", "))\(more) \(fact.pods.count == 1 ? "is" : "are") on \(node)",
                    "the plan's step evicts them; a PodDisruptionBudget may hold one back: `kubectl get pdb -A`"))
        }
        return say.pass(unless: reasons)
    }

    /// An OSD may hold the only copy of something, and only Ceph knows.
    func osdsAway(_ name: ClusterName, _ node: NodeID, _ found: Found, _ say: Findings) -> Verdict {
        guard let fact = departure(name, node, found) else { return say.nothing(about: "Ceph on \(node)", .cluster(name)) }
        return say.pass(
            unless: fact.osds.map { id in
                say.reason(
                    .cluster(name), .inUse, "osd.\(id) of Ceph is on \(node)",
                    "in Rook's toolbox: `ceph osd out \(id)`, wait until `ceph osd safe-to-destroy \(id)` says so, "
                        + "`kubectl -n rook-ceph scale deployment rook-ceph-osd-\(id) --replicas=0`, `ceph osd purge \(id) --yes-i-really-mean-it`, "
                        + "then delete that Deployment")
            })
    }

    private func absent(_ name: ClusterName, _ found: Found, _ say: Findings, _ left: (ClusterFact) -> [String]) -> Verdict {
        guard let fact = found.cluster(name) else { return say.nothing(about: "the cluster", .cluster(name)) }
        return say.pass(
            unless: left(fact).map {
                say.reason(.cluster(name), .inUse, "\($0) is still on \(name)", "the plan's step removes it; look at what holds it")
            })
    }

    /// By what is configured, which stays when no agent can be asked.
    private func disconnected(_ name: ClusterName, from others: [ClusterName], _ found: Found, _ say: Findings) -> Verdict {
        guard let fact = found.cluster(name) else { return say.nothing(about: "the cluster", .cluster(name)) }
        let configured = Set(fact.configuredRemotes).union(fact.clustermesh?.remotes.keys.map(\.self) ?? [])
        let left = others.filter { configured.contains($0.text) }
        guard left.isEmpty else {
            return say.hold(
                .cluster(name), .inUse, "\(name) still has a connection to \(left.map(\.text).joined(separator: ", "))",
                "the plan's step disconnects it; look at `cilium clustermesh status`")
        }
        return .pass
    }
}
