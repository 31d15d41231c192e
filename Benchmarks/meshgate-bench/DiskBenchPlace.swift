// SPDX-License-Identifier: Apache-2.0

import DiskWipe
import Glibc
import MeshModel
import MeshSystem
import MeshTrust

/// A host in small, as a warrant needs it: keys, signers, a replay store, and images on loop devices under a private /dev.
final class DiskBenchPlace {
    let directory: String
    let boot: BootID
    private var loops: [String] = []

    static let node = NodeID("wrk-e-1") ?? never()
    private static let nodeKey = Digest.sha256(Array("the agent's key".utf8))
    private static func never<Value>() -> Value { preconditionFailure("a constant of the measurement is malformed") }

    /// How a loop device reads and writes its image.
    enum Table: String, CaseIterable {
        case direct
        case buffered
    }

    struct Disk {
        let name: String
        let loop: String
        let size: UInt64
        let table: Table
    }

    static func with(_ directory: String, _ body: (DiskBenchPlace) async throws -> Void) async throws {
        guard geteuid() == 0, access("/dev/loop-control", R_OK | W_OK) == 0 else {
            throw BenchError.failed("disks need root and loop devices")
        }
        let place = try DiskBenchPlace(directory)
        do {
            try await place.prepare()
            try await body(place)
        } catch {
            await place.cleanUp()
            throw error
        }
        await place.cleanUp()
    }

    private init(_ parent: String) throws {
        directory = "\(parent)/disks"
        boot = try SystemClock.bootID()
    }

    private func prepare() async throws {
        for path in ["", "/dev"] { try LinuxFileStore().createDirectory(directory + path) }
        try await DiskBenchTool.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "admin", "-f", "\(directory)/admin")
        let key = String(decoding: try LinuxFileStore().read("\(directory)/admin.pub", limit: 4096) ?? [], as: UTF8.self)
        try LinuxFileStore().write(
            Array("admin@example.org namespaces=\"meshgate-wipe\" \(key)".utf8), to: "\(directory)/allowed_signers")
        try LinuxFileStore().write(Array((Self.nodeKey.hex + "\n").utf8), to: "\(directory)/node-key")
        try ReplayStore.arm(directory: "\(directory)/store")
    }

    private func cleanUp() async {
        for loop in loops { _ = try? await DiskBenchTool.run("losetup", "-d", loop) }
        _ = try? await DiskBenchTool.run("rm", "-rf", directory)
    }

    // Disks

    /// A sparse image on a loop device, seen as `name` in the private /dev.
    func disk(_ name: String, size: UInt64, _ table: Table) async throws -> Disk {
        let image = "\(directory)/\(name).img"
        try await DiskBenchTool.run("truncate", "-s", String(size), image)
        let direct = "--direct-io=\(table == .direct ? "on" : "off")"
        let output = try await DiskBenchTool.run("losetup", "--find", "--show", direct, image)
        let loop = String(output.prefix { !$0.isNewline })
        loops.append(loop)
        try await DiskBenchTool.run("cp", "-a", loop, "\(directory)/dev/\(name)")
        return Disk(name: name, loop: loop, size: size, table: table)
    }

    func detach(_ disk: Disk) async throws {
        loops.removeAll { $0 == disk.loop }
        try await DiskBenchTool.run("losetup", "-d", disk.loop)
        for path in ["\(disk.name).img", "dev/\(disk.name)"] { unlink("\(directory)/\(path)") }
    }

    /// What sysfs says of a disk, but for one thing: that it cannot zero by itself. The wiper then writes every zero with its own hands, as
    /// on a disk that truly cannot. Gives a directory to be used in place of /sys.
    func sysfsWithoutWriteZeroes(_ disk: Disk) async throws -> String {
        let root = "\(directory)/sys"
        let kernelName = String(disk.loop.split(separator: "/").last ?? "")
        let number = Machine.read("/sys/block/\(kernelName)/dev").filter { !$0.isNewline }
        let device = "\(root)/devices/virtual/block/\(kernelName)"
        for path in ["\(root)/dev/block", "\(device)/queue", "\(device)/loop", "\(device)/holders", "\(device)/slaves"] {
            try await DiskBenchTool.run("mkdir", "-p", path)
        }
        let attributes = [
            "dev", "size", "ro", "removable", "diskseq", "loop/backing_file", "queue/logical_block_size", "queue/physical_block_size",
            "queue/rotational", "queue/zoned", "queue/discard_max_bytes",
        ]
        for name in attributes {
            try LinuxFileStore().write(Array(Machine.read("/sys/block/\(kernelName)/\(name)").utf8), to: "\(device)/\(name)")
        }
        try LinuxFileStore().write(Array("0\n".utf8), to: "\(device)/queue/write_zeroes_max_bytes")
        try await DiskBenchTool.run("ln", "-sfn", "../../devices/virtual/block/\(kernelName)", "\(root)/dev/block/\(number)")
        return root
    }

    // Warrants

    func configuration(sysroot: String = "/sys") -> WiperConfiguration {
        WiperConfiguration(
            node: Self.node, nodeKeyPath: "\(directory)/node-key", signersPath: "\(directory)/allowed_signers",
            storeDirectory: "\(directory)/store", socketPath: "\(directory)/wiper.sock", allowedUsers: [geteuid()], sysroot: sysroot,
            devroot: "\(directory)/dev", allowLoop: true)
    }

    func fact(_ disk: Disk, sysroot: String = "/sys") throws -> DiskFact {
        guard let fact = try configuration(sysroot: sysroot).inventory.disks().first(where: { $0.name == disk.name }) else {
            throw BenchError.failed("the inventory does not show \(disk.name)")
        }
        return fact
    }

    /// A warrant for what the inventory said, signed as an admin would.
    func warrant(_ fact: DiskFact, _ store: ReplayStoreMark?, method: WarrantTerms.Method) async throws -> WarrantEnvelope {
        guard let id = WarrantID(try KernelEntropy().hexID()), let store, let fingerprint = fact.fingerprint else {
            throw BenchError.failed("\(fact.name) cannot be wiped: \(fact.unreadable ?? "the store is disarmed")")
        }
        let now = Timestamp(seconds: SystemClock.now().wall.seconds)
        let terms = WarrantTerms(
            mesh: "lab", id: id, plan: .sha256(Array("plan".utf8)), step: StepID("talos-east", "wipe-vdb"), node: Self.node,
            nodeKey: Self.nodeKey, boot: boot, store: store, disk: fact.identity, holds: WarrantTerms.holds(fact.signatures),
            fingerprint: fingerprint, method: method, notBefore: now + .seconds(-60), notAfter: now + .seconds(1800))
        let signature = try await DiskBenchTool.run(
            "ssh-keygen", "-Y", "sign", "-q", "-f", "\(directory)/admin", "-n", WarrantTerms.namespace, input: Array(terms.text.utf8))
        return WarrantEnvelope(text: terms.text, signatures: [signature])
    }

    // Wipes

    /// When in a wipe what was done, in seconds from its start.
    struct Timeline {
        /// Judged, found, held, looked at, claimed, and the first chunk written.
        var firstWritten = 0.0
        /// Everything written and synchronised, and the first chunk read back.
        var firstRead = 0.0
        var lastRead = 0.0
        /// The last look is taken and the end recorded.
        var end = 0.0
        var bytesWritten: UInt64 = 0
        var bytesRead: UInt64 = 0
        /// Bytes of the first chunk of each phase, which lie before the time that marks its begin.
        var firstChunk: (written: UInt64, read: UInt64) = (0, 0)

        /// MB/s of writing, with all synchronising.
        var writeRate: Double { Double(bytesWritten - firstChunk.written) / (firstRead - firstWritten) / 1e6 }
        var readRate: Double { Double(bytesRead - firstChunk.read) / (lastRead - firstRead) / 1e6 }
    }

    /// Inventory and signature first, then the clock: the wipe from the verification of its warrant to its recorded end.
    func wipe(_ disk: Disk, _ method: WarrantTerms.Method, sysroot: String = "/sys") async throws -> Timeline {
        let configuration = configuration(sysroot: sysroot)
        let store = try ReplayStore(directory: configuration.storeDirectory)
        let envelope = try await warrant(try fact(disk, sysroot: sysroot), store.mark, method: method)
        let wiper = Wiper(configuration: configuration, store: store, boot: boot)
        let watch = Watch()
        let result = wiper.wipe(envelope) { phase, bytes, _ in watch.note(phase, bytes) }
        var timeline = watch.timeline
        timeline.end = Machine.now() - watch.start
        guard case .wiped(let report) = result, report.ending == .cleared else { throw BenchError.failed("not wiped: \(result)") }
        timeline.bytesWritten = report.bytesWritten
        timeline.bytesRead = report.bytesVerified
        timeline.firstChunk.read -= min(report.bytesWritten, timeline.firstChunk.read)
        return timeline
    }

    /// Notes when the phases begin and end. A wipe is one thread, which is the one that asks afterwards.
    private final class Watch: @unchecked Sendable {
        let start = Machine.now()
        var timeline = Timeline()

        func note(_ phase: TaskProgress.Phase, _ bytes: UInt64) {
            let now = Machine.now() - start
            if phase == .writing {
                guard timeline.firstWritten == 0 else { return }
                timeline.firstWritten = now
                timeline.firstChunk.written = bytes
            } else {
                timeline.lastRead = now
                guard timeline.firstRead == 0 else { return }
                timeline.firstRead = now
                timeline.firstChunk.read = bytes
            }
        }
    }
}
