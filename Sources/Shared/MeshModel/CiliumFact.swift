// SPDX-License-Identifier: Apache-2.0

/// What gates of Cilium and of the mesh want to know of one cluster besides its objects. Absent parts were not asked, or gave no answer.
package struct CiliumFact: Hashable, Sendable, Codable {
    /// The cilium CLI that the coordinator calls.
    package struct CommandLine: Hashable, Sendable, Codable {
        /// Its own version; absent when it says none, as one that somebody built by hand does.
        package var version: SemanticVersion?
        /// The release of Cilium that it was made with.
        package var madeFor: SemanticVersion?
        package init(version: SemanticVersion?, madeFor: SemanticVersion?) {
            self.version = version
            self.madeFor = madeFor
        }
    }
    /// kube-proxy's pods, of a DaemonSet or of the nodes themselves.
    package struct KubeProxy: Hashable, Sendable, Codable {
        package var desired: Int
        package var ready: Int
        package init(desired: Int, ready: Int) {
            self.desired = desired
            self.ready = ready
        }
    }
    /// A certificate that Cilium's parts show each other. Only `tls.crt` of its Secret is read.
    package struct Leaf: Hashable, Sendable, Codable {
        /// Whether it is issued by the CA in kube-system/cilium-ca of its own cluster.
        package var chains: Bool
        package var servesServers: Bool
        package var servesClients: Bool
        package var dnsNames: [String]
        package var notAfter: Timestamp
        package init(chains: Bool, servesServers: Bool, servesClients: Bool, dnsNames: [String], notAfter: Timestamp) {
            self.chains = chains
            self.servesServers = servesServers
            self.servesClients = servesClients
            self.dnsNames = dnsNames
            self.notAfter = notAfter
        }
    }
    /// One BGP session of one node.
    package struct Session: Hashable, Sendable, Codable {
        package var node: String
        package var peer: String
        /// As Cilium words it: `established`, `active`, ...
        package var state: String
        package init(node: String, peer: String, state: String) {
            self.node = node
            self.peer = peer
            self.state = state
        }
    }

    package var commandLine: CommandLine?
    /// Absent when there is no kube-proxy.
    package var kubeProxy: KubeProxy?
    /// By the name of the Secret in kube-system.
    package var leaves: [String: Leaf]?
    /// The addresses through which each remote cluster is reached, from the values of the release.
    package var endpoints: [String: [String]]?
    /// What the agents have not received of each remote cluster yet: nodes, endpoints, identities, services. A remote that is here with
    /// nothing has been received whole by every agent; absent when some agent could not be asked.
    package var unsynced: [String: [String]]?
    package var sessions: [Session]?
    /// Absent in evidence of earlier versions.
    package var trust: CiliumTrust?

    package init(
        commandLine: CommandLine? = nil, kubeProxy: KubeProxy? = nil, leaves: [String: Leaf]? = nil, endpoints: [String: [String]]? = nil,
        unsynced: [String: [String]]? = nil, sessions: [Session]? = nil, trust: CiliumTrust? = nil
    ) {
        self.commandLine = commandLine
        self.kubeProxy = kubeProxy
        self.leaves = leaves
        self.endpoints = endpoints
        self.unsynced = unsynced
        self.sessions = sessions
        self.trust = trust
    }
}
