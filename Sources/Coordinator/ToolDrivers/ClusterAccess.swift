// SPDX-License-Identifier: Apache-2.0

/// How to reach one cluster's API server: one context of the admin's kubeconfig, resolved. Never shown in messages.
package struct ClusterAccess: Sendable, CustomStringConvertible {
    package var context: String
    /// `https://HOST:PORT`.
    package var server: String
    package var authority: [UInt8]?
    package var clientCertificate: [UInt8]?
    package var clientKey: [UInt8]?
    package var token: String?

    package init(
        context: String, server: String, authority: [UInt8]?, clientCertificate: [UInt8]? = nil, clientKey: [UInt8]? = nil,
        token: String? = nil
    ) {
        self.context = context
        self.server = server
        self.authority = authority
        self.clientCertificate = clientCertificate
        self.clientKey = clientKey
        self.token = token
    }

    package var description: String { "context \(context) (\(server))" }
}
