// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about Cilium's releases, kube-proxy, BGP, and what the mesh between clusters stands on.
extension Judge {
    private func with(
        _ name: ClusterName, _ found: Found, _ say: Findings, _ rule: (ClusterFact, CiliumFact) -> Verdict
    ) -> Verdict {
        with(name, found, say) { fact in
            guard let cilium = fact.cilium else { return say.nothing(about: "Cilium", .cluster(name)) }
            return rule(fact, cilium)
        }
    }

    // MARK: releases

    /// The first release of Cilium that each release of the CLI can handle, as the CLI's own documentation says.
    private static let oldestFor: [(commandLine: SemanticVersion, minor: Int)] = [
        (SemanticVersion(0, 19, 6), 17), (SemanticVersion(0, 19, 0), 16), (SemanticVersion(0, 16, 0), 15), (SemanticVersion(0, 15, 0), 14),
    ]

    func commandLineFits(_ name: ClusterName, _ planned: SemanticVersion, _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { _, cilium in
            guard let line = cilium.commandLine else {
                return say.hold(
                    .cluster(name), .missing, "`cilium version --client` gives no answer that can be read",
                    "is the cilium CLI installed where the coordinator looks for tools? see its transcript")
            }
            guard let version = line.version else {
                return say.hold(
                    .cluster(name), .unfit, "the cilium CLI does not say its version: it is not a release",
                    "install a release of cilium-cli")
            }
            guard let oldest = Self.oldestFor.first(where: { version >= $0.commandLine })?.minor else {
                return say.hold(
                    .cluster(name), .unfit, "cilium-cli \(version) is older than 0.15, the first that drives Helm",
                    "install a newer release of it"
                )
            }
            guard planned.major == 1, planned.minor >= oldest else {
                return say.hold(
                    .cluster(name), .unfit, "cilium-cli \(version) handles Cilium 1.\(oldest) and newer, the plan has \(planned)",
                    "install an older release of cilium-cli, or plan a newer Cilium")
            }
            // What comes long after it was made it cannot know: flags, charts and states that did not exist.
            if let made = line.madeFor, planned.minor > made.minor + 1 {
                return say.hold(
                    .cluster(name), .unfit, "cilium-cli \(version) was made with Cilium \(made), the plan has \(planned)",
                    "install a newer release of cilium-cli")
            }
            return .pass
        }
    }

    func versionSkew(_ names: [ClusterName], _ found: Found, _ say: Findings) -> Verdict {
        var versions: [(name: ClusterName, version: SemanticVersion)] = []
        for name in names {
            guard let release = found.cluster(name)?.releases[Self.release], let version = SemanticVersion(release.version) else {
                return say.hold(.cluster(name), .absent, "Cilium is not installed on \(name)", "the plan's cilium step installs it")
            }
            versions.append((name, version))
        }
        guard let oldest = versions.min(by: { $0.version < $1.version }), let newest = versions.max(by: { $0.version < $1.version }) else {
            return .pass
        }
        guard oldest.version.major == newest.version.major, newest.version.minor - oldest.version.minor <= 1 else {
            return say.hold(
                .cluster(oldest.name), .mismatch,
                "\(oldest.name) runs Cilium \(oldest.version) and \(newest.name) \(newest.version): a mesh bears one minor release of difference",
                "upgrade \(oldest.name) first; the plan's cilium step does it")
        }
        return .pass
    }

    private static let release = "kube-system/cilium"

    /// A first installation waits for nobody; an upgrade goes cluster by cluster in the order of mesh.yaml, so that a bad release is met by one
    /// cluster alone.
    func upgradeTurn(
        _ name: ClusterName, _ planned: SemanticVersion, _ keeps: [String: String], _ found: Found, _ say: Findings
    ) -> Verdict {
        with(name, found, say) { fact in
            guard let release = fact.releases[Self.release] else { return .pass }
            if let refusal = change(name, fact, keeps, say) { return refusal }
            guard let have = SemanticVersion(release.version) else { return say.nothing(about: "the release of Cilium", .cluster(name)) }
            guard have != planned else { return .pass }
            if let refusal = path(name, from: have, to: planned, say) { return refusal }
            return .all(clusters.prefix { $0 != name }.map { stands($0, at: planned, before: name, say) })
        }
    }

    /// What must stay for as long as Cilium is there: identities and addresses of everything that runs are made of it.
    private func change(_ name: ClusterName, _ fact: ClusterFact, _ keeps: [String: String], _ say: Findings) -> Verdict? {
        guard let config = fact.ciliumConfig else { return nil }
        let unset = ["cluster-id": "0", "cluster-name": "default"]
        let changed = keeps.filter { key, wanted in
            guard let have = config[key], have != unset[key] else { return false }
            return have != wanted
        }.keys.sorted()
        guard !changed.isEmpty else { return nil }
        return .deny(
            changed.map { key in
                say.reason(
                    .cluster(name), .mismatch,
                    "\(name) runs with \(key)=\(config[key] ?? ""), the plan says \(keeps[key] ?? ""), and this cannot change while Cilium runs",
                    "correct mesh.yaml; to change it, uninstall Cilium on \(name) and restart every workload")
            })
    }

    private func path(_ name: ClusterName, from have: SemanticVersion, to planned: SemanticVersion, _ say: Findings) -> Verdict? {
        if planned < have {
            return say.deny(
                .cluster(name), .mismatch, "\(name) runs Cilium \(have), newer than the planned \(planned): going back is not supported",
                "plan \(have) or newer; `cilium upgrade` by hand where you know that this step back is safe")
        }
        guard planned.major == have.major, planned.minor - have.minor <= 1 else {
            return say.deny(
                .cluster(name), .mismatch,
                "\(name) runs Cilium \(have), the plan has \(planned): Cilium is upgraded by one minor release at a time",
                "plan a release of \(have.major).\(have.minor + 1) first, apply, and then go on")
        }
        return nil
    }

    /// Its turn is over: the planned release, and healthy.
    private func stands(_ earlier: ClusterName, at planned: SemanticVersion, before name: ClusterName, _ say: Findings) -> Verdict {
        let key = EvidenceKey(.cluster(earlier), .cluster)
        guard case .fresh(let item) = evidence.standing(key, now: now, maxAge: maxAge, notBefore: nil),
            let fact = Found(facts: [key: item.facts]).cluster(earlier)
        else {
            return .unknown([
                say.reason(
                    .cluster(earlier), .missing, "\(name) is upgraded after \(earlier), of which nothing is known at the moment",
                    "can the coordinator reach the API server of \(earlier)?")
            ])
        }
        let agents = fact.daemonSets["kube-system/cilium"]
        let release = fact.releases[Self.release]
        let isAt = release.flatMap { SemanticVersion($0.version) } == planned && release?.status == "deployed"
        guard isAt, let agents, agents.desired > 0, agents.ready == agents.desired, fact.ciliumErrors == [] else {
            return say.hold(
                .cluster(earlier), isAt ? .unhealthy : .mismatch,
                "\(name) is upgraded after \(earlier), which "
                    + (isAt ? "is not healthy at \(planned) yet" : "runs \(release.map { "Cilium \($0.version)" } ?? "no Cilium") yet"),
                "wait for \(earlier)/cilium, or mend it")
        }
        return .pass
    }

    // MARK: Services and routes

    func kubeProxyCoherent(_ name: ClusterName, _ replaced: Bool, _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { fact, cilium in
            let word = fact.ciliumConfig?["kube-proxy-replacement"]
            if let word, word != String(replaced) {
                return say.hold(
                    .cluster(name), .mismatch, "cilium-config of \(name) says kube-proxy-replacement=\(word), the plan says \(replaced)",
                    "the plan's cilium step sets it")
            }
            switch (replaced, cilium.kubeProxy) {
            case (true, nil): return .pass
            case (true, .some):
                return say.hold(
                    .cluster(name), .mismatch,
                    "\(name) runs kube-proxy beside Cilium, which replaces it: both write rules for every Service",
                    "set `cluster.proxy.disabled: true` in the machine configuration and delete the DaemonSet kube-system/kube-proxy")
            case (false, nil):
                return say.hold(
                    .cluster(name), .absent, "\(name) has no kube-proxy and Cilium is not to replace it: no Service would work",
                    "set kubeProxyReplacement: true in mesh.yaml, or let the cluster run kube-proxy")
            case (false, .some(let proxy)):
                guard proxy.desired > 0, proxy.ready == proxy.desired else {
                    return say.hold(
                        .cluster(name), .unhealthy, "\(proxy.ready) of \(proxy.desired) pods of kube-proxy are ready on \(name)",
                        "look at the pods of kube-proxy in kube-system")
                }
                return .pass
            }
        }
    }

    func bgpEstablished(_ name: ClusterName, _ peers: [IPAddress], _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { _, cilium in
            guard let sessions = cilium.sessions else { return say.nothing(about: "BGP sessions (`cilium bgp peers`)", .cluster(name)) }
            var reasons: [Reason] = []
            for peer in peers {
                let own = sessions.filter { IPAddress($0.peer) == peer }
                if own.isEmpty {
                    reasons.append(
                        say.reason(
                            .cluster(name), .absent, "no node of \(name) has a session with \(peer)",
                            "look at CiliumBGPClusterConfig's nodeSelector and at `cilium bgp peers`"))
                }
                reasons += own.filter { $0.state != "established" }.map {
                    say.reason(
                        .cluster(name), .unhealthy, "the BGP session of \($0.node) with \(peer) is \($0.state)",
                        "look at the router: its ASN, its address for this neighbour, and a firewall on port 179")
                }
            }
            return say.pass(unless: reasons)
        }
    }

    // MARK: the mesh

    /// Certificates are renewed long before this; who is nearer to its end has nobody that renews it.
    private static let leastLeft = Duration.seconds(30 * 86_400)

    /// One certificate that must be there, or is judged where it is.
    private struct Role {
        var secret: String
        var isNeeded: Bool
        var isServer: Bool
        /// What one of its names must end in.
        var domain: String?
    }

    func meshCertificates(_ name: ClusterName, _ domain: String, _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { _, cilium in
            guard let leaves = cilium.leaves else { return say.nothing(about: "certificates", .cluster(name)) }
            let roles = [
                Role(secret: "clustermesh-apiserver-server-cert", isNeeded: true, isServer: true, domain: domain),
                Role(secret: "clustermesh-apiserver-admin-cert", isNeeded: true, isServer: false, domain: nil),
                Role(secret: "clustermesh-apiserver-remote-cert", isNeeded: true, isServer: false, domain: nil),
                Role(secret: "clustermesh-apiserver-local-cert", isNeeded: false, isServer: false, domain: nil),
                Role(secret: "hubble-server-certs", isNeeded: false, isServer: true, domain: "hubble-grpc.cilium.io"),
                Role(secret: "hubble-relay-client-certs", isNeeded: false, isServer: false, domain: nil),
            ]
            return .all(roles.map { leaf(leaves[$0.secret], $0, name, say) })
        }
    }

    private func leaf(_ leaf: CiliumFact.Leaf?, _ role: Role, _ name: ClusterName, _ say: Findings) -> Verdict {
        let remedy = "the plan's clustermesh step has it issued anew; look at the Jobs clustermesh-apiserver-* in kube-system"
        guard let leaf else {
            guard role.isNeeded else { return .pass }
            return say.hold(.cluster(name), .absent, "\(name) has no certificate in kube-system/\(role.secret)", remedy)
        }
        let what = "the certificate in kube-system/\(role.secret) of \(name)"
        var faults: [(Reason.Code, String)] = []
        if !leaf.chains { faults.append((.mismatch, "\(what) is not issued by its CA, kube-system/cilium-ca")) }
        if role.isServer ? !leaf.servesServers : !leaf.servesClients {
            faults.append((.unfit, "\(what) may not be shown by a \(role.isServer ? "server" : "client")"))
        }
        if let domain = role.domain, !leaf.dnsNames.contains(where: { $0.hasSuffix("." + domain) }) {
            faults.append((.unfit, "\(what) has no name below \(domain)"))
        }
        let left = leaf.notAfter - now.wall
        if left < Self.leastLeft {
            faults.append(
                (.unfit, left < .zero ? "\(what) has ended at \(leaf.notAfter)" : "\(what) ends at \(leaf.notAfter), in less than 30 days"))
        }
        return say.pass(unless: faults.map { say.reason(.cluster(name), $0.0, $0.1, remedy) })
    }

    /// Two where two can serve: with one alone the mesh is cut when that node is drained.
    func meshEndpoints(_ names: [ClusterName], _ found: Found, _ say: Findings) -> Verdict {
        .all(names.flatMap { name in names.filter { $0 != name }.map { endpoints(of: $0, for: name, found, say) } })
    }

    private func endpoints(of remote: ClusterName, for name: ClusterName, _ found: Found, _ say: Findings) -> Verdict {
        guard let known = found.cluster(name)?.cilium?.endpoints else { return say.nothing(about: "endpoints", .cluster(name)) }
        guard let nodes = found.cluster(remote)?.nodes else { return say.nothing(about: "nodes", .cluster(remote)) }
        let own = known[remote.text] ?? []
        let remedy = "apply the plan: its connect step chooses nodes that are ready and stay"
        func serves(_ node: ClusterFact.RegisteredNode) -> Bool { node.ready && node.cordoned != true }
        var reasons = own.compactMap { address -> Reason? in
            guard let parsed = IPAddress(address), let node = nodes.first(where: { $0.internalIP == parsed }) else {
                return say.reason(
                    .cluster(name), .mismatch, "\(name) reaches \(remote) through \(address), which is none of its nodes", remedy)
            }
            guard !serves(node) else { return nil }
            return say.reason(
                .cluster(name), .unhealthy,
                "\(name) reaches \(remote) through \(node.name), which is \(node.cordoned == true ? "cordoned" : "not ready")", remedy)
        }
        if own.count < min(2, nodes.filter(serves).count) {
            reasons.append(
                say.reason(
                    .cluster(name), .unhealthy,
                    "\(name) reaches \(remote) through \(own.isEmpty ? "no node" : "one node alone, \(own[0])"), and more could serve",
                    remedy))
        }
        return say.pass(unless: reasons)
    }

    func meshSynced(_ names: [ClusterName], _ found: Found, _ say: Findings) -> Verdict {
        .all(
            names.map { name in
                with(name, found, say) { _, cilium in
                    guard let unsynced = cilium.unsynced else {
                        return say.nothing(about: "what the agents have received (`cilium status`)", .cluster(name))
                    }
                    return say.pass(
                        unless: names.filter { $0 != name }.compactMap { remote in
                            let left = unsynced[remote.text]
                            if left == [] { return nil }
                            return say.reason(
                                .cluster(name), .unhealthy,
                                "some agent of \(name) has not received "
                                    + (left.map { "the \($0.joined(separator: ", ")) of \(remote)" } ?? "anything of \(remote)"),
                                "wait; when it does not end, look at the log of the agent and of KVStoreMesh")
                        })
                }
            })
    }

    /// From two looks at least, none too far from the one before: a connection that comes and goes is none.
    func meshSteady(_ names: [ClusterName], _ span: Duration, _ say: Findings) -> Verdict {
        .all(
            names.map { name in
                let lasts = evidence.steadiness(of: EvidenceKey(.cluster(name), .cluster))
                guard lasts < span else { return .pass }
                return say.hold(
                    .cluster(name), .unhealthy, "the connections of \(name) have been as they are for \(lasts.briefly) of \(span.briefly)",
                    "wait; when they come and go, look at the way between the clusters")
            })
    }
}
