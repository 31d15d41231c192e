// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import MeshModel
import Testing

@testable import HostProbe

/// Real filters on a real link, and objects pinned in a bpffs of our own.
@Suite("eBPF programs on links, and pins", .serialized, .enabled(if: Kernel.loads, "needs a kernel that lets this process load eBPF"))
struct LinkProgramsTests {
    /// A directory with a bpffs at `fs/bpf`, as /sys has one.
    private final class OwnBpffs {
        let sysroot: String
        var root: String { sysroot + "/fs/bpf" }

        init() throws {
            sysroot = NSTemporaryDirectory() + "mgbpf-\(UInt32.random(in: 0..<1_000_000))"
            try shell("mkdir -p \(sysroot)/fs/bpf && mount -t bpf none \(sysroot)/fs/bpf")
        }

        deinit { _ = try? shell("umount \(root) && rm -r \(sysroot)") }
    }

    private func facts(_ lab: NetworkLab) throws -> [String: LinkFact] {
        try lab.inside(lab.here) {
            let links = try HostProber(agentVersion: "test").networkFacts().compactMap {
                if case .link(let link) = $0 { link } else { nil }
            }
            return Dictionary(uniqueKeysWithValues: links.map { ($0.name, $0) })
        }
    }

    /// A program of a kind, pinned under a name, as `tc` and `ip` take it.
    private func pinned(_ bpffs: OwnBpffs, kind: UInt32, _ name: String) throws -> String {
        let program = try Kernel.load(kind: kind, name)
        defer { close(program) }
        try Kernel.pin(program, at: "\(bpffs.root)/\(name)")
        return "\(bpffs.root)/\(name)"
    }

    @Test("filters of tc and a program of XDP are told with their link, without a right over eBPF, and go when they are taken off")
    func attached() throws {
        let (lab, bpffs) = (try NetworkLab(), try OwnBpffs())
        #expect(try facts(lab)["pair0"]?.programs == [])
        let (filter, express) = (try pinned(bpffs, kind: 3, "cil_from_netdev"), try pinned(bpffs, kind: 6, "cil_xdp_entry"))
        let tc = "ip netns exec \(lab.here) tc"
        try shell("\(tc) qdisc add dev pair0 clsact")
        try shell("\(tc) filter add dev pair0 ingress bpf da object-pinned \(filter)")
        try shell("\(tc) filter add dev pair0 egress bpf da object-pinned \(filter)")
        try shell("\(tc) filter add dev pair0 egress u32 match u32 0 0 classid 1:1")
        try shell("ip -n \(lab.here) link set dev pair0 xdpgeneric pinned \(express)")
        let programs = try #require(try facts(lab)["pair0"]?.programs)
        #expect(programs.map(\.hook) == ["xdp generic", "tc ingress", "tc egress"], "\(programs)")
        #expect(programs.dropFirst().allSatisfy { $0.name.map(BPFProgram.isCiliums) == true && $0.id != nil }, "\(programs)")
        #expect(programs[1].id == programs[2].id && programs[0].name == nil && programs[0].id != nil)
        #expect(try facts(lab)["lo"]?.programs == [])
        // What tc attached is told by the list of programs, too, which has no link of the kernel for it.
        let places = try lab.inside(lab.here) {
            try BPFInventory.read().programs.first { $0.id == programs[1].id }?.attachments ?? []
        }
        #expect(places == [.init(kind: "tc ingress", place: "pair0", isLink: true)])
        try shell("\(tc) qdisc del dev pair0 clsact")
        try shell("ip -n \(lab.here) link set dev pair0 xdpgeneric off")
        #expect(try facts(lab)["pair0"]?.programs == [])
    }

    @Test("what is pinned is told by its path below bpffs, and links of iproute2 are not followed")
    func pins() throws {
        let bpffs = try OwnBpffs()
        let prober = HostProber(sysroot: bpffs.sysroot, agentVersion: "test")
        var unseen: [String] = []
        // The kernel may put two iterators of its own into each bpffs (CONFIG_BPF_PRELOAD).
        func pins() -> [String]? { prober.pins(&unseen)?.filter { !$0.hasSuffix(".debug") } }
        #expect(pins() == [])
        let map = try Kernel.map("cilium_ct4")
        defer { close(map) }
        try shell("mkdir -p \(bpffs.root)/tc/globals \(bpffs.root)/cilium/devices/ens18/links && ln -s tc \(bpffs.root)/ip")
        try Kernel.pin(map, at: "\(bpffs.root)/tc/globals/cilium_ct4_global")
        try Kernel.pin(map, at: "\(bpffs.root)/cilium/devices/ens18/links/cil_from_netdev")
        try Kernel.pin(map, at: "\(bpffs.root)/other")
        #expect(
            pins() == ["cilium/devices/ens18/links/cil_from_netdev", "other", "tc/globals/cilium_ct4_global"])
        #expect(unseen.isEmpty)
    }

    @Test("no bpffs, or one that may not be read, is told as not seen, which is not the same as empty")
    func unseen() throws {
        var unseen: [String] = []
        #expect(HostProber(sysroot: "/nowhere", agentVersion: "test").pins(&unseen) == nil)
        #expect(unseen.count == 1 && unseen[0].contains("/nowhere/fs/bpf"))
    }

    @Test("messages that no kernel sends are refused and never read beyond their end")
    func hostile() throws {
        // tcmsg, TCA_KIND "bpf", TCA_OPTIONS with a name and an id.
        func attribute(_ type: UInt16, _ body: [UInt8]) -> [UInt8] {
            let length = UInt16(4 + body.count)
            let head = [length, type].flatMap { number in withUnsafeBytes(of: number) { Array($0) } }
            return head + body + [UInt8](repeating: 0, count: (4 - body.count % 4) % 4)
        }
        let id = withUnsafeBytes(of: UInt32(42)) { Array($0) }
        let options = attribute(7, Array("cil_from_netdev-ens18".utf8) + [0]) + attribute(11, id)
        let good = [UInt8](repeating: 0, count: 20) + attribute(1, Array("bpf".utf8) + [0]) + attribute(2, options)
        #expect(
            try LinkPrograms.program(NetlinkBytes(bytes: good[...]), "tc ingress")
                == LinkFact.Program(hook: "tc ingress", name: "cil_from_netdev-ens18", id: 42))
        // The head that stands before the filters of a priority has no options.
        #expect(try LinkPrograms.program(NetlinkBytes(bytes: good.prefix(28)[...]), "tc ingress") == nil)
        var generator = SplitMix(state: 0x7c)
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            bytes.removeLast(Int.random(in: 0..<8, using: &generator))
            _ = try? LinkPrograms.program(NetlinkBytes(bytes: bytes[...]), "tc ingress")
            _ = try? LinkPrograms.express(NetlinkBytes(bytes: bytes[...].dropFirst(20)))
        }
    }

    @Test("XDP is told in each way that the kernel runs it, and not where none is attached")
    func express() throws {
        func attribute(_ type: UInt16, _ body: [UInt8]) -> [UInt8] {
            [UInt8(4 + body.count), 0, UInt8(type), 0] + body + [UInt8](repeating: 0, count: (4 - body.count % 4) % 4)
        }
        func told(_ bytes: [UInt8]) throws -> [LinkFact.Program] { try LinkPrograms.express(NetlinkBytes(bytes: bytes[...])) }
        #expect(try told(attribute(2, [0])).isEmpty)
        #expect(try told(attribute(2, [1]) + attribute(4, [9, 0, 0, 0])) == [.init(hook: "xdp", id: 9)])
        #expect(
            try told(attribute(2, [4]) + attribute(5, [9, 0, 0, 0]) + attribute(6, [8, 0, 0, 0]))
                == [.init(hook: "xdp", id: 9), .init(hook: "xdp", id: 8)])
        #expect(try told(attribute(2, [77])) == [.init(hook: "xdp")])
    }
}
