// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about whom the parts of Cilium trust while clusters with CAs of their own are brought to one.
///
/// A pod reads whom it trusts when it begins, and no object of the API tells what it has read. What can be told is where its volumes take it from,
/// and that the pod began after that was written for the last time; whoever is not seen to have done so is held to trust what was before.
extension Judge {
    /// What each cluster says; `nil` when one of them does not.
    private func trusts(_ names: [ClusterName], _ found: Found) -> [(name: ClusterName, trust: CiliumTrust)]? {
        let all = names.compactMap { name in found.cluster(name)?.cilium?.trust.map { (name: name, trust: $0) } }
        return all.count == names.count ? all : nil
    }

    private func runsCilium(_ fact: ClusterFact) -> Bool { fact.releases["kube-system/cilium"] != nil }

    /// Every cluster has a CA, and it is the same everywhere.
    private static func isOne(_ all: [(name: ClusterName, trust: CiliumTrust)]) -> Bool {
        guard let first = all.first?.trust.own?.fingerprint else { return false }
        return all.allSatisfy { $0.trust.own?.fingerprint == first }
    }

    /// G-CM-10: nothing runs there that could turn somebody away, or everything that runs trusts all CAs that are in use or will be.
    func authoritiesTrusted(_ name: ClusterName, _ names: [ClusterName], _ found: Found, _ say: Findings) -> Verdict {
        guard let all = trusts(names, found) else { return say.nothing(about: "whom Cilium trusts", .cluster(name)) }
        return with(name, found, say) { fact in
            guard runsCilium(fact), let own = all.first(where: { $0.name == name })?.trust else { return .pass }
            let orphans = all.flatMap { other in
                other.trust.issuers.filter { $0.value.isEmpty }.keys.sorted().map { secret in
                    say.reason(
                        .cluster(other.name), .mismatch,
                        "the certificate in kube-system/\(secret) of \(other.name) comes from no CA that is known there",
                        "put the CA that issued it into tls.caBundle of \(other.name) by hand, or have the certificate issued anew first")
                }
            }
            guard orphans.isEmpty else { return .hold(orphans) }
            let used = Set(all.flatMap { $0.trust.issuers.values.flatMap(\.self) })
            // One CA, every certificate from it, nothing in its place: there is nothing to change and nothing to prove.
            if Self.isOne(all), own.bundle == nil, used.isSubset(of: own.own.map { [$0.fingerprint] } ?? []) { return .pass }
            var wanted: [(digest: Digest, whose: String)] = all.compactMap { other in
                other.trust.own.map { ($0.fingerprint, "the CA of \(other.name)") }
            }
            if !Self.isOne(all) {
                guard let mesh = own.mesh else {
                    return say.hold(.cluster(name), .absent, "the mesh's one CA is not made yet", "the plan's ca-trust step makes it")
                }
                wanted.append((mesh.fingerprint, "the mesh's one CA"))
            }
            wanted += used.map { ($0, "a CA by which certificates in use were issued") }
            let trusted = Set(own.anchors.map(\.fingerprint))
            var named: Set<Digest> = []
            let missing = wanted.filter { !trusted.contains($0.digest) && named.insert($0.digest).inserted }
            guard missing.isEmpty else {
                return .hold(
                    missing.map {
                        say.reason(
                            .cluster(name), .absent, "the pods of \(name) are not given \($0.whose) (\($0.digest.short)) to trust",
                            "the plan's ca-trust step puts it into tls.caBundle")
                    })
            }
            return stragglers(name, own, [.beganBefore, .otherSource, .notReady], say)
        }
    }

    /// G-CM-02, while CAs are exchanged: the one of the mesh, or whatever all have in common.
    func authorityExchanged(_ name: ClusterName, _ names: [ClusterName], _ found: Found, _ say: Findings) -> Verdict {
        guard let all = trusts(names, found), let own = all.first(where: { $0.name == name })?.trust else {
            return say.nothing(about: "whom Cilium trusts", .cluster(name))
        }
        guard let have = own.own else {
            return say.hold(.cluster(name), .absent, "\(name) has no Cilium CA yet", "the plan's cilium-ca step puts the mesh's there")
        }
        if have.fingerprint == own.mesh?.fingerprint || Self.isOne(all) { return .pass }
        return say.hold(
            .cluster(name), .mismatch,
            "the Cilium CA of \(name) (\(have.fingerprint.short)) is not the mesh's one"
                + (own.mesh.map { " (\($0.fingerprint.short))" } ?? ""),
            "the plan's cilium-ca step puts it there, once every pod of the mesh trusts both")
    }

    /// G-CM-03, while CAs are exchanged: every certificate comes from the cluster's CA, and every pod began with the one that it has now.
    func leavesRenewed(_ name: ClusterName, _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { fact in
            guard runsCilium(fact) else { return .pass }
            guard let trust = fact.cilium?.trust, let own = trust.own else { return say.nothing(about: "certificates", .cluster(name)) }
            let old = trust.issuers.filter { !$0.value.contains(own.fingerprint) }.keys.sorted()
            guard old.isEmpty else {
                return .hold(
                    old.map {
                        say.reason(
                            .cluster(name), .mismatch,
                            "the certificate in kube-system/\($0) of \(name) does not come from its CA (\(own.fingerprint.short))",
                            "the plan's ca-issue step has it issued anew; look at the Jobs and CronJobs *-generate-certs in kube-system")
                    })
            }
            // Only while two CAs are trusted does it matter what a pod began with: certificates are renewed under running pods all the time.
            return trust.bundle == nil ? .pass : stragglers(name, trust, [.olderCertificate, .notReady], say)
        }
    }

    /// G-CM-10, at the end: no pod takes anything but the cluster's CA.
    func authoritiesDropped(_ name: ClusterName, _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { fact in
            guard runsCilium(fact) else { return .pass }
            guard let trust = fact.cilium?.trust else { return say.nothing(about: "whom Cilium trusts", .cluster(name)) }
            let others = trust.bundle?.anchors.filter { $0.fingerprint != trust.own?.fingerprint } ?? []
            guard others.isEmpty else {
                return say.hold(
                    .cluster(name), .mismatch,
                    "the pods of \(name) still trust \(others.map { "\($0.subject) (\($0.fingerprint.short))" }.joined(separator: ", "))",
                    "the plan's ca-drop step takes tls.caBundle away")
            }
            return stragglers(name, trust, trust.bundle == nil ? [.otherSource] : [.otherSource, .beganBefore], say)
        }
    }

    /// G-CM-07, before an old CA is dropped: API servers that are there show certificates of the CA that stays.
    func serversRenewed(
        _ node: NodeID, _ own: ClusterName, _ targets: [HandshakeTarget], _ balanced: [BalancedServer], _ found: Found, _ say: Findings
    ) -> Verdict {
        func serves(_ name: ClusterName) -> Bool { found.cluster(name)?.clustermesh != nil }
        let there = targets.filter { serves($0.cluster) }
        let behind = balanced.filter { serves($0.cluster) }
        guard !there.isEmpty || !behind.isEmpty else { return .pass }
        return handshakes(node, own, there, behind, found, say, dropping: true)
    }

    private func stragglers(_ name: ClusterName, _ trust: CiliumTrust, _ counted: Set<CiliumTrust.Straggler.Why>, _ say: Findings)
        -> Verdict
    {
        guard let stragglers = trust.stragglers else { return say.nothing(about: "the pods that trust a CA", .cluster(name)) }
        return say.pass(
            unless: stragglers.filter { counted.contains($0.why) }.prefix(8).map { straggler in
                let pod = "pod kube-system/\(straggler.pod) of \(name)"
                let restart = "wait until it is restarted; else restart it: `kubectl -n kube-system delete pod \(straggler.pod)`"
                return switch straggler.why {
                case .beganBefore:
                    say.reason(
                        .cluster(name), .unhealthy, "\(pod) began before what it is to trust was written, and may not have read it", restart
                    )
                case .olderCertificate:
                    say.reason(
                        .cluster(name), .unhealthy, "\(pod) began before its certificate was issued anew, and may still show the old one",
                        restart)
                case .otherSource:
                    say.reason(
                        .cluster(name), .mismatch, "\(pod) takes whom it trusts from elsewhere than the release says", restart)
                case .notReady:
                    say.reason(.cluster(name), .unhealthy, "\(pod) is not ready: what it trusts is not known", "look at the pod")
                }
            })
    }
}
