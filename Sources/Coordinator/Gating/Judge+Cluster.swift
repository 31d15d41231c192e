// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about clusters, Cilium and the mesh between them.
extension Judge {
    /// The fact of one cluster, or the verdict that it is missing.
    func with(_ name: ClusterName, _ found: Found, _ say: Findings, _ rule: (ClusterFact) -> Verdict) -> Verdict {
        guard let fact = found.cluster(name) else { return say.nothing(about: "the cluster", .cluster(name)) }
        return rule(fact)
    }

    func clustersDistinct(_ names: [ClusterName], _ found: Found, _ say: Findings) -> Verdict {
        var owners: [String: ClusterName] = [:]
        for name in names {
            guard let uid = found.cluster(name)?.systemUID else { return say.nothing(about: "the uid of kube-system", .cluster(name)) }
            if let other = owners[uid] {
                return say.deny(
                    .cluster(name), .mismatch,
                    "the contexts of \(other) and \(name) lead to one and the same cluster (kube-system uid \(uid))",
                    "correct the contexts in mesh.yaml or in the kubeconfig")
            }
            owners[uid] = name
        }
        return .pass
    }

    func nodesRegistered(_ name: ClusterName, _ nodes: [NodeID], _ ranges: [CIDR], _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { fact in
            let registered = Set(fact.nodes.map(\.name))
            var reasons: [Reason] = []
            let absent = nodes.filter { !registered.contains($0.text) }
            if !absent.isEmpty {
                reasons.append(
                    say.reason(
                        .cluster(name), .absent, "\(absent.map(\.text).joined(separator: ", ")) not registered in \(name)",
                        "look at `talosctl health` and the kubelet of the missing nodes"))
            }
            for node in fact.nodes {
                guard let range = node.podCIDR, !ranges.contains(where: { $0.contains(range) }) else { continue }
                reasons.append(
                    say.reason(
                        .cluster(name), .mismatch,
                        "node \(node.name) of \(name) has pod range \(range), outside the planned \(ranges.map(\.description).joined(separator: ", "))",
                        "the controller manager runs with another --cluster-cidr than planned; correct mesh.yaml or the machine configuration"
                    ))
            }
            return say.pass(unless: reasons)
        }
    }

    func kubeProxyAbsent(_ name: ClusterName, _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { fact in
            guard fact.daemonSets["kube-system/kube-proxy"] != nil || fact.cilium?.kubeProxy != nil else { return .pass }
            return say.hold(
                .cluster(name), .mismatch, "\(name) runs kube-proxy while Cilium is to replace it",
                "set `cluster.proxy.disabled: true` in the machine configuration and delete the DaemonSet kube-system/kube-proxy")
        }
    }

    func gatewayBundle(_ name: ClusterName, _ wanted: SemanticVersion, _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { fact in
            guard let have = fact.gatewayBundle else {
                return say.hold(
                    .cluster(name), .absent, "\(name) has no Gateway API CRDs", "the plan's gateway-api step installs \(wanted)")
            }
            guard have == wanted else {
                return say.hold(
                    .cluster(name), .mismatch, "\(name) has Gateway API \(have), the plan wants \(wanted)",
                    "the plan's gateway-api step replaces it")
            }
            if let gaps = fact.gatewayGaps, !gaps.isEmpty {
                return say.hold(
                    .cluster(name), .absent,
                    "of the Gateway API's definitions on \(name), \(gaps.joined(separator: ", ")) are missing or not accepted yet",
                    "the plan's gateway-api step applies them; look at their condition Established")
            }
            return .pass
        }
    }

    func ciliumHealthy(_ name: ClusterName, _ version: SemanticVersion, _ nodes: Int, _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { fact in
            guard let release = fact.releases["kube-system/cilium"] else {
                return say.hold(.cluster(name), .absent, "Cilium is not installed on \(name)", "the plan's cilium step installs it")
            }
            var problems: [(Reason.Code, String)] = []
            if release.status != "deployed" { problems.append((.unhealthy, "the Helm release of Cilium on \(name) is \(release.status)")) }
            if SemanticVersion(release.version) != version {
                problems.append((.mismatch, "Cilium \(release.version) is installed on \(name), the plan wants \(version)"))
            }
            let agents = fact.daemonSets["kube-system/cilium"]
            if agents?.desired != nodes || agents?.ready != nodes {
                problems.append((.unhealthy, "\(agents?.ready ?? 0) of \(nodes) Cilium agents are ready on \(name)"))
            }
            guard let errors = fact.ciliumErrors else { return say.nothing(about: "`cilium status`", .cluster(name)) }
            problems += errors.map { (.unhealthy, "`cilium status` on \(name): \($0)") }
            return say.pass(
                unless: problems.map {
                    say.reason(.cluster(name), $0.0, $0.1, "look at `cilium status --context ...` and the pods in kube-system")
                })
        }
    }

    func ciliumConfig(_ name: ClusterName, _ wanted: [String: String], _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { fact in
            guard let have = fact.ciliumConfig else {
                return say.hold(.cluster(name), .absent, "\(name) has no ConfigMap kube-system/cilium-config", "install Cilium first")
            }
            let wrong = wanted.filter { have[$0.key] != $0.value }.keys.sorted()
            return say.pass(
                unless: wrong.map { key in
                    say.reason(
                        .cluster(name), .mismatch,
                        "cilium-config of \(name) says \(key)=\(have[key] ?? "(unset)"), the plan says \(wanted[key] ?? "")",
                        "somebody changed it, or the values were not applied; apply the plan again")
                })
        }
    }

    private static let parityKeys = [
        "routing-mode", "tunnel-protocol", "tunnel-port", "enable-wireguard", "enable-ipsec", "ipam", "enable-ipv4", "enable-ipv6",
        "max-connected-clusters", "identity-allocation-mode",
    ]

    func datapathParity(_ names: [ClusterName], _ found: Found, _ say: Findings) -> Verdict {
        guard let first = names.first, let reference = found.cluster(first)?.ciliumConfig else {
            return say.nothing(about: "cilium-config", names.first.map(Subject.cluster) ?? .mesh)
        }
        var reasons: [Reason] = []
        for name in names.dropFirst() {
            guard let config = found.cluster(name)?.ciliumConfig else { return say.nothing(about: "cilium-config", .cluster(name)) }
            for key in Self.parityKeys where config[key] != reference[key] {
                reasons.append(
                    say.reason(
                        .cluster(name), .mismatch,
                        "\(key) is \(reference[key] ?? "(unset)") on \(first) and \(config[key] ?? "(unset)") on \(name)",
                        "both ends of a mesh must use the same datapath; make them equal in mesh.yaml and apply"))
            }
        }
        return say.pass(unless: reasons)
    }

    func clusterIDs(_ names: [ClusterName], _ ids: [Int], _ found: Found, _ say: Findings) -> Verdict {
        var reasons: [Reason] = []
        for (name, id) in zip(names, ids) {
            guard let config = found.cluster(name)?.ciliumConfig else { return say.nothing(about: "cilium-config", .cluster(name)) }
            if config["cluster-id"] != String(id) || config["cluster-name"] != name.text {
                reasons.append(
                    say.reason(
                        .cluster(name), .mismatch,
                        "\(name) runs as \(config["cluster-name"] ?? "?") with id \(config["cluster-id"] ?? "?"), the plan says id \(id)",
                        "changing an id means restarting every workload; correct mesh.yaml or plan the change"))
            }
        }
        return reasons.isEmpty ? .pass : .deny(reasons)
    }

    func meshCA(_ name: ClusterName, _ like: ClusterName, mayBeAbsent: Bool, _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { fact in
            guard let own = fact.meshCA else {
                return mayBeAbsent
                    ? .pass : say.hold(.cluster(name), .absent, "\(name) has no Cilium CA yet", "the plan's cilium-ca step seeds it")
            }
            guard name != like else { return .pass }
            guard let other = found.cluster(like)?.meshCA else {
                return say.deny(
                    .cluster(name), .mismatch, "\(name) already has a Cilium CA (\(own.short)) while \(like) has none",
                    "a CA that is in use cannot be swapped blindly: delete the Secret kube-system/cilium-ca of \(name) if nothing uses it")
            }
            guard own == other else {
                return say.deny(
                    .cluster(name), .mismatch, "the Cilium CA of \(name) (\(own.short)) is not that of \(like) (\(other.short))",
                    "certificates already issued would not chain. Where Cilium is not installed, delete kube-system/cilium-ca of \(name) and apply. "
                        + "Else write `policy: { mesh: { migrateCA: true } }` into mesh.yaml and apply: all clusters are brought to one CA in rounds, each proven "
                        + "before the next. By hand"
                        + "Else, one round over all clusters after the other: (1) `cilium upgrade --reuse-values` with tls.caBundle.enabled=true "
                        + "and tls.caBundle.content=both CAs, until every pod of Cilium, Hubble and clustermesh-apiserver has restarted; "
                        + "(2) put the CA of \(like) into kube-system/cilium-ca of \(name), keeping Helm's marks, then upgrade and run the CronJob "
                        + "clustermesh-apiserver-generate-certs there; (3) take caBundle out again; see docs/guide/cilium.md")
            }
            return .pass
        }
    }

    func clustermeshReady(_ name: ClusterName, _ nodePort: Int?, _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { fact in
            guard let mesh = fact.clustermesh, mesh.apiserverReady else {
                return say.hold(
                    .cluster(name), .unhealthy, "the clustermesh API server of \(name) is not ready", "the clustermesh step enables it")
            }
            guard nodePort == nil || mesh.nodePort == nodePort else {
                return say.hold(
                    .cluster(name), .mismatch,
                    "the clustermesh API server of \(name) is on NodePort \(mesh.nodePort.map(String.init) ?? "(none)"), the plan says \(nodePort ?? 0)",
                    "the Helm value is clustermesh.apiserver.service.nodePort (not nodeport.port)")
            }
            return .pass
        }
    }

    func clustermeshConnected(_ name: ClusterName, _ remotes: [ClusterName], _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { fact in
            guard let mesh = fact.clustermesh, mesh.connectivityKnown else {
                return .unknown([
                    say.reason(
                        .cluster(name), .missing, "`cilium clustermesh status` of \(name) has no connectivity section",
                        "the agents cannot be asked yet; wait, or look at the Cilium pods")
                ])
            }
            var reasons = mesh.errors.map { say.reason(.cluster(name), .unhealthy, "\(name): \($0)", "see `cilium clustermesh status`") }
            for remote in remotes where mesh.remotes[remote.text] != true {
                let state = mesh.remotes[remote.text] == nil ? "not configured" : "not connected"
                reasons.append(
                    say.reason(
                        .cluster(name), .unhealthy, "\(name) is \(state) to \(remote)",
                        "look at reach and certificates between the two; the connect step configures it"))
            }
            if mesh.notReady > 0 {
                reasons.append(
                    say.reason(
                        .cluster(name), .unhealthy, "\(mesh.notReady) nodes of \(name) are not connected", "see `cilium clustermesh status`"
                    ))
            }
            if mesh.connectedMinimum < remotes.count, reasons.isEmpty {
                reasons.append(
                    say.reason(
                        .cluster(name), .unhealthy,
                        "some node of \(name) is connected to \(mesh.connectedMinimum) of \(remotes.count) clusters",
                        "see `cilium clustermesh status`"))
            }
            return say.pass(unless: reasons)
        }
    }

    func connectivity(_ from: ClusterName, _ to: ClusterName, _ found: Found, _ say: Findings) -> Verdict {
        for case .connectivity(let fact) in found.facts[EvidenceKey(.cluster(from), .connectivity)] ?? []
        where fact.from == from && fact.to == to {
            guard fact.tests > 0 else {
                return say.hold(
                    .cluster(from), .absent, "no connectivity test from \(from) to \(to) has run yet",
                    "the plan's connectivity step runs it")
            }
            guard fact.failures == 0, fact.tests > fact.skipped else {
                return say.hold(
                    .cluster(from), .unhealthy,
                    "\(fact.failures) of \(fact.tests) connectivity tests from \(from) to \(to) failed, \(fact.skipped) were skipped",
                    "see the JUnit report in the run's directory")
            }
            if let left = fact.leftovers, !left.isEmpty {
                return say.hold(
                    .cluster(from), .unhealthy, "the connectivity test left namespaces: \(left.joined(separator: ", "))",
                    "they are being removed; when that does not end, look at their finalizers")
            }
            return .pass
        }
        return say.nothing(about: "a connectivity test to \(to)", .cluster(from))
    }

    func cephHealthy(_ name: ClusterName, _ osds: Int, _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { fact in
            guard let ceph = fact.ceph.values.first else {
                return say.hold(.cluster(name), .absent, "\(name) has no CephCluster", "the rook-ceph step creates it")
            }
            guard ceph.phase == "Ready", ceph.health != "HEALTH_ERR", ceph.osds == osds else {
                return say.hold(
                    .cluster(name), .unhealthy, "Ceph on \(name) is \(ceph.phase), \(ceph.health), with \(ceph.osds) of \(osds) OSDs",
                    "look at `kubectl -n rook-ceph get cephcluster` and the operator's log")
            }
            return .pass
        }
    }
}
