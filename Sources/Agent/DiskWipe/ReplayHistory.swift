// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// The replay store's records folded together. Pure: bytes in, state or the reason for distrust out.
///
///     (nothing) -- armed --> armed -- claimed --> running -- done | failed | interrupted --> armed
///
/// Anything else in the file, and the store is disarmed.
struct ReplayHistory: Hashable, Sendable {
    enum Fate: Hashable, Sendable { case running, done, failed, interrupted(offset: UInt64) }
    struct Entry: Hashable, Sendable {
        var claimed: Timestamp
        var fate: Fate
    }
    struct Broken: Error, Hashable { let problem: String }

    /// Absent before the first record.
    private(set) var id: ReplayStoreID?
    private(set) var count: UInt64 = 0
    private(set) var head = Digest.zero
    /// The latest wall time in any record: the clock must not fall behind it.
    private(set) var highWater = Timestamp(milliseconds: 0)
    private(set) var entries: [WarrantID: Entry] = [:]

    /// Folds a whole file. `expected` is how many records the head file remembers, and the hash of the last of them.
    init(replaying bytes: [UInt8], expected: (count: UInt64, head: Digest)) throws(Broken) {
        guard bytes.count.isMultiple(of: ReplayRecord.size) else { throw Broken(problem: "its last record is cut") }
        for start in stride(from: 0, to: bytes.count, by: ReplayRecord.size) {
            guard let record = ReplayRecord(Array(bytes[start..<start + ReplayRecord.size])) else {
                throw Broken(problem: "record \(count) is damaged")
            }
            try apply(record)
            if count == expected.count, head != expected.head { throw Broken(problem: "record \(count - 1) is not the one written before") }
        }
        guard count > 0 else { throw Broken(problem: "it is empty") }
        guard count >= expected.count else { throw Broken(problem: "\(expected.count - count) records are missing at its end") }
        // A crash can come between a record and its head; more than one cannot be explained.
        guard count <= expected.count + 1 else { throw Broken(problem: "it is longer than its head file says") }
    }

    /// A store that begins with this record.
    init(beginning record: ReplayRecord) throws(Broken) { try apply(record) }

    mutating func apply(_ record: ReplayRecord) throws(Broken) {
        guard record.number == count, record.previous == head else { throw Broken(problem: "the chain breaks at record \(count)") }
        switch record.kind {
        case .armed:
            guard count == 0 else { throw Broken(problem: "record \(count) arms a store that is armed") }
            id = ReplayStoreID(record.id.text)
        case .claimed:
            guard count > 0, entries[record.id] == nil else { throw Broken(problem: "record \(count) claims \(record.id) again") }
            entries[record.id] = Entry(claimed: record.time, fate: .running)
        case .done: try end(record, .done)
        case .failed: try end(record, .failed)
        case .interrupted: try end(record, .interrupted(offset: record.offset))
        }
        count += 1
        highWater = max(highWater, record.time)
        head = ReplayRecord.hash(of: record.encoded) ?? .zero
    }

    private mutating func end(_ record: ReplayRecord, _ fate: Fate) throws(Broken) {
        guard entries[record.id]?.fate == .running else { throw Broken(problem: "record \(count) ends what is not running") }
        entries[record.id]?.fate = fate
    }

    var mark: ReplayStoreMark? { id.map { ReplayStoreMark(id: $0, records: count) } }

    /// Claims without an end.
    var running: [WarrantID] { entries.filter { $0.value.fate == .running }.map(\.key).sorted() }
}
