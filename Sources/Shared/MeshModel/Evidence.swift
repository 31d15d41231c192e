// SPDX-License-Identifier: Apache-2.0

/// What evidence speaks of: a machine, or a cluster (or the mesh) as the coordinator's drivers saw it.
package enum Subject: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    case mesh
    case cluster(ClusterName)
    case node(NodeID)
    /// A service of the mesh as a whole, on however many clusters.
    case service(String)

    package var description: String {
        switch self {
        case .mesh: "mesh"
        case .cluster(let name): "cluster \(name)"
        case .node(let id): "node \(id)"
        case .service(let name): "service \(name)"
        }
    }

    /// From what `description` gives.
    package init?(_ text: String) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        switch (words.first, words.count) {
        case ("mesh", 1): self = .mesh
        case ("cluster", 2):
            guard let name = ClusterName(words[1]) else { return nil }
            self = .cluster(name)
        case ("node", 2):
            guard let node = NodeID(words[1]) else { return nil }
            self = .node(node)
        case ("service", 2):
            // As mesh.yaml names it.
            guard let name = NodeID(words[1]) else { return nil }
            self = .service(name.text)
        default: return nil
        }
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Subject(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\"\(text)\" is not `mesh`, `cluster NAME`, `node NAME` or `service NAME`")
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// A read-only question. Each kind yields one evidence per subject, and the newest one counts.
package enum ProbeKind: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
    // asked of an agent
    case host, disks, links, reach, clock, kernel
    /// How datagrams fare on the way to other nodes.
    case paths
    /// Which certificates the clustermesh API servers of other clusters show.
    case handshakes
    /// How frames with a VLAN's tag fare.
    case vlans
    /// Whether what a host needs from outside answers.
    case outside
    /// Whether what was wiped reads as zero, where the coordinator chooses to look.
    case blankness
    /// What a hypervisor knows of the disks that it gives to its guests.
    case virtualDisks
    /// What a hypervisor's own files say of it and of the mesh's machines on it.
    case hypervisorFiles
    // asked by the coordinator's drivers of a cluster or of the mesh
    case cluster, provision, connectivity, talos
    /// What a hypervisor's own API says of it and of the mesh's machines on it.
    case hypervisor
    /// What the store of secrets holds of the mesh's.
    case secrets
    /// Which contexts of the kubeconfig are the mesh's.
    case contexts
    /// What came over the feed from a node, as the coordinator itself counted it.
    case telemetry
    /// The account of a wipe. It comes with the report of the order, and nobody asks for it.
    case wipe

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    /// True when the answer describes hardware or a kernel, and is void after a reboot.
    package var diesWithBoot: Bool {
        switch self {
        case .host, .disks, .links, .reach, .paths, .handshakes, .vlans, .outside, .clock, .kernel, .blankness, .virtualDisks,
            .hypervisorFiles, .wipe:
            true
        case .cluster, .provision, .connectivity, .talos, .hypervisor, .secrets, .contexts, .telemetry: false
        }
    }
}

/// Where an evidence belongs in the coordinator's table.
package struct EvidenceKey: Hashable, Sendable, Codable, Comparable {
    package let subject: Subject
    package let probe: ProbeKind
    package init(_ subject: Subject, _ probe: ProbeKind) {
        self.subject = subject
        self.probe = probe
    }
    package static func < (left: Self, right: Self) -> Bool { (left.subject, left.probe) < (right.subject, right.probe) }
}

/// Facts with their origin and age. The coordinator stamps `takenAt` on its own clocks from the age that the agent reports.
package struct Evidence: Hashable, Sendable, Codable {
    package var subject: Subject
    package var probe: ProbeKind
    /// The agent's boot when the facts were taken; absent for facts of the coordinator's drivers.
    package var bootID: BootID?
    package var takenAt: Moment
    package var facts: [Fact]
    /// The task that asked, when one did.
    package var task: TaskID?

    package init(subject: Subject, probe: ProbeKind, bootID: BootID?, takenAt: Moment, facts: [Fact], task: TaskID? = nil) {
        self.subject = subject
        self.probe = probe
        self.bootID = bootID
        self.takenAt = takenAt
        self.facts = facts
        self.task = task
    }
    package var key: EvidenceKey { EvidenceKey(subject, probe) }

    /// Whether `other` says nothing new: what only counts time (uptime, the times of a clock exchange, round trips) is looked past.
    ///
    /// - Parameter essentially: look past the links of pods, too, of which only a plan that takes something down wants to know.
    package func says(sameAs other: Evidence, essentially: Bool = false) -> Bool {
        if essentially, probe == .links { return LinkEssentials(facts) == LinkEssentials(other.facts) }
        return facts.count == other.facts.count && zip(facts, other.facts).allSatisfy { $0.says(sameAs: $1) }
    }
}

/// One atomic statement about the world.
package enum Fact: Hashable, Sendable, Codable {
    case host(HostFact)
    case disk(DiskFact)
    case wiper(WiperFact)
    case blankness(BlanknessFact)
    case wipe(WipeReport)
    case virtualDisk(VirtualDiskFact)
    case link(LinkFact)
    case route(RouteFact)
    case reach(ReachFact)
    case path(PathFact)
    case handshake(HandshakeFact)
    case vlan(VLANFact)
    case outside(OutsideFact)
    case clock(ClockFact)
    case kernel(KernelFact)
    case cluster(ClusterFact)
    case terraform(TerraformFact)
    case provision(ProvisionFact)
    case destruction(DestructionFact)
    case secrets(SecretsFact)
    case contexts(ContextsFact)
    case connectivity(ConnectivityFact)
    case talos(TalosFact)
    /// From the host's API, as the coordinator asked it. It has no wire form: no agent can speak for the API.
    case hypervisor(HypervisorFact)
    /// From the host's own files, as its agent read them.
    case hypervisorFiles(HypervisorFact)
    /// As the coordinator counted it on arrival. It has no wire form: no agent can vouch for its own feed.
    case telemetry(TelemetryFact)
    /// The probe ran and could not answer; the text says why. It never satisfies a gate.
    case unavailable(String)
}

/// Who the machine is.
package struct HostFact: Hashable, Sendable, Codable {
    package var hostname: String
    package var bootID: BootID
    package var uptime: TimeSpan
    package var kernelRelease: String
    package var machine: String
    package var agentVersion: String
    package init(hostname: String, bootID: BootID, uptime: TimeSpan, kernelRelease: String, machine: String, agentVersion: String) {
        self.hostname = hostname
        self.bootID = bootID
        self.uptime = uptime
        self.kernelRelease = kernelRelease
        self.machine = machine
        self.agentVersion = agentVersion
    }
}

/// One whole disk, who it is, who uses it and what is on it.
package struct DiskFact: Hashable, Sendable, Codable {
    /// One recognised content: kind (`ext4`, `LVM2_member`, `ceph_bluestore`, `gpt`...), where its magic lies, and a sentence for people.
    package struct Signature: Hashable, Sendable, Codable {
        package var kind: String
        package var offset: UInt64
        package var words: String
        /// Whose it is, when that is written there: the fsid of a Ceph cluster.
        package var owner: String?
        package init(kind: String, offset: UInt64, words: String, owner: String? = nil) {
            self.kind = kind
            self.offset = offset
            self.words = words
            self.owner = owner
        }
    }
    package var name: String
    package var identity: DiskIdentity
    /// Physical sector size in bytes; absent when the kernel does not tell.
    package var physicalSectorSize: UInt64?
    package var readOnly: Bool
    package var rotational: Bool
    /// Whether the device offers to write zeroes by itself, and to discard. An offer, not a proof; absent when nobody looked.
    package var writesZeroes: Bool?
    package var discards: Bool?
    /// Whether an exclusive open succeeds: the kernel's own answer to "is it in use".
    package var exclusiveOpen: Bool
    /// What is known of the users: mounts, swap, device-mapper or md holders.
    package var users: [String]
    package var partitions: Int
    package var signatures: [Signature]
    /// True only when no signature was found and every probed area reads as zero.
    package var blank: Bool
    package var fingerprint: Digest?
    /// Why the content could not be read, when it could not.
    package var unreadable: String?
    package init(
        name: String, identity: DiskIdentity, physicalSectorSize: UInt64? = nil, readOnly: Bool, rotational: Bool,
        writesZeroes: Bool? = nil, discards: Bool? = nil, exclusiveOpen: Bool, users: [String], partitions: Int,
        signatures: [Signature], blank: Bool, fingerprint: Digest?, unreadable: String? = nil
    ) {
        self.name = name
        self.identity = identity
        self.physicalSectorSize = physicalSectorSize
        self.readOnly = readOnly
        self.rotational = rotational
        self.writesZeroes = writesZeroes
        self.discards = discards
        self.exclusiveOpen = exclusiveOpen
        self.users = users
        self.partitions = partitions
        self.signatures = signatures
        self.blank = blank
        self.fingerprint = fingerprint
        self.unreadable = unreadable
    }
}

/// One network interface.
package struct LinkFact: Hashable, Sendable, Codable {
    /// VLAN ids that a port of a bridge lets through.
    package struct VLANs: Hashable, Sendable, Codable {
        package var first: Int
        package var last: Int
        /// Frames leave the port without the tag.
        package var isUntagged: Bool
        /// Frames that come in without a tag belong to it.
        package var isNative: Bool
        package init(first: Int, last: Int, isUntagged: Bool = false, isNative: Bool = false) {
            self.first = first
            self.last = last
            self.isUntagged = isUntagged
            self.isNative = isNative
        }
    }
    /// What several links make together.
    package struct Bond: Hashable, Sendable, Codable {
        /// The kernel's word: `active-backup`, `802.3ad`...
        package var mode: String
        /// The port that carries everything, in modes that have one.
        package var active: String?
        package init(mode: String, active: String? = nil) {
            self.mode = mode
            self.active = active
        }
    }
    /// An eBPF program that frames of the link pass through, attached without a link of the kernel: as a filter of `tc`, or as its XDP program.
    package struct Program: Hashable, Sendable, Codable, CustomStringConvertible {
        /// `tc ingress`, `tc egress`, or `xdp` with the way in which it runs.
        package var hook: String
        /// What it was attached as; absent where the kernel does not tell, as for XDP.
        package var name: String?
        /// The kernel's number of it, another one each time that it is loaded.
        package var id: Int?
        package init(hook: String, name: String? = nil, id: Int? = nil) {
            self.hook = hook
            self.name = name
            self.id = id
        }

        package var description: String { "\(hook) \(name ?? id.map { "program \($0)" } ?? "program")" }
    }
    package var name: String
    package var index: Int
    /// `physical`, `veth`, `bridge`, `vlan`, `vxlan`, `bond`, `wireguard`, `loopback` or the kernel's own word.
    package var kind: String
    package var mac: MACAddress?
    package var mtu: Int
    package var up: Bool
    package var carrier: Bool
    /// Prefix form, such as `192.168.15.21/24`.
    package var addresses: [String]
    /// Those of the addresses that end within a week unless somebody renews them, as DHCP does. This and all below is absent from agents of
    /// earlier versions.
    package var lapsing: [String]?
    /// The bridge or bond that it is a port of. This and all below is absent where it does not apply or the kernel does not tell, and from
    /// agents of earlier versions.
    package var master: String?
    /// The link that it stands on, of a VLAN or a macvlan; absent when that lies in another network namespace.
    package var parent: String?
    /// The tag of a VLAN link.
    package var vlan: Int?
    /// The network identifier of a VXLAN link.
    package var vni: Int?
    /// The driver of hardware: `virtio_net`.
    package var driver: String?
    /// Mb/s.
    package var speed: Int?
    package var bond: Bond?
    /// Of a bridge: whether it keeps VLANs apart (Proxmox: `bridge-vlan-aware`).
    package var filtersVLANs: Bool?
    /// Of a port of a bridge that filters: the VLANs that it carries.
    package var vlans: [VLANs]?
    /// Absent where the kernel does not list them, which is not the same as none.
    package var programs: [Program]?

    package init(
        name: String, index: Int, kind: String, mac: MACAddress?, mtu: Int, up: Bool, carrier: Bool, addresses: [String],
        lapsing: [String]? = nil, master: String? = nil, parent: String? = nil, vlan: Int? = nil, vni: Int? = nil, driver: String? = nil,
        speed: Int? = nil,
        bond: Bond? = nil, filtersVLANs: Bool? = nil, vlans: [VLANs]? = nil, programs: [Program]? = nil
    ) {
        self.name = name
        self.index = index
        self.kind = kind
        self.mac = mac
        self.mtu = mtu
        self.up = up
        self.carrier = carrier
        self.addresses = addresses
        self.lapsing = lapsing
        self.master = master
        self.parent = parent
        self.vlan = vlan
        self.vni = vni
        self.driver = driver
        self.speed = speed
        self.bond = bond
        self.filtersVLANs = filtersVLANs
        self.vlans = vlans
        self.programs = programs
    }
}

/// One route of the main table.
package struct RouteFact: Hashable, Sendable, Codable {
    /// Absent for the default route.
    package var destination: CIDR?
    package var gateway: IPAddress?
    package var interface: String
    /// Of two routes to the same place the kernel takes the one with the lower number. This and all below is absent in answers of agents of
    /// earlier versions.
    package var metric: Int?
    /// Of a default route, which says of itself only that it leads anywhere.
    package var family: IPAddress.Family?
    /// The address that packets leave with, where the route names one.
    package var source: IPAddress?
    package init(
        destination: CIDR?, gateway: IPAddress?, interface: String, metric: Int? = nil, family: IPAddress.Family? = nil,
        source: IPAddress? = nil
    ) {
        self.destination = destination
        self.gateway = gateway
        self.interface = interface
        self.metric = metric
        self.family = family
        self.source = source
    }
}

/// Where a node should be able to connect to.
package struct ReachTarget: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    /// The node that owns the address, for messages.
    package var node: NodeID
    package var address: IPAddress
    package var port: UInt16
    package init(node: NodeID, address: IPAddress, port: UInt16) {
        self.node = node
        self.address = address
        self.port = port
    }
    package static func < (left: Self, right: Self) -> Bool {
        (left.node, left.address, left.port) < (right.node, right.address, right.port)
    }
    package var description: String { "\(node) (\(address), TCP \(port))" }
}

/// What became of one TCP connect.
package struct ReachFact: Hashable, Sendable, Codable {
    package enum Result: String, Hashable, Sendable, Codable {
        case connected, refused, timedOut, unreachable, failed
    }
    package var target: ReachTarget
    package var result: Result
    package var attempts: Int
    /// Of the attempt that connected.
    package var roundTrip: TimeSpan?
    package init(target: ReachTarget, result: Result, attempts: Int, roundTrip: TimeSpan?) {
        self.target = target
        self.result = result
        self.attempts = attempts
        self.roundTrip = roundTrip
    }
}

/// The four timestamps of one clock exchange, wall time; the coordinator fills the first and the last.
package struct ClockFact: Hashable, Sendable, Codable {
    /// How fast a clock runs beside the coordinator's, in millionths.
    package struct Drift: Hashable, Sendable, Codable {
        /// More than zero where it gains.
        package var ppm: Int
        package var doubt: Int
        /// From the first exchange that counts to the last.
        package var over: TimeSpan
        /// The same beside the middle of all nodes; absent below three.
        package var fromMedian: Int?
        package init(ppm: Int, doubt: Int, over: TimeSpan, fromMedian: Int? = nil) {
            self.ppm = ppm
            self.doubt = doubt
            self.over = over
            self.fromMedian = fromMedian
        }
    }
    package var asked: Timestamp
    package var received: Timestamp
    package var replied: Timestamp
    package var arrived: Timestamp?
    /// The kernel's own word (adjtimex) on whether the clock is disciplined; absent when it could not be read.
    package var synchronised: Bool?
    /// The coordinator writes it, from exchanges that follow each other; absent while there are too few.
    package var drift: Drift?
    package init(asked: Timestamp, received: Timestamp, replied: Timestamp, arrived: Timestamp? = nil, synchronised: Bool?) {
        self.asked = asked
        self.received = received
        self.replied = replied
        self.arrived = arrived
        self.synchronised = synchronised
    }
    /// How far the node's clock is ahead of the coordinator's, and the uncertainty (half the round trip). `nil` before arrival.
    package var offset: (ahead: Duration, uncertainty: Duration)? {
        guard let arrived else { return nil }
        let ahead = ((received - asked).inMilliseconds + (replied - arrived).inMilliseconds) / 2
        let roundTrip = (arrived - asked).inMilliseconds - (replied - received).inMilliseconds
        return (.milliseconds(ahead), .milliseconds(max(0, roundTrip) / 2))
    }
}

/// What the kernel offers to Cilium and Rook.
package struct KernelFact: Hashable, Sendable, Codable {
    package enum Option: String, Hashable, Sendable, Codable { case builtIn = "y", module = "m", absent = "n" }
    package var release: String
    /// Configuration options without `CONFIG_`; empty when no configuration could be read.
    package var options: [String: Option]
    /// Where the options were read, such as `/proc/config.gz`.
    package var optionsFrom: String?
    package var btf: Bool
    package var bpffs: Bool
    package var cgroup2: Bool
    /// The mode in force, `none` where the kernel has no lockdown; absent when that could not be seen.
    package var lockdown: String?
    package var loadedModules: [String]
    /// Whether tracefs is mounted or could be; absent when an agent of an earlier version answered, here and below.
    package var tracefs: Bool?
    /// Of the modules that services ask for, those that are there to be loaded; absent when the kernel's module directory is not visible.
    package var loadableModules: [String]?
    package var platform: PlatformFact?
    package init(
        release: String, options: [String: Option], optionsFrom: String?, btf: Bool, bpffs: Bool, cgroup2: Bool, lockdown: String?,
        loadedModules: [String], tracefs: Bool? = nil, loadableModules: [String]? = nil, platform: PlatformFact? = nil
    ) {
        self.release = release
        self.options = options
        self.optionsFrom = optionsFrom
        self.btf = btf
        self.bpffs = bpffs
        self.cgroup2 = cgroup2
        self.lockdown = lockdown
        self.loadedModules = loadedModules
        self.tracefs = tracefs
        self.loadableModules = loadableModules
        self.platform = platform
    }
}
