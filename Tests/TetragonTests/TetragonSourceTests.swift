// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import Telemetry
import Testing

@testable import Tetragon

/// An intake that remembers, and can be full.
private final class Kept: TelemetryIntake {
    struct State {
        var events: [TelemetryEvent] = []
        var lost: [LossReason: UInt64] = [:]
        var hasRoom = true
        var isTaken = true
    }
    let state = Mutex(State())
    func offer(_ events: [TelemetryEvent], from source: TelemetrySource) {
        state.withLock { $0.events += source == .tetragon ? events : [] }
    }
    func lost(_ count: UInt64, _ reason: LossReason, from source: TelemetrySource) {
        state.withLock { $0.lost[reason, default: 0] += count }
    }
    var events: [TelemetryEvent] { state.withLock { $0.events } }
    var lost: [LossReason: UInt64] { state.withLock { $0.lost } }
}

@Suite struct TetragonSourceTests {
    private let directory = NSTemporaryDirectory() + "tetragon-\(UUID().uuidString)"
    private var path: String { directory + "/tetragon.log" }
    private let intake = Kept()

    init() throws { try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true) }

    private func source() -> TetragonSource {
        let intake = intake
        return TetragonSource(
            .init(paths: [directory + "/other.log", path], positionPath: directory + "/position", since: EventTime(nanoseconds: 0)),
            intake: intake,
            hasRoom: { intake.state.withLock { $0.hasRoom } }, isTaken: { intake.state.withLock { $0.isTaken } })
    }
    private func write(_ lines: [[UInt8]]) throws {
        if access(path, F_OK) != 0 { try Data().write(to: URL(fileURLWithPath: path)) }
        let file = try #require(FileHandle(forWritingAtPath: path))
        try file.seekToEnd()
        try file.write(contentsOf: Data(lines.joined(separator: [UInt8(ascii: "\n")])) + Data("\n".utf8))
        try file.close()
    }
    private func reading(kept: TailPosition? = nil) -> TetragonSource.Reading {
        var reading = TetragonSource.Reading(reader: TetragonReader())
        reading.kept = kept
        return reading
    }

    @Test("every line is an event or a loss with its reason, and the place is kept once all is taken") func books() throws {
        let (source, samples) = (source(), try Samples.lines())
        var reading = reading()
        source.look(&reading)
        #expect(intake.events.isEmpty, "there is no log yet, which is no trouble")
        intake.state.withLock { $0.isTaken = false }
        try write(samples + [Array("nonsense".utf8), Array(String(repeating: "x", count: LogTail.longestLine + 1).utf8)])
        source.look(&reading)
        source.look(&reading)
        #expect(intake.events.count == 24)
        #expect(intake.lost == [.rateLimited: 1834, .malformed: 1, .oversized: 1])
        #expect(access(directory + "/position", F_OK) != 0)
        intake.state.withLock { $0.isTaken = true }
        source.look(&reading)
        let position = TailPosition(text: try String(contentsOfFile: directory + "/position", encoding: .utf8))
        let size = Int64(try Data(contentsOf: URL(fileURLWithPath: path)).count)
        #expect(position == reading.tail?.position && position?.offset == size)

        try write([Array(#"{"process_exec":{"process":{"binary":"/bin/new"}},"time":"2026-08-22T09:14:04Z"}"#.utf8)])
        var later = self.reading(kept: position)
        source.look(&later)
        #expect(intake.events.count == 25 && intake.events.last?.attributes.binary == "/bin/new", "after a restart only what is new")
    }

    @Test("without room nothing is read, and the log keeps it") func full() throws {
        let source = source()
        var reading = reading()
        try write(try Samples.lines())
        intake.state.withLock { $0.hasRoom = false }
        source.look(&reading)
        #expect(intake.events.isEmpty && intake.lost.isEmpty)
        intake.state.withLock { $0.hasRoom = true }
        source.look(&reading)
        #expect(intake.events.count == 24)
    }

    @Test("a log that cannot be read is told once with the remedy, and read when it can be") func unreadable() throws {
        let source = source()
        var reading = reading()
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        source.look(&reading)
        source.look(&reading)
        #expect(intake.events.map(\.kind) == [.sourceLimited])
        #expect(intake.events.first?.attributes.verdict?.contains("--export-file-perm") == true)
        try FileManager.default.removeItem(atPath: path)
        try write(try Samples.lines())
        source.look(&reading)
        #expect(intake.events.count == 25)
    }
}
