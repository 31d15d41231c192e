// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// One guest as Proxmox configures it (`qemu-server/VMID.conf`, qm.conf(5)): `key: value` lines, then sections `[name]` of snapshots, which
/// describe the past. Pure.
struct GuestConfiguration: Hashable {
    struct Drive: Hashable {
        /// `virtio1`, `scsi0`.
        var slot: String
        /// `STORAGE:NAME`, or a path.
        var volume: String
        var serial: String?
        /// The size as written at creation; the volume's own size counts.
        var sizeInBytes: UInt64?
        var discards: Bool
        var readOnly: Bool
    }

    var name: String
    var drives: [Drive]

    init(parsing text: String) {
        name = ""
        drives = []
        for line in text.split(separator: "\n") {
            if line.hasPrefix("[") { break }
            guard !line.hasPrefix("#"), let colon = line.firstRange(of: ": ") else { continue }
            let key = String(line[..<colon.lowerBound])
            let value = String(line[colon.upperBound...])
            if key == "name" { name = value }
            if Self.isDriveSlot(key), let drive = Drive(slot: key, value) { drives.append(drive) }
        }
    }

    private static func isDriveSlot(_ key: String) -> Bool {
        ["virtio", "scsi", "sata", "ide"].contains { bus in
            let number = key.dropFirst(bus.count)
            return key.hasPrefix(bus) && (1...2).contains(number.utf8.count) && number.utf8.allSatisfy { (48...57).contains($0) }
        }
    }
}

extension GuestConfiguration.Drive {
    /// `VOLUME[,key=value...]`; `nil` for a CD-ROM and for an empty drive.
    init?(slot: String, _ value: String) {
        let parts = value.split(separator: ",").map(String.init)
        guard let first = parts.first else { return nil }
        var options: [String: String] = [:]
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
            if pair.count == 2 { options[pair[0]] = pair[1] }
        }
        let volume = first.hasPrefix("file=") ? String(first.dropFirst(5)) : first
        guard volume != "none", volume != "cdrom", options["media"] != "cdrom" else { return nil }
        self.init(
            slot: slot, volume: volume, serial: options["serial"].map(Self.decoded), sizeInBytes: options["size"].flatMap(Self.bytes),
            discards: options["discard"] == "on", readOnly: options["ro"] == "1")
    }

    /// `%XX`, as Proxmox writes what does not fit between commas.
    private static func decoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            if byte == UInt8(ascii: "%"), digits.count == 2, let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// `128G`, `512M`, `1T` or plain bytes; powers of 1024.
    private static func bytes(_ text: String) -> UInt64? {
        let shifts: [Character: UInt64] = ["K": 10, "M": 20, "G": 30, "T": 40]
        guard let last = text.last else { return nil }
        guard let shift = shifts[last] else { return UInt64(text).flatMap { $0 < 1 << 60 ? $0 : nil } }
        guard let number = UInt64(text.dropLast()), number < 1 << 20 else { return nil }
        return number << shift
    }
}

/// The storages of a Proxmox host (`storage.cfg`): `KIND: NAME`, then indented `key value` lines. Pure.
struct StorageConfiguration: Hashable {
    struct Storage: Hashable {
        var kind: String
        var options: [String: String]
    }

    /// Where a volume lies on this host, or why it cannot be read from here.
    enum Place: Hashable {
        case path(String)
        case unreadable(String)
    }

    private(set) var storages: [String: Storage] = ["local": Storage(kind: "dir", options: ["path": "/var/lib/vz"])]

    init(parsing text: String) {
        var name: String?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("#") { continue }
            if line.first == "\t" || line.first == " " {
                let words = line.split(maxSplits: 1, whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
                guard let name, let key = words.first else { continue }
                storages[name]?.options[key] = words.count > 1 ? words[1] : "1"
            } else if let colon = line.firstRange(of: ": ") {
                let title = String(line[colon.upperBound...].prefix { $0 != " " && $0 != "\t" })
                name = title
                storages[title] = Storage(kind: String(line[..<colon.lowerBound]), options: [:])
            } else {
                name = nil
            }
        }
    }

    func place(of volume: String, vmid: UInt64) -> Place {
        if volume.hasPrefix("/") { return .path(volume) }
        let parts = volume.split(separator: ":", maxSplits: 1).map(String.init)
        guard parts.count == 2, let storage = storages[parts[0]] else { return .unreadable("its storage is not in storage.cfg") }
        let name = parts[1]
        guard !name.isEmpty, !name.split(separator: "/").contains("..") else { return .unreadable("its name is malformed") }
        switch storage.kind {
        case "lvm", "lvmthin":
            guard let group = storage.options["vgname"] else { return .unreadable("storage \(parts[0]) names no volume group") }
            return .path("/dev/\(group)/\(name)")
        case "zfspool":
            guard let pool = storage.options["pool"] else { return .unreadable("storage \(parts[0]) names no pool") }
            return .path("/dev/zvol/\(pool)/\(name)")
        case "dir", "nfs", "cifs", "cephfs", "btrfs":
            guard let path = storage.options["path"] ?? Self.mountPoint(parts[0], storage.kind) else {
                return .unreadable("storage \(parts[0]) names no path")
            }
            guard name.hasSuffix(".raw") else { return .unreadable("an image of its format is not read, only raw ones") }
            return .path("\(path)/images/\(name)")
        default: return .unreadable("storage of kind \(plainWords(storage.kind, limit: 20)) is not read from here")
        }
    }

    private static func mountPoint(_ name: String, _ kind: String) -> String? {
        ["nfs", "cifs", "cephfs"].contains(kind) ? "/mnt/pve/\(name)" : nil
    }
}
