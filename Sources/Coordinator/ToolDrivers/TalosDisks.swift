// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem

/// What Talos' own API says of the disks of a machine without an agent (`talosctl get ... -o json`). It tells who a disk is and whether Talos
/// itself uses it. It does not tell what lies on it byte by byte, who else has it open, or which disk instance it is: those stay unknown.
struct TalosDisks {
    let tools: Toolbox
    let cluster: MeshSpec.Cluster
    let node: MeshSpec.Node

    private static let deadline = Duration.seconds(60)

    /// One disk and the kernel name that Talos takes in place of an identity.
    struct Seen: Hashable {
        var device: String
        var fact: DiskFact
    }

    func facts() async throws -> [Fact] { try await disks().map { .disk($0.fact) } }

    func bootID() async throws -> BootID {
        let result = try await talosctl("read", "/proc/sys/kernel/random/boot_id")
        guard result.succeeded, let boot = BootID(String(result.outputText.prefix { !$0.isWhitespace })) else {
            throw DriverError.tool("talosctl read /proc/sys/kernel/random/boot_id", result)
        }
        return boot
    }

    func disks() async throws -> [Seen] {
        let disks = try await resources("disks")
        let system = try await resources("systemdisk").compactMap { $0["spec", "diskID"]?.string }
        let volumes = try await resources("discoveredvolumes")
        return disks.compactMap { seen($0, system: Set(system), volumes: volumes) }
    }

    private func seen(_ resource: HelmValue, system: Set<String>, volumes: [HelmValue]) -> Seen? {
        guard let device = resource["metadata", "id"]?.string, let spec = resource["spec"], let size = spec["size"]?.integer, size > 0,
            spec["cdrom"]?.bool != true
        else { return nil }
        func text(_ key: String) -> String? { spec[key]?.string.flatMap { $0.isEmpty ? nil : $0 } }
        var users: [String] = []
        if system.contains(device) { users.append("Talos' system disk") }
        for other in spec["secondary_disks"]?.list.compactMap(\.string) ?? [] { users.append("part of \(other)") }
        let identity = DiskIdentity(
            kind: Self.kind(text("transport")), serial: text("serial"), wwid: text("wwid"), sizeInBytes: UInt64(size),
            sectorSize: UInt64(max(0, spec["sector_size"]?.integer ?? 512)), path: text("bus_path") ?? "-", sequence: 0)
        let found = volumes.filter { volume in
            volume["metadata", "id"]?.string == device || volume["spec", "parent"]?.string == device
        }.compactMap { Self.signature($0) }
        return Seen(
            device: device,
            fact: DiskFact(
                name: device, identity: identity, readOnly: spec["readonly"]?.bool ?? false, rotational: spec["rotational"]?.bool ?? false,
                exclusiveOpen: users.isEmpty, users: users, partitions: found.count { $0.kind == "partition" }, signatures: found,
                blank: false, fingerprint: nil, unreadable: "Talos' API does not show the content of disks"))
    }

    private static func kind(_ transport: String?) -> DiskIdentity.Kind {
        switch transport {
        case "virtio": .virtio
        case "nvme": .nvme
        case "scsi", "sata", "ata", "sas", "usb": .scsi
        default: .other
        }
    }

    private static func signature(_ volume: HelmValue) -> DiskFact.Signature? {
        let spec = volume["spec"]
        guard let name = spec?["name"]?.string ?? spec?["type"]?.string, !name.isEmpty else { return nil }
        let label = (spec?["label"]?.string ?? spec?["partition_label"]?.string).map { " '\($0)'" } ?? ""
        return DiskFact.Signature(kind: name, offset: UInt64(max(0, spec?["offset"]?.integer ?? 0)), words: name + label)
    }

    private func resources(_ kind: String) async throws -> [HelmValue] {
        let result = try await talosctl("get", kind, "-o", "json")
        guard result.succeeded, result.droppedBytes == 0 else {
            throw DriverError.tool("talosctl get \(kind)", result)
        }
        return try JSONSequence.objects(in: result.standardOutput).map { bytes in
            guard let value = JSON.decode(bytes) else {
                throw DriverError.unreadable(what: "\(kind) of \(node.name)", where: "what talosctl printed")
            }
            return value
        }
    }

    /// One node, always: a talosconfig often lists all of a cluster.
    func talosctl(_ arguments: String..., deadline: Duration = deadline) async throws -> CommandResult {
        try await tools.run(
            "talosctl", ["--context", cluster.name.text, "--nodes", node.address.description] + arguments, deadline: deadline,
            outputLimit: 16 << 20)
    }
}

/// `talosctl get -o json` prints one object after the other, with no list around them.
enum JSONSequence {
    struct Cut: Error, CustomStringConvertible {
        let description = "the JSON that talosctl printed ends in the middle of an object"
    }

    /// The bytes of each object at the outermost level.
    static func objects(in bytes: [UInt8]) throws(Cut) -> [[UInt8]] {
        var objects: [[UInt8]] = []
        var (depth, start, inString, escaped) = (0, 0, false, false)
        for (index, byte) in bytes.enumerated() {
            if inString {
                if escaped {
                    escaped = false
                } else if byte == UInt8(ascii: "\\") {
                    escaped = true
                } else if byte == UInt8(ascii: "\"") {
                    inString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): inString = true
            case UInt8(ascii: "{"):
                if depth == 0 { start = index }
                depth += 1
            case UInt8(ascii: "}"):
                guard depth > 0 else { throw Cut() }
                depth -= 1
                if depth == 0 { objects.append(Array(bytes[start...index])) }
            default: continue
            }
        }
        guard depth == 0, !inString else { throw Cut() }
        return objects
    }
}
