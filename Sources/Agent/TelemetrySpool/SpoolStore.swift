// SPDX-License-Identifier: Apache-2.0

import Glibc
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
    /// The streams in segments that were taken over. They are not finished before their segments are gone: until then a restart may find their
    /// records again.
    private var takenOver: [UInt64: [TelemetryStream: UInt64]] = [:]
    /// Segments with something that is not on the disk itself yet.
    private var unsynced: [SpoolSegment] = []

    var diskBytes: Int { segments.reduce(0) { $0 + $1.length } }
    /// The last segment is ours and can be written to.
    private var isWriting: Bool { segments.last.map { $0.isSound && !$0.isTakenOver } ?? false }

    // MARK: opening

    /// Takes up what an earlier process left: whole records, gaps, and numbers that were given out and are in neither.
    init(_ configuration: SpoolConfiguration) throws {
        self.configuration = configuration
        let files = LinuxFileStore()
        try files.createDirectory(configuration.directory)
        let path = configuration.directory + "/counters"
        let old = try SpoolHeader.open(path)
        var found: [SpoolQueue.Entry] = (old?.gaps ?? []).map { Self.gap($0) }
        // How far each stream goes in each segment.
        var content: [UInt64: [TelemetryStream: UInt64]] = [:]
        let names = try files.list(configuration.directory) ?? []
        let numbers = names.compactMap(SpoolSegment.number(of:)).sorted()
        for number in numbers {
            let segment = try SpoolSegment(opening: number, in: configuration.directory, mayCut: number == numbers.last) {
                offset, batch, length in
                content[number, default: [:]][batch.stream] = max(content[number]?[batch.stream] ?? 0, batch.next - 1)
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
        // Records that go further than the counters: those are of another time, and would give numbers out twice.
        let isBehind = old.map { old in
            found.contains { old.stream($0.stream.source) == $0.stream && $0.next - 1 > old[$0.stream.source, .produced] }
        }
        if let old, old.boot == configuration.boot, isBehind == false {
            header = old
            // The gaps first: killed in between, the next start finds them and the same tails.
            header.keep(gaps: queue.testament)
            for source in TelemetrySource.allCases {
                header[source, .spooled] = header[source, .produced]
                header.save(source, .spooled)
            }
        } else {
            do {
                header = try SpoolHeader.create(path, boot: configuration.boot, gaps: queue.testament)
            } catch {
                header = try SpoolHeader.unkept(boot: configuration.boot)
                lastFailure = "\(error)"
                failures = 1
            }
        }
        for index in segments.indices {
            let streams = content[segments[index].number] ?? [:]
            segments[index].isTakenOver = !streams.keys.allSatisfy { $0 == header.stream($0.source) }
            if segments[index].isTakenOver { takenOver[segments[index].number] = streams }
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
        var place = SpoolQueue.Place.gone(batch.runs)
        if batch.eventCount > 0 {
            let encoded = batch.encoded
            place = write(encoded) ?? .memory(encoded, batch.runs)
        }
        queue.append(SpoolQueue.Entry(stream: batch.stream, first: batch.first, next: batch.next, place: place))
        while queue.memoryBytes > configuration.memoryBytes {
            guard queue.giveUpOldestInMemory({ Self.fate(of: $0, in: [], .spoolUnwritable) }) else { break }
        }
        // What is not on the disk is told of in the testament first: killed in between, it counts as not spooled.
        if case .disk = place {} else { header.keep(gaps: queue.testament) }
        guard batch.stream == header.stream(batch.stream.source) else { return }
        header[batch.stream.source, .spooled] = batch.next - 1
        header.save(batch.stream.source, .spooled)
    }

    private mutating func write(_ encoded: [UInt8]) -> SpoolQueue.Place? {
        makeRoom(for: encoded.count)
        for attempt in 0..<2 {
            do {
                if !isWriting || segments.last.map({ $0.length >= configuration.segmentBytes }) ?? true { try beginSegment() }
                let last = segments.count - 1
                let offset = try segments[last].append(encoded)
                if unsynced.last?.number != segments[last].number { unsynced.append(segments[last]) }
                return .disk(segment: segments[last].number, offset: offset, length: encoded.count)
            } catch {
                failed(error)
                // A full disk: the oldest events make room for the newest, once. No other fault is mended by giving up what can still be read.
                guard attempt == 0, Self.isWantOfRoom(error), giveUpOldestSegment() else { break }
            }
        }
        return nil
    }

    private static func isWantOfRoom(_ error: any Error) -> Bool {
        guard case SystemError.failed(_, _, let number) = error else { return false }
        return number == ENOSPC || number == EDQUOT
    }

    private mutating func beginSegment() throws {
        segments.append(try SpoolSegment(creating: nextSegment, in: configuration.directory))
        nextSegment += 1
    }

    private mutating func makeRoom(for bytes: Int) {
        while diskBytes + bytes + SpoolSegment.recordHeader > configuration.diskBytes, giveUpOldestSegment() {}
    }

    /// False when at most the segment that is being written is left.
    private mutating func giveUpOldestSegment() -> Bool {
        guard segments.count > (isWriting ? 1 : 0) else { return false }
        let oldest = segments.removeFirst()
        queue.giveUp(segment: oldest.number) { Self.fate(of: $0, in: [oldest], .spoolFull) }
        header.keep(gaps: queue.testament)
        oldest.remove()
        takenOver[oldest.number] = nil
        return true
    }

    /// What becomes of an entry's numbers when its events are given up: losses that it told of keep their reason.
    private static func fate(of entry: SpoolQueue.Entry, in segments: [SpoolSegment], _ reason: LossReason) -> [TelemetryBatch.Run] {
        let bytes: [UInt8]?
        switch entry.place {
        case .memory(_, let runs):
            return TelemetryBatch(stream: entry.stream, first: entry.first, runs: runs).allLost(reason).runs
        case .disk(let number, let offset, let length):
            bytes = segments.first { $0.number == number }?.read(offset: offset, length: length)
        case .gone(let runs): return runs
        case .joined: return []
        }
        guard let bytes, let batch = try? TelemetryBatch(decoding: bytes), batch.first == entry.first, batch.next == entry.next else {
            return [.lost(entry.next - entry.first, .spoolDamaged)]
        }
        return batch.allLost(reason).runs
    }

    /// Counts a refusal of the disk.
    mutating func failed(_ error: any Error) {
        failures += 1
        lastFailure = "\(error)"
    }

    /// What is to be brought to the disk. The caller does it without holding the store, as a disk may take its time.
    mutating func takeUnsynced() -> [SpoolSegment] {
        defer { unsynced = [] }
        return unsynced
    }

    // MARK: sending

    /// How far each stream goes that this spool can still tell of. Any other stream of this agent is finished.
    var streams: [TelemetryStream: UInt64] {
        var streams = takenOver.values.reduce(into: queue.streams) { $0.merge($1) { max($0, $1) } }
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
            case .memory(let bytes, _): return Self.sent(entry, bytes)
            case .gone(let runs):
                return Self.sent(entry, TelemetryBatch(stream: entry.stream, first: entry.first, runs: runs).encoded)
            case .disk(let number, let offset, let length):
                if let bytes = segments.first(where: { $0.number == number })?.read(offset: offset, length: length) {
                    return Self.sent(entry, bytes)
                }
                let runs = [TelemetryBatch.Run.lost(entry.next - entry.first, .spoolDamaged)]
                queue.giveUpTaken(runs)
                header.keep(gaps: queue.testament)
                return Self.sent(entry, TelemetryBatch(stream: entry.stream, first: entry.first, runs: runs).encoded)
            case .joined: continue
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
            header[batch.stream.source, .acknowledged] = max(header[batch.stream.source, .acknowledged], batch.next - 1)
            header.save(batch.stream.source, .acknowledged)
        }
        let settled = queue.acknowledge(batch.stream, through: batch.next - 1)
        if settled.wasWilled { header.keep(gaps: queue.testament) }
        if settled.isAny { forgetSegments() }
    }

    /// Removes segments that nobody needs; the one that is being written stays. One that was taken over goes for good before anything else
    /// happens: what is acknowledged of it is known to nobody but us, and its stream ends at the coordinator when we stop telling of it.
    private mutating func forgetSegments() {
        let writing = isWriting ? segments.last?.number : nil
        var wasTakenOver = false
        segments.removeAll { segment in
            guard segment.number != writing, !queue.needs(segment: segment.number) else { return false }
            wasTakenOver = wasTakenOver || segment.isTakenOver
            takenOver[segment.number] = nil
            segment.remove()
            return true
        }
        if wasTakenOver { SpoolSegment.syncDirectory(configuration.directory) }
    }
}
