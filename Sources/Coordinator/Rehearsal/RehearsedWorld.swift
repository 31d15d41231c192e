// SPDX-License-Identifier: Apache-2.0

import Gating
package import MeshModel
package import Running

/// A stand-in for the whole world: machines, disks, clusters and tools as plain values, changed by script lines and by steps. It answers
/// probes with facts of its present state, and it can lie the way real tools do.
package struct RehearsedWorld: Hashable, Sendable {
    package struct Machine: Hashable, Sendable {
        package var online = true
        package var boot = 1
        package var uptime = Duration.seconds(3600)
        package var clockAhead = Duration.zero
        package var portDead = false
        /// The NIC with the node's own address is down.
        package var linkDown = false
        package var route = Route.planned
        /// Nothing is heard of its tracer.
        package var tracerStopped = false
        /// Nobody reads its Hubble.
        package var hubbleAway = false
        /// Policies that its Tetragon does not have, of those that are asked for.
        package var policiesMissing: Set<String> = []
        /// What lies on the data disks, by serial; absent means blank.
        package var contents: [String: String] = [:]
        package var busyDisks: Set<String> = []
        /// Warrants that were used here, whatever became of them.
        package var usedWarrants: Set<WarrantID> = []
        /// How often each disk was wiped.
        package var wipes: [String: Int] = [:]
    }

    /// The default routes of a machine.
    package enum Route: String, Hashable, Sendable, CaseIterable { case planned, missing, second }

    package struct ClusterState: Hashable, Sendable {
        package var reachable = true
        package var gateway: SemanticVersion?
        package var authority: String?
        /// By which authority the certificates of the API server were issued, once it is enabled; and another that it shows all the same.
        package var issuer: String?
        package var shows: String?
        /// The authorities of `tls.caBundle`; absent where there is none.
        package var bundle: Set<String>?
        /// Pods that nothing restarts but the script, and for what they are late by now.
        package var stuck: [String: Set<CiliumTrust.Straggler.Why>] = [:]
        package var cilium = false
        /// Another release than the planned one.
        package var ciliumRelease: SemanticVersion?
        package var apiserver = false
        /// Pools, policies and BGP objects, by `kind/name`.
        package var resources: [String: HelmValue] = [:]
        package var remotes: Set<ClusterName> = []
        package var tested: Set<ClusterName> = []
        /// What Hubble saw of the test to a cluster; and for what reason Cilium drops flows to it.
        package var flows: [ClusterName: TestFlows] = [:]
        package var drops: [ClusterName: String] = [:]
        package var services: Set<String> = []
        package var ceph = 0
        package init() {}
    }

    /// How a driver misbehaves at its next call.
    package enum Lie: String, Hashable, Sendable, CaseIterable {
        /// Exit 0, nothing done.
        case nothingDone = "lies"
        case fails
        /// No answer at all until the coordinator is restarted.
        case hangs
    }

    package let spec: MeshSpec
    package var machines: [NodeID: Machine]
    package var clusters: [ClusterName: ClusterState]
    /// The machines below the clusters; a teardown leaves them.
    package var talos: [ClusterName: RehearsedTalos]
    /// Phases of Terraform that are applied; the whole is the one without a name.
    package var provisioned: Set<String> = []
    /// The hosts outside that services are configured to talk to, by service; what is not here was not looked for.
    package var egress: [String: Set<HostName>] = [:]
    /// Whether Terraform is asked what it would destroy, as a teardown asks, and not what it would make.
    package var takesDown = false
    /// Names in the store of secrets.
    package var secrets: Set<String> = []
    /// Whether the clusters' contexts were taken out of kubeconfig and talosconfig.
    package var contextsGone = false
    /// Whether the machines were destroyed.
    package var unplugged = false
    /// Guests that hypervisors have left although their machines are gone.
    package var orphans: Set<NodeID> = []
    package var lies: [StepID: Lie] = [:]
    /// Nodes that have not come to their cluster yet.
    package var unregistered: Set<NodeID> = []
    /// A node that is to leave; whether it was drained; and Ceph's OSDs, by node.
    package var leaving: NodeID?
    package var drained: Set<NodeID> = []
    package var osds: [NodeID: [Int]] = [:]
    /// Disks, by serial, of which an inventory shows nothing although something is there.
    package var hidden: Set<String> = []

    package init(spec: MeshSpec) {
        self.spec = spec
        let names = spec.members.map(\.node.name) + spec.hypervisors.map(\.name)
        machines = Dictionary(names.map { ($0, Machine()) }, uniquingKeysWith: { first, _ in first })
        talos = Dictionary(spec.clusters.map { ($0.name, RehearsedTalos($0, of: spec)) }, uniquingKeysWith: { first, _ in first })
        clusters = Dictionary(
            spec.clusters.map { ($0.name, ClusterState()) }, uniquingKeysWith: { first, _ in first })
    }

    // MARK: probes

    /// The evidence for one order; `nil` when nobody answers.
    package func answer(_ order: ProbeOrder, now: Moment) -> Evidence? {
        switch order.key.subject {
        case .node(let node):
            guard let machine = machines[node], machine.online else { return nil }
            let boot = Self.bootID(node, machine.boot)
            return Evidence(
                subject: order.key.subject, probe: order.key.probe, bootID: boot, takenAt: now,
                facts: facts(order, node, machine, boot, now))
        case .cluster(let name):
            guard let state = clusters[name], state.reachable else {
                return Evidence(
                    subject: order.key.subject, probe: order.key.probe, bootID: nil, takenAt: now,
                    facts: [.unavailable("the API server does not answer")])
            }
            let facts: [Fact] =
                switch order.key.probe {
                case .cluster: [.cluster(fact(name, state))]
                case .talos: machines(name, state)
                default: connectivity(name, state)
                }
            return Evidence(subject: order.key.subject, probe: order.key.probe, bootID: nil, takenAt: now, facts: facts)
        case .mesh where order.key.probe == .contexts:
            let left = contextsGone ? [] : spec.clusters
            let fact = ContextsFact(
                file: "kubeconfig", present: left.map(\.name),
                talosconfig: .init(file: "talosconfig", present: left.filter { $0.kind == .talos }.map(\.name)))
            return Evidence(subject: .mesh, probe: .contexts, bootID: nil, takenAt: now, facts: [.contexts(fact)])
        case .mesh where order.key.probe == .secrets:
            let planned = SecretNames.planned(spec)
            let fact = SecretsFact(
                store: "the rehearsed store", present: planned.filter(secrets.contains),
                differing: takesDown ? nil : planned.filter { !secrets.contains($0) })
            return Evidence(subject: .mesh, probe: .secrets, bootID: nil, takenAt: now, facts: [.secrets(fact)])
        case .mesh: return terraform(.mesh, spec.groundPhases.map { $0?.name }, now)
        case .service(let name): return terraform(order.key.subject, spec.services.filter { $0.name == name }.map(\.phase), now)
        }
    }

    private func terraform(_ subject: Subject, _ phases: [String?], _ now: Moment) -> Evidence {
        let directory = spec.provision?.terraformDirectory ?? ""
        let facts =
            [Fact.terraform(TerraformFact(directory: directory, stateLock: .holds))]
            + phases.map { takesDown ? .destruction(destruction(directory, $0)) : .provision(provision(directory, $0)) }
        return Evidence(subject: subject, probe: .provision, bootID: nil, takenAt: now, facts: facts)
    }

    /// What Terraform makes of a phase: machines, or the one object of a service.
    private func objects(_ phase: String?) -> [String] {
        spec.service(ofPhase: phase).map { ["bucket.\($0.name)"] } ?? spec.members.map { "vm.\($0.node.name)" }
    }

    /// Providers that talk to a cluster cannot plan while it is not there.
    private func obstacle(_ phase: String?) -> String? {
        let silent = (spec.service(ofPhase: phase)?.clusters ?? []).first {
            clusters[$0]?.reachable != true || clusters[$0]?.cilium != true
        }
        return silent.map { "the API server of \($0) does not answer" }
    }

    private func provision(_ directory: String, _ phase: String?) -> ProvisionFact {
        ProvisionFact(
            directory: directory, phase: phase, creates: provisioned.contains(phase ?? "") ? 0 : objects(phase).count, changes: 0,
            deletes: 0,
            problem: obstacle(phase))
    }

    private func destruction(_ directory: String, _ phase: String?) -> DestructionFact {
        let objects = provisioned.contains(phase ?? "") ? objects(phase).map { "delete " + $0 } : []
        // Any function of the bytes will do: nobody forges anything here.
        let losses = TerraformLosses(objects) { bytes in
            var sums = [UInt8](repeating: 0, count: 32)
            for (index, byte) in bytes.enumerated() { sums[index % 32] = sums[index % 32] &* 31 &+ byte }
            return Digest(sums) ?? .zero
        }
        return DestructionFact(directory: directory, phase: phase, losses: losses, problem: losses == nil ? nil : obstacle(phase))
    }

    package static func bootID(_ node: NodeID, _ number: Int) -> BootID {
        let text = encodeHex(Array("\(node)-\(number)".utf8).suffix(16))
        return BootID(String(repeating: "0", count: max(0, 32 - text.count)) + text) ?? BootID("00000000") ?? coordinatorBoot
    }

    /// The boot of the machine that the coordinator runs on.
    package static let coordinatorBoot: BootID = {
        guard let boot = BootID("c0c0c0c0") else { preconditionFailure("a constant follows its own grammar") }
        return boot
    }()

    private func facts(_ order: ProbeOrder, _ node: NodeID, _ machine: Machine, _ boot: BootID, _ now: Moment) -> [Fact] {
        switch order.probe {
        case .host:
            return [
                .host(
                    HostFact(
                        hostname: node.text, bootID: boot, uptime: TimeSpan(machine.uptime), kernelRelease: "6.12.0", machine: "x86_64",
                        agentVersion: "0.1.0"))
            ]
        case .disks:
            let armed = WiperFact(store: Self.store, disarmed: nil, challenge: nil)
            return planned(node).disks.map { .disk(disk($0, machine)) } + [.wiper(armed)]
        case .blankness(let checks, let seed): return checks.map { .blankness(proof($0, seed, machine)) }
        case .virtualDisks: return virtualDisks(of: node)
        case .hypervisorFiles: return [.hypervisorFiles(hypervisor(node))]
        case .links: return links(node, machine)
        case .reach(let targets, let attempts, _):
            return targets.map { target in
                let dead = machine.portDead || machines[target.node]?.portDead ?? true || !(machines[target.node]?.online ?? false)
                return .reach(ReachFact(target: target, result: dead ? .timedOut : .connected, attempts: attempts, roundTrip: nil))
            }
        case .handshakes(let targets, let anchors): return targets.map { .handshake(handshake(machine, $0, anchors: anchors)) }
        case .paths(let targets, _): return targets.map { .path(way(from: node, machine, to: $0)) }
        case .vlans(let targets, _): return targets.map { .vlan(tagged(from: machine, to: $0)) }
        case .outside(let targets): return targets.map { .outside(OutsideFact(target: $0, result: .answered)) }
        case .clock(let asked):
            let seen = now.wall + machine.clockAhead
            return [.clock(ClockFact(asked: asked, received: seen, replied: seen, arrived: now.wall, synchronised: true))]
        case .kernel: return [.kernel(kernel)]
        case nil where order.key.probe == .disks:
            // A machine without an agent: Talos tells who its disks are, and not what they hold.
            return planned(node).disks.map { planned in
                var fact = disk(planned, machine)
                fact.signatures = []
                fact.blank = false
                fact.unreadable = "Talos' API does not show the content of disks"
                return .disk(fact)
            }
        case nil where order.key.probe == .telemetry: return [.telemetry(telemetry(node, machine))]
        case nil where order.key.probe == .hypervisor: return [.hypervisor(hypervisor(node))]
        case nil: return []
        }
    }

    /// A feed that goes well, unless the tracer is stopped.
    private func telemetry(_ node: NodeID, _ machine: Machine) -> TelemetryFact {
        let short = TelemetryFact.rounded(.zero)
        return TelemetryFact(
            node: node, window: TelemetryFact.fullWindow, stated: short,
            traced: machine.tracerStopped ? TimeSpan(.seconds(120)) : short, watched: ["kfree_skb", "sched_process_exec"],
            executed: TelemetryFact.rounded(.zero, to: TelemetryFact.longStep), resent: 0,
            hubble: .init(heard: machine.hubbleAway ? nil : short, problem: machine.hubbleAway ? "there is no Hubble here" : nil),
            tetragon: .init(
                heard: TelemetryFact.rounded(.zero, to: TelemetryFact.minute),
                policies: (spec.policy.telemetry?.policies ?? []).reduce(into: [:]) { states, name in
                    if !machine.policiesMissing.contains(name) { states[name] = "enabled" }
                }))
    }

    /// Perfect, unless one of the ports is dead or the other machine is off.
    private func way(from node: NodeID, _ machine: Machine, to target: PathTarget) -> PathFact {
        let isDead = machine.portDead || machines[target.node]?.portDead ?? true || !(machines[target.node]?.online ?? false)
        guard !isDead else { return PathFact(target: target, echo: nil, pinged: false, health: .timedOut) }
        let address = planned(node).address
        let echo = target.port.map {
            PathFact.Echo(
                port: $0, sent: 100, received: 100, median: 200, slowest: 400, local: address, seen: address, there: target.mtu,
                back: target.mtu)
        }
        return PathFact(target: target, echo: echo, pinged: true, health: .refused)
    }

    /// The API server of a cluster shows what it was issued, or what the script has it show.
    private func handshake(_ machine: Machine, _ target: HandshakeTarget, anchors: [String]) -> HandshakeFact {
        let owner = spec.cluster(target.cluster)?.nodes.first { $0.address == target.address }?.name
        let isDead = machine.portDead || owner.flatMap { machines[$0]?.portDead } ?? false
        guard !isDead else { return HandshakeFact(target: target, outcome: .timedOut) }
        guard let state = clusters[target.cluster], state.apiserver, let issuer = state.shows ?? state.issuer else {
            return HandshakeFact(target: target, outcome: .refused)
        }
        let anchor = Self.anchor(issuer)
        let leaf = ShownCertificate(
            fingerprint: anchor.fingerprint, subject: "/CN=clustermesh-apiserver.cilium.io", issuer: anchor.subject, issuerKey: nil,
            names: [target.serverName], namesLeftOut: 0, notBefore: Timestamp(seconds: 0), notAfter: anchor.notAfter, servesServers: true)
        return HandshakeFact(
            target: target, outcome: .shaken, version: "TLSv1.3", wantsClientCertificate: true, leaf: leaf,
            trusted: anchors.contains(anchor.pem) ? [anchor.fingerprint] : [], provesName: true)
    }

    /// A rehearsed authority is a word.
    static func anchor(_ word: String) -> TrustAnchor {
        let padded = Array(("ca:" + word + String(repeating: ".", count: 32)).utf8.prefix(32))
        return TrustAnchor(
            pem: "ca:" + word, fingerprint: Digest(padded) ?? .zero, subject: "/CN=Cilium CA", notAfter: Timestamp(seconds: 253_402_300_799)
        )
    }

    /// Perfect, unless a port is dead.
    private func tagged(from machine: Machine, to target: VLANTarget) -> VLANFact {
        var isDead = machine.portDead
        if case .node(let other, _) = target.end { isDead = isDead || machines[other].map { $0.portDead || !$0.online } ?? true }
        guard !isDead else { return VLANFact(target: target, link: "eno1", sent: 9) }
        let isNode = if case .node = target.end { true } else { false }
        return VLANFact(
            target: target, link: "eno1", peer: MACAddress("02:00:00:00:00:01"), sent: 3, answered: 3, there: isNode ? [target.vlan] : nil,
            back: [target.vlan], roundTrip: 200)
    }

    /// Every rehearsed wiper keeps the same store: nothing here asks which.
    package static let store: ReplayStoreMark = {
        guard let id = ReplayStoreID(String(repeating: "5", count: 32)) else { preconditionFailure("a constant follows its own grammar") }
        return ReplayStoreMark(id: id, records: 1)
    }()

    private func proof(_ check: BlanknessCheck, _ seed: Digest, _ machine: Machine) -> BlanknessFact {
        let serial = check.disk.serial ?? ""
        // A hypervisor reads its guests' volumes.
        let isBlank =
            check.disk.kind == .volume ? machines.values.allSatisfy { $0.contents[serial] == nil } : machine.contents[serial] == nil
        let strata = ["labels", "head", "tail", "sample"].map { name in
            Stratum(
                name: name, ranges: 1, bytes: check.disk.sizeInBytes, sha256: nil,
                firstNonzero: isBlank || name != "labels" ? nil : 0)
        }
        return BlanknessFact(disk: check.disk, seed: seed, share: check.share, strata: strata, signatures: [])
    }

    /// The disks of the guests that the spec puts on this hypervisor.
    private func virtualDisks(of hypervisor: NodeID) -> [Fact] {
        spec.members.filter { $0.node.hypervisor == hypervisor && stands($0.node.name) }.enumerated().flatMap { index, member in
            member.node.disks.enumerated().map { number, disk in
                let content = machines[member.node.name]?.contents[disk.serial ?? disk.name]
                return .virtualDisk(
                    VirtualDiskFact(
                        vmid: UInt64(100 + index), machine: member.node.name.text, slot: "virtio\(number + 1)", serial: disk.serial,
                        volume: "rehearsed:\(disk.serial ?? disk.name)", sizeInBytes: disk.size.bytes, discards: false, readOnly: false,
                        fingerprint: .zero,
                        signatures: content.map { [DiskFact.Signature(kind: "rehearsed", offset: 0, words: $0)] } ?? [],
                        blank: content == nil))
            }
        }
    }

    func stands(_ node: NodeID) -> Bool { !unplugged || orphans.contains(node) }

    private func planned(_ node: NodeID) -> MeshSpec.Node {
        guard let member = spec.members.first(where: { $0.node.name == node }) else { preconditionFailure("\(node) is not in the spec") }
        return member.node
    }

    private func disk(_ disk: MeshSpec.Node.Disk, _ machine: Machine) -> DiskFact {
        let serial = disk.serial ?? disk.name
        let content = hidden.contains(serial) ? nil : machine.contents[serial]
        return DiskFact(
            name: disk.name,
            identity: DiskIdentity(
                kind: .virtio, serial: disk.serial, wwid: nil, sizeInBytes: disk.size.bytes, sectorSize: 512, path: "0000:00:0a.0",
                sequence: 1),
            readOnly: false, rotational: false, exclusiveOpen: !machine.busyDisks.contains(serial),
            users: machine.busyDisks.contains(serial) ? ["mounted on /data"] : [], partitions: 0,
            signatures: content.map { [DiskFact.Signature(kind: "rehearsed", offset: 0, words: $0)] } ?? [], blank: content == nil,
            fingerprint: .zero)
    }

    private func links(_ node: NodeID, _ machine: Machine) -> [Fact] {
        if let host = spec.hypervisors.first(where: { $0.name == node }) { return bridges(of: host) }
        let planned = planned(node)
        let home = planned.home(in: spec)
        let own = "\(planned.address)/\(home?.network.cidr.prefixLength ?? 24)"
        guard !planned.interfaces.isEmpty else {
            return [
                .link(
                    LinkFact(
                        name: "eth0", index: 2, kind: "physical", mac: nil, mtu: 1500, up: true, carrier: true, addresses: [own],
                        lapsing: []))
            ]
        }
        return planned.interfaces.enumerated().map { index, interface in
            let isHome = home.map { $0.interface == interface } ?? (index == 0)
            return .link(
                LinkFact(
                    name: interface.name, index: index + 2, kind: "physical", mac: interface.mac,
                    mtu: spec.network(interface.network)?.mtu ?? 1500, up: true, carrier: !(isHome && machine.linkDown),
                    addresses: isHome ? [own] : [], lapsing: []))
        } + routes(home, machine)
    }

    private func routes(_ home: (interface: MeshSpec.Node.Interface, network: MeshSpec.Network)?, _ machine: Machine) -> [Fact] {
        guard let home, let gateway = home.network.gateway else { return [] }
        let planned = Fact.route(
            RouteFact(destination: nil, gateway: gateway, interface: home.interface.name, metric: 0, family: gateway.family))
        let second = Fact.route(
            RouteFact(destination: nil, gateway: nil, interface: "eth9", metric: 100, family: gateway.family))
        switch machine.route {
        case .planned: return [planned]
        case .missing: return []
        case .second: return [planned, second]
        }
    }

    /// Bridges that filter, with one uplink each that carries the planned VLAN.
    private func bridges(of host: MeshSpec.Hypervisor) -> [Fact] {
        host.bridges.enumerated().flatMap { index, bridge -> [Fact] in
            let network = spec.network(bridge.network)
            let mtu = network?.mtu ?? 1500
            let vlans =
                [LinkFact.VLANs(first: 1, last: 1, isUntagged: true, isNative: true)]
                + (network?.vlan.map { [LinkFact.VLANs(first: $0, last: $0)] } ?? [])
            return [
                .link(
                    LinkFact(
                        name: bridge.name, index: 10 + index, kind: "bridge", mac: nil, mtu: mtu, up: true, carrier: true, addresses: [],
                        filtersVLANs: true)),
                .link(
                    LinkFact(
                        name: "eno\(index + 1)", index: 100 + index, kind: "physical", mac: nil, mtu: mtu, up: true, carrier: true,
                        addresses: [], master: bridge.name, vlans: vlans)),
            ]
        }
    }

    private var kernel: KernelFact {
        let names = [
            "BPF", "BPF_SYSCALL", "BPF_JIT", "NET_CLS_BPF", "NET_CLS_ACT", "NET_SCH_INGRESS", "CRYPTO_SHA1", "CGROUPS", "CGROUP_BPF",
            "PERF_EVENTS", "FIB_RULES", "VXLAN", "GENEVE", "WIREGUARD", "BLK_DEV_RBD",
        ]
        return KernelFact(
            release: "6.12.0", options: Dictionary(names.map { ($0, .builtIn) }, uniquingKeysWith: { first, _ in first }),
            optionsFrom: "/proc/config.gz", btf: true, bpffs: true, cgroup2: true, lockdown: "none", loadedModules: [],
            tracefs: true, loadableModules: [])
    }
}
