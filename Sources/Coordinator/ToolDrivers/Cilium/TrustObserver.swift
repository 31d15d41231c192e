// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTrust

/// By which authorities one cluster's Cilium judges others: the CA that issues, and the bundle that a release may put in its place.
///
/// Of Secrets certificates are taken and nothing else; keys stay where they are.
struct TrustObserver: Sendable {
    let tools: Toolbox
    let client: KubernetesClient

    /// - Parameters:
    ///   - values: those of Cilium's release; `nil` where it is not installed.
    ///   - leaves: the certificates in use, in PEM, by Secret.
    ///   - watchesPods: whether pods that may be late are looked for.
    func observe(values: HelmValue?, leaves: [String: String], watchesPods: Bool = false) async throws -> CiliumTrust {
        var trust = CiliumTrust()
        trust.own = try await pem("ca.crt", of: "secrets/cilium-ca").flatMap { TrustAnchor.all(in: $0).first }
        trust.mesh = try tools.meshCertificate().flatMap { TrustAnchor.all(in: $0).first }
        trust.bundle = try await bundle(values)
        let known = [trust.own, trust.mesh].compactMap(\.self) + (trust.bundle?.anchors ?? [])
        for (secret, pem) in leaves {
            guard let leaf = try? IssuedLeaf(pem: pem) else { continue }
            var issuers: [Digest] = []
            for anchor in known where !issuers.contains(anchor.fingerprint) && leaf.isIssued(byOneOf: anchor.pem) {
                issuers.append(anchor.fingerprint)
            }
            trust.issuers[secret] = issuers
        }
        if watchesPods { trust.stragglers = try await TrustingPods(client: client, bundle: Self.place(of: values)).stragglers() }
        return trust
    }

    /// Where the chart keeps it, unless the values say otherwise.
    private func bundle(_ values: HelmValue?) async throws -> CiliumTrust.Bundle? {
        guard let place = Self.place(of: values) else { return nil }
        let key = values?["tls", "caBundle", "key"]?.string ?? "ca.crt"
        // A bundle that is configured and cannot be read trusts nobody.
        guard let object = try await client.get("/api/v1/namespaces/kube-system/" + place) else { return CiliumTrust.Bundle(anchors: []) }
        let text = object["data"]?[key]?.string ?? ""
        let pem = place.hasPrefix("secrets/") ? JSON.unbase64(text).map { String(decoding: $0, as: UTF8.self) } ?? "" : text
        return CiliumTrust.Bundle(anchors: TrustAnchor.all(in: pem), written: Self.written(object))
    }

    /// `configmaps/NAME` or `secrets/NAME`; `nil` where there is no bundle.
    private static func place(of values: HelmValue?) -> String? {
        let settings = values?["tls", "caBundle"]
        guard settings?["enabled"]?.bool == true else { return nil }
        return (settings?["useSecret"]?.bool == true ? "secrets/" : "configmaps/") + (settings?["name"]?.string ?? "cilium-root-ca.crt")
    }

    /// The last time that anybody changed it.
    static func written(_ object: HelmValue) -> Timestamp? {
        let entries = object["metadata", "managedFields"]?.list ?? []
        let times = entries.compactMap { $0["time"]?.string } + [object["metadata", "creationTimestamp"]?.string].compactMap(\.self)
        return times.compactMap { Timestamp(rfc3339: $0) }.max()
    }

    private func pem(_ key: String, of object: String) async throws -> String? {
        try await client.get("/api/v1/namespaces/kube-system/" + object)?["data"]?[key]?.string.flatMap(JSON.unbase64).map {
            String(decoding: $0, as: UTF8.self)
        }
    }
}
