// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
import MeshModel
import MeshSystem

extension HostProber {
    /// What kube-proxy left in the packet filter: the rules stay when it goes, and send packets to Services that are no more
    /// (kubernetes#119265). `nil` when that cannot be seen, and `unseen` says why.
    ///
    /// - Parameter options: of the kernel's configuration; empty when it could not be read.
    func serviceChains(_ options: [String: KernelFact.Option], _ unseen: inout [String]) -> [String]? {
        let legacy = legacyTables(options, &unseen)
        do throws(HostProbeError) {
            let chains = try PacketFilter.chains()
            return legacy ? ServiceChains.names(of: chains) : nil
        } catch {
            unseen.append("\(ServiceChains.nftables): \(error)")
            return nil
        }
    }

    /// The old iptables keeps tables of its own, which nftables does not list. False when there may be some that nobody looked into.
    private func legacyTables(_ options: [String: KernelFact.Option], _ unseen: inout [String]) -> Bool {
        var isClear = true
        let kinds = [
            ("ip_tables_names", "iptables-legacy", "iptable_nat", "IP_NF_NAT"),
            ("ip6_tables_names", "ip6tables-legacy", "ip6table_nat", "IP6_NF_NAT"),
        ]
        for (file, tool, module, option) in kinds {
            let path = "\(procroot)/net/\(file)"
            do {
                guard let names = try LinuxFileStore().read(path, limit: 4096) else { continue }
                let tables = String(decoding: names, as: UTF8.self).split(whereSeparator: \.isWhitespace)
                guard tables.contains("nat") else { continue }
                unseen.append("chains of \(tool), whose table nat is in use: look with `\(tool)-save -t nat | grep KUBE`")
            } catch {
                // Without its module there is no such table, whoever may read the list of them.
                if options[option].map({ $0 != .builtIn }) == true, let loaded = try? loadedModules(), !loaded.isEmpty,
                    !loaded.contains(module)
                {
                    continue
                }
                unseen.append("whether \(tool) is in use: \(path) is for root alone")
            }
            isClear = false
        }
        return isClear
    }
}

/// Which chains are kube-proxy's.
enum ServiceChains {
    /// How it is called in `PlatformFact.unseen`.
    static let nftables = "chains of nftables"

    /// A platform of which only nftables' chains could not be listed, with those that another process listed.
    static func completing(_ platform: PlatformFact, _ chains: [String]) -> PlatformFact {
        var platform = platform
        let rest = platform.unseen.filter { !$0.hasPrefix(nftables) }
        // What the old iptables may have is still not known.
        guard platform.serviceChains == nil, rest.count < platform.unseen.count, !rest.contains(where: { $0.contains("tables-legacy") })
        else { return platform }
        (platform.serviceChains, platform.unseen) = (chains, rest)
        return platform
    }

    /// There is one of these for each Service, port or endpoint: they are told as a kind.
    private static let many = ["KUBE-SVC-", "KUBE-SEP-", "KUBE-EXT-", "KUBE-XLB-", "KUBE-FW-", "KUBE-SVL-"]
    private static let single: Set<String> = [
        "KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL", "KUBE-PROXY-CANARY", "KUBE-LOAD-BALANCER",
    ]

    /// Chains of the kubelet itself (`KUBE-KUBELET-CANARY`, `KUBE-FIREWALL`) stay on every node and are none.
    static func names(of chains: [PacketFilter.Chain]) -> [String] {
        var found: Set<String> = []
        for chain in chains {
            // Its own table since it speaks nftables (KEP-3866).
            if chain.table == "kube-proxy" {
                found.insert("table kube-proxy")
            } else if let kind = many.first(where: chain.name.hasPrefix) {
                found.insert(kind + "*")
            } else if single.contains(chain.name) {
                found.insert(chain.name)
            }
        }
        return found.sorted()
    }
}

/// The chains of nftables, to which the iptables of today adds its own.
enum PacketFilter {
    struct Chain: Equatable {
        var table: String
        var name: String
    }

    private static let answer: UInt16 = 10 << 8 | 3
    private static let limit = 32 << 20
    /// NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME (linux/netfilter/nf_tables.h).
    private static let tableAttribute: UInt16 = 1
    private static let nameAttribute: UInt16 = 3

    /// Of all families, in the network namespace of the calling thread. The kernel tells only whoever may change them.
    static func chains() throws(HostProbeError) -> [Chain] {
        let descriptor = meshgate_nftables_open()
        guard descriptor >= 0 else { throw .packetFilter(errno: -descriptor) }
        defer { close(descriptor) }
        let asked = meshgate_nftables_dump_chains(descriptor, 1)
        guard asked >= 0 else { throw .packetFilter(errno: -asked) }
        var collector = NetlinkSocket.DumpCollector(answer: answer, sequence: 1)
        var buffer = [UInt8](repeating: 0, count: 1 << 17)
        var total = 0
        while !collector.finished {
            let got = Int(meshgate_netlink_receive(descriptor, &buffer, buffer.count))
            guard got > 0 else { throw .packetFilter(errno: got == 0 ? EPIPE : Int32(-got)) }
            total += got
            guard total <= limit else { throw .netlinkTooLarge(dump: "chains", limit: limit) }
            do throws(NetlinkFault) {
                try collector.take(Array(buffer[..<got]))
            } catch {
                throw .netlinkMalformed(dump: "chains", fault: error)
            }
            if let number = collector.refusal { throw .packetFilter(errno: number) }
        }
        do throws(NetlinkFault) {
            return try collector.messages.map { message throws(NetlinkFault) in try chain(message.payload) }
        } catch {
            throw .netlinkMalformed(dump: "chains", fault: error)
        }
    }

    /// `struct nfgenmsg`, then attributes.
    static func chain(_ payload: NetlinkBytes) throws(NetlinkFault) -> Chain {
        let attributes = try NetlinkAttribute.parse(payload.from(4, in: "chain"), in: "chain attribute")
        guard let table = attributes[tableAttribute], let name = attributes[nameAttribute] else {
            throw .badValue(what: "chain", found: "no name")
        }
        return Chain(table: try table.text(limit: 256, in: "table name"), name: try name.text(limit: 256, in: "chain name"))
    }
}
