// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Synchronization
import Testing

@testable import DiskWipe

extension DiskTests {
    /// Each refusal, each time with the image's SHA-256 before and after.
    @Suite("refusals", .serialized)
    struct Refusals {
        /// Signs a warrant for the disk as it is, lets `change` do harm, wipes, and wants `code` and an untouched image.
        private func expect(
            _ code: TaskRefusal.Code, saying words: String, armed: Bool = true,
            terms: @escaping (inout WarrantTerms) -> Void = { _ in },
            configuration: @escaping (inout WiperConfiguration) -> Void = { _ in },
            envelope: (Bench, WarrantTerms) async throws -> WarrantEnvelope = { try await $0.sign($1) },
            before change: (Bench, Bench.Disk) async throws -> Void = { _, _ in },
            after undo: (Bench, Bench.Disk) async throws -> Void = { _, _ in }, location: SourceLocation = #_sourceLocation
        ) async throws {
            try await Bench.with(armed: armed) { bench in
                let disk = try await bench.disk(size: 16 << 20)
                try await bench.tool("mkfs.ext4", "-q", "-L", "precious", disk.loop)
                let signed = try await envelope(bench, try bench.terms(for: try bench.fact(), terms))
                try await change(bench, disk)
                try await bench.tool("sync", "-f", disk.image)
                let hash = try await bench.hash(disk)
                let result = bench.wiper(try bench.openStore(), configuration).wipe(signed)
                #expect(try await bench.hash(disk) == hash, "the image changed", sourceLocation: location)
                try await undo(bench, disk)
                guard case .refused(let refusal) = result else {
                    Issue.record("not refused: \(result)", sourceLocation: location)
                    return
                }
                #expect(refusal.code == code && refusal.detail.contains(words), "\(refusal)", sourceLocation: location)
            }
        }

        @Test("a mounted disk")
        func mounted() async throws {
            try await expect(.inUse, saying: "mounted at", before: { try await $0.mount($1) })
        }

        @Test("a disk mounted where we cannot see it: in another mount namespace")
        func mountedElsewhere() async throws {
            let holder = Holder()
            try await expect(
                .inUse, saying: "not visible from here",
                before: { bench, disk in try await holder.mountInOwnNamespace(disk.loop, "\(bench.directory)/mnt") },
                after: { _, _ in await holder.release() })
        }

        @Test("a disk used as swap")
        func swap() async throws {
            try await expect(
                .inUse, saying: "used as swap",
                before: {
                    try await $0.tool("mkswap", "-f", $1.loop)
                    try await $0.tool("swapon", $1.loop)
                }, after: { try await $0.tool("swapoff", $1.loop) })
        }

        @Test("a disk that another program holds exclusively, as a running OSD does")
        func heldExclusively() async throws {
            var other: BlockDevice?
            try await expect(.inUse, saying: "not visible from here", before: { other = try BlockDevice($1.node, .exclusiveReading) })
            #expect(other != nil)
        }

        @Test("a disk that another program has locked")
        func locked() async throws {
            var other: BlockDevice?
            try await expect(
                .locked, saying: "holds a lock",
                before: {
                    other = try BlockDevice($1.node, .reading)
                    #expect(other?.lock() == true)
                })
        }

        @Test("a read-only disk")
        func readOnly() async throws {
            try await expect(
                .readOnly, saying: "read-only", before: { try await $0.tool("blockdev", "--setro", $1.loop) },
                after: { try await $0.tool("blockdev", "--setrw", $1.loop) })
        }

        @Test("a disk with another serial, size, path or sequence than the warrant's")
        func otherIdentity() async throws {
            try await expect(.identityMismatch, saying: "serial vdb-data instead of other", terms: { $0.disk.serial = "other" })
            try await expect(.identityMismatch, saying: "size 16777216 instead of 16777728", terms: { $0.disk.sizeInBytes += 512 })
            try await expect(.identityMismatch, saying: "path virtual instead of pci", terms: { $0.disk.path = "pci" })
            try await expect(.identityMismatch, saying: "disk sequence", terms: { $0.disk.sequence += 1 })
            try await expect(.identityMismatch, saying: "kind loop instead of virtio", terms: { $0.disk.kind = .virtio })
            try await expect(
                .noSuchDisk, saying: "serial nowhere",
                terms: {
                    $0.disk.serial = "nowhere"
                    $0.disk.sequence += 1_000_000
                })
        }

        @Test("another image behind the same device: same name, number and size")
        func swapped() async throws {
            try await expect(
                .identityMismatch, saying: "disk sequence",
                before: { bench, disk in
                    try await bench.tool("losetup", "-d", disk.loop)
                    try await bench.tool("mkdir", "\(bench.directory)/other")
                    try await bench.tool("cp", disk.image, "\(bench.directory)/other/vdb-data.img")
                    try await bench.tool("losetup", disk.loop, "\(bench.directory)/other/vdb-data.img")
                },
                after: { bench, disk in try await bench.tool("cmp", disk.image, "\(bench.directory)/other/vdb-data.img") })
        }

        @Test("two disks that answer to one serial")
        func ambiguous() async throws {
            try await expect(
                .ambiguousDisk, saying: "vdb, vdc all answer to",
                before: { bench, _ in _ = try await bench.disk("vdc", size: 16 << 20, image: "twin/vdb-data") })
        }

        @Test("one medium on two ways, without a serial: idle here and mounted there")
        func namelessTwins() async throws {
            try await Bench.with { bench in
                // A name that a warrant cannot carry is no serial.
                let disk = try await bench.disk(size: 16 << 20, image: "zwilling-\u{FC}")
                try await bench.tool("mkfs.ext4", "-q", "-L", "precious", disk.loop)
                let other = try await bench.disk("vdc", size: 16 << 20, image: "zwilling-\u{FC}")
                try await bench.mount(other)
                try await bench.tool("sync")
                let fact = try bench.fact()
                try #require(fact.identity.serial == nil)
                let envelope = try await bench.sign(try bench.terms(for: fact))
                let hash = try await bench.hash(disk)
                guard case .refused(let refusal) = bench.wiper(try bench.openStore()).wipe(envelope) else { return #expect(Bool(false)) }
                #expect(refusal.code == .ambiguousDisk && refusal.detail.contains("may be one disk"), "\(refusal)")
                #expect(try await bench.hash(disk) == hash)
            }
        }

        @Test("content that changed after the admin looked")
        func contentChanged() async throws {
            try await expect(.fingerprintMismatch, saying: "ext4 'precious'", before: { try $0.plant([1], at: 2000, on: $1) })
        }

        @Test("the disk of a Talos machine, whatever is signed")
        func talosDisk() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 64 << 20)
                try await bench.tool("sgdisk", "-n", "1:2048:+8M", "-c", "1:STATE", disk.loop)
                let hash = try await bench.hash(disk)
                let envelope = try await bench.sign(try bench.terms(for: try bench.fact()))
                guard case .refused(let refusal) = bench.wiper(try bench.openStore()).wipe(envelope) else { return #expect(Bool(false)) }
                #expect(refusal.code == .foreignContent && refusal.detail.contains("Talos' STATE"))
                #expect(try await bench.hash(disk) == hash)
            }
        }

        @Test("a partition is no disk")
        func partition() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 64 << 20)
                try await bench.tool("sgdisk", "-n", "1:2048:+8M", disk.loop)
                try await bench.tool("partx", "-a", disk.loop)
                let part = "\(disk.loop)p1"
                let text = try await bench.tool("cat", "/sys/class/block/\(part.dropFirst(5))/dev")
                let number = try #require(BlockNumber(text.prefix { !$0.isNewline }))
                #expect(SysfsDisk(number, sysroot: "/sys")?.notWholeDisk == "\(part.dropFirst(5)) is a partition")
                try await bench.tool("rm", disk.node)
                try await bench.tool("mknod", disk.node, "b", String(number.major), String(number.minor))
                #expect(try bench.configuration.inventory.disks().isEmpty)
                try await bench.tool("partx", "-d", disk.loop)
            }
        }

        @Test("no warrant, or none that anybody signed")
        func missing() async throws {
            try await expect(.warrantMissing, saying: "no signed warrant", envelope: { WarrantEnvelope(text: $1.text, signatures: []) })
            try await expect(.warrantMissing, saying: "no signed warrant", envelope: { _, _ in WarrantEnvelope(text: "", signatures: []) })
        }

        @Test("a warrant that expired, or is not valid yet")
        func outOfTime() async throws {
            try await expect(
                .warrantExpired, saying: "expired at",
                terms: {
                    $0.notBefore = $0.notBefore + .seconds(-600)
                    $0.notAfter = $0.notBefore + .seconds(300)
                })
            try await expect(
                .warrantNotYetValid, saying: "not valid before",
                terms: {
                    $0.notBefore = $0.notAfter
                    $0.notAfter = $0.notAfter + .seconds(60)
                })
        }

        @Test("a warrant for another node, another agent key or another boot")
        func elsewhere() async throws {
            try await expect(.warrantOtherNode, saying: "for node wrk-w-9", terms: { $0.node = NodeID("wrk-w-9") ?? $0.node })
            try await expect(.warrantOtherNode, saying: "agent key", terms: { $0.nodeKey = .zero })
            try await expect(.warrantOtherNode, saying: "boot", terms: { $0.boot = BootID("00000000-0000") ?? $0.boot })
            try await expect(.warrantOtherNode, saying: "enrolled", configuration: { $0.nodeKeyPath += ".missing" })
        }

        @Test("a warrant by a stranger, for another purpose, or with one letter changed")
        func forged() async throws {
            try await expect(.warrantSignature, saying: "not in the allowed_signers", envelope: { try await $0.sign($1, key: "stranger") })
            try await expect(.warrantSignature, saying: "namespace", envelope: { try await $0.sign($1, namespace: "file") })
            try await expect(
                .warrantSignature, saying: "not over this text",
                envelope: { bench, terms in
                    var widened = terms
                    widened.method = .zero
                    return WarrantEnvelope(text: widened.text, signatures: try await bench.sign(terms).signatures)
                })
            try await expect(
                .warrantSignature, saying: "ssh-keygen", envelope: { WarrantEnvelope(text: $1.text, signatures: ["nonsense"]) })
            try await expect(
                .warrantMalformed, saying: "not a warrant", envelope: { try await $0.sign(text: $1.text + "extra: 1\n") })
        }

        @Test("one key where two people must sign")
        func threshold() async throws {
            try await expect(
                .warrantSignature, saying: "2 different keys must sign",
                before: { bench, _ in try bench.writeSigners(["admin", "stranger"], policy: "# meshgate: signatures 2\n") })
        }

        @Test("no signers file, and one that is damaged")
        func signers() async throws {
            try await expect(.signersMissing, saying: "no allowed_signers", configuration: { $0.signersPath += ".missing" })
            try await expect(
                .signersMissing, saying: "line 1",
                before: { bench, _ in try LinuxFileStore().write(Array("not a signer\n".utf8), to: bench.configuration.signersPath) })
        }

        @Test("a store that was never armed, another store than the warrant's, and one that was set back to an earlier day")
        func disarmed() async throws {
            try await expect(.disarmed, saying: "wipe arm NODE", armed: false)
            try await expect(
                .storeMismatch, saying: "the warrant is for the replay store 0000", armed: false,
                before: { bench, _ in try ReplayStore.arm(directory: bench.configuration.storeDirectory) })
            try await expect(.storeMismatch, saying: "has 1 records and had 2", terms: { $0.store.records = 2 })
        }

        @Test("other contents than the warrant lists, even under the right fingerprint")
        func otherContents() async throws {
            try await expect(.contentsMismatch, saying: "not listed: ext4", terms: { $0.holds = [] })
            try await expect(
                .contentsMismatch, saying: "does not hold what", terms: { $0.holds += ["gpt at byte 512: GPT with 1 partition"] })
        }

        @Test("a disk above the size that this host wipes")
        func tooLarge() async throws {
            try await expect(.tooLarge, saying: "wipes up to 1048576", configuration: { $0.manners.largestDisk = 1 << 20 })
        }

        @Test("a process with more rights than it needs")
        func tooPrivileged() async throws {
            try await expect(.tooPrivileged, saying: "capabilities", configuration: { $0.unfitBecause = "it has capabilities" })
        }

        @Test("a medium that has no room for the records of one more wipe")
        func noRoomForRecords() async throws {
            try await expect(
                .storeFull, saying: "bytes left",
                before: { bench, _ in
                    let store = bench.configuration.storeDirectory
                    try await bench.tool("cp", "-a", store, store + ".kept")
                    try await bench.mountSmall(on: store)
                    try await bench.tool("cp", "-a", store + ".kept/.", store)
                    try await bench.fill(store, leaving: 32 << 10)
                })
        }

        @Test("a clock that fell behind what is recorded")
        func clock() async throws {
            try await expect(
                .clockUnsure, saying: "correct the clock", armed: false,
                before: { bench, _ in
                    try ReplayStore.arm(directory: bench.configuration.storeDirectory) {
                        Moment(wall: SystemClock.now().wall + .seconds(7200), boot: 0)
                    }
                })
        }

        @Test("an expired warrant, when the clock is then set back to before its end")
        func clockSetBack() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 16 << 20)
                try await bench.tool("mkfs.ext4", "-q", "-L", "precious", disk.loop)
                let terms = try bench.terms(for: try bench.fact())
                let signed = try await bench.sign(terms)
                let hash = try await bench.hash(disk)
                let clock = HandClock(SystemClock.now())
                let store = try bench.openStore()
                let wiper = Wiper(configuration: bench.configuration, store: store, boot: bench.boot, now: clock.now)
                func refusal() throws -> TaskRefusal {
                    guard case .refused(let refusal) = wiper.wipe(signed) else { throw CancellationError() }
                    return refusal
                }
                clock.pass(.seconds(700))
                #expect(try refusal().code == .warrantExpired)
                // No further than a clock may drift: the warrant would be good again.
                clock.step(.seconds(-290))
                #expect(clock.now().wall < terms.notAfter)
                #expect(try refusal().code == .warrantExpired)
                clock.step(.seconds(-7200))
                let far = try refusal()
                #expect(far.code == .clockUnsure && far.detail.contains("set back") && far.detail.contains("restart meshgate-wiper"))
                #expect(try await bench.hash(disk) == hash && store.fate(of: terms.id) == nil)
            }
        }

        @Test("a warrant that was used once, even when it ended well")
        func reused() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 16 << 20)
                try await bench.tool("mkfs.ext4", "-q", disk.loop)
                let envelope = try await bench.sign(try bench.terms(for: try bench.fact()))
                #expect(try Bench.report(bench.wiper(try bench.openStore()).wipe(envelope)).ending == .cleared)
                try await bench.tool("mkfs.ext4", "-q", disk.loop)
                let hash = try await bench.hash(disk)
                guard case .refused(let refusal) = bench.wiper(try bench.openStore()).wipe(envelope) else { return #expect(Bool(false)) }
                #expect(refusal.code == .warrantDone && refusal.detail.contains("carried out to the end"))
                #expect(try await bench.hash(disk) == hash)
            }
        }
    }
}

/// A clock that is moved by hand: both of its times pass, and the wall time may be stepped.
final class HandClock: Sendable {
    private let moment: Mutex<Moment>
    init(_ start: Moment) { moment = Mutex(start) }

    var now: NowSource { { self.moment.withLock { $0 } } }
    func pass(_ time: Duration) { moment.withLock { $0 = $0.advanced(by: time) } }
    func step(_ wall: Duration) { moment.withLock { $0 = Moment(wall: $0.wall + wall, boot: $0.boot) } }
}

/// A process in a mount namespace of its own that keeps something mounted until released.
actor Holder {
    private var running: Task<Void, any Error>?

    func mountInOwnNamespace(_ device: String, _ path: String) async throws {
        let ready = AsyncStream.makeStream(of: Bool.self)
        let script = "mount \"$1\" \"$2\" && echo ready && exec tail -f /dev/null"
        let invocation = Invocation(
            "unshare", ["-m", "sh", "-c", script, "sh", device, path], environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"],
            deadline: .seconds(60))
        // Ended by `release`.
        running = Task {
            defer { ready.continuation.finish() }
            _ = try await ProcessCommandRunner().run(invocation) { line in if line.text == "ready" { ready.continuation.yield(true) } }
        }
        var iterator = ready.stream.makeAsyncIterator()
        let mounted = await iterator.next()
        try #require(mounted == true)
    }

    func release() async {
        running?.cancel()
        _ = await running?.result
    }
}
