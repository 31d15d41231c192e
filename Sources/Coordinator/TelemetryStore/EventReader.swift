// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Synchronization
package import Telemetry

/// Reads events out of the store a few thousand at a time, in the order of their time. Holds little more in memory than the blocks that overlap.
package final class EventReader: Sendable {
    private struct Candidate {
        var file: StoreSegment
        var entry: IndexEntry
    }

    private struct State {
        var isOpen = false
        /// By their oldest event, the next one last.
        var candidates: [Candidate] = []
        /// Wanted events that later blocks may still come before, unordered.
        var pending: [StoredEvent] = []
        var examined = 0
    }

    /// Events that wait for their turn, above which they are handed out although an older one may follow: a node that mixes years in one batch
    /// shall not make the coordinator hold all that lies between.
    private static let mostPending = 200_000

    private let segments: [SegmentInfo]
    private let query: TelemetryQuery
    private let newest: Int?
    private let mostBlocks: Int
    private let damaged: @Sendable () -> Void
    private let state = Mutex(State())

    init(segments: [SegmentInfo], query: TelemetryQuery, newest: Int?, mostBlocks: Int, damaged: @escaping @Sendable () -> Void) {
        self.segments = segments
        self.query = query
        self.newest = newest
        self.mostBlocks = mostBlocks
        self.damaged = damaged
    }

    /// Blocks that had to be unpacked so far.
    package var examinedBlocks: Int { state.withLock { $0.examined } }

    /// The next events, or `nil` at the end. Reads on a thread of its own, as disks may be slow.
    package func next() async throws -> [StoredEvent]? {
        try await OwnThread.run(named: "query") { [self] in state.withLock { read(&$0) } }
    }

    private func read(_ state: inout State) -> [StoredEvent]? {
        if !state.isOpen {
            state.isOpen = true
            state.candidates = segments.flatMap { segment in
                segment.index.filter { $0.head.mayHold(query) }.map { Candidate(file: segment.file, entry: $0) }
            }
            if let newest { return readNewest(newest, &state) }
            state.candidates.sort { $0.entry.head.summary.oldest > $1.entry.head.summary.oldest }
        }
        while let candidate = state.candidates.popLast() {
            state.pending += wanted(candidate, &state)
            let horizon = state.candidates.last?.entry.head.summary.oldest ?? EventTime(nanoseconds: .max)
            let isCrowded = state.pending.count > Self.mostPending
            guard isCrowded || state.pending.contains(where: { $0.event.time < horizon }) else { continue }
            var due: [StoredEvent] = []
            if isCrowded {
                swap(&due, &state.pending)
            } else {
                let cut = state.pending.partition { $0.event.time < horizon }
                due = Array(state.pending[cut...])
                state.pending.removeSubrange(cut...)
            }
            if !due.isEmpty { return due.sorted(by: Self.isBefore) }
        }
        guard !state.pending.isEmpty else { return nil }
        defer { state.pending = [] }
        return state.pending.sorted(by: Self.isBefore)
    }

    /// The last `count` events: blocks from the newest on, until no older block can have any of them.
    private func readNewest(_ count: Int, _ state: inout State) -> [StoredEvent]? {
        guard count > 0 else { return nil }
        state.candidates.sort { $0.entry.head.summary.newest < $1.entry.head.summary.newest }
        var best: [StoredEvent] = []
        while let candidate = state.candidates.popLast() {
            guard state.examined < mostBlocks else { break }
            if best.count >= count, candidate.entry.head.summary.newest < best[count - 1].event.time { break }
            let found = wanted(candidate, &state)
            guard !found.isEmpty else { continue }
            best += found
            best.sort { Self.isBefore($1, $0) }
            if best.count > count { best.removeSubrange(count...) }
        }
        state.candidates = []
        return best.isEmpty ? nil : best.reversed()
    }

    private static func isBefore(_ left: StoredEvent, _ right: StoredEvent) -> Bool {
        (left.event.time, left.node, left.stream, left.number) < (right.event.time, right.node, right.stream, right.number)
    }

    private func wanted(_ candidate: Candidate, _ state: inout State) -> [StoredEvent] {
        state.examined += 1
        guard let block = candidate.file.block(candidate.entry), let plain = try? PreparedBatch.unpack(block.batch) else {
            damaged()
            return []
        }
        return block.events(query, in: plain)
    }
}

extension StoredBlock {
    /// Events of the block that are wanted; none when it cannot be unpacked.
    func events(_ query: TelemetryQuery) -> [StoredEvent] {
        guard let plain = try? PreparedBatch.unpack(batch) else { return [] }
        return events(query, in: plain)
    }

    fileprivate func events(_ query: TelemetryQuery, in plain: [UInt8]) -> [StoredEvent] {
        var found: [StoredEvent] = []
        var numbers = EventNumbers(batch)
        var passed: UInt64 = 0
        plain.withUnsafeBytes { bytes in
            // What was stored was checked when it came, and its checksum when it was read.
            try? PackedEvents.forEach(in: bytes) { (outline) throws(TelemetryFault) in
                let number = numbers.next()
                passed += 1
                guard passed > skipped, query.wants(outline, bytes) else { return true }
                found.append(
                    StoredEvent(
                        node: node, cluster: cluster, stream: batch.stream, number: number,
                        event: try TelemetryEvent(outline, in: bytes)))
                return true
            }
        }
        return found
    }
}

/// The numbers of a batch's events, one after the other.
struct EventNumbers {
    private var runs: ArraySlice<TelemetryBatch.Run>
    private var number: UInt64
    private var left: UInt64 = 0

    init(_ batch: TelemetryBatch) {
        runs = batch.runs[...]
        number = batch.first
    }

    mutating func next() -> UInt64 {
        while left == 0, let run = runs.popFirst() {
            switch run {
            case .events(let count): left = count
            case .lost(let count, _): number &+= count
            }
        }
        defer { (number, left) = (number &+ 1, left &- min(left, 1)) }
        return number
    }
}

extension TelemetryQuery {
    /// Whether an event of a block that may hold some is one.
    func wants(_ event: EventOutline, _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard event.time >= since, event.time < until else { return false }
        if let kind, !bytes[event.kind].elementsEqual(kind.text.utf8) { return false }
        func fits(_ pattern: TextPattern?, _ range: Range<Int>) -> Bool {
            pattern.map { !range.isEmpty && $0.matches(UnsafeRawBufferPointer(rebasing: bytes[range])) } ?? true
        }
        return fits(binary, event.binary) && fits(namespace, event.namespace) && fits(pod, event.pod) && fits(reason, event.reason)
    }
}
