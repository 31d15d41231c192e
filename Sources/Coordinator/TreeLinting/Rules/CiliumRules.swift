// SPDX-License-Identifier: Apache-2.0

import Linting
import MeshModel

private func ciliumUses(_ view: TreeView) -> [HelmUse] { view.helmUses.filter { $0.chart == "cilium" } }

private let usualNodePort = 32379
private let nodePortRange = 30000...32767

/// L-NP-1
func nodePortsInRange(_ view: TreeView) -> [LocatedFinding] {
    let settings = view.helmUses.flatMap(\.settings).compactMap { setting -> LocatedFinding? in
        guard setting.key.lowercased().hasSuffix("nodeport") || setting.key.lowercased().hasSuffix("nodeport.port"),
            let value = setting.value.flatMap({ Int($0) }), value != 0, !nodePortRange.contains(value)
        else { return nil }
        return finding("L-NP-1", .error, setting.spot, "NodePort \(value) is outside 30000-32767")
    }
    return settings + view.scripts.flatMap(gluedPorts)
}

/// `"${BASE}${ID}"`, where BASE is digits: right for ids of one digit at best.
private func gluedPorts(_ script: Script) -> [LocatedFinding] {
    script.shell.commands.flatMap { command in
        (command.assignments + exported(command)).compactMap { assignment -> LocatedFinding? in
            guard assignment.name.lowercased().contains("port") else { return nil }
            let text = script.expand(assignment.value.text)
            let base = text.prefix { $0.isNumber }
            let rest = text.dropFirst(base.count)
            guard (3...5).contains(base.count), rest.hasPrefix("${"), rest.hasSuffix("}"), !rest.dropFirst(2).dropLast().contains("$")
            else { return nil }
            let name = rest.dropFirst(2).dropLast().prefix { $0.isLetter || $0.isNumber || $0 == "_" }
            return finding(
                "L-NP-1", .error, script.spot(assignment.offset),
                "NodePort \(base)10 for \(name)=10 is outside 30000-32767; (looks like \"\(base)\"+\"10\" glued as text)",
                fix: "\(assignment.name)=$((30000 + \(name)))")
        }
    }
}

/// L-NP-2; without a port that the chart reads, every cluster gets the same one.
func meshPortsDiffer(_ view: TreeView) -> [LocatedFinding] {
    let exposed = ciliumUses(view).filter { $0.value("clustermesh.apiserver.service.type") == "NodePort" }
    let ports = exposed.map { use -> (use: HelmUse, port: String, isDefault: Bool) in
        let port = use.value("clustermesh.apiserver.service.nodePort")
        return (use, port ?? String(usualNodePort), port == nil && use.isComplete)
    }
    return ports.enumerated().compactMap { index, one -> LocatedFinding? in
        guard !one.port.contains("${") else { return nil }
        let other = ports[..<index].first { $0.port == one.port }
        guard
            other != nil || (one.use.isParameterised && (one.isDefault || one.use.setting("clustermesh.apiserver.service.nodePort") != nil))
        else { return nil }
        let replaced = one.use.isOn("kubeProxyReplacement")
        let place = one.use.setting("clustermesh.apiserver.service.nodePort") ?? one.use.setting("clustermesh.apiserver.service.type")
        return finding(
            "L-NP-2", replaced ? .error : .warning, place?.spot ?? one.use.spot,
            "every cluster that is installed this way exposes NodePort \(one.port)\(one.isDefault ? ", the chart's default" : ""); "
                + "with kube-proxy replacement a node may answer for the remote cluster itself",
            fix: "clustermesh.apiserver.service.nodePort, another one for each cluster")
    }
}

/// L-NP-3
func meshHasTwoDoors(_ view: TreeView) -> [LocatedFinding] {
    let exposed =
        view.invocations.contains { call in
            call.program == "cilium" && call.starts(with: "clustermesh", "enable")
                && call.values("--service-type").contains { $0.text == "NodePort" }
        } || ciliumUses(view).contains { $0.value("clustermesh.apiserver.service.type") == "NodePort" }
    guard exposed else { return [] }
    return view.invocations.compactMap { call in
        guard call.program == "cilium", call.starts(with: "clustermesh", "connect") else { return nil }
        let endpoints = call.values("--destination-endpoint").flatMap { $0.text.split(separator: ",") }
        guard endpoints.count < 2 else { return nil }
        let to = call.values("--destination-context").first?.text ?? "the other cluster"
        return finding(
            "L-NP-3", .warning, call.spot, "one node's address carries the whole mesh link to \"\(to)\"",
            fix: "--destination-endpoint, twice or more")
    }
}

/// L-CIDR-5
func nativeRoutingInTunnels(_ view: TreeView) -> [LocatedFinding] {
    let seen = textsOfTerraform(view).flatMap { addresses(in: $0.text) }
    return ciliumUses(view).compactMap { use in
        guard let setting = use.setting("ipv4NativeRoutingCIDR"), let range = setting.value.flatMap({ CIDR($0) }),
            use.value("routingMode") ?? "tunnel" == "tunnel"
        else { return nil }
        let usual = CIDR("10.244.0.0/16")
        let lan = seen.first { range.contains($0) && !(usual?.contains($0) ?? false) }
        let wide = range.prefixLength < 12
        let reach = lan.map { "pods would reach \($0)" } ?? (wide ? "pods would reach whatever else is in it" : "")
        return finding(
            "L-CIDR-5", lan != nil || wide ? .error : .warning, setting.spot,
            "with routingMode tunnel, ipv4NativeRoutingCIDR \(range) only switches off source NAT for \(range)"
                + (reach.isEmpty ? "" : "; \(reach) with unroutable addresses"), fix: "remove it or list only pod ranges")
    }
}

/// L-KPR-2
func replacementFindsAPI(_ view: TreeView) -> [LocatedFinding] {
    ciliumUses(view).compactMap { use in
        guard use.isOn("kubeProxyReplacement"), use.isComplete, use.value("k8sServiceHost") == nil || use.value("k8sServicePort") == nil,
            let setting = use.setting("kubeProxyReplacement")
        else { return nil }
        return finding(
            "L-KPR-2", .error, setting.spot,
            "agent could not reach the API without kube-proxy; set localhost:7445 on Talos, k8sServiceHost and k8sServicePort elsewhere")
    }
}

/// L-L2-1
func announcementsHaveObjects(_ view: TreeView) -> [LocatedFinding] {
    let kinds = Set(view.yamlTexts.flatMap(\.documents).compactMap { $0["kind"]?.text })
    return ciliumUses(view).compactMap { use in
        guard use.isOn("l2announcements.enabled"), let setting = use.setting("l2announcements.enabled") else { return nil }
        let missing = ["CiliumL2AnnouncementPolicy", "CiliumLoadBalancerIPPool"].filter { !kinds.contains($0) }
        guard !missing.isEmpty else { return nil }
        return finding(
            "L-L2-1", .error, setting.spot,
            "L2 announcements are on but nothing would be announced: no \(missing.joined(separator: ", no ")) in the tree")
    }
}

/// L-L2-3
func poolsAreAttached(_ view: TreeView) -> [LocatedFinding] {
    let networks = nodeNetworks(view)
    let bgp = view.yamlTexts.flatMap(\.documents).contains { $0["kind"]?.text?.hasPrefix("CiliumBGP") ?? false }
    // Routers are told where the addresses are, so these may lie anywhere.
    guard !networks.isEmpty, !bgp else { return [] }
    return view.yamlTexts.flatMap { text in
        text.documents.filter { $0["kind"]?.text == "CiliumLoadBalancerIPPool" }.flatMap { pool in
            (pool["spec", "blocks"]?.elements ?? []).compactMap { block -> LocatedFinding? in
                guard let addresses = addressBlock(block), !networks.contains(where: { $0.contains(addresses) }) else { return nil }
                let known = networks.map(\.description).joined(separator: ", ")
                return finding(
                    "L-L2-3", .error, text.spot(block.place),
                    "pool \"\(pool["metadata", "name"]?.text ?? "")\" (\(addresses)) is on no network of the nodes (\(known)); "
                        + "nobody out there would know whom to ask for these addresses",
                    fix: "addresses of a node network, or BGP")
            }
        }
    }
}

private func addressBlock(_ block: YAMLNode) -> AddressBlock? {
    if let range = block["cidr"]?.text { return AddressBlock(range) }
    guard let start = block["start"]?.text else { return nil }
    return AddressBlock("\(start)-\(block["stop"]?.text ?? start)")
}

/// The networks of addresses that machines are given, as far as they are written out: `10.0.0.5/24`.
private func nodeNetworks(_ view: TreeView) -> [CIDR] {
    let patches = view.yamlTexts.flatMap(\.documents).flatMap { document in
        (document["machine", "network", "interfaces"]?.elements ?? []).flatMap { $0["addresses"]?.elements.compactMap(\.text) ?? [] }
    }
    let machines = view.modules.flatMap { module in
        module.blocks("resource", "proxmox_virtual_environment_vm").flatMap { machine in
            machine.body.blocks("initialization").flatMap { $0.body.blocks("ip_config") }.flatMap { config in
                (config.body.blocks("ipv4") + config.body.blocks("ipv6")).compactMap { $0.body.attribute("address")?.value.plainText }
            }
        }
    }
    return (patches + machines).compactMap { CIDR.ofInterface($0) }.firsts { $0 }
}

/// L-L2-2
func announcementRates(_ view: TreeView) -> [LocatedFinding] {
    ciliumUses(view).compactMap { use in
        guard use.isOn("l2announcements.enabled"), let setting = use.setting("l2announcements.leaseRenewDeadline"),
            let deadline = setting.value.flatMap({ TimeSpan($0) })
        else { return nil }
        let seconds = Double(deadline.duration.components.seconds) + Double(deadline.duration.components.attoseconds) / 1e18
        let limit = use.value("k8sClientRateLimit.qps").flatMap { Double($0) } ?? 10
        guard seconds > 0 else { return nil }
        let needed = min(1e6, (10 / seconds).rounded(.up)) + 5
        guard limit < needed else { return nil }
        return finding(
            "L-L2-2", .warning, setting.spot,
            "lease renewals of ten services need about \(Int(needed)) requests/s; limit is \(Int(limit))",
            fix: "k8sClientRateLimit.qps: \(Int(needed))")
    }
}

/// L-GW-1
func gatewayReleases(_ view: TreeView) -> [LocatedFinding] {
    let versions = ciliumUses(view).compactMap { $0.version.flatMap { SemanticVersion($0) } }
    guard let cilium = versions.max() else { return [] }
    let fromTerraform = textsOfTerraform(view).flatMap { item in webAddresses(in: item.text).map { (String($0), item.spot) } }
    let fromCalls = view.invocations.flatMap { call in call.arguments.filter { $0.text.contains("://") }.map { ($0.text, $0.spot) } }
    return (fromTerraform + fromCalls).compactMap { address, spot -> LocatedFinding? in
        guard address.contains("/gateway-api/"),
            let have = address.split(separator: "/").lazy.compactMap({ $0.hasPrefix("v") ? SemanticVersion(String($0)) : nil }).first,
            let (wanted, severity) = gatewayExpectation(cilium: cilium, have: have), let severity
        else { return nil }
        return finding(
            "L-GW-1", severity, spot,
            "Cilium \(cilium) expects Gateway API \(wanted); plan installs \(have): operator checks once and then stays without gateways",
            fix: "v\(wanted)")
    }.firsts { "\($0.file) \($0.message)" }
}

/// L-PSA-1
func privilegedNamespaces(_ view: TreeView) -> [LocatedFinding] {
    let namespaces = view.modules.flatMap { module in
        module.blocks("resource", "kubernetes_namespace") + module.blocks("resource", "kubernetes_namespace_v1")
    }.map { block -> (name: String, label: String?, block: TerraformBlock) in
        let metadata = block.body.blocks("metadata").first?.body
        let labels = metadata?.attribute("labels")?.value.items ?? []
        return (
            metadata?.attribute("name")?.value.plainText ?? "",
            labels.first { $0.name == "pod-security.kubernetes.io/enforce" }?.value.plainText, block
        )
    }
    let needsPrivilege: Set<String> = [
        "rook-ceph", "cilium-test-1", "cilium-test-ccnp1", "cilium-test-ccnp2", "gadget", "kubescape", "robusta", "tetragon", "groundcover",
    ]
    var found = namespaces.filter { needsPrivilege.contains($0.name) && $0.label != "privileged" }.map { refused($0.name, $0.block.spot) }
    // The connectivity test makes two more of its own beside the one that people know.
    if let test = namespaces.first(where: { $0.name == "cilium-test-1" }) {
        let missing = ["cilium-test-ccnp1", "cilium-test-ccnp2"].filter { name in !namespaces.contains { $0.name == name } }
        found += missing.map { refused($0, test.block.spot) }
    }
    return found
}

private func refused(_ name: String, _ spot: Spot) -> LocatedFinding {
    finding(
        "L-PSA-1", .error, spot, "namespace \"\(name)\" would be refused by Talos' default admission",
        fix: "label pod-security.kubernetes.io/enforce=privileged on it")
}

/// L-CAP-1
func capabilitiesComplete(_ view: TreeView) -> [LocatedFinding] {
    let key = "securityContext.capabilities.ciliumAgent"
    return ciliumUses(view).flatMap { use -> [LocatedFinding] in
        guard let setting = use.setting(key), let value = setting.value, !value.contains("${") else { return [] }
        let have = Set(value.split { "{}, ".contains($0) }.map(String.init))
        let chart = chart(for: use, in: view.charts)
        let usual =
            chart?.defaultValue(key)?.elements.compactMap(\.text) ?? [
                "CHOWN", "KILL", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "SYS_ADMIN", "SYS_RESOURCE", "DAC_OVERRIDE", "FOWNER", "SETGID",
                "SETUID", "SYSLOG",
            ]
        // Talos gives SYS_MODULE to nobody, so its guide rightly leaves it out.
        let missing = usual.filter { $0 != "SYS_MODULE" && !have.contains($0) }
        var found: [LocatedFinding] = []
        if !missing.isEmpty {
            found.append(
                finding(
                    "L-CAP-1", .warning, setting.spot,
                    "this list replaces the one of Cilium \(chart?.version ?? "1.19"); missing \(missing.joined(separator: ", "))"))
        }
        if have.contains("SYS_MODULE") {
            found.append(finding("L-CAP-1", .warning, setting.spot, "Talos gives SYS_MODULE to nobody; a pod that wants it does not start"))
        }
        return found
    }
}

/// L-CA-1
func meshCASeeded(_ view: TreeView) -> [LocatedFinding] {
    view.invocations.compactMap { call in
        guard call.program == "kubectl", call.words.contains(where: { $0 == "cilium-ca" || $0.hasSuffix("/cilium-ca") }) else { return nil }
        let severity = call.atMost(.error)
        if call.verbs.contains("delete") || call.words.contains("delete") {
            return finding(
                "L-CA-1", severity, call.spot,
                "CA is to be replaced after install; certificates already issued would not chain, and until it is back any Helm run makes a new one",
                fix: "one CA in every cluster before Cilium is installed")
        }
        guard call.command.isPiped else { return nil }
        return finding(
            "L-CA-1", severity, call.spot,
            "the CA and its key go through a pipe, and arrive without Helm's ownership marks or with another release's; the chart then refuses them",
            fix: "one CA in every cluster before Cilium is installed")
    }
}
