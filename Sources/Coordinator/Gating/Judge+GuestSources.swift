// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Two ways to look at one configuration must show the same.
extension Judge {
    /// How a host's API and its files differ about a machine; `nil` when they agree, or when only one was asked.
    func difference(about machine: PlannedMachine, _ host: NodeID, _ found: Found) -> String? {
        guard let api = found.hypervisorByAPI(host), let files = found.hypervisorByFiles(host) else { return nil }
        let ours = api.guests.first(where: machine.isMeant), theirs = files.guests.first(where: machine.isMeant)
        guard let ours, let theirs else {
            guard (ours == nil) != (theirs == nil) else { return nil }
            let (has, lacks) = ours == nil ? ("files in /etc/pve have", "API does not") : ("API has", "files in /etc/pve do not")
            return "\(host): its \(has) machine \(machine.name), and its \(lacks)"
        }
        let differences = Self.differences(ours, theirs)
        guard !differences.isEmpty else { return nil }
        return "the API of \(host) and its files in /etc/pve differ on machine \(ours.vmid) \(machine.name): "
            + differences.map { "\($0.what) is \($0.api) by the API and \($0.files) by the file" }.joined(separator: "; ")
    }

    /// Whether it runs is left out: that changes by itself, and is no part of the configuration.
    private static func differences(
        _ api: HypervisorFact.Guest, _ files: HypervisorFact.Guest
    ) -> [(what: String, api: String, files: String)] {
        var all: [(String, String, String)] = []
        func compare(_ what: String, _ ours: String?, _ theirs: String?) {
            if ours != theirs { all.append((what, ours ?? "absent", theirs ?? "absent")) }
        }
        compare("the number", String(api.vmid), String(files.vmid))
        compare("the name", api.name, files.name)
        compare("the number of cores", api.cores.map(String.init), files.cores.map(String.init))
        compare("memory", api.memory?.description, files.memory?.description)
        compare("the processor type", api.cpu, files.cpu)
        for slot in Set(api.cards.map(\.slot) + files.cards.map(\.slot)).sorted() {
            compare(slot, api.cards.first { $0.slot == slot }?.words, files.cards.first { $0.slot == slot }?.words)
        }
        for slot in Set(api.disks.map(\.slot) + files.disks.map(\.slot)).sorted() {
            compare(slot, api.disks.first { $0.slot == slot }?.words, files.disks.first { $0.slot == slot }?.words)
        }
        return all
    }
}

extension HypervisorFact.Guest.Card {
    /// All that is compared, on one line.
    fileprivate var words: String {
        [
            "\(model) \(mac?.description ?? "without an address") on \(bridge ?? "no bridge")", tag.map { "VLAN \($0)" },
            mtu.map { "MTU \($0)" }, isDown ? "unplugged" : nil,
        ].compactMap(\.self).joined(separator: ", ")
    }
}

extension HypervisorFact.Guest.Disk {
    fileprivate var words: String {
        [volume, serial.map { "serial \($0)" }, size?.description].compactMap(\.self).joined(separator: ", ")
    }
}
