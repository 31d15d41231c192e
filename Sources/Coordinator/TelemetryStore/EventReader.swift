// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Synchronization
package import Telemetry

/// Reads events out of the store a few thousand at a time, in the order of their time. Holds little more in memory than the blocks that overlap.
package final class EventReader: Sendable {
    /// A block that may hold what is asked for; of very many nothing else is kept.
    private struct Candidate {
        var file: StoreSegment
        var (offset, length): (Int, Int)
        var (oldest, newest): (EventTime, EventTime)

        init(_ entry: IndexEntry, in file: StoreSegment) {
            self.file = file
            (offset, length) = (entry.offset, entry.length)
            (oldest, newest) = (entry.head.summary.oldest, entry.head.summary.newest)
        }
    }

    private struct State {
        var isOpen = false
        /// By their oldest event, the next one last; by their newest one where the newest are asked for.
        var candidates: [Candidate] = []
        /// Wanted events that later blocks may still come before, unordered; or the newest so far, the newest first.
        var pending: [StoredEvent] = []
        var pendingBytes = 0
        /// Of the oldest of `pending`.
        var oldest = EventTime(nanoseconds: .max)
        var examined = 0
    }

    /// What may be held back for the sake of order, or for being the newest.
    struct Limits {
        /// Events that wait for their turn, above which they are handed out although an older one may follow: a node that mixes years in one batch
        /// shall not make the coordinator hold all that lies between.
        var events = 200_000
        /// As those, in bytes. Of the newest, so long that all of them take more, fewer are given.
        var bytes = 256 << 20
        /// Blocks that are looked into before the asker is told that the search goes on.
        var patience = 256
    }

    private let segments: [SegmentInfo]
    private let query: TelemetryQuery
    private let newest: Int?
    private let mostBlocks: Int
    private let limits: Limits
    private let damaged: @Sendable () -> Void
    private let state = Mutex(State())
    private let isCancelled = Atomic(false)

    init(
        segments: [SegmentInfo], query: TelemetryQuery, newest: Int?, mostBlocks: Int, limits: Limits = Limits(),
        damaged: @escaping @Sendable () -> Void
    ) {
        self.segments = segments
        self.query = query
        self.newest = newest
        self.mostBlocks = mostBlocks
        self.limits = limits
        self.damaged = damaged
    }

    /// Blocks that had to be unpacked so far.
    package var examinedBlocks: Int { state.withLock { $0.examined } }

    /// The next events, or `nil` at the end. Empty when much was looked through and nothing can be given yet: ask again. Reads on a thread of its
    /// own, as disks may be slow.
    package func next() async throws -> [StoredEvent]? {
        try await OwnThread.run(named: "query") { [self] in state.withLock { read(&$0) } }
    }

    /// Ends the reading before its next block; `next` then gives `nil`. Never waits.
    package func cancel() { isCancelled.store(true, ordering: .relaxed) }

    private var isOver: Bool { isCancelled.load(ordering: .relaxed) }

    private func read(_ state: inout State) -> [StoredEvent]? {
        if !state.isOpen {
            state.isOpen = true
            for segment in segments where !isOver {
                state.candidates += segment.index.lazy.filter { $0.head.mayHold(self.query) }.map { Candidate($0, in: segment.file) }
            }
            if newest != nil { state.candidates.sort { $0.newest < $1.newest } } else { state.candidates.sort { $0.oldest > $1.oldest } }
        }
        defer { if isOver { (state.candidates, state.pending) = ([], []) } }
        let found: [StoredEvent]?
        if let newest { found = readNewest(newest, &state) } else { found = readInOrder(&state) }
        return isOver ? nil : found
    }

    private func readInOrder(_ state: inout State) -> [StoredEvent]? {
        let pause = state.examined + limits.patience
        while !isOver, let candidate = state.candidates.popLast() {
            add(wanted(candidate, &state), &state)
            let horizon = state.candidates.last?.oldest ?? EventTime(nanoseconds: .max)
            if state.pending.count > limits.events || state.pendingBytes > limits.bytes { return handOut(before: nil, &state) }
            if state.oldest < horizon { return handOut(before: horizon, &state) }
            if state.examined >= pause { return [] }
        }
        return state.pending.isEmpty ? nil : handOut(before: nil, &state)
    }

    private func add(_ events: [StoredEvent], _ state: inout State) {
        for stored in events {
            state.pendingBytes += stored.event.weight
            state.oldest = min(state.oldest, stored.event.time)
        }
        state.pending += events
    }

    /// Those that no later block can come before, in their order; with `nil` all of them.
    private func handOut(before horizon: EventTime?, _ state: inout State) -> [StoredEvent] {
        var due: [StoredEvent] = []
        if let horizon {
            let cut = state.pending.partition { $0.event.time < horizon }
            due = Array(state.pending[cut...])
            state.pending.removeSubrange(cut...)
        } else {
            swap(&due, &state.pending)
        }
        let rest = state.pending
        (state.pending, state.pendingBytes, state.oldest) = ([], 0, EventTime(nanoseconds: .max))
        add(rest, &state)
        return due.sorted(by: Self.isBefore)
    }

    /// The last `count` events: blocks from the newest on, until no older block can have any of them.
    private func readNewest(_ count: Int, _ state: inout State) -> [StoredEvent]? {
        let pause = state.examined + limits.patience
        while !isOver, count > 0, let candidate = state.candidates.popLast() {
            guard state.examined < mostBlocks else { break }
            if state.pending.count >= count || state.pendingBytes > limits.bytes, let last = state.pending.last,
                candidate.newest < last.event.time
            {
                break
            }
            let found = wanted(candidate, &state)
            if !found.isEmpty { keepNewest(count, of: found, &state) }
            if state.examined >= pause, !state.candidates.isEmpty { return [] }
        }
        state.candidates = []
        defer { state.pending = [] }
        return state.pending.isEmpty ? nil : state.pending.reversed()
    }

    private func keepNewest(_ count: Int, of found: [StoredEvent], _ state: inout State) {
        state.pending += found
        state.pending.sort { Self.isBefore($1, $0) }
        state.pendingBytes = 0
        let kept = state.pending.prefix(count).prefix { stored in
            // One more than fits, so that nothing older is looked for.
            defer { state.pendingBytes += stored.event.weight }
            return state.pendingBytes <= limits.bytes
        }
        state.pending.removeSubrange(kept.count...)
    }

    private static func isBefore(_ left: StoredEvent, _ right: StoredEvent) -> Bool {
        (left.event.time, left.node, left.stream, left.number) < (right.event.time, right.node, right.stream, right.number)
    }

    private func wanted(_ candidate: Candidate, _ state: inout State) -> [StoredEvent] {
        state.examined += 1
        guard let block = candidate.file.block(at: candidate.offset, length: candidate.length),
            let plain = try? PreparedBatch.unpack(block.batch)
        else {
            damaged()
            return []
        }
        return block.events(query, in: plain)
    }
}

extension StoredBlock {
    /// Events of the block that are wanted; none when it cannot be unpacked.
    func events(_ query: TelemetryQuery, withBodies: Bool = true) -> [StoredEvent] {
        guard let plain = try? PreparedBatch.unpack(batch) else { return [] }
        return events(query, in: plain, withBodies: withBodies)
    }

    fileprivate func events(_ query: TelemetryQuery, in plain: [UInt8], withBodies: Bool = true) -> [StoredEvent] {
        var found: [StoredEvent] = []
        var numbers = EventNumbers(batch)
        var passed: UInt64 = 0
        plain.withUnsafeBytes { bytes in
            // What was stored was checked when it came, and its checksum when it was read.
            try? PackedEvents.forEach(in: bytes) { (outline) throws(TelemetryFault) in
                let number = numbers.next()
                passed += 1
                guard passed > skipped, query.wants(outline, bytes) else { return true }
                var event = try TelemetryEvent(outline, in: bytes)
                if !withBodies { event.body = nil }
                found.append(StoredEvent(node: node, cluster: cluster, stream: batch.stream, number: number, event: event))
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
