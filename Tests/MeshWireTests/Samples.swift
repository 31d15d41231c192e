// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshWire
import Testing

/// One of everything that travels.
enum Samples {
    static func node() throws -> NodeID { try #require(NodeID("wrk-e-1")) }
    static func boot() throws -> BootID { try #require(BootID("0f6f2c1e-8a53-4f0e-9a52-2f6d6e1f0a11")) }
    static func task() throws -> TaskID { try #require(TaskID("run-1/talos-east/disks#1")) }
    static func digest(_ byte: UInt8) throws -> Digest { try #require(Digest([UInt8](repeating: byte, count: 32))) }
    static let now = Timestamp(milliseconds: 1_795_423_201_250)

    static func identity() -> DiskIdentity {
        DiskIdentity(
            kind: .virtio, serial: "wrk-e-1-vdb", wwid: nil, sizeInBytes: 128 << 30, sectorSize: 512,
            path: "pci0000:00/0000:00:0b.0/virtio3",
            sequence: 14)
    }

    static func targets() throws -> [ReachTarget] {
        [
            ReachTarget(node: try node(), address: try #require(IPAddress("192.168.15.22")), port: 4240),
            ReachTarget(node: try node(), address: try #require(IPAddress("fd00::22")), port: 6443),
        ]
    }

    static func servers() throws -> [HandshakeTarget] {
        let west = try #require(ClusterName("west"))
        return [
            HandshakeTarget(
                cluster: west, address: try #require(IPAddress("192.168.20.21")), port: 32380, serverName: "west.mesh.cilium.io"),
            HandshakeTarget(cluster: west, address: try #require(IPAddress("fd00::21")), port: 2379, serverName: "west.mesh.cilium.io"),
        ]
    }

    static func signature() -> DiskFact.Signature {
        DiskFact.Signature(kind: "ceph_bluestore", offset: 10 << 30, words: "bluestore block device at 10 GiB", owner: "fsid")
    }

    static func mark() throws -> ReplayStoreMark {
        ReplayStoreMark(id: try #require(ReplayStoreID(String(repeating: "5e", count: 16))), records: 12)
    }

    static func facts() throws -> [Fact] {
        [
            .host(
                HostFact(
                    hostname: "wrk-e-1", bootID: try boot(), uptime: TimeSpan(.seconds(3661)), kernelRelease: "6.18.1", machine: "x86_64",
                    agentVersion: "0.1.0")),
            .disk(
                DiskFact(
                    name: "vdb", identity: identity(), physicalSectorSize: 4096, readOnly: false, rotational: true, writesZeroes: true,
                    discards: false, exclusiveOpen: true, users: ["mounted at /mnt"],
                    partitions: 2, signatures: [signature()], blank: false, fingerprint: try digest(7), unreadable: nil)),
            .disk(
                DiskFact(
                    name: "sdc", identity: identity(), readOnly: true, rotational: false, exclusiveOpen: false, users: [], partitions: 0,
                    signatures: [], blank: false, fingerprint: nil, unreadable: "I/O error")),
            .link(
                LinkFact(
                    name: "eth0", index: 2, kind: "physical", mac: MACAddress("bc:24:11:00:15:21"), mtu: 1500, up: true,
                    carrier: true, addresses: ["192.168.15.21/24"], lapsing: ["192.168.15.21/24"], master: "vmbr0", driver: "virtio_net",
                    speed: 10_000,
                    vlans: [.init(first: 1, last: 1, isUntagged: true, isNative: true), .init(first: 110, last: 120)],
                    programs: [.init(hook: "tc ingress", name: "cil_from_netdev-eth0", id: 4711), .init(hook: "xdp")])),
            .route(
                RouteFact(destination: CIDR("10.244.0.0/16"), gateway: IPAddress("192.168.15.1"), interface: "eth0")),
            .route(RouteFact(destination: nil, gateway: nil, interface: "eth1")),
            .reach(ReachFact(target: try targets()[0], result: .connected, attempts: 1, roundTrip: TimeSpan(.milliseconds(3)))),
            .reach(ReachFact(target: try targets()[1], result: .timedOut, attempts: 3, roundTrip: nil)),
            .path(
                PathFact(
                    target: try ways()[0],
                    echo: .init(
                        port: 8473, sent: 100, received: 99, median: 210, slowest: 1800, local: try ways()[0].address,
                        seen: try ways()[1].address, there: 1500, back: 1400), pinged: true, health: .refused)),
            .path(PathFact(target: try ways()[1], echo: nil, pinged: false, health: .timedOut, problem: "no route")),
            .handshake(
                HandshakeFact(
                    target: try servers()[0], outcome: .shaken, version: "TLSv1.3", wantsClientCertificate: true,
                    leaf: ShownCertificate(
                        fingerprint: try digest(3), subject: "/CN=clustermesh-apiserver.cilium.io", issuer: "/CN=Cilium CA",
                        issuerKey: "0bad",
                        names: ["*.mesh.cilium.io"], namesLeftOut: 2, notBefore: now, notAfter: now + .seconds(60), servesServers: true),
                    trusted: [try digest(4)], provesName: true, took: TimeSpan(.milliseconds(7)))),
            .handshake(HandshakeFact(target: try servers()[1], outcome: .notTLS, problem: "it says \"HTTP/1.1 400\"")),
            .vlan(
                VLANFact(
                    target: try vlans()[0], link: "eno1", isTrunk: true, peer: MACAddress("bc:24:11:00:15:21"), sent: 3, answered: 2,
                    there: [2000, 110], back: [110], untagged: [], roundTrip: 210)),
            .outside(
                OutsideFact(target: try outside()[2], result: .refused, address: IPAddress("192.0.2.7"), detail: "Connection refused")),
            .outside(OutsideFact(target: try outside()[0], result: .answered)),
            .vlan(VLANFact(target: try vlans()[1], isTrunk: false, problem: "there is no bridge vmbr0")),
            .vlan(VLANFact(target: try vlans()[1], exempt: "vmbr0 has no port to the outside: this host routes for its machines")),
            .clock(ClockFact(asked: now, received: now + .milliseconds(4), replied: now + .milliseconds(5), synchronised: true)),
            .kernel(
                KernelFact(
                    release: "6.18.1", options: ["BPF": .builtIn, "VXLAN": .module, "WIREGUARD": .absent], optionsFrom: "/proc/config.gz",
                    btf: true, bpffs: true, cgroup2: false, lockdown: "none", loadedModules: ["rbd", "vxlan"], tracefs: true,
                    loadableModules: ["rbd"])),
            .unavailable("no such device"),
            .route(
                RouteFact(
                    destination: nil, gateway: IPAddress("fd00::1"), interface: "eth1", metric: 1024, family: .v6,
                    source: IPAddress("fd00::7"))),
            .kernel(
                KernelFact(
                    release: "6.18.1", options: [:], optionsFrom: nil, btf: true, bpffs: true, cgroup2: true, lockdown: nil,
                    loadedModules: [],
                    platform: PlatformFact(
                        memoryInBytes: 16 << 30, processors: 8, processorModel: "EPYC", processorLevel: 3,
                        parameters: ["net.ipv4.ip_forward": "1"], cniFiles: ["05-cilium.conflist"], serviceChains: [],
                        programs: [
                            BPFProgram(
                                id: 41, kind: "sched_cls", name: "cil_from_netdev", tag: "a04f5eef06a7f555",
                                attachments: [.init(kind: "tcx ingress", place: "ens18", isLink: true), .init(kind: "cgroup")],
                                owners: [.init(pid: 1207, command: "cilium-agent")], runs: 12, runTimeInNanoseconds: 3400,
                                user: 0, memoryInBytes: 8192, maps: [7, 9]),
                            BPFProgram(id: 42, kind: "kind 99", name: "", tag: ""),
                        ], pins: ["tc/globals/cilium_ct4_global"], unseen: []))),
            .kernel(
                KernelFact(
                    release: "6.18.1", options: [:], optionsFrom: nil, btf: true, bpffs: true, cgroup2: true, lockdown: nil,
                    loadedModules: [],
                    platform: PlatformFact(
                        memoryInBytes: nil, processors: 1, parameters: [:], cniFiles: nil, serviceChains: nil, pins: [],
                        unseen: ["chains: not permitted"]))),
            .wiper(WiperFact(store: try mark(), disarmed: nil, challenge: nil)),
            .wiper(WiperFact(store: nil, disarmed: "its record is gone", challenge: try mark().id)),
            .blankness(
                BlanknessFact(
                    disk: identity(), seed: try digest(4), share: 10,
                    strata: [
                        Stratum(name: "head", ranges: 1, bytes: 64 << 20, sha256: try digest(5)),
                        Stratum(name: "sample", ranges: 13_107, bytes: 1 << 33, sha256: nil, firstNonzero: 77),
                    ], signatures: [signature()], problem: "half of it could not be read")),
            .hypervisorFiles(try hypervisor()),
            .virtualDisk(
                VirtualDiskFact(
                    vmid: 101, machine: "wrk-e-1", slot: "virtio1", serial: "wrk-e-1-vdb", volume: "local-lvm:vm-101-disk-1",
                    sizeInBytes: 128 << 30, discards: true, readOnly: false, fingerprint: try digest(8), signatures: [signature()],
                    blank: false)),
            .virtualDisk(
                VirtualDiskFact(
                    vmid: 102, machine: "", slot: "scsi0", serial: nil, volume: "ceph:x", sizeInBytes: nil, discards: false, readOnly: true,
                    fingerprint: nil, signatures: [], blank: false, unread: "storage of kind rbd is not read from here")),
            .link(
                LinkFact(
                    name: "vmbr0", index: 3, kind: "bridge", mac: nil, mtu: 1500, up: true, carrier: true, addresses: [],
                    filtersVLANs: true,
                    programs: [])),
            .link(
                LinkFact(
                    name: "bond0.110", index: 4, kind: "vlan", mac: nil, mtu: 1500, up: true, carrier: true, addresses: [], parent: "bond0",
                    vlan: 110, bond: .init(mode: "active-backup", active: "eno1"), vlans: [])),
            .link(
                LinkFact(
                    name: "vx1", index: 5, kind: "vxlan", mac: nil, mtu: 1450, up: true, carrier: true, addresses: [], vni: 42,
                    bond: .init(mode: "802.3ad"))),
        ]
    }

    static func reports() throws -> [TaskReport] {
        let wipe = WipeReport(
            warrant: try #require(WarrantID("0123456789abcdef0123456789abcdef")), disk: identity(), method: .discardVerify,
            ending: .interrupted, signaturesBefore: [signature()], bytesWritten: 4096, bytesVerified: 0,
            areas: [.init(offset: 0, length: 1 << 20), .init(offset: 10 << 30, length: 1 << 20)],
            strata: [Stratum(name: "all", ranges: 2, bytes: 2 << 20, sha256: nil)], problem: "power was cut")
        func report(_ probe: ProbeKind?, _ result: TaskReport.Result) throws -> TaskReport {
            TaskReport(
                task: try task(), node: try node(), bootID: try boot(), sequence: 41, age: TimeSpan(.milliseconds(1500)), probe: probe,
                result: result)
        }
        return [
            try report(.disks, .facts(try facts())), try report(.reach, .facts([])), try report(nil, .wiped(wipe)),
            try report(nil, .failed("the device vanished")),
        ] + (try TaskRefusal.Code.allCases.map { try report(.host, .refused(TaskRefusal($0, "because"))) })
    }

    static func outside() throws -> [OutsideTarget] {
        let host = try #require(HostName("mirror.example"))
        return [OutsideTarget(.name, host), OutsideTarget(.time, host), OutsideTarget(.registry, host, port: 5000)]
    }

    static func vlans() throws -> [VLANTarget] {
        let bridge = TrunkPort(name: "vmbr0", isBridge: true)
        let link = TrunkPort(name: "ens19", mac: MACAddress("bc:24:11:00:15:21"))
        return [
            VLANTarget(port: link, vlan: 110, end: .node(try node(), at: bridge)),
            VLANTarget(port: bridge, vlan: 4094, end: .router(try #require(IPAddress("10.20.10.1")))),
        ]
    }

    static func ways() throws -> [PathTarget] {
        let targets = try targets()
        return [
            PathTarget(node: targets[0].node, address: targets[0].address, port: 8472, mtu: 1500),
            PathTarget(node: targets[1].node, address: targets[1].address, port: nil, mtu: 9000),
        ]
    }

    static func hello() throws -> Hello {
        Hello(
            agentVersion: "0.1.0", node: try node(), bootID: try boot(), installation: "00112233445566778899aabbccddeeff",
            acknowledged: JournalHead(sequence: 812, hash: try digest(9)), epoch: Generation(3), nextReport: 42, droppedReports: 1)
    }

    static func agentFrames() throws -> [AgentFrame] {
        [
            .join(Join(token: "mgj1-secret", node: try node(), request: [0x30, 0x82, 1, 2])), .hello(try hello()),
            .heartbeat(Heartbeat(number: 7, answer: true, droppedReports: 3)),
            .progress(TaskProgress(task: try task(), phase: .verifying, done: 5, total: 9)),
        ] + (try reports().map(AgentFrame.report))
    }

    private static func selector() throws -> GuestSelector {
        GuestSelector(names: ["wrk-e-1"], numbers: [101], serials: ["OSD-E-1"], addresses: [try mac()])
    }

    private static func mac() throws -> MACAddress { try #require(MACAddress("bc:24:11:00:00:01")) }

    /// Everything that a hypervisor's files can say.
    static func hypervisor() throws -> HypervisorFact {
        let card = HypervisorFact.Guest.Card(
            slot: "net0", model: "virtio", mac: try mac(), bridge: "vmbr0", tag: 1500, mtu: 1, isDown: true)
        let bare = HypervisorFact.Guest.Card(slot: "net1", model: "e1000", mac: nil, bridge: nil, tag: nil, mtu: nil, isDown: false)
        return HypervisorFact(
            host: "pve1", version: "", cores: 16, memory: .init(used: .gibibytes(3), total: .gibibytes(64)), coresInUse: 12,
            guests: [
                .init(
                    vmid: 101, name: "wrk-e-1", isRunning: true, cores: 4, memory: .gibibytes(8), cpu: "host", cards: [card, bare],
                    disks: [
                        .init(slot: "virtio1", volume: "local-lvm:vm-101-disk-1", serial: "OSD-E-1", size: .gibibytes(128)),
                        .init(slot: "scsi0", volume: "/dev/sdz", serial: nil, size: nil),
                    ]), .init(vmid: 102, name: "", isRunning: false),
            ],
            neighbours: [.init(vmid: 7, name: "thief", host: "pve2", addresses: [try mac()], serials: ["OSD-E-1"])],
            unread: ["/etc/pve/nodes/pve1/qemu-server/103.conf: permission denied"],
            stores: ["local-lvm": .init(used: .gibibytes(1), total: .gibibytes(100))],
            vnets: [
                .init(name: "v1500", zone: "lab", tag: 1500, isHere: true, isPending: false),
                .init(name: "v9", zone: "all", tag: nil, isHere: false, isPending: true),
            ], orphans: [.init(volume: "local-lvm:vm-101-disk-9", vmid: 101, size: nil)])
    }

    static func tasks() throws -> [NodeTask] {
        let orders: [NodeTask.Order] = [
            .probe(.host), .probe(.disks), .probe(.links), .probe(.kernel), .probe(.clock(asked: now)),
            .probe(.reach(try targets(), attempts: 3, timeout: TimeSpan(.seconds(2)))),
            .probe(.blankness([BlanknessCheck(disk: identity(), share: 10)], seed: try digest(6))),
            .probe(.virtualDisks(serials: ["a", "b"])), .probe(.hypervisorFiles(try selector())),
            .probe(.handshakes(try servers(), anchors: ["-----BEGIN CERTIFICATE-----"])),
            .probe(.paths(try ways(), tokens: [try ways()[0].node: try digest(8)])),
            .probe(.vlans(try vlans(), tokens: [try vlans()[0]: try digest(8)])),
            .probe(.outside(try outside())),
            .listenFrames(FrameWindow(token: try digest(8), port: try vlans()[0].port, vlan: 110, lasts: TimeSpan(.seconds(8)))),
            .listen(EchoWindow(token: try digest(8), address: try ways()[0].address, port: 8472, lasts: TimeSpan(.seconds(6)))),
            .wipe(WarrantEnvelope(text: "MESHGATE-WIPE-WARRANT/2\n", signatures: ["-----BEGIN SSH SIGNATURE-----\n"])),
            .arm(WarrantEnvelope(text: "MESHGATE-WIPER-ARMING/1\n", signatures: ["-----BEGIN SSH SIGNATURE-----\n"])),
        ]
        return try orders.map {
            NodeTask(id: try task(), node: try node(), epoch: Generation(3), deadline: now + .seconds(60), order: $0)
        }
    }

    static func coordinatorFrames() throws -> [CoordinatorFrame] {
        [
            .joined(Joined(chain: [[1, 2, 3]], roots: [[4, 5], [6]])), .rejected(Rejected(code: "forkedJournal", words: "another journal")),
            .welcome(Welcome(epoch: Generation(3), coordinatorBoot: try boot(), heartbeat: .seconds(10), patience: .seconds(15))),
            .unknownOrder(try task()), .acknowledged(Acknowledged(sequence: 41, head: JournalHead(sequence: 813, hash: try digest(1)))),
            .heartbeat(Heartbeat(number: 1, answer: false)),
        ] + (try tasks().map(CoordinatorFrame.task))
    }
}
