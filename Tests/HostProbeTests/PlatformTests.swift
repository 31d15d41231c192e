// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshModel
import Testing

@testable import HostProbe

@Suite struct PlatformTests {
    private func platform(_ files: [String: String]) async throws -> PlatformFact {
        let root = try FakeRoot(KernelTests.release.merging(files) { $1 })
        guard case .kernel(let kernel)? = await root.prober.answer(.kernel).first, let platform = kernel.platform else {
            throw ShellFailure(description: "no platform fact")
        }
        return platform
    }

    private static let v2 = "fpu cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
    private static let v3 = v2 + " avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"

    @Test("memory, processors and the level that the weakest of them reaches") func machine() async throws {
        let cpus = "processor\t: 0\nmodel name\t: QEMU Virtual CPU\nflags\t\t: \(Self.v3)\n\nprocessor\t: 1\nflags\t\t: \(Self.v2)\n"
        let fact = try await platform(["proc/meminfo": "MemTotal:       16384 kB\nMemFree: 1 kB\n", "proc/cpuinfo": cpus])
        #expect(fact.memoryInBytes == 16 << 20)
        #expect((fact.processors, fact.processorModel, fact.processorLevel) == (2, "QEMU Virtual CPU", 2))
        #expect(Processors(Array("processor : 0\nflags : \(Self.v3)\n".utf8)).level == 3)
        #expect(Processors(Array("processor : 0\nflags : fpu\n".utf8)).level == 1)
        #expect(Processors(Array("processor : 0\nFeatures : fp asimd\n".utf8)).level == nil, "no x86-64")
    }

    @Test("parameters that are there are told as they are, others are left out") func parameters() async throws {
        let fact = try await platform([
            "proc/sys/net/ipv4/ip_forward": "1\n", "proc/sys/net/ipv4/conf/all/rp_filter": "2\n", "proc/sys/vm/swappiness": "60\n",
        ])
        #expect(fact.parameters == ["net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "2"])
    }

    @Test("what another CNI left is named; a directory that is not there is empty, one that is hidden is unknown") func cni() async throws {
        let left = try await platform([
            "etc/cni/net.d/10-flannel.conflist": "{}", "etc/cni/net.d/README": "", "etc/cni/net.d/05-cilium.conflist": "{}",
        ])
        #expect(left.cniFiles == ["05-cilium.conflist", "10-flannel.conflist"])
        #expect(try await platform(["etc/machine-id": "a"]).cniFiles == [])
        #expect(try await platform(["etc/resolv.conf": "a"]).cniFiles == nil, "a container's own /etc tells nothing of the host")
        let hidden = try await platform([:])
        #expect(hidden.cniFiles == nil && hidden.unseen.contains { $0.contains("/etc/cni/net.d") })
        #expect(hidden.memoryInBytes == nil && hidden.unseen.contains { $0.contains("MemTotal") })
    }

    @Test("kube-proxy's chains are told by kind, the kubelet's own are none") func chains() {
        func names(_ chains: [(String, String)]) -> [String] { ServiceChains.names(of: chains.map { .init(table: $0.0, name: $0.1) }) }
        #expect(names([("nat", "KUBE-SVC-ABC"), ("nat", "KUBE-SVC-DEF"), ("nat", "KUBE-SERVICES")]) == ["KUBE-SERVICES", "KUBE-SVC-*"])
        #expect(names([("kube-proxy", "services"), ("kube-proxy", "nat-output")]) == ["table kube-proxy"])
        #expect(names([("mangle", "KUBE-KUBELET-CANARY"), ("filter", "KUBE-FIREWALL"), ("nat", "CILIUM_POST_nat")]).isEmpty)
    }

    @Test("the old iptables has no tables without its module, also for one who may not read the list of them") func legacy() async throws {
        // What is a directory cannot be read, not even by root.
        var files = [
            "proc/net/ip_tables_names/x": "", "proc/net/ip6_tables_names/x": "", "proc/modules": "nf_tables 1 0 - Live 0x0\n",
            "boot/config-6.18.0-talos": "CONFIG_IP_NF_NAT=m\nCONFIG_IP6_NF_NAT=m\n",
        ]
        func doubts(_ files: [String: String]) async throws -> [String] {
            try await platform(files).unseen.filter { $0.contains("tables-legacy") }
        }
        #expect(try await doubts(files).isEmpty)
        files["proc/modules"] = "iptable_nat 1 0 - Live 0x0\n"
        #expect(try await doubts(files).count == 1)
        files["proc/modules"] = nil
        #expect(try await doubts(files).count == 2, "a kernel without modules may have them built in")
        files["proc/modules"] = "nf_tables 1 0 - Live 0x0\n"
        files["boot/config-6.18.0-talos"] = "CONFIG_IP_NF_NAT=y\nCONFIG_IP6_NF_NAT=m\n"
        #expect(try await doubts(files).count == 1)
        files["boot/config-6.18.0-talos"] = nil
        #expect(try await doubts(files).count == 2, "nobody knows what is built in")
    }

    @Test("chains that another process lists complete a platform, and not where the old iptables is in doubt") func completing() {
        func platform(_ unseen: [String], _ chains: [String]? = nil) -> PlatformFact {
            PlatformFact(memoryInBytes: 1, processors: 1, parameters: [:], cniFiles: [], serviceChains: chains, unseen: unseen)
        }
        let blind = platform(["chains of nftables: CAP_NET_ADMIN", "eBPF programs: CAP_SYS_ADMIN"])
        let whole = ServiceChains.completing(blind, ["KUBE-SERVICES"])
        #expect(whole.serviceChains == ["KUBE-SERVICES"] && whole.unseen == ["eBPF programs: CAP_SYS_ADMIN"])
        let doubtful = platform(["whether iptables-legacy is in use: for root alone", "chains of nftables: CAP_NET_ADMIN"])
        #expect(ServiceChains.completing(doubtful, []) == doubtful)
        let known = platform([], ["KUBE-SERVICES"])
        #expect(ServiceChains.completing(known, []) == known)
    }

    @Test("garbage where the kernel writes text is no crash and no claim") func garbage() async throws {
        var random = SeededGenerator(state: 20_261_128)
        for _ in 0..<200 {
            let bytes = (0..<Int.random(in: 0..<400, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            let found = Processors(bytes)
            #expect(found.count >= 0 && (found.level ?? 1) >= 1)
            _ = try? PacketFilter.chain(NetlinkBytes(bytes: bytes[...]))
        }
    }

    @Test("this machine's own platform is believable") func live() async throws {
        guard case .kernel(let kernel)? = await HostProber(agentVersion: "1").answer(.kernel).first, let fact = kernel.platform else {
            return #expect(Bool(false), "no platform fact")
        }
        #expect((fact.memoryInBytes ?? 0) > 64 << 20 && fact.processors >= 1)
        #expect(fact.parameters["net.ipv4.ip_forward"] == "0" || fact.parameters["net.ipv4.ip_forward"] == "1")
    }
}

/// The same numbers for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

@Suite(.enabled(if: NetworkLab.isPossible, NetworkLab.reason)) struct ServiceChainTests {
    @Test("chains of nftables in a namespace are listed, and rules that kube-proxy left are found") func left() throws {
        let lab = try NetworkLab()
        try shell("ip netns exec \(lab.here) nft 'add table ip nat; add chain ip nat KUBE-SVC-TCOU7JCQXEZGVUNU; add chain ip nat OTHER'")
        try shell("ip netns exec \(lab.here) nft 'add table ip6 kube-proxy; add chain ip6 kube-proxy services'")
        let chains = try lab.inside(lab.here) { try PacketFilter.chains() }
        #expect(chains.contains(.init(table: "nat", name: "OTHER")))
        #expect(ServiceChains.names(of: chains) == ["KUBE-SVC-*", "table kube-proxy"])
        #expect(try lab.inside(lab.there) { try PacketFilter.chains() }.isEmpty)
    }
}
