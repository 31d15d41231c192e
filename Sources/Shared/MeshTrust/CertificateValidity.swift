// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import MeshModel

/// From when until when a certificate of any kind and maker is valid: kubeconfigs hold RSA as well as other curves, which `Certificate` refuses.
package struct CertificateValidity: Hashable, Sendable {
    package let notBefore: Timestamp
    package let notAfter: Timestamp

    /// Of the first certificate of a PEM text, which is the leaf.
    package init(pem: String) throws(TrustError) {
        guard let der = try PEM.decode(pem, label: PEM.certificateLabel).first else {
            throw .notPEM(wanted: PEM.certificateLabel, problem: "there is no certificate in it")
        }
        let certificate = try OpenSSL.decode(der, "read a certificate", d2i_X509, release: X509_free)
        notBefore = try Certificate.time(X509_get0_notBefore(certificate.raw))
        notAfter = try Certificate.time(X509_get0_notAfter(certificate.raw))
    }
}
