// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

/// What a Cilium that is gone has left in a host's kernel.
@Suite("The judge of leftovers")
struct LeftoversJudgeTests {
    private let node: NodeID
    private let cluster: ClusterName
    private let boot: BootID
    private let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 0)

    init() throws {
        node = try SmallMesh.need(NodeID("wrk-e-1"))
        cluster = try SmallMesh.need(ClusterName("east"))
        boot = try SmallMesh.need(BootID("aaaaaaaa"))
    }

    private func link(_ name: String, _ programs: [LinkFact.Program]? = []) -> Fact {
        .link(
            LinkFact(
                name: name, index: 2, kind: "physical", mac: nil, mtu: 1500, up: true, carrier: true, addresses: [], programs: programs))
    }

    private func kernel(pins: [String]?, programs: [BPFProgram]? = nil) -> Fact {
        let platform = PlatformFact(
            memoryInBytes: nil, processors: 1, parameters: [:], cniFiles: nil, serviceChains: nil, programs: programs, pins: pins,
            unseen: [])
        return .kernel(
            KernelFact(
                release: "6.12", options: [:], optionsFrom: nil, btf: true, bpffs: true, cgroup2: true, lockdown: nil, loadedModules: [],
                platform: platform))
    }

    private func judge(_ requirement: Requirement, links: [Fact]?, kernel: Fact?, _ state: ClusterFact? = nil) -> Verdict {
        var table = EvidenceTable()
        for (probe, facts) in [(ProbeKind.links, links), (.kernel, kernel.map { [$0] })] {
            guard let facts else { continue }
            table.take(Evidence(subject: .node(node), probe: probe, bootID: boot, takenAt: now, facts: facts))
        }
        if let state {
            table.take(Evidence(subject: .cluster(cluster), probe: .cluster, bootID: nil, takenAt: now, facts: [.cluster(state)]))
        }
        return Judge(evidence: table, maxAge: .seconds(60), now: now).judge(requirement)
    }

    private func reasons(_ verdict: Verdict) throws -> [Reason] {
        guard case .hold(let reasons) = verdict else { throw SmallMesh.NotThere() }
        return reasons
    }

    private func isUnknown(_ verdict: Verdict) -> Bool { if case .unknown = verdict { true } else { false } }

    @Test("links of a Cilium that is gone hold an installation; those of the Cilium that is there never do")
    func installation() throws {
        let requirement = Requirement.leftoversGone(node, cluster: cluster)
        let left = [link("ens18"), link("cilium_host"), link("lxc4711")]
        var state = ClusterFact(name: cluster, systemUID: "uid", nodes: [])
        #expect(judge(requirement, links: [link("ens18")], kernel: kernel(pins: []), state) == .pass)
        let reason = try SmallMesh.need(try reasons(judge(requirement, links: left, kernel: kernel(pins: []), state)).first)
        #expect(reason.gate.rawValue == "G-UND-03" && reason.detail.contains("cilium_host") && reason.remedy.contains("reboot wrk-e-1"))
        state.daemonSets["kube-system/cilium"] = .init(desired: 3, ready: 0)
        #expect(judge(requirement, links: left, kernel: kernel(pins: ["cilium/x"]), state) == .pass)
        state.daemonSets = [:]
        state.releases["kube-system/cilium"] = .init(chart: "cilium", version: "1.18.5", status: "failed")
        #expect(judge(requirement, links: left, kernel: kernel(pins: ["cilium/x"]), state) == .pass)
        // Whether it is there cannot be told: that is no permission.
        #expect(isUnknown(judge(requirement, links: left, kernel: kernel(pins: []))))
    }

    @Test("a dead Cilium's programs on a NIC hold the end of a teardown and an installation, and the reason names program, link and remedy")
    func programs() throws {
        let left = [
            link(
                "ens18", [.init(hook: "tc egress", name: "cil_to_netdev-ens18", id: 7), .init(hook: "tc ingress", name: "shaper", id: 8)]),
            link("ens19", [.init(hook: "tc ingress", name: "bpf_netdev_ens19.o:[from-netdev]", id: 9)]),
        ]
        for (requirement, state) in [
            (Requirement.hostClean(node), nil),
            (.leftoversGone(node, cluster: cluster), ClusterFact(name: cluster, systemUID: "u", nodes: [])),
        ] {
            let all = try reasons(judge(requirement, links: left, kernel: kernel(pins: nil), state))
            #expect(all.count == 1 && all[0].gate.rawValue == "G-UND-03" && all[0].code == .inUse)
            for word in ["wrk-e-1", "cil_to_netdev-ens18 on ens18 (tc egress)", "bpf_netdev_ens19.o:[from-netdev] on ens19 (tc ingress)"] {
                #expect(all[0].detail.contains(word), "\(all[0].detail)")
            }
            #expect(!all[0].detail.contains("shaper"))
            // On ens18 somebody else's program would go with them.
            #expect(all[0].remedy == "reboot wrk-e-1, or take them off there: `tc qdisc del dev ens19 clsact`")
        }
    }

    @Test("programs of others, links whose programs nobody tells, and pins of others pass")
    func others() {
        let tidy = [
            link(
                "ens18", [.init(hook: "tc ingress", name: "shaper"), .init(hook: "xdp", id: 4), .init(hook: "tc egress", name: "cilantro")]),
            link("ens19", nil),
        ]
        let kept = kernel(pins: ["tetragon/maps/execve_map", "tc/globals/other", "ciliumlike"])
        #expect(judge(.hostClean(node), links: tidy, kernel: kept) == .pass)
        #expect(judge(.hostClean(node), links: tidy, kernel: kernel(pins: nil)) == .pass)
    }

    @Test("pinned objects of Cilium hold with their number, the first of them and how to remove them")
    func pins() throws {
        let pins =
            ["cilium/devices/ens18/links/cil_from_netdev", "tetragon/x"] + (0..<9).map { "tc/globals/cilium_calls_\($0)" }
        let all = try reasons(judge(.hostClean(node), links: [link("ens18"), link("cilium_net")], kernel: kernel(pins: pins)))
        #expect(all.count == 2, "its links are told, too")
        let reason = try SmallMesh.need(all.last)
        #expect(reason.detail.contains("10 objects pinned in /sys/fs/bpf of wrk-e-1: cilium/devices/ens18/links/cil_from_netdev, "))
        #expect(reason.detail.hasSuffix("and 5 more") && !reason.detail.contains("tetragon"))
        #expect(reason.remedy.contains("reboot wrk-e-1") && reason.remedy.contains("rm -r /sys/fs/bpf/cilium"))
    }

    @Test("links alone are no proof: a host that did not tell of its kernel is unknown")
    func unknown() {
        #expect(isUnknown(judge(.hostClean(node), links: [link("ens18")], kernel: nil)))
        #expect(isUnknown(judge(.hostClean(node), links: nil, kernel: kernel(pins: []))))
    }
}
