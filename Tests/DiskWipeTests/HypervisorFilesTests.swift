// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Testing

@testable import DiskWipe

/// A directory like /etc/pve, of a cluster of two hosts.
final class ProxmoxDirectory {
    let path: String
    private let files = LinuxFileStore()

    init() throws {
        path = "/tmp/meshgate-pve-\(try KernelEntropy().hexID(byteCount: 6))"
        for (name, text) in Self.whole { try write(text, to: name) }
        #expect(symlink("nodes/pve1", path + "/local") == 0)
    }

    deinit {
        for name in Self.whole.keys { unlink("\(path)/\(name)") }
        let directories = [
            "nodes/pve1/qemu-server", "nodes/pve1/lxc", "nodes/pve2/qemu-server", "nodes/pve1", "nodes/pve2", "nodes", "sdn",
        ]
        unlink(path + "/local")
        unlink(path + "/nodes/pve1/qemu-server/104.conf")
        for directory in directories { rmdir("\(path)/\(directory)") }
        for name in ["images/101/vm-101-disk-1.raw", "images/101/vm-101-disk-8.raw", "images/101/note.txt"] { unlink("\(path)/\(name)") }
        for directory in ["images/101", "images", "dev/pve", "dev", ""] { rmdir("\(path)/\(directory)") }
    }

    func write(_ text: String, to name: String) throws {
        let directory = name.split(separator: "/").dropLast().joined(separator: "/")
        try files.createDirectory(directory.isEmpty ? path : "\(path)/\(directory)")
        try files.write(Array(text.replacing("ROOT", with: path).utf8), to: "\(path)/\(name)")
    }

    static let whole: [String: String] = [
        "nodes/pve1/qemu-server/101.conf": """
        cores: 4
        cpu: x86-64-v2-AES
        memory: 4096
        name: wrk-e-1
        net0: virtio=BC:24:11:00:00:01,bridge=v1500
        virtio0: local-lvm:vm-101-disk-0,size=32G
        virtio1: plain:101/vm-101-disk-1.raw,serial=wrk%2De-1%2Ddata,size=12G

        [PENDING]
        net0: virtio=BC:24:11:00:00:01,bridge=vmbr9,tag=7

        [old]
        name: wrk-e-1
        net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=1
        """,
        "nodes/pve1/qemu-server/102.conf": "name: windows\ncores: 2\ncipassword: hunter2\nscsi0: local-lvm:vm-102-disk-0\n",
        "nodes/pve1/qemu-server/9000.conf": "name: wrk-e-1\ntemplate: 1\n",
        "nodes/pve1/lxc/300.conf": "hostname: cp-e-1\nrootfs: plain:300/vm-300-disk-0.raw\n",
        "nodes/pve2/qemu-server/203.conf":
            "name: thief\nnet0: virtio=BC:24:11:00:00:01,bridge=vmbr0\nscsi1: ceph:vm-203-disk-1,serial=wrk-e-1-data\n",
        "storage.cfg":
            "dir: plain\n\tpath ROOT\n\tcontent images\n\nlvmthin: local-lvm\n\tvgname pve\n\nrbd: ceph\n\tpool x\n\ndir: elsewhere\n\tpath ROOT\n\tnodes pve2\n",
        ".rrd": """
        pve2-node/pve1:100:c:1764300000:0.1:8:0.02:0.0:34359738368:8589934592:0:0:100:10:1:1
        pve2.3-vm/101:100:wrk-e-1:running:0:1764300000:4:0.1:4294967296:1:1:1:1:1:1:1
        pve-vm-9.0/102:0:windows:stopped:0:1764300000:2:U:1:U
        pve2.3-vm/300:9:cp-e-1:running:0:1764300000:1:0:1:1
        pve2.3-vm/203:9:thief:running:0:1764300000:1:0:1:1
        pve2-storage/pve1/local-lvm:1764300000:1000:900
        pve-storage-9.0/pve1/plain:1764300000:1000:U
        """,
        "sdn/zones.cfg": "vlan: lab\n\tbridge vmbr0\n\tnodes pve2,pve3\n\nsimple: all\n\tipam pve\n",
        "sdn/vnets.cfg": "vnet: v1500\n\tzone lab\n\ttag 1500\n\nvnet: v9\n\tzone all\n\ttag 9\n\nvnet: vnew\n\tzone all\n",
        "sdn/.running-config":
            #"{"version":3,"vnets":{"ids":{"v1500":{"type":"vnet","zone":"lab","tag":"1500"},"v9":{"zone":"all","tag":8},"vgone":{"zone":"all"}}}}"#,
        "images/101/vm-101-disk-1.raw": "x", "images/101/vm-101-disk-8.raw": "left behind", "images/101/note.txt": "",
        "dev/pve/vm-101-disk-0": "", "dev/pve/vm-102-disk-7": "",
    ]
}

@Suite("what a Proxmox host has written down of itself", .serialized)
struct HypervisorDirectoryTests {
    private let selector: GuestSelector

    init() throws {
        selector = GuestSelector(
            names: ["cp-e-1", "wrk-e-1"], numbers: [101], serials: ["wrk-e-1-data"],
            addresses: [try #require(MACAddress("bc:24:11:00:00:01"))])
    }

    private func look(_ directory: ProxmoxDirectory) throws -> HypervisorFact {
        try withExtendedLifetime(directory) {
            try HypervisorFiles(root: directory.path, devroot: directory.path + "/dev").look(for: selector)
        }
    }

    private func problem(_ directory: ProxmoxDirectory) -> String {
        do {
            return "no problem: \(try look(directory))"
        } catch {
            return "\(error)"
        }
    }

    @Test("its means, the planned guests as they run, clashes anywhere in the cluster, networks, and volumes that nobody names")
    func whole() throws {
        let fact = try look(try ProxmoxDirectory())
        #expect(fact.host == "pve1" && fact.cores == 8 && fact.memory.percent == 25 && fact.coresInUse == 5)
        let worker = try #require(fact.guests.first)
        #expect(fact.guests.count == 1 && worker.vmid == 101 && worker.isRunning && worker.cores == 4 && worker.memory == .gibibytes(4))
        #expect(worker.cpu == "x86-64-v2-AES" && worker.cards.map(\.bridge) == ["v1500"] && worker.cards.map(\.tag) == [nil])
        #expect(worker.disks.map(\.serial) == [nil, "wrk-e-1-data"])
        #expect(
            fact.neighbours == [
                .init(vmid: 203, name: "thief", host: "pve2", addresses: selector.addresses, serials: ["wrk-e-1-data"]),
                .init(vmid: 300, name: "cp-e-1", host: "pve1"),
            ])
        #expect(fact.stores == ["local-lvm": .init(used: ByteCount(bytes: 900), total: ByteCount(bytes: 1000))])
        #expect(
            fact.vnets == [
                .init(name: "v1500", zone: "lab", tag: 1500, isHere: false, isPending: false),
                .init(name: "v9", zone: "all", tag: 8, isHere: true, isPending: true),
                .init(name: "vgone", zone: "all", tag: nil, isHere: true, isPending: true),
                .init(name: "vnew", zone: "all", tag: nil, isHere: true, isPending: true),
            ])
        #expect(fact.orphans == [.init(volume: "plain:101/vm-101-disk-8.raw", vmid: 101, size: ByteCount(bytes: 11))])
        let all = String(decoding: try CanonicalJSON.encode(fact), as: UTF8.self)
        #expect(!all.contains("windows") && !all.contains("hunter2"), "nothing of others leaves the host")
    }

    @Test("what is not there, says nothing or is no regular file is told, and is never taken for an empty host")
    func missing() throws {
        #expect(throws: DiskWipeError.self) { try HypervisorFiles(root: "/nonexistent", devroot: "/dev").look(for: selector) }
        let silent = try ProxmoxDirectory()
        try silent.write("", to: ".rrd")
        #expect(problem(silent).contains("is pvestatd running"))
        let torn = try ProxmoxDirectory()
        try torn.write(#"{"vnets":"#, to: "sdn/.running-config")
        #expect(problem(torn).contains("not the JSON that Proxmox writes"))
        let linked = try ProxmoxDirectory()
        #expect(symlink("/etc/passwd", linked.path + "/nodes/pve1/qemu-server/104.conf") == 0)
        let fact = try look(linked)
        #expect(fact.unread.count == 1 && fact.unread[0].contains("104.conf") && fact.orphans == nil, "it may name any volume")
    }

    @Test("any bytes in any of the files end in facts or in words")
    func fuzz() throws {
        var random = SeededGenerator(seed: 13)
        let directory = try ProxmoxDirectory()
        let names = ProxmoxDirectory.whole.keys.filter { !$0.hasPrefix("images") && !$0.hasPrefix("dev") }.sorted()
        for round in 0..<400 {
            let name = names[round % names.count]
            let original = ProxmoxDirectory.whole[name] ?? ""
            var bytes = Array(original.utf8)
            guard !bytes.isEmpty else { continue }
            for _ in 0..<Int.random(in: 1...10, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            try directory.write(String(decoding: bytes, as: UTF8.self), to: name)
            let words = problem(directory)
            #expect(!words.isEmpty)
            if case .success(let fact) = Result(catching: { try look(directory) }) {
                #expect(fact.guests.count <= 4 && fact.neighbours.count <= 8 && fact.vnets.count <= 16)
            }
            try directory.write(original, to: name)
        }
    }
}
