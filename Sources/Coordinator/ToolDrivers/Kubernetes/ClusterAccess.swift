// SPDX-License-Identifier: Apache-2.0

package import MeshHTTP

/// How to reach one cluster's API server: one context of the admin's kubeconfig, resolved. Never shown in messages.
package struct ClusterAccess: Sendable, CustomStringConvertible, CustomReflectable {
    package var context: String
    /// `https://HOST:PORT`, perhaps with a path.
    package var server: String
    /// The name that the server's certificate must carry, when it is not that of `server`.
    package var serverName: String?
    /// The roots that count, PEM; absent for the system's.
    package var authority: [UInt8]?
    package var credential: Credential
    /// The cluster that the context was pinned to; absent when it never was.
    package var pin: Pin?

    /// Which cluster it was when its credentials were fetched.
    package struct Pin: Hashable, Sendable {
        /// SHA-256 of the API server's CA, hex.
        package var apiCA: String
        /// The uid of namespace kube-system, where it could be asked.
        package var systemUID: String?
        package init(apiCA: String, systemUID: String?) {
            self.apiCA = apiCA
            self.systemUID = systemUID
        }
    }

    /// Who we are to the server. A certificate and a token may go together; a plugin is asked when there is no token.
    package struct Credential: Sendable, CustomReflectable {
        package enum Token: Sendable {
            case literal(String)
            /// Read anew for each call: whoever writes the file renews it.
            case file(String)
        }
        package var certificate: HTTPTLS.Identity?
        package var token: Token?
        package var plugin: ExecPlugin?
        package init(certificate: HTTPTLS.Identity? = nil, token: Token? = nil, plugin: ExecPlugin? = nil) {
            self.certificate = certificate
            self.token = token
            self.plugin = plugin
        }
        package var customMirror: Mirror { Mirror(self, children: []) }
    }

    package init(
        context: String, server: String, serverName: String? = nil, authority: [UInt8]?, credential: Credential = Credential()
    ) {
        self.context = context
        self.server = server
        self.serverName = serverName
        self.authority = authority
        self.credential = credential
    }

    package var description: String { "context \(context) (\(server))" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
