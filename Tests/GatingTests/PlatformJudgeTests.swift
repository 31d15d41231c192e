// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

/// What a host is made of, what others have left on it, and what it needs from outside.
@Suite("The judge of platforms")
struct PlatformJudgeTests {
    private let node: NodeID
    private let cluster: ClusterName
    private let address: IPAddress
    private let boot: BootID

    init() throws {
        node = try SmallMesh.need(NodeID("wrk-e-1"))
        cluster = try SmallMesh.need(ClusterName("east"))
        address = try SmallMesh.need(IPAddress("10.1.0.21"))
        boot = try SmallMesh.need(BootID("aaaaaaaa"))
    }

    private let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 0)

    private func judge(_ requirement: Requirement, _ evidence: [(ProbeKind, [Fact])], _ state: ClusterFact? = nil) -> Verdict {
        var table = EvidenceTable()
        for (probe, facts) in evidence {
            table.take(Evidence(subject: .node(node), probe: probe, bootID: boot, takenAt: now, facts: facts))
        }
        if let state {
            table.take(Evidence(subject: .cluster(cluster), probe: .cluster, bootID: nil, takenAt: now, facts: [.cluster(state)]))
        }
        return Judge(evidence: table, maxAge: .seconds(60), now: now).judge(requirement)
    }

    private func kernel(
        cgroup2: Bool = true, level: Int? = 2, chains: [String]? = [], files: [String]? = [], unseen: [String] = [], platform: Bool = true
    ) -> [(ProbeKind, [Fact])] {
        let made = PlatformFact(
            memoryInBytes: 1 << 34, processors: 4, processorModel: "QEMU Virtual CPU", processorLevel: level, parameters: [:],
            cniFiles: files, serviceChains: chains, unseen: unseen)
        return [
            (
                .kernel,
                [
                    .kernel(
                        KernelFact(
                            release: "6.12", options: [:], optionsFrom: nil, btf: true, bpffs: false, cgroup2: cgroup2, lockdown: nil,
                            loadedModules: [], platform: platform ? made : nil))
                ]
            )
        ]
    }

    private func held(_ verdict: Verdict) throws -> Reason {
        guard case .hold(let reasons) = verdict else { throw SmallMesh.NotThere() }
        return try SmallMesh.need(reasons.first)
    }

    private func isUnknown(_ verdict: Verdict) -> Bool { if case .unknown = verdict { true } else { false } }

    @Test("control groups are wanted; bpffs is not, because Cilium mounts it")
    func controlGroups() throws {
        #expect(judge(.controlGroups(node), kernel()) == .pass)
        let reason = try held(judge(.controlGroups(node), kernel(cgroup2: false)))
        #expect(reason.gate.rawValue == "G-HST-05" && reason.detail == "cgroup2 is not mounted on wrk-e-1")
    }

    @Test("processors reach the planned level, or the reason names model, levels and the CPU type to choose")
    func processors() throws {
        #expect(judge(.processorLevel(node, 2), kernel()) == .pass)
        #expect(judge(.processorLevel(node, 2), kernel(level: 4)) == .pass)
        let reason = try held(judge(.processorLevel(node, 3), kernel()))
        #expect(reason.gate.rawValue == "G-PVE-05")
        #expect(reason.detail.contains("(QEMU Virtual CPU) reach x86-64-v2") && reason.detail.contains("x86-64-v3 are planned"))
        #expect(reason.remedy.contains("`x86-64-v3` or `host`"))
        #expect(try held(judge(.processorLevel(node, 2), kernel(level: 1))).remedy.contains("`x86-64-v2-AES`"))
        #expect(try held(judge(.processorLevel(node, 2), kernel(level: nil))).detail.contains("tells no level of x86-64"))
        #expect(isUnknown(judge(.processorLevel(node, 2), kernel(platform: false))))
    }

    @Test("rules of kube-proxy hold, none pass, and a packet filter that nobody may list is unknown, with why")
    func serviceChains() throws {
        #expect(judge(.serviceChainsGone(node), kernel()) == .pass)
        let reason = try held(judge(.serviceChainsGone(node), kernel(chains: ["KUBE-SERVICES", "KUBE-SVC-*"])))
        #expect(reason.gate.rawValue == "G-K8S-02" && reason.detail.contains("KUBE-SERVICES, KUBE-SVC-*"))
        let blind = judge(.serviceChainsGone(node), kernel(chains: nil, unseen: ["the memory: no", "chains of nftables: CAP_NET_ADMIN"]))
        #expect(
            isUnknown(blind) && blind.reasons.first?.detail == "wrk-e-1 cannot list its packet filter: chains of nftables: CAP_NET_ADMIN")
    }

    private func link(_ name: String, lapsing: [String]? = []) -> Fact {
        .link(
            LinkFact(
                name: name, index: 2, kind: "physical", mac: nil, mtu: 1500, up: true, carrier: true,
                addresses: name == "ens18" ? ["10.1.0.21/24", "fe80::1/64"] : [], lapsing: lapsing))
    }

    @Test("a CNI file of Cilium's holds the end of a teardown with the command that removes it; files that nobody sees are unknown")
    func cniFiles() throws {
        #expect(judge(.cniFilesGone(node), kernel(files: ["10-flannel.conflist"])) == .pass)
        let reason = try held(judge(.cniFilesGone(node), kernel(files: ["05-cilium.conflist", "10-flannel.conflist"])))
        #expect(reason.gate.rawValue == "G-UND-03" && reason.remedy.contains("rm /etc/cni/net.d/05-cilium.conflist`"))
        let blind = judge(.cniFilesGone(node), kernel(files: nil, unseen: ["files in /etc/cni/net.d: Permission denied"]))
        #expect(isUnknown(blind) && blind.reasons.first?.detail.contains("Permission denied") == true)
    }

    @Test("an address that stays, or was reserved beside the server's range, passes; one that anybody may get next week does not")
    func addresses() throws {
        func verdict(_ lapsing: [String]?, _ pool: String? = nil) -> Verdict {
            judge(
                .addressStable(node, address, pool: pool.flatMap { AddressBlock($0) }),
                [(.links, [link("lo"), link("ens18", lapsing: lapsing)])])
        }
        #expect(verdict([]) == .pass)
        #expect(verdict(["fe80::1/64"]) == .pass)
        let unclear = try held(verdict(["10.1.0.21/24"]))
        #expect(unclear.gate.rawValue == "G-NET-07" && unclear.detail.contains("10.1.0.21 on ens18") && unclear.remedy.contains("`dhcp`"))
        #expect(verdict(["10.1.0.21/24"], "10.1.0.100-10.1.0.150") == .pass)
        #expect(try held(verdict(["10.1.0.21/24"], "10.1.0.10-10.1.0.150")).detail.contains("hands out to anybody"))
        // An agent of an earlier version does not tell.
        #expect(isUnknown(verdict(nil)))
        #expect(isUnknown(judge(.addressStable(node, address, pool: nil), [(.links, [link("lo")])])))
    }

    @Test("what lies outside answers, or the reason names it, the address, and what to let through")
    func outside() throws {
        let host = try SmallMesh.need(HostName("quay.io"))
        let (name, time, registry) = (
            OutsideTarget(.name, host), OutsideTarget(.time, host), OutsideTarget(.registry, host, port: 5000)
        )
        func verdict(_ facts: [OutsideFact]) -> Verdict {
            judge(.outsideAnswers(node, [name, time, registry]), [(.outside, facts.map(Fact.outside))])
        }
        let good = [name, time, registry].map { OutsideFact(target: $0, result: .answered) }
        #expect(verdict(good) == .pass)
        #expect(isUnknown(verdict([good[0]])))
        let bad = verdict([
            OutsideFact(target: name, result: .unresolved, detail: "Name or service not known"),
            OutsideFact(target: time, result: .unsynchronised, address: address),
            OutsideFact(target: registry, result: .timedOut, address: address),
        ])
        #expect(bad.reasons.map(\.gate.rawValue) == ["G-NET-10", "G-NET-10", "G-NET-10"])
        #expect(
            bad.reasons.map(\.detail) == [
                "wrk-e-1 asked the name quay.io, and the name has no address: Name or service not known",
                "wrk-e-1 asked time server quay.io, and it does not know the time itself (10.1.0.21)",
                "wrk-e-1 asked registry quay.io:5000, and nobody answers (10.1.0.21)",
            ])
        #expect(bad.reasons[2].remedy.contains("TCP 5000") && bad.reasons[0].remedy.contains("DNS"))
    }
}
