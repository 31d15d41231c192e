// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// What a gate answers. Only `pass` lets a step start; `unknown` never does.
package enum Verdict: Hashable, Sendable, Codable {
    case pass
    /// The evidence is there and says no; it may say yes later.
    case hold([Reason])
    /// The evidence shows that going on would do harm; waiting will not help.
    case deny([Reason])
    /// The evidence is missing, stale or from another boot.
    case unknown([Reason])

    private enum HoldCodingKeys: String, CodingKey { case _0 = "reasons" }
    private enum DenyCodingKeys: String, CodingKey { case _0 = "reasons" }
    private enum UnknownCodingKeys: String, CodingKey { case _0 = "reasons" }

    package var reasons: [Reason] {
        switch self {
        case .pass: []
        case .hold(let reasons), .deny(let reasons), .unknown(let reasons): reasons
        }
    }

    package var passes: Bool { self == .pass }

    /// All of them together: the worst word, every reason.
    package static func all(_ verdicts: some Sequence<Verdict>) -> Verdict {
        var denied: [Reason] = []
        var unknown: [Reason] = []
        var held: [Reason] = []
        for verdict in verdicts {
            switch verdict {
            case .pass: continue
            case .hold(let reasons): held += reasons
            case .deny(let reasons): denied += reasons
            case .unknown(let reasons): unknown += reasons
            }
        }
        if !denied.isEmpty { return .deny(denied + held + unknown) }
        if !held.isEmpty { return .hold(held + unknown) }
        return unknown.isEmpty ? .pass : .unknown(unknown)
    }
}

/// Why a gate does not open, as data: which gate, about whom, what kind of obstacle, what was seen, and what to do.
package struct Reason: Hashable, Sendable, Codable {
    package enum Code: String, Hashable, Sendable, Codable, CaseIterable {
        // evidence
        case missing, stale, rebooted, unavailable
        // world
        case absent, mismatch, inUse, notBlank, unreachable, skewed, unhealthy, unfit
        // people
        case needsWarrant, disarmed
    }
    package var gate: GateID
    package var subject: Subject
    package var code: Code
    /// What was seen, and what was wanted.
    package var detail: String
    /// What a person can do about it.
    package var remedy: String
    /// Since when the evidence has been out of date, for `stale`.
    package var since: Timestamp?

    package init(_ gate: GateID, _ subject: Subject, _ code: Code, _ detail: String, remedy: String, since: Timestamp? = nil) {
        self.gate = gate
        self.subject = subject
        self.code = code
        self.detail = detail
        self.remedy = remedy
        self.since = since
    }
}

/// The id of a check, the same for ever: it stands in the journal, in `explain`, and in the documentation.
package enum GateID: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
    case agentReady = "G-HST-01"
    case bootStable = "G-HST-02"
    case clock = "G-HST-03"
    case kernel = "G-HST-04"
    case controlGroups = "G-HST-05"
    case kernelTracing = "G-HST-06"
    case kernelModule = "G-HST-07"
    case bridge = "G-PVE-01"
    case guestUnique = "G-PVE-02"
    case guestAsPlanned = "G-PVE-03"
    case room = "G-PVE-04"
    case processorLevel = "G-PVE-05"
    case link = "G-NET-01"
    case address = "G-NET-02"
    case taggedFrames = "G-NET-03"
    case reach = "G-NET-04"
    case tunnelReach = "G-NET-05"
    case pathMTU = "G-NET-06"
    case addressStable = "G-NET-07"
    case healthReach = "G-NET-08"
    case sourceKept = "G-NET-09"
    case outside = "G-NET-10"
    case diskIdentity = "G-DSK-01"
    case diskBlank = "G-DSK-02"
    case diskUnused = "G-DSK-04"
    case osdRetired = "G-DSK-05"
    case warrant = "G-DSK-06"
    case blankProven = "G-DSK-07"
    case wiperArmed = "G-DSK-08"
    case talosRelease = "G-TAL-01"
    case machinesRunning = "G-TAL-02"
    case etcdHealthy = "G-TAL-03"
    case kubePrism = "G-TAL-04"
    case talosManifests = "G-TAL-05"
    case etcdBootstrap = "G-TAL-06"
    case nodesRegistered = "G-K8S-01"
    case kubeProxyAbsent = "G-K8S-02"
    case clusterIdentity = "G-K8S-03"
    case servingCertificates = "G-K8S-04"
    case podSecurity = "G-K8S-05"
    case ciliumHealthy = "G-CIL-01"
    case ciliumConfig = "G-CIL-02"
    case ciliumVersions = "G-CIL-03"
    case kubeProxy = "G-CIL-04"
    case datapathParity = "G-CIL-05"
    case gatewayBundle = "G-CIL-06"
    case ciliumResources = "G-CIL-07"
    case bgpSessions = "G-CIL-09"
    case ciliumUpgrade = "G-CIL-10"
    case clusterIDs = "G-CM-01"
    case meshCA = "G-CM-02"
    case meshCertificates = "G-CM-03"
    case clustermeshReady = "G-CM-04"
    case meshEndpoints = "G-CM-06"
    case meshHandshake = "G-CM-07"
    case clustermeshConnected = "G-CM-08"
    case meshSynced = "G-CM-09"
    case meshTrust = "G-CM-10"
    case connectivity = "G-CT-01"
    case flowsCrossed = "G-CT-02"
    case terraformReady = "G-TF-01"
    case provisionSafe = "G-TF-02"
    case stateLocked = "G-TF-03"
    case provisioned = "G-TF-04"
    case cephHealthy = "G-RK-01"
    case serviceDeployed = "G-D2-01"
    case serviceWorks = "G-D2-02"
    case serviceUnclaimed = "G-D2-03"
    case egress = "G-D2-04"
    case secretsStored = "G-SEC-01"
    case credentials = "G-SEC-02"
    case secretsGone = "G-SEC-03"
    case secretsReadable = "G-SEC-04"
    case teardownWarrant = "G-UND-01"
    case remnantGone = "G-UND-02"
    case hostClean = "G-UND-03"
    case orphans = "G-UND-05"
    case osdsAway = "G-UND-06"
    case telemetryFlows = "G-TEL-01"
    case executionsSeen = "G-TEL-02"
    case crossingsKept = "G-TEL-03"
    case resent = "G-TEL-04"
    case hubbleHeard = "G-TEL-05"
    case policiesEnabled = "G-TEL-06"

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// What the gate wants, in a few words.
    package var title: String {
        switch self {
        case .agentReady: "the agent answers"
        case .bootStable: "the node has been up for a minute"
        case .clock: "the clock agrees with the coordinator's"
        case .kernel: "the kernel has what Cilium needs"
        case .controlGroups: "cgroup2 is mounted; Cilium mounts bpffs itself where it is not"
        case .processorLevel: "the processors have the instructions that the images are built for"
        case .addressStable: "the node's address does not change with a lease"
        case .outside: "names, time servers and registries that the host needs answer"
        case .bridge: "the hypervisor's bridge leads out with the network's tag"
        case .guestUnique: "no other machine of the hypervisors has its name, number, address or disk"
        case .guestAsPlanned: "the machine has the planned means, network cards and disks"
        case .room: "the hypervisor has room for the planned machines"
        case .link: "the planned interface is there and has carrier"
        case .address: "the node has its planned address, and one default route, through the planned interface"
        case .taggedFrames: "frames with the VLAN's tag get through, and others do not get into it"
        case .reach: "the node reaches its peers"
        case .tunnelReach: "datagrams get through to the tunnel's port, and hardly one is lost"
        case .pathMTU: "packets as large as the tunnel makes them get there and back"
        case .healthReach: "Cilium's health checks get through"
        case .sourceKept: "no address is translated between the nodes"
        case .diskIdentity: "the disk is the planned one, for the node and for its hypervisor"
        case .osdRetired: "no running Ceph cluster owns the disk"
        case .blankProven: "the wiped disk reads as zero where a seed says"
        case .wiperArmed: "the node's wiper is armed"
        case .diskBlank: "the disk is blank, or serves its storage cluster"
        case .diskUnused: "nothing uses the disk"
        case .secretsStored: "the stored credentials are those that the coordinator works with"
        case .credentials: "the kubeconfig is private, pinned, and good for another 30 days"
        case .secretsGone: "no credential is stored of a cluster that is gone"
        case .secretsReadable: "the store shows every secret to this token"
        case .orphans: "no hypervisor has a machine or disk of the mesh's left"
        case .teardownWarrant: "a person has signed a warrant for what is lost"
        case .remnantGone: "what the step undoes is gone"
        case .hostClean: "nothing of Cilium is left on the node"
        case .telemetryFlows: "telemetry flows from the node, and hardly any is lost"
        case .executionsSeen: "programs are seen to start on the node"
        case .crossingsKept: "no packet between clusters was dropped for a named reason"
        case .resent: "few TCP segments are sent again"
        case .hubbleHeard: "Hubble's flows are read on the node"
        case .policiesEnabled: "the node's Tetragon has the named policies enabled"
        case .osdsAway: "Ceph keeps nothing on the node"
        case .warrant: "a person has signed a warrant for this disk"
        case .talosRelease: "every machine runs the planned Talos, from the planned image"
        case .machinesRunning: "every Talos machine has booted, and nothing is wrong with it"
        case .etcdHealthy: "etcd has every planned member, one leader and no alarm"
        case .kubePrism: "KubePrism answers on every machine"
        case .talosManifests: "Talos brings no network of its own, and kube-proxy only as planned"
        case .etcdBootstrap: "etcd is begun once, on one control plane"
        case .nodesRegistered: "every planned node is registered"
        case .kubeProxyAbsent: "kube-proxy is absent, and so are its rules where hosts may look"
        case .clusterIdentity: "each API server is a cluster of its own"
        case .ciliumHealthy: "Cilium runs on every node without errors"
        case .ciliumConfig: "Cilium's configuration is the planned one"
        case .ciliumVersions: "the releases of Cilium fit each other and the cilium CLI"
        case .kubeProxy: "either Cilium or kube-proxy serves Services, and not both or none"
        case .bgpSessions: "the planned BGP sessions are established"
        case .ciliumUpgrade: "Cilium is upgraded by one minor release at a time, cluster by cluster"
        case .meshCertificates: "the mesh's certificates come from its CA and last"
        case .meshEndpoints: "each remote cluster is reached through several nodes that stay"
        case .meshSynced: "every agent has received all of every other cluster"
        case .datapathParity: "the datapath is the same on all clusters"
        case .ciliumResources: "load balancer pools, L2 policies and BGP are as planned"
        case .gatewayBundle: "the Gateway API bundle fits Cilium"
        case .clusterIDs: "cluster ids and names are distinct and as planned"
        case .meshCA: "all clusters share one Cilium CA"
        case .meshTrust: "every pod of Cilium trusts the CAs that certificates come from"
        case .clustermeshReady: "the clustermesh API server is ready on its port"
        case .meshHandshake: "the other clusters' API servers show every node certificates that it trusts"
        case .clustermeshConnected: "every node is connected to every other cluster"
        case .connectivity: "the connectivity test passed"
        case .flowsCrossed: "Hubble saw the test's flows arrive both ways, and no drop but for expected reasons"
        case .terraformReady: "Terraform's lock file fits and its backend answers"
        case .provisionSafe: "Terraform would change nothing but what the phase names, and does nothing that this version does not know"
        case .stateLocked: "the lock of Terraform's state keeps a second one out"
        case .provisioned: "Terraform has nothing left to change"
        case .cephHealthy: "Ceph is healthy with every planned disk"
        case .serviceDeployed: "the service is deployed as planned"
        case .serviceWorks: "the service answers its functional probe"
        case .serviceUnclaimed: "nobody else has installed the service"
        case .egress: "the service is configured to talk to no host outside but those that mesh.yaml lists"
        case .podSecurity: "the namespace admits the service's pods"
        case .servingCertificates: "the kubelets have their serving certificates"
        case .kernelTracing: "the kernel can be traced by eBPF"
        case .kernelModule: "the kernel has the module that the service needs"
        }
    }
}
