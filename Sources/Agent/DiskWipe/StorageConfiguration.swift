// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// The storages of a Proxmox host (`storage.cfg`), and where on this host their volumes lie. Pure.
struct StorageConfiguration: Hashable {
    /// Where a volume lies on this host, or why it cannot be read from here.
    enum Place: Hashable {
        case path(String)
        case unreadable(String)
    }

    /// By name.
    let storages: [String: ProxmoxSections.Section]

    init(parsing text: String) {
        // There without being written, on every host.
        storages =
            ProxmoxSections(parsing: text, known: ["local": .init(kind: "dir", options: ["path": "/var/lib/vz"])]).sections
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
