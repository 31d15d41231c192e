// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// L-TIME-1; where no `talos:` is written the machine configuration is somebody else's.
func timeSources(_ spec: MeshSpec) -> [Finding] {
    let configured = spec.clusters.enumerated().compactMap { index, cluster in
        cluster.talos.map { (cluster: cluster, servers: $0.timeServers, path: "spec.clusters[\(index)].talos") }
    }
    let few = configured.compactMap { item -> Finding? in
        guard item.servers.count < 2 else { return nil }
        let asked = item.servers.first ?? "time.cloudflare.com, Talos' default"
        return .warning(
            "L-TIME-1", item.servers.isEmpty ? item.path : item.path + ".timeServers",
            "\"\(item.cluster.name)\" asks one time server alone (\(asked)); without it clocks drift apart, and Ceph and TLS notice",
            fix: "timeServers: two or more")
    }
    guard few.isEmpty else { return few }
    return oddOnes(configured.map { Set($0.servers) }).map { odd, usual in
        .warning(
            "L-TIME-1", configured[odd].path + ".timeServers",
            "\"\(configured[odd].cluster.name)\" takes the time from other servers than \"\(configured[usual].cluster.name)\"; "
                + "clusters of one mesh should agree on it")
    }
}

/// L-TAL-2
func installImages(_ spec: MeshSpec) -> [Finding] {
    spec.eachCluster { cluster, path in
        guard let talos = cluster.talos, talos.installer == nil else { return [] }
        let agents = cluster.nodes.count(where: \.hasAgent)
        var findings: [Finding] = []
        if agents > 0 {
            findings.append(
                .warning(
                    "L-TAL-2", "\(path).talos",
                    "\"\(cluster.name)\" has the agent on \(agents) nodes, and the Image Factory knows official extensions only: "
                        + "an upgrade would drop extension meshgate-agent",
                    fix: "installer: an image of your own with the extension in it, or agent: none on the nodes"))
        }
        if cluster.nodes.contains(where: { $0.hypervisor != nil }), !talos.extensions.contains("siderolabs/qemu-guest-agent") {
            findings.append(
                .warning(
                    "L-TAL-2", "\(path).talos.extensions",
                    "machines of \"\(cluster.name)\" run on a hypervisor: an upgrade would drop extension qemu-guest-agent, "
                        + "and Proxmox could no longer ask them for their addresses",
                    fix: "extensions: [siderolabs/qemu-guest-agent]"))
        }
        return findings
    }
}
