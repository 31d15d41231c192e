// SPDX-License-Identifier: Apache-2.0

/// One machine of a Talos cluster as Talos' own API describes it, or why it could not be asked. A machine that is silent hides no other.
package struct TalosFact: Hashable, Sendable, Codable {
    package enum Answer: Hashable, Sendable, Codable {
        case machine(TalosMachine)
        /// What came in place of an answer.
        case silent(String)

        private enum MachineCodingKeys: String, CodingKey { case _0 = "talos" }
        private enum SilentCodingKeys: String, CodingKey { case _0 = "why" }
    }
    package var node: NodeID
    package var answer: Answer
    package init(node: NodeID, answer: Answer) {
        self.node = node
        self.answer = answer
    }

    /// `nil` where it is silent.
    package var machine: TalosMachine? { if case .machine(let machine) = answer { machine } else { nil } }
}

/// What Talos says of its machine: which release it runs, how far it has come, and what it is configured for. Nothing of it is secret.
package struct TalosMachine: Hashable, Sendable, Codable {
    package struct Extension: Hashable, Sendable, Codable {
        package var name: String
        package var version: String
        package init(name: String, version: String) {
            self.name = name
            self.version = version
        }
    }
    /// Why the machine does not call itself ready.
    package struct Condition: Hashable, Sendable, Codable {
        package var name: String
        package var reason: String
        package init(name: String, reason: String) {
            self.name = name
            self.reason = reason
        }
    }
    /// A warning of Talos' own diagnostics.
    package struct Diagnostic: Hashable, Sendable, Codable {
        /// `address-overlap`, `kubelet-csr`.
        package var id: String
        package var message: String
        package init(id: String, message: String) {
            self.id = id
            self.message = message
        }
    }
    /// The balancer on each machine through which the API server is reached without a kube-proxy.
    package struct KubePrism: Hashable, Sendable, Codable {
        /// `127.0.0.1:7445`.
        package var endpoint: String
        package var healthy: Bool
        package init(endpoint: String, healthy: Bool) {
            self.endpoint = endpoint
            self.healthy = healthy
        }
    }
    /// What Talos itself installs into the cluster when it is bootstrapped.
    package struct Manifests: Hashable, Sendable, Codable {
        package var proxyEnabled: Bool
        package var flannelEnabled: Bool
        /// The configured name, from Talos 1.13 on; before that a CNI of one's own cannot be told from none.
        package var cni: String?
        package init(proxyEnabled: Bool, flannelEnabled: Bool, cni: String? = nil) {
            self.proxyEnabled = proxyEnabled
            self.flannelEnabled = flannelEnabled
            self.cni = cni
        }
    }

    /// As Talos writes it: `v1.11.3`.
    package var version: String
    /// The Image Factory's id of what the image was made of; absent for images that were made elsewhere.
    package var schematic: String?
    /// By name; the schematic is not among them.
    package var extensions: [Extension]
    /// `booting`, `running`, `upgrading`, `rebooting` and others.
    package var stage: String
    package var ready: Bool
    package var unmet: [Condition]
    package var diagnostics: [Diagnostic]
    /// Absent where it is not enabled.
    package var kubePrism: KubePrism?
    /// Of control planes only, here and below.
    package var manifests: Manifests?
    package var etcd: EtcdFact?

    package init(
        version: String, schematic: String? = nil, extensions: [Extension] = [], stage: String, ready: Bool, unmet: [Condition] = [],
        diagnostics: [Diagnostic] = [], kubePrism: KubePrism? = nil, manifests: Manifests? = nil, etcd: EtcdFact? = nil
    ) {
        self.version = version
        self.schematic = schematic
        self.extensions = extensions
        self.stage = stage
        self.ready = ready
        self.unmet = unmet
        self.diagnostics = diagnostics
        self.kubePrism = kubePrism
        self.manifests = manifests
        self.etcd = etcd
    }
}

/// etcd as one control plane sees it.
package struct EtcdFact: Hashable, Sendable, Codable {
    package struct Member: Hashable, Sendable, Codable {
        /// In hexadecimal, as etcd's own tools write it.
        package var id: String
        package var hostname: String
        package var isLearner: Bool
        package init(id: String, hostname: String, isLearner: Bool) {
            self.id = id
            self.hostname = hostname
            self.isLearner = isLearner
        }
    }
    /// What the machine's own member says of itself.
    package struct Status: Hashable, Sendable, Codable {
        package var member: String
        /// The member that it takes for the leader; zeroes when it knows none.
        package var leader: String
        package var raftTerm: UInt64
        /// Entries that are agreed upon and not applied here yet.
        package var unapplied: UInt64
        package var isLearner: Bool
        package var errors: String
        package init(member: String, leader: String, raftTerm: UInt64, unapplied: UInt64, isLearner: Bool, errors: String) {
            self.member = member
            self.leader = leader
            self.raftTerm = raftTerm
            self.unapplied = unapplied
            self.isLearner = isLearner
            self.errors = errors
        }

        /// From here on a member lags behind; etcd itself takes no more writes when it is 5,000 behind.
        package static let longestLag: UInt64 = 1_000
        package var keepsUp: Bool { unapplied <= Self.longestLag }
    }
    /// Where the service stands on a machine whose etcd lists no members.
    package struct Service: Hashable, Sendable, Codable {
        /// `Preparing`, `Running`, `Failed` and others.
        package var state: String
        /// Whether it has stood there for 30 seconds: what a bootstrap changes, it changes at once.
        package var isSettled: Bool
        /// Whether something is in its data directory; absent when that could not be read.
        package var hasData: Bool?
        package init(state: String, isSettled: Bool, hasData: Bool?) {
            self.state = state
            self.isSettled = isSettled
            self.hasData = hasData
        }

        /// True when it can only be waiting: to join other members, or to be the first.
        package var awaitsBootstrap: Bool { state == "Preparing" && isSettled && hasData == false }
    }

    /// Empty when it has not joined or begun a cluster.
    package var members: [Member]
    package var status: Status?
    /// Absent where members are listed.
    package var service: Service?
    /// `MEMBER: ALARM`.
    package var alarms: [String]
    package init(members: [Member] = [], status: Status? = nil, service: Service? = nil, alarms: [String] = []) {
        self.members = members
        self.status = status
        self.service = service
        self.alarms = alarms
    }
}
