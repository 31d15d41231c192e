// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

@testable import meshgate

/// What `meshgate check` shows of facts.
@Suite("Facts for people")
struct CheckFactsTests {
    private func facts(_ probe: ProbeKind, _ facts: [Fact]) throws -> CheckFacts {
        let node = try SmallMesh.need(NodeID("wrk-e-1"))
        let moment = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 0)
        return CheckFacts([Evidence(subject: .node(node), probe: probe, bootID: nil, takenAt: moment, facts: facts)])
    }

    private func kernel(_ programs: [BPFProgram]?) -> Fact {
        .kernel(
            KernelFact(
                release: "6.12", options: [:], optionsFrom: "/proc/config.gz", btf: true, bpffs: true, cgroup2: true, lockdown: "none",
                loadedModules: [],
                platform: PlatformFact(
                    memoryInBytes: 1 << 30, processors: 2, parameters: ["vm.max_map_count": "65530", "net.ipv4.ip_forward": "1"],
                    cniFiles: [],
                    serviceChains: [], programs: programs, unseen: ["eBPF programs: ask root"])))
    }

    @Test("each parameter has a line of its own")
    func parameters() throws {
        let lines = try facts(.kernel, [kernel(nil)]).lines(.host, most: 24)
        #expect(lines.contains { $0.hasPrefix("parameters") && $0.hasSuffix("net.ipv4.ip_forward = 1") })
        #expect(lines.contains { $0.hasPrefix(" ") && $0.hasSuffix("vm.max_map_count = 65530") })
        #expect(lines.contains { $0.hasPrefix("not seen") && $0.hasSuffix("ask root") })
        #expect(lines.allSatisfy { $0.count < 140 })
    }

    @Test("attached programs are listed with place and keeper; one on a planned link that is nobody's we know is noted")
    func programs() throws {
        func program(_ id: Int, _ name: String, on link: String, keptBy command: String) -> BPFProgram {
            BPFProgram(
                id: id, kind: "sched_cls", name: name, tag: "a04f5eef06a7f555",
                attachments: [.init(kind: "tcx ingress", place: link, isLink: true)], owners: [.init(pid: 7, command: command)], runs: 4,
                runTimeInNanoseconds: 1000)
        }
        let found = try facts(
            .kernel,
            [
                kernel([
                    program(1, "cil_from_netdev", on: "ens18", keptBy: "cilium-agent"),
                    program(2, "shaper", on: "ens18", keptBy: "shaperd"),
                    program(3, "other", on: "docker0", keptBy: "shaperd"),
                    program(4, "meshgate_tcp", on: "ens18", keptBy: "meshgate-agent"),
                    BPFProgram(id: 5, kind: "socket_filter", name: "loose", tag: ""),
                ])
            ])
        let lines = found.lines(.host, most: 24)
        #expect(lines.contains { $0.contains("5 loaded, 4 attached") })
        let row = try SmallMesh.need(lines.first { $0.hasPrefix("2 ") })
        for word in ["sched_cls", "shaper", "tcx ingress ens18", "shaperd[7]", "250 ns"] { #expect(row.contains(word), "\(row)") }
        #expect(!lines.contains { $0.contains("loose") })
        let notes = found.notes(plannedLinks: ["ens18"])
        #expect(notes.count == 1 && notes[0].hasPrefix("ens18 has a tcx ingress program shaper (id 2, kept by shaperd[7])"))
        #expect(found.notes(plannedLinks: []).isEmpty)
    }

    @Test("filters of tc on a planned link are told with it, and noted where they are nobody's we know, once")
    func filters() throws {
        let link = LinkFact(
            name: "ens18", index: 2, kind: "physical", mac: nil, mtu: 1500, up: true, carrier: true, addresses: [],
            programs: [.init(hook: "tc ingress", name: "shaper", id: 2), .init(hook: "tc egress", name: "cil_to_netdev-ens18", id: 3)])
        let seen = try facts(.links, [.link(link)])
        let row = try SmallMesh.need(seen.lines(.net, most: 24).first { $0.hasPrefix("ens18") })
        #expect(row.contains("tc ingress shaper, tc egress cil_to_netdev-ens18"), "\(row)")
        let notes = seen.notes(plannedLinks: ["ens18"])
        #expect(notes.count == 1 && notes[0].hasPrefix("ens18 has a tc ingress program shaper, which is neither"), "\(notes)")
        #expect(seen.notes(plannedLinks: ["ens19"]).isEmpty)
        let known = BPFProgram(
            id: 2, kind: "sched_cls", name: "shaper", tag: "", attachments: [.init(kind: "tc ingress", place: "ens18", isLink: true)])
        #expect(try facts(.kernel, [.link(link), kernel([known])]).notes(plannedLinks: ["ens18"]).count == 1)
    }

    @Test("VLANs and what lies outside are told in words")
    func net() throws {
        let port = TrunkPort(name: "vmbr0", isBridge: true)
        let target = VLANTarget(port: port, vlan: 110, end: .router(try SmallMesh.need(IPAddress("10.20.10.1"))))
        let mac = MACAddress("02:00:00:00:00:02")
        let vlans = try facts(
            .vlans,
            [
                .vlan(VLANFact(target: target, link: "eno1", peer: mac, sent: 3, answered: 3, back: [110], roundTrip: 240)),
                .vlan(VLANFact(target: target, link: "eno1", peer: mac, sent: 6, untagged: [])),
                .vlan(VLANFact(target: target, problem: "there is no bridge vmbr0")),
            ]
        ).lines(.net, most: 24)
        #expect(vlans.count == 4 && vlans[1].contains("3 of 3") && vlans[1].contains("0.24 ms") && vlans[1].hasSuffix("passes"))
        #expect(vlans[2].hasSuffix("no answer to tagged frames, while untagged ones are answered"))
        #expect(vlans[3].hasSuffix("not tried: there is no bridge vmbr0"))
        let host = try SmallMesh.need(HostName("quay.io"))
        let outside = try facts(
            .outside, [.outside(OutsideFact(target: OutsideTarget(.name, host), result: .unresolved, detail: "Name or service not known"))]
        ).lines(.net, most: 24)
        #expect(
            outside.last?.contains("the name quay.io") == true && outside.last?.hasSuffix("unresolved: Name or service not known") == true)
    }

    @Test("a clock tells how fast it runs once that is surer than nothing")
    func clock() throws {
        func line(_ drift: ClockFact.Drift?) throws -> String {
            let time = Timestamp(seconds: 1_800_000_000)
            var clock = ClockFact(asked: time, received: time, replied: time, arrived: time, synchronised: true)
            clock.drift = drift
            return try SmallMesh.need(try facts(.clock, [.clock(clock)]).lines(.host, most: 24).first)
        }
        #expect(!(try line(nil)).contains("ppm"))
        #expect(try line(.init(ppm: 3, doubt: 9, over: TimeSpan(.seconds(60)))).contains("no drift seen (± 9 ppm"))
        let fast = try line(.init(ppm: 50, doubt: 2, over: TimeSpan(.seconds(600)), fromMedian: 48))
        #expect(
            fast.contains("gains 50 ± 2 ppm") && fast.contains("48 ppm faster than the mesh's median") && fast.contains("50 ms in 16"),
            "\(fast)")
        #expect(try line(.init(ppm: -50, doubt: 2, over: TimeSpan(.seconds(600)))).contains("loses 50"))
    }
}
