// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshModel
package import MeshSystem
package import Telemetry

/// Tetragon's log as a source of the feed: looked at ten times a second, from where it was left, with every loss that the log or the reading
/// of it tells of. While the stream tells the events, only the log's end is marked, to read on from there when the stream breaks.
package final class TetragonSource: Sendable {
    package typealias Log = @Sendable (_ event: String, _ details: [String: String]) -> Void

    /// Where Tetragon writes unless it was told otherwise: with Helm up to 1.7, and on hosts and from 1.8 on.
    package static let usualPaths = ["/var/run/cilium/tetragon/tetragon.log", "/var/log/tetragon/tetragon.log"]
    private static let interval: Int32 = 100
    private static let most = 1 << 20

    /// What it reads, and where it hands it over.
    package struct Configuration: Sendable {
        /// The first of them that is there is read.
        package var paths: [String]
        /// Where the place in the log is kept over a restart.
        package var positionPath: String
        /// Events from before are left out.
        package var since: EventTime
        /// How far the log may be behind the stream, or before it: for so long both are read where one begins or ends.
        package var overlap = Duration.seconds(3)
        package init(paths: [String] = TetragonSource.usualPaths, positionPath: String, since: EventTime) {
            self.paths = paths
            self.positionPath = positionPath
            self.since = since
        }
    }

    private let configuration: Configuration
    private let intake: any TelemetryIntake
    private let hasRoom: @Sendable () -> Bool
    private let isTaken: @Sendable () -> Bool
    private let files: any FileStore
    private let log: Log
    private let ways: TetragonWays

    /// `hasRoom` is asked before each look: without room the log itself keeps the events. `isTaken` says whether all that was offered is out of
    /// our hands, which is when our place in the log may be kept.
    package init(
        _ configuration: Configuration, ways: TetragonWays = TetragonWays(readsLog: true), intake: any TelemetryIntake,
        hasRoom: @escaping @Sendable () -> Bool, isTaken: @escaping @Sendable () -> Bool, files: any FileStore = LinuxFileStore(),
        log: @escaping Log = { _, _ in }
    ) {
        self.configuration = configuration
        self.ways = ways
        self.intake = intake
        self.hasRoom = hasRoom
        self.isTaken = isTaken
        self.files = files
        self.log = log
    }

    /// Reads until `isStopped`. Blocks: for a thread of its own.
    package func run(until isStopped: @Sendable () -> Bool) {
        var reading = Reading(reader: TetragonReader(since: configuration.since))
        reading.kept = keptPosition()
        while !isStopped() {
            look(&reading, at: .now)
            if !reading.hasMore { poll(nil, 0, Self.interval) }
        }
    }

    /// Whose turn it is.
    enum Turn: Hashable {
        case log
        /// Both, until the stream surely has what the log will have.
        case both(until: ContinuousClock.Instant)
        case stream
    }

    /// What is in the hands of the one thread that reads.
    struct Reading {
        var reader: TetragonReader
        var tail: LogTail?
        var path: String?
        var turn = Turn.log
        var marks = LogMarks()
        var kept: TailPosition?
        /// What of the reader's losses was told already.
        var told = TetragonReader.Losses()
        var toldOversized: UInt64 = 0
        var trouble: String?
        var hasMore = false
        /// The last look came to the end of the log, or there is none.
        var sawEnd = false
    }

    /// One look at the log.
    func look(_ reading: inout Reading, at now: ContinuousClock.Instant = .now) {
        noteStream(&reading)
        switch (reading.turn, ways.isStreaming) {
        case (.log, let isStreaming):
            if isStreaming { reading.turn = .both(until: now + configuration.overlap) }
            read(&reading)
        case (.both, false):
            reading.turn = .log
            read(&reading)
        case (.both(let end), true):
            read(&reading)
            if now >= end, reading.sawEnd { leave(&reading, at: now) }
        case (.stream, true): mark(&reading, at: now)
        case (.stream, false):
            reading.turn = .log
            // Without a mark the log came after the stream, and has nothing from before.
            if let place = reading.marks.place(at: now, overlap: configuration.overlap, inserted: ways.inserted, most: ways.mostSinceMark),
                let path = reading.path
            {
                reading.tail = LogTail(path: path, resume: place)
                reading.toldOversized = 0
            }
            reading.marks = LogMarks()
            read(&reading)
        }
    }

    private func noteStream(_ reading: inout Reading) {
        switch (ways.isStreaming, reading.reader.streamed) {
        case (true, let known) where known == nil || known?.to != nil: reading.reader.streamed = (Self.now(), nil)
        case (false, let known?) where known.to == nil: reading.reader.streamed = (known.from, Self.now())
        default: break
        }
    }

    /// The stream has it from here on.
    private func leave(_ reading: inout Reading, at now: ContinuousClock.Instant) {
        reading.turn = .stream
        reading.hasMore = false
        mark(&reading, at: now)
        if !reading.marks.isEmpty { reading.tail = nil }
    }

    private func mark(_ reading: inout Reading, at now: ContinuousClock.Instant) {
        reading.hasMore = false
        if reading.marks.isDue(at: now), let path = reading.path ?? existingPath() {
            reading.path = path
            if let end = LogTail.end(of: path) { reading.marks.add(end, at: now, inserted: ways.inserted, overlap: configuration.overlap) }
        }
        ways.canRefill(!reading.marks.isEmpty)
        if isTaken() { reading.marks.taken(at: now) }
        guard let position = reading.marks.takenPlace, position != reading.kept else { return }
        do {
            try keep(&reading, position)
        } catch {
            log("place in tetragon's log not kept", ["problem": "\(error)"])
        }
    }

    private func existingPath() -> String? { configuration.paths.first { access($0, F_OK) == 0 } }

    private func read(_ reading: inout Reading) {
        (reading.hasMore, reading.sawEnd) = (false, false)
        guard hasRoom() else { return }
        do {
            if reading.tail == nil {
                guard let path = existingPath() else {
                    // No log: the stream has nothing to wait for.
                    reading.sawEnd = true
                    ways.canRefill(false)
                    return ways.permitStream(true)
                }
                reading.path = path
                reading.tail = LogTail(path: path, resume: reading.kept)
                log("reads tetragon's log", ["path": path])
            }
            guard let tail = reading.tail else { return }
            let now = Self.now()
            var events: [TelemetryEvent] = []
            let notes = try tail.look(most: Self.most) { bytes in
                guard let read = reading.reader.read(Array(bytes), now: now), ways.insert(read.key, from: .log) else { return }
                events.append(read.event)
            }
            (reading.hasMore, reading.sawEnd) = (!tail.isAtEnd, tail.isAtEnd)
            if !events.isEmpty { intake.offer(events, from: .tetragon) }
            tellLosses(&reading, tail, notes)
            reading.trouble = nil
            ways.note { $0.logProblem = nil }
            ways.canRefill(true)
            if tail.isAtEnd {
                reading.reader.cameToEnd()
                ways.permitStream(true)
            }
            if let position = tail.position, position != reading.kept, isTaken() { try keep(&reading, position) }
        } catch {
            // Told once, and again when it is something else.
            let why = "\(error); the tracer's user must be able to read it (Tetragon: --export-file-perm 640 and a group of its own)"
            if reading.trouble != why { limited("log", why) }
            reading.trouble = why
            reading.sawEnd = true
            ways.note { $0.logProblem = why }
            ways.canRefill(false)
            ways.permitStream(true)
        }
    }

    private func tellLosses(_ reading: inout Reading, _ tail: LogTail, _ notes: [LogTail.Note]) {
        let (now, before) = (reading.reader.losses, reading.told)
        for (count, reason) in [
            (now.rateLimited - before.rateLimited, LossReason.rateLimited), (now.malformed - before.malformed, .malformed),
            (tail.oversized - reading.toldOversized, .oversized),
        ] where count > 0 { intake.lost(count, reason, from: .tetragon) }
        (reading.told, reading.toldOversized) = (now, tail.oversized)
        for note in notes {
            switch note {
            case .gap: self.limited("gap", "the log was rotated away before it was read to its end; nobody knows how much was in it")
            case .truncated: self.limited("gap", "the log was cut; it is read from its beginning")
            case .torn: intake.lost(1, .malformed, from: .tetragon)
            }
        }
    }

    private func keep(_ reading: inout Reading, _ position: TailPosition) throws {
        try files.write(Array(position.text.utf8), to: configuration.positionPath, mode: 0o600)
        reading.kept = position
    }

    private func keptPosition() -> TailPosition? {
        do {
            return try files.read(configuration.positionPath, limit: 256).flatMap {
                TailPosition(text: String(decoding: $0, as: UTF8.self))
            }
        } catch {
            log("place in tetragon's log unknown", ["problem": "\(error)"])
            return nil
        }
    }

    private func limited(_ what: String, _ why: String) {
        log("tetragon not read", ["what": what, "why": why])
        intake.offer(
            TelemetryEvent(time: Self.now(), kind: .sourceLimited, attributes: EventAttributes(reason: what, verdict: why)), from: .tetragon
        )
    }

    private static func now() -> EventTime {
        var wall = timespec()
        clock_gettime(CLOCK_REALTIME, &wall)
        return EventTime(nanoseconds: Int64(wall.tv_sec) * 1_000_000_000 + Int64(wall.tv_nsec))
    }
}
