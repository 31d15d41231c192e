// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// The memory's half of the spool: gives numbers to events and gathers them into batches. Never touches the disk.
struct SpoolIntake {
    private struct Open {
        var first: UInt64
        var next: UInt64
        var runs: [TelemetryBatch.Run] = []
        var events = PackedEvents()
    }

    let limit: Int
    let header: SpoolHeader
    private var open: [TelemetrySource: Open] = [:]
    private var closed: [TelemetryBatch] = []
    private var closedBytes = 0
    private var openBytes = 0

    init(limit: Int, header: SpoolHeader) {
        self.limit = limit
        self.header = header
    }

    /// Bytes of events that wait.
    var bytes: Int { openBytes + closedBytes }

    /// Takes encoded events. Returns true when a batch is full, so that it should be written now.
    mutating func offer(_ events: [[UInt8]], from source: TelemetrySource) -> Bool {
        defer { header.save(source, .produced) }
        var isFull = false
        for event in events {
            // A stream that is at its end takes nothing more; only lies about losses bring it there.
            guard header[source, .produced] < BatchLimits.lastNumber - 1 else { break }
            guard bytes + event.count <= limit else {
                isFull = count(1, .intakeFull, from: source) || isFull
                continue
            }
            var current = take(source)
            let before = current.events.sizeInBytes
            current.events.append(encoded: event)
            openBytes += current.events.sizeInBytes - before
            current.next += 1
            if case .events(let count) = current.runs.last {
                current.runs[current.runs.count - 1] = .events(count + 1)
            } else {
                current.runs.append(.events(1))
            }
            isFull = put(current, source) || isFull
        }
        return isFull
    }

    /// Counts losses; they get numbers too. Returns true when a batch is full.
    mutating func lost(_ count: UInt64, _ reason: LossReason, from source: TelemetrySource) -> Bool {
        defer { header.save(source, .produced) }
        return self.count(count, reason, from: source)
    }

    private mutating func count(_ count: UInt64, _ reason: LossReason, from source: TelemetrySource) -> Bool {
        // More than a stream can count is no count at all. `produced` is below the last number, whatever was told before.
        guard count > 0, count < BatchLimits.lastNumber, header[source, .produced] < BatchLimits.lastNumber - count else { return false }
        var current = take(source)
        if case .lost(let before, reason) = current.runs.last {
            current.runs[current.runs.count - 1] = .lost(before + count, reason)
        } else {
            current.runs.append(.lost(count, reason))
        }
        current.next += count
        return put(current, source)
    }

    /// Everything that waits, oldest first.
    mutating func takeAll() -> [TelemetryBatch] {
        for source in open.keys.sorted() { close(source) }
        defer { (closed, closedBytes, openBytes) = ([], 0, 0) }
        return closed
    }

    private mutating func take(_ source: TelemetrySource) -> Open {
        if let current = open.removeValue(forKey: source) { return current }
        let next = header[source, .produced] + 1
        return Open(first: next, next: next)
    }

    private mutating func put(_ current: Open, _ source: TelemetrySource) -> Bool {
        header[source, .produced] = current.next - 1
        open[source] = current
        guard
            current.events.sizeInBytes >= BatchLimits.closeBytes || current.events.count >= BatchLimits.events
                || current.runs.count >= BatchLimits.runs - 1
        else { return false }
        close(source)
        return true
    }

    private mutating func close(_ source: TelemetrySource) {
        guard let current = open.removeValue(forKey: source), current.next > current.first else { return }
        let bytes = current.events.bytes
        closed.append(
            TelemetryBatch(
                stream: header.stream(source), first: current.first, runs: current.runs, packed: bytes, plainBytes: UInt64(bytes.count)))
        closedBytes += bytes.count
        openBytes -= bytes.count
    }
}
