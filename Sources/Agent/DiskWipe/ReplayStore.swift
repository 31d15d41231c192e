// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import MeshModel
package import MeshSystem
internal import MeshTrust
internal import Synchronization

/// Remembers every warrant that was ever claimed here, so that none is carried out twice. When it is missing, shortened or damaged, no disk
/// is wiped: the store is disarmed until a signed message arms a new one. Only where there never was one, an admin at the host begins it.
///
/// `records` is append-only and synced record by record; `head` remembers count and hash, so that a shortened file is noticed.
package final class ReplayStore: Sendable {
    /// What is known of one warrant.
    package enum Fate: Hashable, Sendable, Codable, CustomStringConvertible {
        case running
        case done
        case failed
        /// Bytes certainly written before the stop; `nil` when the wiper died and nobody can tell.
        case interrupted(afterBytes: UInt64?)
        package var description: String {
            switch self {
            case .running: "being carried out"
            case .done: "carried out to the end"
            case .failed: "begun, and failed"
            case .interrupted(let bytes?): "interrupted after \(bytes) bytes"
            case .interrupted(nil): "interrupted when the wiper died, nobody can tell how far it came"
            }
        }
    }

    private struct State {
        var history: ReplayHistory?
        var problem: String?
        var records: Int32 = -1
        /// The id that a new store would get.
        var challenge: ReplayStoreID?
    }

    package let directory: String
    private let lock: DirectoryLock
    private let now: NowSource
    private let state: Mutex<State>
    private static let largestFile = 64 << 20
    private static let leastRoom: UInt64 = 64 << 10

    /// Opens the store and ends what a dead wiper left open as interrupted. A store that cannot be trusted opens disarmed; only a directory
    /// that cannot be made or that another process uses throws.
    package init(directory: String, now: @escaping NowSource = SystemClock.now) throws {
        self.directory = directory
        self.now = now
        try LinuxFileStore().createDirectory(directory)
        lock = try DirectoryLock(directory: directory)
        state = Mutex(Self.load(directory))
        let challenge = try Self.newID()
        state.withLock { $0.challenge = challenge }
        do {
            for id in state.withLock({ $0.history?.running ?? [] }) {
                try end(id, .interrupted, offset: ReplayRecord.unknownOffset)
            }
        } catch {
            // Inventory must work all the same; a store that cannot be written is disarmed.
            state.withLock { $0.problem = "\(error)" }
        }
    }

    deinit {
        state.withLock { if $0.records >= 0 { close($0.records) } }
    }

    /// Begins the first store of a host, at install. A sound one is left alone. Where there are traces of an earlier one, nothing but a
    /// signed message helps: whoever can delete a file must not thereby revive spent warrants.
    package static func arm(directory: String, now: NowSource = SystemClock.now) throws {
        let files = LinuxFileStore()
        try files.createDirectory(directory)
        let lock = try DirectoryLock(directory: directory)
        defer { lock.release() }
        let loaded = load(directory)
        if loaded.records >= 0 { close(loaded.records) }
        guard let problem = loaded.problem else { return }
        let traces = try (files.list(directory) ?? []).filter { $0 == "head" || $0.hasPrefix("records") }
        guard traces.isEmpty else { throw DiskWipeError.onlySignedArming(path: path(directory), problem: problem) }
        try begin(directory, try newID(), at: now().wall)
    }

    /// Begins a new store because a person said so; a damaged one is moved aside. Every warrant for the old one is void.
    func arm(under arming: VerifiedArming) throws {
        let challenge = try Self.newID()
        try state.withLock { state in
            let highWater = state.history?.highWater
            let isAhead = highWater.map { $0 - now().wall > Self.tolerance } ?? false
            guard state.problem != nil || isAhead, arming.terms.store == state.challenge else {
                throw Self.unusable(directory, "it is armed, or was to be armed under another id")
            }
            if state.records >= 0 { close(state.records) }
            state.records = -1
            let files = LinuxFileStore()
            if let damaged = try files.read(Self.path(directory), limit: Self.largestFile) {
                try files.write(damaged, to: "\(Self.path(directory)).damaged-\(now().wall.milliseconds)")
            }
            try Self.begin(directory, arming.terms.store, at: now().wall)
            state = Self.load(directory)
            state.challenge = challenge
        }
    }

    private static func begin(_ directory: String, _ id: ReplayStoreID, at time: Timestamp) throws {
        guard let warrant = WarrantID(id.text) else { throw unusable(directory, "its id is malformed") }
        let record = ReplayRecord(kind: .armed, number: 0, time: time, id: warrant, previous: .zero)
        // The head first: a crash in between leaves a head without records, which is disarmed.
        try writeHead(directory, count: 1, head: ReplayRecord.hash(of: record.encoded) ?? .zero)
        try LinuxFileStore().write(record.encoded, to: path(directory))
    }

    private static func newID() throws -> ReplayStoreID {
        guard let id = ReplayStoreID(try KernelEntropy().hexID()) else {
            throw DiskWipeError.storeUnusable(path: "-", problem: "no random id")
        }
        return id
    }

    /// Which store this is and how long it has become; `nil` while disarmed.
    package var mark: ReplayStoreMark? { state.withLock { $0.problem == nil ? $0.history?.mark : nil } }
    /// What a message must name that arms this wiper.
    package var challenge: ReplayStoreID? { state.withLock { $0.challenge } }
    /// Why the records of one more wipe might not fit; a wipe whose end cannot be told is not begun.
    var noRoomBecause: String? {
        let count = state.withLock { $0.history?.count ?? 0 }
        guard count + 2 < UInt64(Self.largestFile / ReplayRecord.size) else {
            return "the replay store \(Self.path(directory)) is full with \(count) records"
        }
        var room = statvfs()
        guard statvfs(directory, &room) == 0 else { return "cannot tell how much room \(directory) has: \(explain(errno))" }
        let free = UInt64(room.f_bavail) * UInt64(room.f_frsize)
        return free >= Self.leastRoom ? nil : "\(directory) has \(free) bytes left, and records need \(Self.leastRoom); make room"
    }

    /// Why the store cannot be trusted; `nil` when it is sound.
    package var disarmedBecause: String? { state.withLock { $0.problem } }
    /// Why nothing may be wiped at this time; `nil` when the store is armed.
    package func disarmed(at time: Timestamp) -> String? { disarmedBecause ?? aheadOfClock(time) }

    /// How far the clock may be behind the latest record.
    static let tolerance = Duration.seconds(300)

    /// What is wrong when the latest record is from a time that has not come yet. Either clock may be the wrong one: that of today, or the one
    /// by which the record was written, and nobody but a person can tell. Correcting the clock arms the store again; where the record is
    /// wrong, a signed message begins a new store, under a new id, so that no warrant for this one counts any more.
    func aheadOfClock(_ time: Timestamp) -> String? {
        guard let highWater, highWater - time > Self.tolerance else { return nil }
        return
            "the clock says \(time), and the latest record in \(Self.path(directory)) is of \(highWater): if the clock is behind, correct the "
            + "clock; if it was ahead when that was recorded, begin a new record with `meshgate wipe arm NODE`"
    }
    /// The latest time ever recorded: a clock that is behind it cannot judge when a warrant ends.
    package var highWater: Timestamp? { state.withLock { $0.history?.highWater } }
    /// What became of a warrant here; `nil` when it was never claimed.
    package func fate(of id: WarrantID) -> Fate? { state.withLock { $0.history?.entries[id] }.map { Self.fate($0.fate) } }
    /// Every warrant ever claimed here.
    package var fates: [WarrantID: Fate] { state.withLock { $0.history?.entries ?? [:] }.mapValues { Self.fate($0.fate) } }

    /// Spends a warrant. When this returns, the record is on the medium and the first byte may be written.
    ///
    /// `store` is the one that the warrant names: between judging and claiming, another may have been armed.
    func claim(_ id: WarrantID, in store: ReplayStoreID, sequence: UInt64, boot: BootID) throws {
        try append(.claimed, id, in: store) { record in
            record.sequence = sequence
            record.boot = boot.text
        }
    }

    func end(_ id: WarrantID, _ kind: ReplayRecord.Kind, offset: UInt64) throws {
        try append(kind, id) { $0.offset = offset }
    }

    private static func fate(_ fate: ReplayHistory.Fate) -> Fate {
        switch fate {
        case .running: .running
        case .done: .done
        case .failed: .failed
        case .interrupted(let offset): .interrupted(afterBytes: offset == ReplayRecord.unknownOffset ? nil : offset)
        }
    }

    /// One at a time; after any error the store stays disarmed, because nobody knows what is on the medium.
    private func append(_ kind: ReplayRecord.Kind, _ id: WarrantID, in store: ReplayStoreID? = nil, _ fill: (inout ReplayRecord) -> Void)
        throws
    {
        try state.withLock { state in
            guard var history = state.history, state.problem == nil, state.records >= 0 else {
                throw Self.unusable(directory, state.problem ?? "it is not open")
            }
            guard store == nil || history.id == store else { throw Self.unusable(directory, "another one was armed meanwhile") }
            var record = ReplayRecord(
                kind: kind, number: history.count, time: max(now().wall, history.highWater), id: id, previous: history.head)
            fill(&record)
            do throws(ReplayHistory.Broken) { try history.apply(record) } catch { throw Self.unusable(directory, error.problem) }
            do {
                try Self.write(record.encoded, to: state.records, Self.path(directory), after: record.number)
                try Self.writeHead(directory, count: history.count, head: history.head)
            } catch {
                state.problem = "an earlier record could not be written (\(error))"
                throw error
            }
            state.history = history
        }
    }

    /// Opened with O_DSYNC: a write that returns is on the medium. A short write is taken back if that is possible.
    private static func write(_ bytes: [UInt8], to file: Int32, _ path: String, after count: UInt64) throws {
        let written = Glibc.write(file, bytes, bytes.count)
        guard written != bytes.count else { return }
        let number = written < 0 ? errno : ENOSPC
        _ = ftruncate(file, off_t(count) * off_t(ReplayRecord.size))
        throw DiskWipeError.storeWrite(path: path, errno: number)
    }

    private static func load(_ directory: String) -> State {
        let path = path(directory)
        do {
            guard let bytes = try LinuxFileStore().read(path, limit: largestFile) else {
                return State(
                    problem:
                        "there is no replay store at \(path); `meshgate wipe arm NODE` at the coordinator begins one, or, where there never "
                        + "was one, `meshgate-agent wiper arm` here")
            }
            let history = try ReplayHistory(replaying: bytes, expected: try readHead(directory))
            let file = open(path, O_WRONLY | O_APPEND | O_DSYNC | O_CLOEXEC | O_NOFOLLOW)
            guard file >= 0 else { throw DiskWipeError.storeWrite(path: path, errno: errno) }
            // A crash came between a record and its head; the next one must find it mended.
            if try readHead(directory).count != history.count { try writeHead(directory, count: history.count, head: history.head) }
            return State(history: history, records: file)
        } catch let broken as ReplayHistory.Broken {
            return State(problem: "\(unusable(directory, broken.problem))")
        } catch {
            return State(problem: "\(error)")
        }
    }

    private static func path(_ directory: String) -> String { "\(directory)/records" }

    /// `count hash\n`.
    private static func readHead(_ directory: String) throws -> (count: UInt64, head: Digest) {
        guard let bytes = try LinuxFileStore().read("\(directory)/head", limit: 128) else {
            throw unusable(directory, "its head file is missing")
        }
        let parts = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first?.split(separator: " ") ?? []
        guard parts.count == 2, let count = UInt64(parts[0]), count > 0, let head = Digest(hex: String(parts[1])) else {
            throw unusable(directory, "its head file is damaged")
        }
        return (count, head)
    }

    private static func writeHead(_ directory: String, count: UInt64, head: Digest) throws {
        try LinuxFileStore().write(Array("\(count) \(head.hex)\n".utf8), to: "\(directory)/head")
    }

    private static func unusable(_ directory: String, _ problem: String) -> DiskWipeError {
        .storeUnusable(path: path(directory), problem: problem)
    }
}
