// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// A clustermesh API server behind a load balancer, whose addresses only its cluster knows.
package struct BalancedServer: Hashable, Sendable, Codable {
    package var cluster: ClusterName
    /// The name that it has to prove.
    package var serverName: String
    package init(cluster: ClusterName, serverName: String) {
        self.cluster = cluster
        self.serverName = serverName
    }

    /// One address alone: behind it the balancer chooses anyway. `nil` while it has none.
    package func target(_ fact: ClusterFact?) -> HandshakeTarget? {
        fact?.clustermesh?.balancers?.first.map {
            HandshakeTarget(cluster: cluster, address: $0, port: ClusterFact.Clustermesh.balancedPort, serverName: serverName)
        }
    }
}

/// Rules about the certificates that the clustermesh API servers of other clusters show.
extension Judge {
    /// G-CM-07.
    func handshakes(
        _ node: NodeID, _ own: ClusterName, _ targets: [HandshakeTarget], _ balanced: [BalancedServer], _ found: Found, _ say: Findings,
        dropping: Bool = false
    ) -> Verdict {
        guard var trust = found.cluster(own)?.cilium?.trust else { return say.nothing(about: "whom Cilium trusts", .cluster(own)) }
        // What is about to be trusted no more does not count.
        if dropping { trust.bundle = nil }
        guard !trust.anchors.isEmpty else {
            return say.hold(.cluster(own), .absent, "\(own) has no Cilium CA that could be read", "the plan's cilium-ca step seeds it")
        }
        var targets = targets
        for server in balanced {
            guard let target = server.target(found.cluster(server.cluster)) else {
                return say.hold(
                    .cluster(server.cluster), .absent,
                    "the load balancer of the clustermesh API server of \(server.cluster) has no address yet",
                    "look at Service kube-system/clustermesh-apiserver of \(server.cluster) and at what gives out its addresses")
            }
            targets.append(target)
        }
        var facts: [HandshakeTarget: HandshakeFact] = [:]
        for case .handshake(let fact) in found.of(node, .handshakes) { facts[fact.target] = fact }
        let unasked = targets.filter { facts[$0] == nil }
        guard unasked.isEmpty else {
            let names = unasked.prefix(3).map(\.description).joined(separator: ", ")
            return .unknown([
                say.reason(.node(node), .missing, "\(node) has not spoken to the server of \(names) yet", "wait for the next probe")
            ])
        }
        return say.pass(unless: targets.compactMap { facts[$0] }.flatMap { reasons(node, own, trust, $0, say) })
    }

    private func reasons(
        _ node: NodeID, _ own: ClusterName, _ trust: CiliumTrust, _ fact: HandshakeFact, _ say: Findings
    ) -> [Reason] {
        let target = fact.target
        let whose = "the clustermesh API server of \(target.cluster) at \(target.endpoint)"
        func reason(_ code: Reason.Code, _ detail: String, _ remedy: String) -> Reason { say.reason(.node(node), code, detail, remedy) }
        return fact.faults(trusting: trust.anchors.map(\.fingerprint), now: now.wall).map { fault in
            let reissue =
                "let the certificates of \(target.cluster) be issued anew: run CronJob kube-system/clustermesh-apiserver-generate-certs"
            switch fault {
            case .noAnswer(let what):
                return reason(
                    .unreachable, "\(node) cannot speak to \(whose): \(what)",
                    "is it ready on \(target.cluster), and is TCP \(target.port) open on the way from \(node)?")
            case .noHandshake(let what):
                return reason(
                    .unhealthy, "\(node) comes to no TLS with \(whose): \(what)",
                    "what listens on port \(target.port) there? look at the pods clustermesh-apiserver of \(target.cluster), and for a proxy on the way"
                )
            case .otherAuthority:
                return reason(
                    .mismatch,
                    "\(whose) shows \(node) a certificate \(issuer(of: fact)), and \(own) trusts only "
                        + trust.anchors.map { "\($0.subject) (\($0.fingerprint.short))" }.joined(separator: ", "),
                    "once \(own) and \(target.cluster) have one CA (G-CM-02), \(reissue), and restart clustermesh-apiserver if it still shows the old one"
                )
            case .otherName:
                let names = fact.leaf?.names ?? []
                return reason(
                    .mismatch,
                    "\(whose) proves to \(node) that it is \(names.isEmpty ? "nobody" : names.joined(separator: ", ")), and not \(target.serverName)",
                    "does \(target.endpoint) belong to another cluster? else \(reissue)")
            case .notForServers:
                return reason(.unfit, "the certificate of \(whose) may not be shown by a server", reissue)
            case .notYetValid:
                return reason(
                    .skewed, "the certificate of \(whose) is valid only from \(fact.leaf.map { "\($0.notBefore)" } ?? "later") on",
                    "compare the clocks of the nodes of \(target.cluster), of \(node) and of the coordinator")
            case .ended:
                return reason(
                    .unfit, "the certificate of \(whose) has ended at \(fact.leaf.map { "\($0.notAfter)" } ?? "some time ago")",
                    "\(reissue), and restart clustermesh-apiserver if it still shows the old one")
            }
        }
    }

    /// Whose it is, where some cluster of the mesh is known to have that CA. It only names; the rule does not rest on it.
    private func issuer(of fact: HandshakeFact) -> String {
        let known = clusters.filter { name in
            for case .cluster(let other) in evidence.newest[EvidenceKey(.cluster(name), .cluster)]?.facts ?? [] {
                if let digest = other.cilium?.trust?.own?.fingerprint, fact.trusted.contains(digest) { return true }
            }
            return false
        }
        guard let leaf = fact.leaf else { return "of nobody" }
        let print = "SHA-256 \(leaf.fingerprint.short)"
        guard known.isEmpty else { return "(\(print)) of the CA of \(known.map(\.text).joined(separator: ", "))" }
        return "(\(print)) of \(leaf.issuer)\(leaf.issuerKey.map { ", key \($0.prefix(16))" } ?? ""), which is none of the mesh's CAs"
    }
}

extension EvidenceTable {
    /// The authorities that are known to be somebody's in the mesh, those of one cluster first, as far as one order carries.
    package func anchors(first: ClusterName) -> [TrustAnchor] {
        var own: [TrustAnchor] = []
        var others: [TrustAnchor] = []
        for (key, evidence) in newest where key.probe == .cluster {
            for case .cluster(let fact) in evidence.facts {
                guard let trust = fact.cilium?.trust else { continue }
                let all = trust.anchors + [trust.own, trust.mesh].compactMap(\.self)
                if fact.name == first { own += all } else { others += all }
            }
        }
        var seen: Set<Digest> = []
        // A fixed order, so that the same state makes the same order.
        let sorted = [own, others].flatMap { $0.sorted { $0.fingerprint.hex < $1.fingerprint.hex } }
        return Array(sorted.filter { seen.insert($0.fingerprint).inserted }.prefix(HandshakeFact.mostAnchors))
    }

    /// The newest that is known of a cluster, whatever its age.
    package func cluster(_ name: ClusterName) -> ClusterFact? {
        for case .cluster(let fact) in newest[EvidenceKey(.cluster(name), .cluster)]?.facts ?? [] where fact.name == name { return fact }
        return nil
    }
}
