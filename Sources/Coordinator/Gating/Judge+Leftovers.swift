// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about what a Cilium that is gone has left on a host: links, eBPF programs on other links, what is pinned, and files.
extension Judge {
    /// G-UND-03, before an installation. A Cilium that is there made its links and programs itself; they are not in its own way.
    func leftoversGone(_ node: NodeID, _ name: ClusterName, _ found: Found, _ say: Findings) -> Verdict {
        guard let cluster = found.cluster(name) else { return say.nothing(about: "the cluster", .cluster(name)) }
        let isThere = cluster.releases["kube-system/cilium"] != nil || cluster.daemonSets["kube-system/cilium"] != nil
        return isThere ? .pass : hostClean(node, found, say)
    }

    /// G-UND-03, after an uninstallation. Cilium leaves its file unless `cni.uninstall` is set, and the kubelet then calls a plugin that nobody
    /// answers; it does not go with a reboot.
    func cniFilesGone(_ node: NodeID, _ found: Found, _ say: Findings) -> Verdict {
        guard let platform = Self.kernel(node, found)?.platform else { return say.nothing(about: "its CNI files", .node(node)) }
        guard let files = platform.cniFiles else {
            return .unknown([
                say.reason(
                    .node(node), .unavailable,
                    "\(node) does not see its CNI files" + (platform.unseen.first { $0.hasPrefix("files in ") }.map { ": \($0)" } ?? ""),
                    "make /etc/cni/net.d of \(node) readable to the agent; `ls /etc/cni/net.d` there shows what is left")
            ])
        }
        let left = files.filter { $0.contains("cilium") }
        guard !left.isEmpty else { return .pass }
        return say.hold(
            .node(node), .inUse, "\(node) still has \(left.joined(separator: ", ")) of Cilium in /etc/cni/net.d",
            "on \(node): `rm \(left.map { "/etc/cni/net.d/" + $0 }.joined(separator: " "))`; files that end in .cilium_bak were others' before, "
                + "and take effect again without that ending")
    }

    /// Links that Cilium makes and leaves: docs.cilium.io, "cilium-dbg post-uninstall-cleanup".
    private static let ciliumLinks = ["cilium_host", "cilium_net", "cilium_vxlan", "cilium_geneve", "cilium_wg0", "cilium_ipip"]

    /// What outlives Cilium's pods in the kernel. Its programs on a NIC go on to see every packet, and send some of them to nobody; what is pinned
    /// keeps programs in their places (`cilium/devices/ens18/links/...`) or brings a new Cilium the tables of the old one.
    func hostClean(_ node: NodeID, _ found: Found, _ say: Findings) -> Verdict {
        let links = found.links(node)
        let own = links.filter { Self.ciliumLinks.contains($0.name) || $0.name.hasPrefix("lxc") }.map(\.name)
        var reasons: [Reason] = []
        if !own.isEmpty {
            reasons.append(
                say.reason(
                    .node(node), .inUse, "\(node) still has \(Self.some(own)) of Cilium",
                    "reboot \(node): Cilium's links and programs outlive its pods"))
        }
        let places = links.filter { !own.contains($0.name) }.flatMap { link in
            (link.programs ?? []).filter { $0.name.map(BPFProgram.isCiliums) ?? false }.map { (link: link.name, program: $0) }
        }
        if !places.isEmpty {
            // Taking clsact off takes others' filters with it.
            let shared = Set(links.filter { $0.programs?.contains { !($0.name.map(BPFProgram.isCiliums) ?? true) } ?? false }.map(\.name))
            let alone = Set(places.map(\.link)).subtracting(shared).sorted().prefix(Self.mostNamed)
            let commands = alone.map { "`tc qdisc del dev \($0) clsact`" }.joined(separator: ", ")
            reasons.append(
                say.reason(
                    .node(node), .inUse,
                    "eBPF programs of a Cilium that is gone still see the packets of \(node): "
                        + Self.some(places.map { "\($0.program.name ?? "") on \($0.link) (\($0.program.hook))" }),
                    "reboot \(node)" + (commands.isEmpty ? "" : ", or take them off there: \(commands)")))
        }
        let pins = Self.kernel(node, found)?.platform?.ciliumPins ?? []
        if !pins.isEmpty {
            reasons.append(
                say.reason(
                    .node(node), .inUse,
                    "a Cilium that is gone has left \(pins.count) objects pinned in /sys/fs/bpf of \(node): \(Self.some(pins))",
                    "reboot \(node), or remove them there: `rm -r /sys/fs/bpf/cilium /sys/fs/bpf/tc/globals/cilium_*`"))
        }
        return say.pass(unless: reasons)
    }

    private static let mostNamed = 5

    /// The first few of them, and how many there are besides.
    private static func some(_ names: [String]) -> String {
        let first = names.sorted().prefix(mostNamed).joined(separator: ", ")
        return names.count > mostNamed ? "\(first) and \(names.count - mostNamed) more" : first
    }
}
