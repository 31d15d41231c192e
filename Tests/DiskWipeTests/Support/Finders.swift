// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshSystem
import Testing

@testable import DiskWipe

/// A tool of Debian that looks for leftovers on a disk, and how it says that there are some.
enum Finder: String, CaseIterable, Sendable {
    case wipefs, blkid, pvs, pvck, pvckAtTheEnd, mdadm, gdisk, sgdisk, sfdisk, cryptsetup, btrfs, dumpe2fs, swaplabel

    static let path = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    static func has(_ tools: String...) -> Bool { tools.allSatisfy { tool in path.contains { access("\($0)/\(tool)", X_OK) == 0 } } }

    private func arguments(_ bench: Bench, _ disk: Bench.Disk) -> [String] {
        switch self {
        case .wipefs: ["--noheadings", disk.loop]
        case .blkid: ["-p", disk.loop]
        case .pvs: ["--config", bench.lvm(disk), "--noheadings", disk.loop]
        case .pvck: ["--config", bench.lvm(disk), "--dump", "metadata_search", disk.loop]
        case .pvckAtTheEnd: Self.pvck.arguments(bench, disk) + ["--settings", "mda_num=2"]
        case .mdadm: ["--examine", disk.loop]
        case .gdisk: ["-l", disk.loop]
        case .sgdisk: ["-v", disk.loop]
        case .sfdisk: ["--dump", disk.loop]
        case .cryptsetup: ["luksDump", disk.loop]
        case .btrfs: ["inspect-internal", "dump-super", "-a", disk.loop]
        case .dumpe2fs: ["-h", disk.loop]
        case .swaplabel: [disk.loop]
        }
    }

    /// What the tool found, `nil` for nothing.
    func look(_ bench: Bench, _ disk: Bench.Disk) async throws -> String? {
        let result = try await bench.attempt(self == .pvckAtTheEnd ? "pvck" : rawValue, arguments(bench, disk))
        let text = result.outputText
        let said = text + result.errorText
        let found =
            switch self {
            case .wipefs, .blkid: !text.isEmpty
            case .pvs, .mdadm, .sfdisk, .cryptsetup, .dumpe2fs, .swaplabel: result.succeeded
            case .pvck, .pvckAtTheEnd: text.contains("  metadata at ")
            case .gdisk: text.split(separator: "\n").filter { $0.hasSuffix(": not present") }.count != 4
            case .sgdisk: ["invalid", "damaged", "Caution", "Warning", "Problem:"].contains(where: said.contains)
            case .btrfs: text.contains("_BHRfS_M")
            }
        return found ? "\(rawValue): \(said)" : nil
    }
}

extension Bench {
    /// Runs a tool to its end, whatever that is.
    func attempt(_ name: String, _ arguments: [String]) async throws -> CommandResult {
        let environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": directory]
        return try await ProcessCommandRunner().run(
            Invocation(name, arguments, environment: environment, deadline: .seconds(60)))
    }

    /// LVM may only see this one device: the machine's own must not be touched.
    func lvm(_ disk: Disk) -> String {
        "devices{filter=[\"a|^\(disk.loop)$|\",\"r|.*|\"] use_devicesfile=0} activation{udev_sync=0 udev_rules=0} "
            + "global{locking_dir=\"\(directory)\"}"
    }

    /// What each tool still finds.
    func leftovers(on disk: Disk) async throws -> [String] {
        var found: [String] = []
        for finder in Finder.allCases {
            if let what = try await finder.look(self, disk) { found.append(what) }
        }
        return found
    }

    /// Runs `body` with a device that shows one part of the disk, as a partition would; gone afterwards.
    @discardableResult
    func part<Value>(of disk: Disk, at offset: UInt64, length: UInt64, readOnly: Bool = false, _ body: (String) async throws -> Value)
        async throws -> Value
    {
        let only = readOnly ? ["-r"] : []
        let arguments = only + ["--find", "--show", "--offset", String(offset), "--sizelimit", String(length), disk.image]
        let made = try await attempt("losetup", arguments)
        let part = String(made.outputText.prefix { !$0.isNewline })
        try #require(made.succeeded && !part.isEmpty, "\(made.errorText)")
        do {
            let value = try await body(part)
            try await tool("losetup", "-d", part)
            return value
        } catch {
            _ = try? await tool("losetup", "-d", part)
            throw error
        }
    }
}
