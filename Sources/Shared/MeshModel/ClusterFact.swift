// SPDX-License-Identifier: Apache-2.0

/// One cluster as its API server and the cilium CLI describe it. Absent parts were not there (or not asked yet), never assumed.
package struct ClusterFact: Hashable, Sendable, Codable {
    package struct RegisteredNode: Hashable, Sendable, Codable {
        package var name: String
        package var internalIP: IPAddress?
        package var podCIDR: CIDR?
        package var ready: Bool
        /// Nothing new is put on it, as while it is drained; absent otherwise.
        package var cordoned: Bool?
        package init(name: String, internalIP: IPAddress?, podCIDR: CIDR?, ready: Bool, cordoned: Bool? = nil) {
            self.name = name
            self.internalIP = internalIP
            self.podCIDR = podCIDR
            self.ready = ready
            self.cordoned = cordoned
        }
    }
    package struct DaemonSet: Hashable, Sendable, Codable {
        package var desired: Int
        package var ready: Int
        package init(desired: Int, ready: Int) {
            self.desired = desired
            self.ready = ready
        }
    }
    /// `cilium clustermesh status -o json`, judged by fields; the exit code says nothing.
    package struct Clustermesh: Hashable, Sendable, Codable {
        package var serviceType: String
        package var nodePort: Int?
        package var apiserverReady: Bool
        /// Remote clusters that are configured, and whether every agent is connected to them.
        package var remotes: [String: Bool]
        /// False when the JSON had no connectivity section: then nothing may be concluded.
        package var connectivityKnown: Bool
        package var notReady: Int
        package var connectedMinimum: Int
        package var errors: [String]
        /// Where a load balancer has the API server answer, on port `balancedPort`; absent where it has none.
        package var balancers: [IPAddress]?
        /// The port of a load balancer's address: etcd's own.
        package static let balancedPort: UInt16 = 2379
        package init(
            serviceType: String, nodePort: Int?, apiserverReady: Bool, remotes: [String: Bool], connectivityKnown: Bool, notReady: Int,
            connectedMinimum: Int, errors: [String], balancers: [IPAddress]? = nil
        ) {
            self.serviceType = serviceType
            self.nodePort = nodePort
            self.apiserverReady = apiserverReady
            self.remotes = remotes
            self.connectivityKnown = connectivityKnown
            self.notReady = notReady
            self.connectedMinimum = connectedMinimum
            self.errors = errors
            self.balancers = balancers
        }
    }
    /// What the coordinator comes with, as its kubeconfig has it.
    package struct Credentials: Hashable, Sendable, Codable {
        /// True when the context carries the CA that its server is judged by; false where the system's roots would count.
        package var hasAuthority: Bool
        /// The server is this very machine.
        package var isLocal: Bool
        /// Why the cluster is not the one that the context was pinned to; absent when it is, and when it was never pinned.
        package var mismatch: String?
        /// When the client certificate ends; absent where there is none.
        package var certificateEnds: Timestamp?
        /// Permissions of the kubeconfig, such as 0o600; absent when there is no such file.
        package var mode: Int?
        package init(
            hasAuthority: Bool, isLocal: Bool = false, mismatch: String? = nil, certificateEnds: Timestamp? = nil, mode: Int? = nil
        ) {
            self.hasAuthority = hasAuthority
            self.isLocal = isLocal
            self.mismatch = mismatch
            self.certificateEnds = certificateEnds
            self.mode = mode
        }
    }
    /// An object of Cilium's own kinds: a pool, a policy, a part of BGP.
    package struct CiliumObject: Hashable, Sendable, Codable {
        package var spec: HelmValue
        /// Made by Meshgate, by its label.
        package var isOurs: Bool
        /// What Cilium's operator finds wrong with it.
        package var conflict: String?
        package init(spec: HelmValue, isOurs: Bool, conflict: String? = nil) {
            self.spec = spec
            self.isOurs = isOurs
            self.conflict = conflict
        }
    }
    package struct Release: Hashable, Sendable, Codable {
        package var chart: String
        package var version: String
        package var status: String
        package init(chart: String, version: String, status: String) {
            self.chart = chart
            self.version = version
            self.status = status
        }
    }

    package var name: ClusterName
    /// SHA-256 of the API server's CA, and the uid of namespace kube-system: together, which cluster this is.
    package var apiCA: Digest?
    package var systemUID: String?
    package var nodes: [RegisteredNode]
    /// By `namespace/name`.
    package var daemonSets: [String: DaemonSet]
    /// Data of ConfigMap kube-system/cilium-config; absent when there is none.
    package var ciliumConfig: [String: String]?
    /// SHA-256 of the public key of kube-system/cilium-ca; absent when there is none.
    package var meshCA: Digest?
    /// The oldest release among the definitions of the Gateway API that Cilium looks for; absent when none of them is there.
    package var gatewayBundle: SemanticVersion?
    /// Which of these are missing or not accepted by the API server yet; absent when all are there, or none.
    package var gatewayGaps: [String]?
    /// Errors listed by `cilium status -o json`; absent when it could not be asked.
    package var ciliumErrors: [String]?
    package var clustermesh: Clustermesh?
    /// Remote clusters that Cilium is configured to connect to, whether it can or not; sorted.
    package var configuredRemotes: [String]
    /// By `namespace/name`.
    package var releases: [String: Release]
    /// CephCluster health by `namespace/name`, as (health, OSDs up).
    package var ceph: [String: CephHealth]
    /// Absent in evidence of earlier versions.
    package var cilium: CiliumFact?
    /// By `kind/name`; absent where the spec has none, or Cilium's kinds are not there yet.
    package var ciliumObjects: [String: CiliumObject]?
    /// Absent in facts of an earlier version.
    package var credentials: Credentials?
    /// Definitions and certificates that a Cilium which is gone has left and nobody uses; absent while one is installed.
    package var ciliumLeftovers: [String]?
    package struct CephHealth: Hashable, Sendable, Codable {
        package var phase: String
        package var health: String
        package var osds: Int
        /// The Ceph cluster's own id, which it writes on its disks.
        package var fsid: String?
        package init(phase: String, health: String, osds: Int, fsid: String? = nil) {
            self.phase = phase
            self.health = health
            self.osds = osds
            self.fsid = fsid
        }
    }

    /// What is still on a node that is to leave the cluster.
    package struct Departure: Hashable, Sendable, Codable {
        package var node: NodeID
        /// Of its Node object; absent when it is not registered (any more).
        package var uid: String?
        /// Nothing new is put on it.
        package var cordoned: Bool
        /// `namespace/name` of the pods that would have to move: not those of DaemonSets or of the kubelet itself, nor those that have ended.
        package var pods: [String]
        /// Those of `pods` that nobody would make anew elsewhere.
        package var unowned: [String]
        /// Ids of Ceph's OSDs that are bound to it.
        package var osds: [Int]
        package init(
            node: NodeID, uid: String?, cordoned: Bool = false, pods: [String] = [], unowned: [String] = [], osds: [Int] = []
        ) {
            self.node = node
            self.uid = uid
            self.cordoned = cordoned
            self.pods = pods
            self.unowned = unowned
            self.osds = osds
        }
    }
    /// Absent unless a node is to leave.
    package var leaving: Departure?

    /// What each service of the plan is to this cluster, by its name in mesh.yaml; absent when nobody asked, here and below.
    package var services: [String: ServiceFact]?
    /// The Pod Security level that a namespace enforces by its label; a namespace without the label is not here.
    package var podSecurity: [String: String]?
    /// Requests for serving certificates of kubelets that nobody has decided for more than two minutes, by name.
    package var overdueServingRequests: [String]?

    package init(
        name: ClusterName, apiCA: Digest? = nil, systemUID: String? = nil, nodes: [RegisteredNode] = [],
        daemonSets: [String: DaemonSet] = [:], ciliumConfig: [String: String]? = nil, meshCA: Digest? = nil,
        gatewayBundle: SemanticVersion? = nil, ciliumErrors: [String]? = nil, clustermesh: Clustermesh? = nil,
        configuredRemotes: [String] = [], releases: [String: Release] = [:], ceph: [String: CephHealth] = [:],
        ciliumObjects: [String: CiliumObject]? = nil
    ) {
        self.name = name
        self.apiCA = apiCA
        self.systemUID = systemUID
        self.nodes = nodes
        self.daemonSets = daemonSets
        self.ciliumConfig = ciliumConfig
        self.meshCA = meshCA
        self.gatewayBundle = gatewayBundle
        self.ciliumErrors = ciliumErrors
        self.clustermesh = clustermesh
        self.configuredRemotes = configuredRemotes
        self.releases = releases
        self.ceph = ceph
        self.ciliumObjects = ciliumObjects
    }
}

/// The last connectivity test between two clusters, by its JUnit counts.
package struct ConnectivityFact: Hashable, Sendable, Codable {
    package var from: ClusterName
    package var to: ClusterName
    package var tests: Int
    package var failures: Int
    package var skipped: Int
    /// `cluster/namespace` of what the test left behind; absent when nothing is left.
    package var leftovers: [String]?
    /// What Hubble saw meanwhile; absent where the plan does not ask for it, and when it was not counted to the end.
    package var flows: TestFlows?
    package init(
        from: ClusterName, to: ClusterName, tests: Int, failures: Int, skipped: Int, leftovers: [String]? = nil, flows: TestFlows? = nil
    ) {
        self.from = from
        self.to = to
        self.tests = tests
        self.failures = failures
        self.skipped = skipped
        self.leftovers = leftovers
        self.flows = flows
    }
}
