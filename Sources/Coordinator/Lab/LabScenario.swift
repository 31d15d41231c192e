// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// A story that a lab can play: how the world is when it begins, and what goes wrong.
package enum LabScenario: String, Hashable, Sendable, CaseIterable {
    case happy
    case dirtyDisks = "dirty-disks"
    case missingVLAN = "missing-vlan"
    case clockSkew = "clock-skew"
    /// A node whose kernel lacks an option that Cilium needs.
    case missingOption = "missing-option"
    /// A node that nobody watches.
    case silentTracer = "silent-tracer"
    /// A firewall that drops packets between clusters, few enough that everything works.
    case packetDrops = "packet-drops"
    /// A node without a default route, and one with a second one.
    case defaultRoutes = "default-routes"
    /// A link that drops under a step that is done.
    case lostLink = "lost-link"
    /// A link that drops when everything is done.
    case afterRun = "after-run"
    /// Large packets of one node that vanish.
    case mtuHole = "mtu-hole"
    /// A firewall that does not know of the tunnel.
    case droppedUDP = "dropped-udp"
    /// A router that translates addresses between the clusters.
    case nat
    /// A tagged network whose switch has four ports wrong, each in another way.
    case vlanPorts = "vlan-ports"
    /// A machine whose card is in another VLAN.
    case wrongGuest = "wrong-guest"
    case coordinatorKilled = "coordinator-killed"
    case leftovers
    case caMismatch = "ca-mismatch"
    case caMigration = "ca-migration"
    /// The clustermesh API server of one cluster shows a certificate of a CA that was there before.
    case staleServer = "stale-server"
    /// Every service that the product knows, and everything taken down again.
    case catalogue
    /// The same in a mesh of five clusters.
    case five
    /// The coordinator dies at every boundary of an apply and of a teardown; both are then done undisturbed, and the ends are compared.
    case killedAtEveryStep = "killed-at-every-step"
    /// Dirty disks, a missing VLAN and a killed coordinator in one run: what `make demo` shows.
    case tour

    /// One line for `--help`.
    package var summary: String {
        switch self {
        case .happy: "nothing is wrong: from mesh.yaml to a connected mesh"
        case .dirtyDisks: "leftover BlueStore labels, an LVM volume and an ext4 hold the wipes until a person signs warrants"
        case .missingVLAN: "one switch port lacks its VLAN: nothing is built on that ground until the port is repaired"
        case .clockSkew: "one node's clock is two minutes off: its steps are held until the clock is right"
        case .missingOption: "one node's kernel cannot make VXLAN tunnels: Cilium is held until it runs another kernel"
        case .silentTracer: "nobody watches one node: Cilium is held until its tracer runs and its telemetry flows"
        case .packetDrops:
            "a firewall drops some packets between clusters and everything works all the same: nothing is connected until a minute passes without"
        case .defaultRoutes: "one node has no default route and another has two: Cilium is held until each has its own"
        case .lostLink: "a link drops under Cilium: what stands on it is held at once, and goes on when the link is back"
        case .afterRun: "a link drops when the run is long over: status and feed say so, and say when it is back"
        case .mtuHole: "large packets of one node vanish, one way only: Cilium is held until they get through"
        case .droppedUDP: "a firewall drops the tunnel's datagrams of one node: Cilium is held until it lets them through"
        case .nat: "a router translates addresses between the clusters: Cilium is held until it leaves them alone"
        case .vlanPorts:
            "four ports of a tagged network are wrong, each in another way: Cilium is held, every fault is told from the others, and mended"
        case .wrongGuest:
            "the hypervisor puts one machine's frames in another VLAN: its nodes are held until API and files have it as planned"
        case .coordinatorKilled: "the coordinator is killed in the middle of the run and resumes"
        case .leftovers:
            "a cluster that is gone left links on one node and kube-proxy's rules on another: Cilium is held until both are gone"
        case .caMismatch: "the second cluster already has a Cilium CA of its own: nothing is installed over it"
        case .caMigration: "two clusters run with a Cilium CA each: they come to one, in rounds, and then to one mesh"
        case .staleServer:
            "one cluster's clustermesh API server shows a certificate of an older CA: nothing is connected until it shows its own"
        case .catalogue: "every service of the catalogue on two clusters, then verified, and taken down again"
        case .five: "the same with five clusters"
        case .killedAtEveryStep:
            "the coordinator is killed at every boundary of a step, in an apply and in a teardown, and comes to the same end"
        case .tour: "dirty disks, a missing VLAN and a killed coordinator in one run"
        }
    }

    /// Wipes begin to be needed only where something is on the disks.
    var hasDirtyDisks: Bool { self == .dirtyDisks || self == .tour || self == .killedAtEveryStep }
    var losesVLAN: Bool { self == .missingVLAN || self == .tour }
    var killsCoordinator: Bool { self == .coordinatorKilled || self == .tour }
    var skewsClock: Bool { self == .clockSkew }
    var lacksOption: Bool { self == .missingOption }
    var silencesTracer: Bool { self == .silentTracer }
    var dropsPackets: Bool { self == .packetDrops }
    /// Whether steps are to ask the feed.
    var wantsTelemetry: Bool { silencesTracer || dropsPackets }
    var losesRoutes: Bool { self == .defaultRoutes }
    var losesLink: Bool { self == .lostLink }
    var losesLinkAfterwards: Bool { self == .afterRun }
    var hasWrongPorts: Bool { self == .vlanPorts }
    var hasWrongGuest: Bool { self == .wrongGuest }
    /// Whether the hypervisor has an API; in all other stories its agent alone tells of machines.
    var asksProxmox: Bool { hasWrongGuest }
    var wayFault: LabWayFault? {
        switch self {
        case .mtuHole: .mtuHole
        case .droppedUDP: .droppedUDP
        case .nat: .nat
        default: nil
        }
    }
    /// Slow tools give what goes wrong a middle of a step to happen in.
    var hasSlowTools: Bool { killsCoordinator || losesLink }
    var hasLeftovers: Bool { self == .leftovers }
    var hasForeignCA: Bool { self == .caMismatch }
    var hasStaleServer: Bool { self == .staleServer }
    var migratesCA: Bool { self == .caMigration }

    /// After the second apply the mesh is verified and destroyed, and the clusters are compared with what they were.
    var takesDown: Bool { self == .catalogue || self == .five }

    /// The plan of the lab that the story needs, with another number of clusters than the story's own where one is given.
    package func plan(directory: String, prefix: String = LabPlan.defaultPrefix, clusters: Int? = nil) throws -> LabPlan {
        var plan = LabPlan(directory: directory, prefix: prefix, clusterCount: clusters ?? (self == .five ? 5 : 2))
        if takesDown { plan.services = .catalogue }
        plan.hasTrunks = hasWrongPorts
        plan.listsPacketFilter = hasLeftovers
        let workers = try LabTopology(plan).nodes.filter { $0.disk != nil }.map(\.name)
        if hasDirtyDisks {
            plan.contents = zip(workers, [.bluestore, .lvm, .bluestore, .ext4]).map { LabPlan.DiskContent(node: $0, kind: $1) }
        }
        if skewsClock, let victim = workers.last { plan.skews = [LabPlan.Skew(node: victim, seconds: 120)] }
        return plan
    }

    /// The node without a tracer: the last worker of the last cluster.
    func silent(_ topology: LabTopology) -> LabTopology.Node? { silencesTracer ? topology.nodes.last : nil }

    /// The node whose port loses its VLAN: the last worker of the last cluster.
    func victim(_ topology: LabTopology) -> LabTopology.Node? { losesVLAN ? topology.nodes.last : nil }
}
