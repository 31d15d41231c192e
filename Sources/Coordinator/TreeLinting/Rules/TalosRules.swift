// SPDX-License-Identifier: Apache-2.0

import Linting
import MeshModel

/// A machine configuration of Talos or a patch of one.
private struct Patch {
    let document: YAMLNode
    let spot: (SourcePlace) -> Spot
    let owner: TerraformBlock?
}

private func patches(_ view: TreeView) -> [Patch] {
    view.documents.flatMap { file in file.documents.filter(isPatch).map { Patch(document: $0, spot: file.spot, owner: nil) } }
        + view.embedded.flatMap { text in text.documents.filter(isPatch).map { Patch(document: $0, spot: text.spot, owner: text.owner) } }
}

private func isPatch(_ node: YAMLNode) -> Bool {
    guard node["apiVersion"] == nil, node["kind"] == nil else { return false }
    return node.entry("machine") != nil || node["cluster", "network"] != nil || node["cluster", "proxy"] != nil
        || node["cluster", "extraManifests"] != nil
}

/// L-TAL-1
func talosContract(_ view: TreeView) -> [LocatedFinding] {
    view.modules.flatMap { module in
        module.blocks("data", "talos_machine_configuration").compactMap { data in
            guard data.body.attribute("talos_version") == nil else { return nil }
            return finding(
                "L-TAL-1", .warning, data.spot,
                "\(data.address) names no talos_version; the provider's own release decides what is in the file",
                fix: "talos_version = \"v${var.talos_version}\"")
        }
    }
}

/// L-TAL-2
func installImages(_ view: TreeView) -> [LocatedFinding] {
    patches(view).compactMap { patch in
        guard let install = patch.document["machine"]?.entry("install"),
            install.value["disk"] != nil || install.value["diskSelector"] != nil,
            install.value["image"] == nil
        else { return nil }
        return finding(
            "L-TAL-2", .warning, patch.spot(install.place),
            "install names a disk and no image; an upgrade would take the plain installer and drop every extension",
            fix: "image: factory.talos.dev/installer/<schematic>:<version>")
    }
}

/// L-TIME-1
func timeSources(_ view: TreeView) -> [LocatedFinding] {
    patches(view).compactMap { patch in
        guard let servers = patch.document["machine", "time"]?.entry("servers"), servers.value.elements.count < 2 else { return nil }
        return finding(
            "L-TIME-1", .warning, patch.spot(servers.place),
            "\(servers.value.elements.count) time source; when it is away the clocks drift apart and Ceph's monitors with them",
            fix: "two or more servers")
    }
}

/// L-NIC-1
func literalInterfaces(_ view: TreeView) -> [LocatedFinding] {
    let devices = view.helmUses.filter { $0.chart == "cilium" }.compactMap { use -> LocatedFinding? in
        guard let setting = use.setting("devices"), let value = setting.value, !value.contains("${") else { return nil }
        let names = value.split { "{}, ".contains($0) }
        guard let name = names.first(where: { !$0.hasSuffix("+") }) else { return nil }
        return guessed(name, setting.spot)
    }
    let interfaces = patches(view).flatMap { patch in
        (patch.document["machine", "network", "interfaces"]?.elements ?? []).compactMap { interface -> LocatedFinding? in
            guard let name = interface.entry("interface"), let text = name.value.text, interface["deviceSelector"] == nil,
                !["lo", "bond", "br", "wg", "dummy", "vip"].contains(where: { text.hasPrefix($0) })
            else { return nil }
            return guessed(text[...], patch.spot(name.place))
        }
    }
    return devices + interfaces
}

private func guessed(_ name: Substring, _ spot: Spot) -> LocatedFinding {
    finding("L-NIC-1", .warning, spot, "NIC \"\(name)\" is a guess; select by MAC or let the agent confirm")
}

/// L-KPR-1
func oneKubeProxy(_ view: TreeView) -> [LocatedFinding] {
    let cilium = view.helmUses.filter { $0.chart == "cilium" && $0.value("kubeProxyReplacement") != nil }
    guard let use = cilium.first else { return [] }
    let replaces = use.isOn("kubeProxyReplacement")
    // Patches that nothing uses decide nothing: those of Terraform count before loose files.
    let all = patches(view)
    let used = all.contains { $0.owner != nil } ? all.filter { $0.owner != nil } : all
    let switches = used.compactMap { patch in patch.document["cluster", "proxy"]?.entry("disabled").map { (patch, $0) } }
    return switches.compactMap { patch, entry in
        guard replaces ? entry.value.isFalse : entry.value.isTrue else { return nil }
        let (proxy, own) = replaces ? ("on", "on") : ("off", "off")
        return finding(
            "L-KPR-1", .error, patch.spot(entry.place),
            "kube-proxy is \(proxy) here and Cilium's replacement is \(own) (\(use.spot.file):\(use.spot.place.line)); choose one",
            fix: "disabled: \(replaces)")
    }
}

/// L-EP-1
func endpointsOutliveNodes(_ view: TreeView) -> [LocatedFinding] {
    view.modules.flatMap { module in
        module.blocks("data", "talos_machine_configuration").compactMap { data -> LocatedFinding? in
            guard let endpoint = data.body.attribute("cluster_endpoint"),
                let source = module.references(of: endpoint.value, in: data.file).first(where: { isGuestAddress($0.reference) })
            else { return nil }
            let machine = source.reference.names.prefix(2).joined(separator: ".")
            return finding(
                "L-EP-1", .warning, data.file.spot(endpoint.offset),
                "the API's endpoint is the address of one machine of \(machine); losing it, or its lease, loses the API",
                fix: "a virtual address or a load balancer")
        }
    }
}

/// What the guest agent tells of a machine, in contrast to the address of a load balancer.
private func isGuestAddress(_ reference: HCLReference) -> Bool {
    reference.allNames.contains("ipv4_addresses") || reference.allNames.contains("ipv6_addresses")
}

/// L-PVE-1
func machineNumbers(_ view: TreeView) -> [LocatedFinding] {
    view.modules.flatMap { module in
        module.blocks("resource", "proxmox_virtual_environment_vm").compactMap { machine in
            let many = machine.body.attribute("for_each") != nil || machine.body.attribute("count") != nil
            guard many, machine.body.attribute("vm_id") == nil else { return nil }
            return finding(
                "L-PVE-1", .warning, machine.spot,
                "the machines of \(machine.address) take whatever VM id is free when they are made at the same time, and race for it",
                fix: "vm_id = ...")
        }
    }
}

/// L-CAP-2
func controlPlanesApart(_ view: TreeView) -> [LocatedFinding] {
    view.modules.flatMap { module in
        module.calls.flatMap { call in
            call.body.attributes.compactMap { attribute -> LocatedFinding? in
                guard !Set(tokens(attribute.name)).isDisjoint(with: ["control", "controlplane", "controlplanes", "cp"]) else { return nil }
                let hosts = attribute.value.items.compactMap(\.value.plainText)
                guard hosts.count > 1, hosts.count == attribute.value.items.count, Set(hosts).count == 1 else { return nil }
                return finding(
                    "L-CAP-2", .warning, call.file.spot(attribute.offset),
                    "all control planes of \"\(call.name)\" are on \"\(hosts[0])\"; losing it loses the cluster")
            }
        }
    }
}
