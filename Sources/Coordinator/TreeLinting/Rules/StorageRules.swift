// SPDX-License-Identifier: Apache-2.0

import Linting

/// L-WIPE-1
func wipesNameDisks(_ view: TreeView) -> [LocatedFinding] {
    view.invocations.compactMap { call in
        guard let disk = wipedDisk(call) else { return nil }
        let message: String
        if call.program == "talosctl", !call.has("-n", "--nodes") {
            message =
                "\"wipe \(disk)\" goes to every node that the talosconfig lists, control planes among them, and \"\(disk)\" is only probe order"
        } else {
            message = "\"wipe \(disk)\" names a device, which is only probe order: after a reboot it may be another disk"
        }
        return finding(
            "L-WIPE-1", call.atMost(.error), call.spot, message,
            fix: "meshgate wipe, which names node, serial and size and looks before it writes")
    }
}

/// L-WIPE-2
func wipesReachLabels(_ view: TreeView) -> [LocatedFinding] {
    view.invocations.compactMap { call in
        guard let disk = wipedDisk(call) else { return nil }
        let how: String
        switch call.program {
        case "talosctl":
            let method = call.values("--method").first?.text ?? "FAST"
            guard method.uppercased() == "FAST" else { return nil }
            how = "fast wipe"
        case "wipefs", "sgdisk": how = call.program
        default: return nil
        }
        return finding(
            "L-WIPE-2", call.atMost(.error), call.spot,
            "\(how) leaves BlueStore's labels at 1, 10, 100 and 1000 GiB of \(disk) behind; Rook then says that it belongs to another cluster",
            fix: call.program == "talosctl" ? "--method ZEROES" : "meshgate wipe")
    }
}

/// L-WIPE-3
func wipesBeforeStorage(_ view: TreeView) -> [LocatedFinding] {
    let rook = Dictionary(grouping: view.helmUses.filter { $0.chart.hasPrefix("rook-ceph") }.map(\.spot)) { $0.file }
    return view.invocations.compactMap { call in
        guard let disk = wipedDisk(call), let installed = rook[call.spot.file]?.first(where: { $0.place < call.spot.place }) else {
            return nil
        }
        return finding(
            "L-WIPE-3", call.atMost(.error), call.spot,
            "\"\(disk)\" is wiped after Rook was installed on line \(installed.place.line); by then it may hold an OSD and its data",
            fix: "wipe first, or meshgate wipe, which asks Ceph whose disk it is")
    }
}

/// The device that a call wipes; `nil` when it wipes none.
private func wipedDisk(_ call: Invocation) -> String? {
    func device(_ words: [String]) -> String? {
        words.first { $0.hasPrefix("/dev/") && !$0.hasPrefix("/dev/null") && !$0.hasPrefix("/dev/disk/by-id/") }
    }
    switch call.program {
    case "talosctl":
        guard let at = call.words.firstIndex(of: "wipe"), call.words.dropFirst(at + 1).first == "disk" else { return nil }
        return call.words.dropFirst(at + 2).first { !$0.hasPrefix("-") }
    case "wipefs": return call.words.contains { $0 == "-a" || $0 == "--all" || $0 == "-af" || $0 == "-fa" } ? device(call.words) : nil
    case "sgdisk": return call.has("--zap-all", "-Z", "--zap") ? device(call.words) : nil
    case "blkdiscard": return device(call.words)
    case "dd":
        guard let target = call.words.first(where: { $0.hasPrefix("of=/dev/") }) else { return nil }
        return device([String(target.dropFirst(3))])
    default: return nil
    }
}

private let machineType = "proxmox_virtual_environment_vm"

/// L-DISK-1
func disksHaveSerials(_ view: TreeView) -> [LocatedFinding] {
    view.modules.flatMap { module in
        module.blocks("resource", machineType).flatMap { machine in
            machine.body.blocks("disk").compactMap { disk -> LocatedFinding? in
                guard let interface = disk.body.attribute("interface")?.value.textWithHoles, let last = interface.last, last != "0",
                    disk.body.attribute("serial") == nil
                else { return nil }
                let letters = interface.hasPrefix("virtio") ? "vd" : "sd"
                let number = Int(interface.drop { !$0.isNumber }) ?? 1
                let letter = number < 26 ? String(Unicode.Scalar(UInt8(97 + number))) : "?"
                return finding(
                    "L-DISK-1", .error, machine.file.spot(disk.offset),
                    "disk \(interface) of \"\(machine.name)\" has no serial; \"\(letters)\(letter)\" is only probe order",
                    fix: "serial = \"...\", up to 20 bytes")
            }
        }
    }
}

/// L-ROOK-1
func rookTakesPlannedDisks(_ view: TreeView) -> [LocatedFinding] {
    view.helmUses.filter { $0.chart.hasPrefix("rook-ceph") }.flatMap { use -> [LocatedFinding] in
        var found: [LocatedFinding] = []
        if use.version == nil {
            found.append(
                finding(
                    "L-ROOK-1", .error, use.spot, "chart \(use.chart) has no version, so Rook would move by itself",
                    fix: "version = \"...\""))
        }
        let all = use.value("cephClusterSpec.storage.useAllDevices") ?? "true"
        if use.chart == "rook-ceph-cluster", use.isComplete, all == "true" {
            found.append(
                finding(
                    "L-ROOK-1", .error, use.spot, "Rook would take every empty disk on every node: that is this chart's default",
                    fix: "cephClusterSpec.storage.useAllDevices: false and the planned disks"))
        }
        return found
    }
        + view.yamlTexts.flatMap { text in
            text.documents.compactMap { document -> LocatedFinding? in
                guard document["kind"]?.text == "CephCluster", let all = document["spec", "storage"]?.entry("useAllDevices"),
                    all.value.isTrue
                else {
                    return nil
                }
                return finding("L-ROOK-1", .error, text.spot(all.place), "Rook would take every empty disk on every node")
            }
        }
}

/// L-CSI-1
func driversFit(_ view: TreeView) -> [LocatedFinding] {
    let message = "this driver works only on DigitalOcean machines; for Proxmox use rook/proxmox csi"
    let charts = view.helmUses.filter { $0.chart == "csi-digitalocean" }.map(\.spot)
    let manifests = textsOfTerraform(view).filter { $0.text.contains("csi-digitalocean") && webAddresses(in: $0.text).count > 0 }.map(
        \.spot)
    let calls = view.invocations.filter { call in call.words.contains { $0.contains("csi-digitalocean") && $0.contains("://") } }.map(
        \.spot)
    return (charts + manifests + calls).firsts { $0 }.map { finding("L-CSI-1", .error, $0, message) }
}

/// Every plain text of the Terraform files, line by line for heredocs, with its place.
func textsOfTerraform(_ view: TreeView) -> [(text: String, spot: Spot, block: TerraformBlock)] {
    view.modules.flatMap { module in
        module.blocks.flatMap { block -> [(text: String, spot: Spot, block: TerraformBlock)] in
            var found: [(text: String, spot: Spot, block: TerraformBlock)] = []
            for attribute in block.body.allAttributes {
                attribute.value.walk { value in
                    guard case .text(_, let body) = value.kind, let text = value.textWithHoles else { return }
                    guard let body else {
                        found.append((text, block.file.spot(value.offset), block))
                        return
                    }
                    let first = block.file.hcl.source.place(body).line
                    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                        let column = line.prefix { $0 == " " }.count + 1
                        let spot = Spot(file: block.file.path, place: SourcePlace(line: first + index, column: column))
                        if let code = line.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).first, !code.isEmpty {
                            found.append((String(code), spot, block))
                        }
                    }
                }
            }
            return found
        }
    }
}
