// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// What is needed to speak TLS with a service, as the files of a Kubernetes secret of type `kubernetes.io/tls`.
package struct GRPCTrust: Hashable, Sendable {
    /// Holds `ca.crt`, and for services that want to know who asks also `tls.crt` and `tls.key`.
    package var directory: String
    /// The name that the service's certificate must carry; the address's host unless given.
    package var serverName: String?

    package init(directory: String, serverName: String? = nil) {
        self.directory = directory
        self.serverName = serverName
    }

    var roots: String { directory + "/ca.crt" }
    var certificate: String { directory + "/tls.crt" }
    var key: String { directory + "/tls.key" }
    /// Asked at each dial, as certificates come and are renewed.
    var showsCertificate: Bool { access(certificate, F_OK) == 0 }
}
