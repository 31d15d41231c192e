// SPDX-License-Identifier: Apache-2.0

/// One guest as Proxmox keeps it (`qemu-server/VMID.conf`, qm.conf(5)): `key: value` lines of what runs now. The sections behind them, of
/// snapshots, of what is pending until the next start, and of backups, describe the past or the future and are not read.
package struct ProxmoxGuestFile: Hashable, Sendable {
    /// The last line of a key counts, as it does for Proxmox.
    package private(set) var settings: [String: String] = [:]
    /// Every text in all of the file, sections included, that may be the name of a volume: `STORE:NAME`.
    package let volumes: Set<String>

    /// Takes any text (`parse_vm_config` of qemu-server does, too).
    package init(parsing text: String) {
        var volumes: Set<String> = []
        var isCurrent = true
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
            if Self.isSection(line) { isCurrent = false }
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")), Self.isKey(line[..<colon]) else { continue }
            let value = Self.trimmed(line[line.index(after: colon)...])
            guard !value.isEmpty else { continue }
            let words = String(decoding: value, as: UTF8.self)
            if isCurrent { settings[String(decoding: line[..<colon], as: UTF8.self)] = words }
            let property = ProxmoxProperty(words)
            for name in [property.first, property.options["file"]].compactMap(\.self) where name.contains(":") { volumes.insert(name) }
        }
        self.volumes = volumes
    }

    /// Its disks, by slot.
    package var drives: [ProxmoxDrive] {
        settings.keys.filter(ProxmoxDrive.isSlot).sorted().compactMap { slot in settings[slot].flatMap { ProxmoxDrive(slot: slot, $0) } }
    }

    static func isNumbered(_ key: String, _ word: String) -> Bool {
        let number = key.dropFirst(word.count)
        return key.hasPrefix(word) && (1...2).contains(number.utf8.count) && number.utf8.allSatisfy { (48...57).contains($0) }
    }

    private static func trimmed(_ line: Substring.UTF8View) -> Substring.UTF8View {
        var line = line.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\r") }
        while let last = line.last, last == UInt8(ascii: " ") || last == UInt8(ascii: "\t") || last == UInt8(ascii: "\r") {
            line.removeLast()
        }
        return line
    }

    private static func isSection(_ line: Substring.UTF8View) -> Bool {
        line.first == UInt8(ascii: "[") && trimmed(line).last == UInt8(ascii: "]")
    }

    /// `[a-z][a-z_-]*[0-9]*`
    private static func isKey(_ key: Substring.UTF8View) -> Bool {
        guard let first = key.first, (97...122).contains(first) else { return false }
        let rest = key.drop { (97...122).contains($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") }
        return rest.allSatisfy { (48...57).contains($0) }
    }
}

extension HypervisorFact.Guest {
    /// From a guest's settings, whether the API or a file has them. Texts of strangers are cleaned and bounded here.
    package init(vmid: Int, settings: [String: String], isRunning: Bool, otherwiseCalled name: String = "") {
        func option(_ key: String, _ other: String) -> String? {
            settings[key].map { ProxmoxProperty($0) }.flatMap { $0.first ?? $0.options[other] }
        }
        self.init(
            vmid: vmid, name: ProxmoxProperty.plain(settings["name"] ?? name, limit: 128), isRunning: isRunning,
            cores: min(settings["cores"].flatMap(ProxmoxProperty.number) ?? 1, 1 << 16)
                * min(settings["sockets"].flatMap(ProxmoxProperty.number) ?? 1, 1 << 16),
            // In MiB, 512 unless given; a property string since Proxmox 8.1.
            memory: ProxmoxProperty.number(option("memory", "current") ?? "512").map { ByteCount(bytes: UInt64($0) << 20) },
            cpu: option("cpu", "cputype").map { ProxmoxProperty.plain($0, limit: 64) })
        for (key, value) in settings.sorted(by: { $0.key < $1.key }) {
            if ProxmoxGuestFile.isNumbered(key, "net") {
                if let card = Card(slot: key, value) { cards.append(card) }
            } else if ProxmoxDrive.isSlot(key), let drive = ProxmoxDrive(slot: key, value) {
                disks.append(Disk(drive))
            }
        }
    }
}

extension HypervisorFact.Guest.Card {
    /// From `net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=120`: the model is the key of the address. `nil` when there is no model.
    package init?(slot: String, _ text: String) {
        let property = ProxmoxProperty(text)
        let known = ["virtio", "e1000", "e1000e", "rtl8139", "vmxnet3"]
        let keyed = known.first { property.options[$0] != nil }
        guard let model = keyed ?? property.options["model"] ?? property.first else { return nil }
        self.init(
            slot: slot, model: ProxmoxProperty.plain(model, limit: 32),
            mac: (keyed.flatMap { property.options[$0] } ?? property.options["macaddr"]).flatMap(MACAddress.init),
            bridge: property.options["bridge"].map { ProxmoxProperty.plain($0, limit: 64) }, tag: property.number("tag"),
            mtu: property.number("mtu"), isDown: property.options["link_down"] == "1")
    }
}

extension HypervisorFact.Guest.Disk {
    /// What gates look at of a drive.
    package init(_ drive: ProxmoxDrive) {
        self.init(
            slot: drive.slot, volume: ProxmoxProperty.plain(drive.volume, limit: 256),
            serial: drive.serial.map { ProxmoxProperty.plain($0, limit: 64) }, size: drive.size)
    }
}
