// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about what leads to the clusters: the coordinator's kubeconfig, and the store where copies are kept.
extension Judge {
    /// Less time than this, and a certificate ends before somebody notices.
    private static let shortestLife = Duration.seconds(30 * 86_400)

    func credentialsFit(_ name: ClusterName, _ found: Found, _ say: Findings) -> Verdict {
        guard let fact = found.cluster(name)?.credentials else { return say.nothing(about: "the credentials for it", .cluster(name)) }
        // Somebody else's cluster: nothing that follows may be done to it.
        if let mismatch = fact.mismatch {
            return say.deny(
                .cluster(name), .mismatch, "the context of \(name) leads to another cluster than it was pinned to: \(mismatch)",
                "correct the kubeconfig; when the cluster was really built anew, `meshgate kubeconfig --remove CONTEXT` and fetch it again")
        }
        var reasons: [Reason] = []
        if let mode = fact.mode, mode & 0o077 != 0 {
            reasons.append(
                say.reason(
                    .cluster(name), .unfit, "the kubeconfig may be read by others (mode 0\(String(mode, radix: 8)))", "chmod 600 it"))
        }
        if !fact.hasAuthority, !fact.isLocal {
            reasons.append(
                say.reason(
                    .cluster(name), .unfit, "the context of \(name) has no CA of its own, so any server that the system trusts would do",
                    "fetch it anew with `meshgate kubeconfig`, or add certificate-authority-data"))
        }
        if let ends = fact.certificateEnds, ends - now.wall < Self.shortestLife {
            let left = (ends - now.wall).components.seconds / 86_400
            reasons.append(
                say.reason(
                    .cluster(name), .unfit,
                    ends <= now.wall
                        ? "the client certificate for \(name) ended at \(ends)"
                        : "the client certificate for \(name) ends in \(left) days, at \(ends)",
                    "fetch a new one: `meshgate kubeconfig --from-talos \(name)`, or as the cluster's distribution does it"))
        }
        return say.pass(unless: reasons)
    }

    // MARK: the store

    private func secrets(_ found: Found) -> SecretsFact? {
        for case .secrets(let fact) in found.facts[EvidenceKey(.mesh, .secrets)] ?? [] { return fact }
        return nil
    }

    func secretsReadable(_ names: [String], _ found: Found, _ say: Findings) -> Verdict {
        guard let fact = secrets(found) else { return say.nothing(about: "the store of secrets", .mesh) }
        let hidden = fact.restricted.filter(names.contains)
        guard !hidden.isEmpty else { return .pass }
        return say.hold(
            .mesh, .unfit, "\(fact.store) has \(hidden.joined(separator: ", ")), and does not show them to this token",
            "use a service token (dp.st.) of that config: other kinds are not shown restricted secrets")
    }

    func secretsStored(_ names: [String], _ found: Found, _ say: Findings) -> Verdict {
        guard let fact = secrets(found), let differing = fact.differing else { return say.nothing(about: "the stored secrets", .mesh) }
        return say.pass(
            unless: names.filter { differing.contains($0) || !fact.present.contains($0) }.map { name in
                say.reason(
                    .mesh, .mismatch,
                    fact.present.contains(name)
                        ? "\(name) in \(fact.store) is another one than the coordinator works with" : "\(name) is not in \(fact.store)",
                    "the plan's step stores it; by hand, `meshgate secrets put`")
            })
    }

    func secretsGone(_ names: [String], _ found: Found, _ say: Findings) -> Verdict {
        guard let fact = secrets(found) else { return say.nothing(about: "the store of secrets", .mesh) }
        return say.pass(
            unless: fact.present.filter(names.contains).map {
                say.reason(
                    .mesh, .inUse, "\($0) is still in \(fact.store)", "the plan's step removes it; by hand, `meshgate secrets sweep`")
            })
    }

    // MARK: contexts

    func contextsGone(_ names: [ClusterName], _ found: Found, _ say: Findings) -> Verdict {
        for case .contexts(let fact) in found.facts[EvidenceKey(.mesh, .contexts)] ?? [] {
            func reasons(_ present: [ClusterName], _ file: String, _ command: String) -> [Reason] {
                present.filter(names.contains).map {
                    say.reason(
                        .cluster($0), .inUse, "\(file) still has the context of \($0)",
                        "the plan's step removes it; by hand, `meshgate \(command) --remove CONTEXT`")
                }
            }
            return say.pass(
                unless: reasons(fact.present, fact.file, "kubeconfig")
                    + (fact.talosconfig.map { reasons($0.present, $0.file, "talosconfig") } ?? []))
        }
        return say.nothing(about: "the kubeconfig", .mesh)
    }
}
