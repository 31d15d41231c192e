// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshModel
internal import MeshSystem

/// What sysfs says of one block device, found by its number and never by its name.
struct SysfsDisk: Hashable, Sendable {
    struct Partition: Hashable, Sendable {
        let name: String
        let number: BlockNumber
        let holders: [String]
    }

    let number: BlockNumber
    /// The kernel's own name, such as `loop3`; a node in /dev may be called otherwise.
    let kernelName: String
    let identity: DiskIdentity
    /// In bytes; absent when the kernel does not tell.
    let physicalSectorSize: UInt64?
    let readOnly: Bool
    let rotational: Bool
    let removable: Bool
    let zoned: Bool
    /// Largest single "write zeroes" of the device; zero when it has none.
    let writeZeroesLimit: UInt64
    let discardLimit: UInt64
    let holders: [String]
    /// Why this is not a whole disk of a kind we wipe; `nil` when it is one.
    let notWholeDisk: String?
    let partitions: [Partition]

    /// `nil` when sysfs does not know the number.
    init?(_ number: BlockNumber, sysroot: String) {
        let files = SysfsDirectory(path: "\(sysroot)/dev/block/\(number)")
        guard let directory = files.resolved, let root = SysfsDirectory(path: sysroot).resolved else { return nil }
        let kernelName = String(directory.path.split(separator: "/").last ?? "")
        let kind = Self.kind(of: kernelName)
        self.number = number
        self.kernelName = kernelName
        identity = DiskIdentity(
            kind: kind, serial: Self.serial(kind, directory), wwid: Self.wwid(kind, directory),
            sizeInBytes: (directory.number("size") ?? 0) * 512, sectorSize: directory.number("queue/logical_block_size") ?? 512,
            path: Self.hardwarePath(directory.path, root: root.path), sequence: directory.number("diskseq") ?? 0)
        physicalSectorSize = directory.number("queue/physical_block_size")
        readOnly = directory.number("ro") != 0
        rotational = directory.number("queue/rotational") == 1
        removable = directory.number("removable") == 1
        zoned = directory.text("queue/zoned").map { $0 != "none" } ?? false
        writeZeroesLimit = directory.number("queue/write_zeroes_max_bytes") ?? 0
        discardLimit = directory.number("queue/discard_max_bytes") ?? 0
        holders = directory.names("holders")
        notWholeDisk = Self.objection(kind, kernelName, directory)
        partitions = directory.names("").compactMap { name in
            let part = SysfsDirectory(path: "\(directory.path)/\(name)")
            guard part.text("partition") != nil, let number = part.text("dev").flatMap({ BlockNumber($0) }) else { return nil }
            return Partition(name: name, number: number, holders: part.names("holders"))
        }
    }

    /// The disk and its partitions.
    var numbers: Set<BlockNumber> { Set([number] + partitions.map(\.number)) }

    static func kind(of kernelName: String) -> DiskIdentity.Kind {
        func isLetters(_ text: Substring) -> Bool { !text.isEmpty && text.utf8.allSatisfy { (97...122).contains($0) } }
        func isDigits(_ text: Substring) -> Bool { !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) } }
        if kernelName.hasPrefix("vd"), isLetters(kernelName.dropFirst(2)) { return .virtio }
        if kernelName.hasPrefix("sd"), isLetters(kernelName.dropFirst(2)) { return .scsi }
        if kernelName.hasPrefix("loop"), isDigits(kernelName.dropFirst(4)) { return .loop }
        if kernelName.hasPrefix("nvme") {
            let parts = kernelName.dropFirst(4).split(separator: "n", omittingEmptySubsequences: false)
            if parts.count == 2, parts.allSatisfy(isDigits) { return .nvme }
        }
        return .other
    }

    private static func objection(_ kind: DiskIdentity.Kind, _ name: String, _ directory: SysfsDirectory) -> String? {
        if directory.text("partition") != nil { return "\(name) is a partition" }
        let below = directory.names("slaves")
        if !below.isEmpty { return "\(name) is stacked on \(below.joined(separator: ", "))" }
        if kind == .other { return "\(name) is not a virtio, SCSI or NVMe disk" }
        return nil
    }

    private static func serial(_ kind: DiskIdentity.Kind, _ directory: SysfsDirectory) -> String? {
        switch kind {
        case .virtio: plain(directory.text("serial"))
        case .nvme: plain(directory.text("device/serial"))
        case .scsi: plain(directory.vitalProductSerial())
        case .loop:
            // A loop device has no serial of its own; in a lab the image's file name stands for it.
            plain(directory.text("loop/backing_file").map(imageName))
        case .other, .volume: nil
        }
    }

    private static func wwid(_ kind: DiskIdentity.Kind, _ directory: SysfsDirectory) -> String? {
        switch kind {
        case .nvme: plain(directory.text("wwid"))
        case .scsi: plain(directory.text("device/wwid"))
        case .virtio, .loop, .other, .volume: nil
        }
    }

    private static func imageName(_ path: String) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        return name.hasSuffix(".img") ? String(name.dropLast(4)) : name
    }

    /// Printable ASCII without blanks, as a warrant can carry it; runs of blanks become one `_`, anything else unprintable voids the value.
    static func plain(_ text: String?) -> String? {
        guard let words = text?.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\0" }), !words.isEmpty else { return nil }
        let joined = words.joined(separator: "_")
        guard (1...200).contains(joined.utf8.count), joined.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        // "-" stands for "none" in a warrant.
        return joined == "-" ? nil : joined
    }

    /// `/sys/devices/pci0000:00/0000:00:05.0/virtio2/block/vdb` is `pci0000:00/0000:00:05.0/virtio2`.
    private static func hardwarePath(_ directory: String, root: String) -> String {
        var parts = directory.dropFirst(directory.hasPrefix(root) ? root.count : 0).split(separator: "/")
        if parts.first == "devices" { parts.removeFirst() }
        _ = parts.popLast()
        if parts.last == "block" { parts.removeLast() }
        return plain(parts.joined(separator: "/")) ?? "unknown"
    }
}

/// Small reads below one directory of sysfs; what is missing is `nil`.
struct SysfsDirectory {
    let path: String

    /// The directory that a symbolic link leads to.
    var resolved: SysfsDirectory? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return SysfsDirectory(path: String(cString: real))
    }

    /// The content of an attribute, trimmed.
    func text(_ name: String) -> String? {
        guard let bytes = bytes(name) else { return nil }
        return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
    }

    func number(_ name: String) -> UInt64? { text(name).flatMap { UInt64($0.filter { $0 != " " }) } }

    func names(_ name: String) -> [String] { (try? LinuxFileStore().list(name.isEmpty ? path : "\(path)/\(name)")) ?? [] }

    /// SCSI vital product data page 0x80: four bytes of header, then the unit serial number.
    func vitalProductSerial() -> String? {
        guard let page = bytes("device/vpd_pg80"), page.count > 4, page[1] == 0x80 else { return nil }
        let length = Int(page[2]) << 8 | Int(page[3])
        return String(decoding: page.dropFirst(4).prefix(length), as: UTF8.self)
    }

    private func bytes(_ name: String) -> [UInt8]? {
        // An attribute that is missing or refuses to answer (EIO of a dying disk) is unknown; the caller treats unknown as different.
        (try? LinuxFileStore().read("\(path)/\(name)", limit: 4096)) ?? nil
    }
}
