// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshSystem
internal import MeshTrust

/// The certificates that the chart (or its Job) issues from Secret cilium-ca. They are real, so that they can be judged, and that of
/// the server is shown by the lab's nodes.
extension StandInChart {
    /// Of the clustermesh API server and of those who come to it.
    static func meshCertificates(cluster: String, ca: HelmValue?) -> [HelmValue] {
        ["server", "admin", "remote", "local"].map { role in
            let names = role == "server" ? ["clustermesh-apiserver.cilium.io", "\(cluster).mesh.cilium.io"] : []
            return secret("clustermesh-apiserver-\(role)-cert", serverNames: names, ca: ca)
        }
    }

    /// Of the agents' Hubble servers, and of Relay where there is one.
    static func hubbleCertificates(_ chart: StandInChart, ca: HelmValue?) -> [HelmValue] {
        let name = chart.config["cluster-name"] ?? ""
        var secrets = [secret("hubble-server-certs", serverNames: ["agent.\(name).hubble-grpc.cilium.io"], ca: ca)]
        if chart.values["hubble", "ui", "enabled"]?.truth == true {
            secrets.append(secret("hubble-relay-client-certs", serverNames: [], ca: ca))
        }
        return secrets
    }

    private static func secret(_ name: String, serverNames: [String], ca: HelmValue?) -> HelmValue {
        let (certificate, key) = (try? leaf(name, serverNames: serverNames, ca: ca)) ?? ("stand-in for \(name)\n", "stand-in for \(name)\n")
        return [
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": ["name": .string(name)],
            "data": [
                "ca.crt": ca?["data", "ca.crt"] ?? "", "tls.crt": .string(StandInJSON.base64(certificate)),
                "tls.key": .string(StandInJSON.base64(key)),
            ],
        ]
    }

    /// By the profiles of our own authority, which are the nearest that there are.
    private static func leaf(_ name: String, serverNames: [String], ca: HelmValue?) throws -> (certificate: String, key: String) {
        func pem(_ key: String) -> String {
            String(decoding: ca?["data", key]?.text.flatMap(StandInJSON.unbase64) ?? [], as: UTF8.self)
        }
        let (root, rootKey) = (try Certificate(pem: pem("ca.crt")), try PrivateKey(pem: pem("ca.key")))
        let key = try PrivateKey.generate()
        let now = SystemClock.now().wall
        let profile: CertificateProfile
        if serverNames.isEmpty, let node = NodeID(name) {
            profile = .agent(mesh: "lab", node)
        } else {
            profile = .coordinator(mesh: "lab", dnsNames: serverNames, addresses: [])
        }
        let certificate = try Certificate.issue(
            for: key.publicKey, profile: profile, notBefore: now + .seconds(-60),
            notAfter: min(now + .seconds(365 * 86_400), root.notAfter),
            by: root, key: rootKey)
        return (certificate.pem, try key.pem)
    }
}
