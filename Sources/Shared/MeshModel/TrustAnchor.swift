// SPDX-License-Identifier: Apache-2.0

/// The certificate of an authority, public as it is. Which one it is tells its fingerprint: all of Cilium's authorities have the same name.
package struct TrustAnchor: Hashable, Sendable, Codable {
    /// As it is written in files; one certificate.
    package var pem: String
    /// SHA-256 of the DER, which `openssl x509 -noout -fingerprint -sha256` shows, too.
    package var fingerprint: Digest
    /// On one line: `/CN=Cilium CA`.
    package var subject: String
    package var notAfter: Timestamp

    package init(pem: String, fingerprint: Digest, subject: String, notAfter: Timestamp) {
        self.pem = pem
        self.fingerprint = fingerprint
        self.subject = subject
        self.notAfter = notAfter
    }

    /// Of the text, in bytes. A CA with a key of RSA 4096 and some names has less than 3 KiB.
    package static let longestText = 16 << 10
}

/// By what the parts of one cluster's Cilium know each other.
package struct CiliumTrust: Hashable, Sendable, Codable {
    /// What `tls.caBundle` puts in the place of the CA that comes with each certificate.
    package struct Bundle: Hashable, Sendable, Codable {
        package var anchors: [TrustAnchor]
        /// When it was written last, as the API server noted it; absent when it did not.
        package var written: Timestamp?
        package init(anchors: [TrustAnchor], written: Timestamp? = nil) {
            self.anchors = anchors
            self.written = written
        }
    }
    /// A pod that may still trust what was trusted before.
    package struct Straggler: Hashable, Sendable, Codable {
        package enum Why: String, Hashable, Sendable, Codable {
            /// It began before what it is to trust was written: nobody can see from outside whether it has read it since.
            case beganBefore
            /// It began before its own certificate was issued anew.
            case olderCertificate
            /// Its volumes take the CA from elsewhere.
            case otherSource
            /// It does not run, or is about to end.
            case notReady
        }
        package var pod: String
        package var why: Why
        package init(pod: String, why: Why) {
            self.pod = pod
            self.why = why
        }
    }

    /// kube-system/cilium-ca, by which certificates are issued; absent when there is none, or none that can be read.
    package var own: TrustAnchor?
    /// Absent where the release has none.
    package var bundle: Bundle?
    /// The one that the coordinator holds for the mesh; absent before it was made.
    package var mesh: TrustAnchor?
    /// The fingerprints of those above that have issued a certificate, by its Secret.
    package var issuers: [String: [Digest]]
    /// Absent when nobody asked.
    package var stragglers: [Straggler]?

    package init(
        own: TrustAnchor? = nil, bundle: Bundle? = nil, mesh: TrustAnchor? = nil, issuers: [String: [Digest]] = [:],
        stragglers: [Straggler]? = nil
    ) {
        self.own = own
        self.bundle = bundle
        self.mesh = mesh
        self.issuers = issuers
        self.stragglers = stragglers
    }

    /// Whose certificates the pods of the cluster take.
    package var anchors: [TrustAnchor] { bundle?.anchors ?? own.map { [$0] } ?? [] }
}
