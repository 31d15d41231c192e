// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import MeshTrust
import Testing

@testable import DiskWipe

/// A place of its own for one test: images on loop devices under a private /dev, keys, signers, a replay store. All is undone at the end.
final class Bench: @unchecked Sendable {
    let directory: String
    let boot: BootID
    private var loops: [String] = []
    private var mounted: [String] = []

    /// Loop devices need root and a kernel that has them.
    static let possible: Bool = geteuid() == 0 && access("/dev/loop-control", R_OK | W_OK) == 0
    static let why: Comment = "needs root and loop devices"

    static func with(armed: Bool = true, _ body: (Bench) async throws -> Void) async throws {
        let bench = try Bench()
        do {
            try await bench.prepare(armed: armed)
            try await body(bench)
        } catch {
            await bench.cleanUp()
            throw error
        }
        await bench.cleanUp()
    }

    private init() throws {
        directory = "/tmp/meshgate-wipe-\(getpid())-\(try KernelEntropy().hexID(byteCount: 6))"
        boot = try SystemClock.bootID()
    }

    private func prepare(armed: Bool) async throws {
        for path in ["", "/dev", "/mnt"] { try LinuxFileStore().createDirectory(directory + path) }
        for key in ["admin", "stranger"] {
            try await tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", "\(directory)/\(key)")
        }
        try writeSigners(["admin"])
        try LinuxFileStore().write(Array((Self.nodeKey.hex + "\n").utf8), to: "\(directory)/node-key")
        if armed {
            try ReplayStore.arm(directory: "\(directory)/store")
        }
    }

    private func cleanUp() async {
        for path in mounted.reversed() { _ = try? await tool("umount", path) }
        for loop in loops {
            _ = try? await tool("losetup", "-d", loop)
            forget(loop)
        }
        _ = try? await tool("rm", "-rf", directory)
    }

    static let nodeKey = Digest.sha256(Array("the agent's key".utf8))
    static let node = NodeID("wrk-e-1") ?? unreachable()
    static func unreachable<Value>() -> Value { preconditionFailure("a constant of the tests is malformed") }

    var configuration: WiperConfiguration { Self.configuration(directory) }

    static func configuration(_ directory: String) -> WiperConfiguration {
        WiperConfiguration(
            node: node, nodeKeyPath: "\(directory)/node-key", signersPath: "\(directory)/allowed_signers",
            storeDirectory: "\(directory)/store", socketPath: "\(directory)/wiper.sock", allowedUsers: [geteuid()],
            devroot: "\(directory)/dev", allowLoop: true)
    }

    func writeSigners(_ keys: [String], policy: String = "") throws {
        let lines = try keys.map { key in
            let text = String(decoding: try LinuxFileStore().read("\(directory)/\(key).pub", limit: 4096) ?? [], as: UTF8.self)
            return "\(key)@example.org namespaces=\"meshgate-wipe\" \(text)"
        }
        try LinuxFileStore().write(Array((policy + lines.joined()).utf8), to: "\(directory)/allowed_signers")
    }

    /// Runs a tool of the system to its end and gives what it printed.
    @discardableResult
    func tool(_ name: String, _ arguments: String..., input: [UInt8] = []) async throws -> String {
        let invocation = Invocation(
            name, arguments, environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"], standardInput: input,
            deadline: .seconds(120))
        let result = try await ProcessCommandRunner().run(invocation)
        try #require(result.exit == .exited(0), "\(name) \(arguments.joined(separator: " ")): \(result.exit) \(result.errorText)")
        return result.outputText
    }

    // Disks

    struct Disk {
        let image: String
        let loop: String
        let node: String
    }

    /// Numbers that `losetup --find` never gives: a device that a test lets go and takes again is nobody else's in between.
    private static let loopPrefix = "/dev/loop"

    private func forget(_ loop: String) {
        let control = open("/dev/loop-control", O_RDWR | O_CLOEXEC)
        guard control >= 0, let number = CInt(loop.dropFirst(Self.loopPrefix.count)) else { return }
        defer { close(control) }
        let remove: UInt = 0x4c81
        _ = ioctl(control, remove, number)
    }

    /// A sparse image on a loop device, seen as `name` in the private /dev.
    func disk(_ name: String = "vdb", size: UInt64 = 64 << 20, image: String? = nil, readOnly: Bool = false) async throws -> Disk {
        let path = "\(directory)/\(image ?? "\(name)-data").img"
        if access(path, F_OK) != 0 {
            if let folder = image?.split(separator: "/").dropLast().joined(separator: "/"), !folder.isEmpty {
                try LinuxFileStore().createDirectory("\(directory)/\(folder)")
            }
            let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            try #require(file >= 0 && ftruncate(file, off_t(size)) == 0)
            close(file)
        }
        let loop = "\(Self.loopPrefix)\(UInt32.random(in: 4096..<1_000_000))"
        let arguments = (readOnly ? ["-r"] : []) + [loop, path]
        let result = try await ProcessCommandRunner().run(Invocation("losetup", arguments, deadline: .seconds(20)))
        try #require(result.succeeded, "\(result.errorText)")
        loops.append(loop)
        let number = try #require(BlockNumber.ofNode(loop))
        let node = "\(directory)/dev/\(name)"
        try await tool("mknod", node, "b", String(number.major), String(number.minor))
        return Disk(image: path, loop: loop, node: node)
    }

    func mount(_ disk: Disk) async throws {
        let path = "\(directory)/mnt"
        try await tool("mount", disk.loop, path)
        mounted.append(path)
    }

    /// A file system of 1 MiB over a directory; unmounted at the end.
    func mountSmall(on path: String) async throws {
        try await tool("mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "small", path)
        mounted.append(path)
    }

    /// Fills a small file system up to so many bytes.
    func fill(_ path: String, leaving: UInt64) async throws {
        var room = statvfs()
        try #require(statvfs(path, &room) == 0)
        let free = UInt64(room.f_bavail) * UInt64(room.f_frsize)
        try LinuxFileStore().write([UInt8](repeating: 1, count: Int(free - leaving)), to: path + "/filler")
    }

    func plant(_ bytes: [UInt8], at offset: UInt64, on disk: Disk) throws {
        let file = open(disk.node, O_WRONLY | O_CLOEXEC)
        try #require(file >= 0)
        defer { close(file) }
        try #require(pwrite(file, bytes, bytes.count, off_t(offset)) == bytes.count)
        try #require(fsync(file) == 0)
    }

    func bytes(of disk: Disk, at offset: UInt64, count: Int) throws -> [UInt8] {
        let device = try BlockDevice(disk.node, .reading)
        let buffer = AlignedBuffer(count: count)
        try device.read(into: buffer, count: count, at: offset)
        return Array(buffer.bytes)
    }

    func hash(_ disk: Disk) async throws -> String { String(try await tool("sha256sum", disk.image).prefix(64)) }

    func fact(_ name: String = "vdb") throws -> DiskFact {
        try #require(try configuration.inventory.disks().first { $0.name == name })
    }

    static func label(osd: Int = 3) -> BlueStoreLabel {
        BlueStoreLabel(
            osdUUID: Array(1...16), sizeInBytes: 12 << 30, created: Timestamp(seconds: 1_767_225_600), description: "main",
            meta: ["ceph_fsid": "4a1c2f2e-0000-4000-8000-000000000001", "whoami": String(osd), "osd_key": "SECRET", "ready": "ready"])
    }

    // Warrants

    func terms(for fact: DiskFact, method: WarrantTerms.Method = .labels, _ change: (inout WarrantTerms) -> Void = { _ in }) throws
        -> WarrantTerms
    {
        let now = Timestamp(seconds: SystemClock.now().wall.seconds)
        var terms = WarrantTerms(
            mesh: "lab", id: try #require(WarrantID(try KernelEntropy().hexID())), plan: .sha256(Array("plan".utf8)),
            step: StepID("talos-east", "wipe-vdb"), node: Self.node, nodeKey: Self.nodeKey, boot: boot, store: try mark(),
            disk: fact.identity, holds: WarrantTerms.holds(fact.signatures), fingerprint: fact.fingerprint ?? .zero, method: method,
            notBefore: now + .seconds(-60), notAfter: now + .seconds(600))
        change(&terms)
        return terms
    }

    /// What the records say, read without the store's lock; of a bench that was never armed, a store that nobody has.
    func mark() throws -> ReplayStoreMark {
        let bytes = try LinuxFileStore().read("\(directory)/store/records", limit: 1 << 20) ?? []
        let first = bytes.count >= ReplayRecord.size ? ReplayRecord(Array(bytes[..<ReplayRecord.size])) : nil
        let id = ReplayStoreID(first?.id.text ?? String(repeating: "0", count: 32)) ?? Self.unreachable()
        return ReplayStoreMark(id: id, records: UInt64(bytes.count / ReplayRecord.size))
    }

    func sign(_ terms: WarrantTerms, key: String = "admin", namespace: String = "meshgate-wipe") async throws -> WarrantEnvelope {
        try await sign(text: terms.text, key: key, namespace: namespace)
    }

    func sign(text: String, key: String = "admin", namespace: String = "meshgate-wipe") async throws -> WarrantEnvelope {
        let signature = try await tool(
            "ssh-keygen", "-Y", "sign", "-q", "-f", "\(directory)/\(key)", "-n", namespace, input: Array(text.utf8))
        return WarrantEnvelope(text: text, signatures: [signature])
    }

    func wiper(_ store: ReplayStore, _ change: (inout WiperConfiguration) -> Void = { _ in }) -> Wiper {
        var configuration = configuration
        change(&configuration)
        return Wiper(configuration: configuration, store: store, boot: boot)
    }

    func openStore() throws -> ReplayStore { try ReplayStore(directory: "\(directory)/store") }

    /// Inventory, a signed warrant, a wipe: the whole way on one disk.
    func wipe(_ method: WarrantTerms.Method = .labels) async throws -> WipeReport {
        let envelope = try await sign(try terms(for: try fact(), method: method))
        return try Self.report(wiper(try openStore()).wipe(envelope))
    }

    static func report(_ result: TaskReport.Result) throws -> WipeReport {
        guard case .wiped(let report) = result else {
            Issue.record("not wiped: \(result)")
            throw CancellationError()
        }
        return report
    }
}
