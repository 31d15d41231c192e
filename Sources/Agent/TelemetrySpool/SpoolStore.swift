// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Telemetry

/// The disk's half of the spool: segments, and the queue of what waits for an acknowledgement. One caller at a time; calls may wait for the disk.
struct SpoolStore {
    let configuration: SpoolConfiguration
    let header: SpoolHeader
    private(set) var queue = SpoolQueue()
    private var segments: [SpoolSegment] = []
    private var nextSegment: UInt64 = 1
    private(set) var failures: UInt64 = 0
    private(set) var lastFailure: String?
    private(set) var tornTails: UInt64 = 0
    private var unsynced = false

    var diskBytes: Int { segments.reduce(0) { $0 + $1.length } }

    // MARK: opening

    /// Takes up what an earlier process left: whole records, gaps, and numbers that were given out and are in neither.
    init(_ configuration: SpoolConfiguration) throws {
        self.configuration = configuration
        let files = LinuxFileStore()
        try files.createDirectory(configuration.directory)
        let path = configuration.directory + "/counters"
        let old = try SpoolHeader.open(path)
        var found: [SpoolQueue.Entry] = (old?.gaps ?? []).map { Self.gap($0) }
        let names = try files.list(configuration.directory) ?? []
        let numbers = names.compactMap(SpoolSegment.number(of:)).sorted()
        for number in numbers {
            let segment = try SpoolSegment(opening: number, in: configuration.directory, mayCut: number == numbers.last) {
                offset, batch, length in
                found.append(
                    SpoolQueue.Entry(
                        stream: batch.stream, first: batch.first, next: batch.next,
                        place: .disk(segment: number, offset: offset, length: length)))
            }
            if segment.tornBytes > 0 { tornTails += 1 }
            segments.append(segment)
        }
        nextSegment = (numbers.last ?? 0) + 1
        let tails = old.map { header in TelemetrySource.allCases.map { Self.tail(header, $0) } } ?? []
        for entry in Self.complete(found, tails) { queue.append(entry) }
        if let old, old.boot == configuration.boot {
            header = old
        } else if let made = try? SpoolHeader.create(path, boot: configuration.boot) {
            header = made
        } else {
            header = try SpoolHeader.unkept(boot: configuration.boot)
            lastFailure = "the spool's counters cannot be kept in \(path)"
            failures = 1
        }
        // The gaps first: killed in between, the next start finds them and the same tails.
        header.keep(gaps: queue.gaps)
        if let old, old.boot == header.boot {
            for source in TelemetrySource.allCases { header[source, .spooled] = header[source, .produced] }
        }
        forgetSegments()
    }

    /// What the counters say of a stream.
    private struct Tail {
        var stream: TelemetryStream
        var produced: UInt64
        var spooled: UInt64
        var acknowledged: UInt64
    }

    private static func tail(_ header: SpoolHeader, _ source: TelemetrySource) -> Tail {
        Tail(
            stream: header.stream(source), produced: header[source, .produced], spooled: header[source, .spooled],
            acknowledged: header[source, .acknowledged])
    }

    /// The entries without those that are acknowledged, in order, and with a gap wherever numbers are missing.
    private static func complete(_ found: [SpoolQueue.Entry], _ tails: [Tail]) -> [SpoolQueue.Entry] {
        let known = Dictionary(uniqueKeysWithValues: tails.map { ($0.stream, $0) })
        var order: [TelemetryStream] = []
        var streams: [TelemetryStream: [SpoolQueue.Entry]] = [:]
        for entry in found where entry.next - 1 > known[entry.stream]?.acknowledged ?? 0 {
            if streams[entry.stream] == nil { order.append(entry.stream) }
            streams[entry.stream, default: []].append(entry)
        }
        for tail in tails where streams[tail.stream] == nil && tail.produced > tail.acknowledged { order.append(tail.stream) }
        var completed: [SpoolQueue.Entry] = []
        for stream in order {
            let entries = (streams[stream] ?? []).sorted { ($0.first, $0.next) < ($1.first, $1.next) }
            var next = known[stream].map { $0.acknowledged + 1 } ?? entries.first?.first ?? 1
            for entry in entries where entry.next > next {
                if entry.first > next { completed.append(gap(stream, next, entry.first, .spoolDamaged)) }
                completed.append(entry)
                next = entry.next
            }
            guard let tail = known[stream] else { continue }
            if tail.spooled >= next {
                completed.append(gap(stream, next, tail.spooled + 1, .spoolDamaged))
                next = tail.spooled + 1
            }
            if tail.produced >= next { completed.append(gap(stream, next, tail.produced + 1, .agentStopped)) }
        }
        return completed
    }

    private static func gap(_ stream: TelemetryStream, _ first: UInt64, _ next: UInt64, _ reason: LossReason) -> SpoolQueue.Entry {
        SpoolQueue.Entry(stream: stream, first: first, next: next, place: .gone([.lost(next - first, reason)]))
    }

    private static func gap(_ batch: TelemetryBatch) -> SpoolQueue.Entry {
        SpoolQueue.Entry(stream: batch.stream, first: batch.first, next: batch.next, place: .gone(batch.runs))
    }

    // MARK: writing

    /// Keeps a batch: on the disk, or in memory while the disk refuses, or as a gap when there is no room in either.
    mutating func keep(_ batch: TelemetryBatch) {
        var entry = SpoolQueue.Entry(stream: batch.stream, first: batch.first, next: batch.next, place: .gone(batch.runs))
        if batch.eventCount > 0 {
            let encoded = batch.encoded
            entry.place = write(encoded) ?? .memory(encoded)
        }
        queue.append(entry)
        while queue.memoryBytes > configuration.memoryBytes {
            guard queue.giveUpOldestInMemory({ Self.fate(of: $0, in: [], .spoolUnwritable) }) else { break }
        }
        if batch.stream == header.stream(batch.stream.source) { header[batch.stream.source, .spooled] = batch.next - 1 }
        if case .disk = entry.place {} else { header.keep(gaps: queue.gaps) }
    }

    private mutating func write(_ encoded: [UInt8]) -> SpoolQueue.Place? {
        makeRoom(for: encoded.count)
        for attempt in 0..<2 {
            do {
                if segments.last.map({ !$0.isSound || $0.length >= configuration.segmentBytes }) ?? true { try beginSegment() }
                let last = segments.count - 1
                let offset = try segments[last].append(encoded)
                unsynced = true
                return .disk(segment: segments[last].number, offset: offset, length: encoded.count)
            } catch {
                failed(error)
                // A full disk: the oldest events make room for the newest, once.
                if attempt == 0, !giveUpOldestSegment() { break }
            }
        }
        return nil
    }

    private mutating func beginSegment() throws {
        if let last = segments.last, unsynced { sync(last) }
        segments.append(try SpoolSegment(creating: nextSegment, in: configuration.directory))
        nextSegment += 1
    }

    private mutating func makeRoom(for bytes: Int) {
        while diskBytes + bytes + SpoolSegment.recordHeader > configuration.diskBytes, giveUpOldestSegment() {}
    }

    /// False when only the segment that is being written is left.
    private mutating func giveUpOldestSegment() -> Bool {
        guard segments.count > 1 else { return false }
        let oldest = segments.removeFirst()
        queue.giveUp(segment: oldest.number) { Self.fate(of: $0, in: [oldest], .spoolFull) }
        header.keep(gaps: queue.gaps)
        oldest.remove()
        return true
    }

    /// What becomes of an entry's numbers when its events are given up: losses that it told of keep their reason.
    private static func fate(of entry: SpoolQueue.Entry, in segments: [SpoolSegment], _ reason: LossReason) -> [TelemetryBatch.Run] {
        let bytes: [UInt8]?
        switch entry.place {
        case .memory(let encoded): bytes = encoded
        case .disk(let number, let offset, let length):
            bytes = segments.first { $0.number == number }?.read(offset: offset, length: length)
        case .gone(let runs): return runs
        }
        guard let bytes, let batch = try? TelemetryBatch(decoding: bytes), batch.first == entry.first, batch.next == entry.next else {
            return [.lost(entry.next - entry.first, .spoolDamaged)]
        }
        return batch.allLost(reason).runs
    }

    private mutating func failed(_ error: any Error) {
        failures += 1
        lastFailure = "\(error)"
    }

    /// Brings to the disk what was written since the last time.
    mutating func sync() {
        guard unsynced, let last = segments.last else { return }
        sync(last)
    }

    private mutating func sync(_ segment: SpoolSegment) {
        unsynced = false
        do {
            try segment.sync()
        } catch {
            // What the kernel could not write is found by its checksum when it is read back.
            failed(error)
        }
    }

    // MARK: sending

    /// How far each stream goes that this spool can still tell of. Any other stream of this agent is finished.
    var streams: [TelemetryStream: UInt64] {
        var streams: [TelemetryStream: UInt64] = [:]
        for entry in queue.entries { streams[entry.stream] = max(streams[entry.stream] ?? 0, entry.next - 1) }
        for source in TelemetrySource.allCases where header[source, .produced] > 0 {
            streams[header.stream(source)] = header[source, .produced]
        }
        return streams
    }

    mutating func rewind() { queue.rewind() }

    /// The next batch to send, encoded, with its place in its stream. What cannot be read back is told as a loss.
    mutating func takeNext() -> SpooledBatch? {
        while let entry = queue.takeNext() {
            switch entry.place {
            case .memory(let bytes): return Self.sent(entry, bytes)
            case .gone(let runs):
                return Self.sent(entry, TelemetryBatch(stream: entry.stream, first: entry.first, runs: runs).encoded)
            case .disk(let number, let offset, let length):
                if let bytes = segments.first(where: { $0.number == number })?.read(offset: offset, length: length) {
                    return Self.sent(entry, bytes)
                }
                queue.giveUp(entry, [.lost(entry.next - entry.first, .spoolDamaged)])
                header.keep(gaps: queue.gaps)
                queue.rewind()
            }
        }
        return nil
    }

    private static func sent(_ entry: SpoolQueue.Entry, _ bytes: [UInt8]) -> SpooledBatch {
        SpooledBatch(stream: entry.stream, first: entry.first, next: entry.next, bytes: bytes)
    }

    /// The coordinator has all numbers of the batch's stream up to its end.
    mutating func acknowledge(_ batch: SpooledBatch) {
        if batch.stream == header.stream(batch.stream.source) {
            let known = header[batch.stream.source, .acknowledged]
            header[batch.stream.source, .acknowledged] = max(known, batch.next - 1)
        }
        let hadGaps = !queue.gaps.isEmpty
        guard queue.acknowledge(batch.stream, through: batch.next - 1) else { return }
        if hadGaps { header.keep(gaps: queue.gaps) }
        forgetSegments()
    }

    /// Removes segments that nobody needs; the last one goes on being written.
    private mutating func forgetSegments() {
        let needed = queue.oldestSegment ?? .max
        while segments.count > 1, let first = segments.first, first.number < needed {
            segments.removeFirst()
            first.remove()
        }
    }

    mutating func close() {
        sync()
        for segment in segments { segment.close() }
        segments = []
    }
}
