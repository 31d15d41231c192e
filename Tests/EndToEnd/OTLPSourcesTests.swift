// SPDX-License-Identifier: Apache-2.0

import FeedExport
import Foundation
import Gating
import MeshModel
import MeshSystem
import MeshTrust
import OTLPExport
import Planning
import Running
import Synchronization
import Telemetry
import TelemetryStore
import Testing

@testable import meshgate

/// A journal in memory that grows.
private final class Journal: Sendable {
    private let records = Mutex<[JournalRecord]>([])
    static let noon = Moment(wall: Timestamp(seconds: 1_795_000_000), boot: 86_400_000)

    func append(_ entries: JournalEntry...) {
        records.withLock { records in
            for entry in entries {
                let sequence = UInt64(records.count + 1)
                records.append(
                    JournalRecord(sequence: sequence, at: Self.noon.advanced(by: .seconds(Int64(sequence))), entry: entry))
            }
        }
    }

    var head: UInt64 { records.withLock { UInt64($0.count) } }
    func read(_ after: UInt64, _ limit: Int) -> [JournalRecord] {
        records.withLock { Array($0.filter { $0.sequence > after }.prefix(limit)) }
    }
}

@Suite("What is sent on, piece by piece")
struct OTLPSourcesTests {
    private let journal = Journal()
    private let origin = OTLPOrigin(mesh: "quay", version: "1")
    private let ids = TraceIDs(mesh: "quay", digest: sha256)
    private let wipe = StepID("east", "wrk-e-1", "wipe-vdb")
    private let connect = StepID("mesh", "connect")

    private func start(_ name: String) throws -> JournalEntry {
        let spec = MeshSpec(name: "quay", versions: .init(cilium: .init(1, 18, 5)), clusters: [])
        return .runStarted(run: try #require(RunID(name)), plan: Planner.plan(spec) { _ in .zero }, by: "ada")
    }

    private func traceSource() -> TraceExport {
        TraceExport(head: { [journal] in journal.head }, origin: origin, ids: ids) { [journal] in journal.read($0, $1) }
    }

    @Test("spans are sent when they are over, each once, also when the process begins anew between any two entries of a run")
    func traces() async throws {
        let run = try #require(RunID("run-b"))
        let story: [JournalEntry] = [
            .stepStarted(step: wipe, attempt: 1), .stepReported(step: wipe, attempt: 1, outcome: .failed("no")),
            .stepReturned(step: wipe, attempt: 1), .stepStarted(step: wipe, attempt: 2), .stepFinished(step: wipe, attempt: 2),
            .stepStarted(step: connect, attempt: 1), .runFinished(run: run, ending: .stopped),
        ]
        // Before it was switched on: a run that is over, and one that goes on.
        journal.append(try start("run-a"), .runFinished(run: try #require(RunID("run-a")), ending: .succeeded), try start("run-b"))
        var position: String?
        var (items, messages): (UInt64, [[UInt8]]) = (0, [])
        for entry in [nil] + story.map(Optional.some) {
            if let entry { journal.append(entry) }
            let source = traceSource()
            while let piece = try await source.next(after: position, bytes: 1 << 20) {
                // Read a second time, as after an answer that was lost: the same again.
                let again = try await source.next(after: position, bytes: 1 << 20)
                #expect(again?.message == piece.message && again?.position == piece.position)
                position = piece.position
                items += piece.items
                if piece.items > 0 { messages.append(piece.message) }
            }
        }
        #expect(items == 3 && messages.count == 2)
        let wiped = String(decoding: messages[0], as: UTF8.self)
        #expect(wiped.contains("east/wrk-e-1/wipe-vdb") && wiped.contains("stepReturned") && !wiped.contains("run of quay"))
        let ended = String(decoding: messages[1], as: UTF8.self)
        #expect(ended.contains("mesh/connect") && ended.contains("run of quay") && !ended.contains("run-a"))
    }

    @Test("the end of a run that ends more spans than a request takes goes out in several, each span once", arguments: [1, 3000])
    func many(bytes: Int) async throws {
        journal.append(try start("run-b"))
        var position = try #require(try await traceSource().next(after: nil, bytes: bytes)?.position)
        for number in 0..<50 { journal.append(.stepStarted(step: StepID("east", "wrk-e-\(number)", "wipe-vdb"), attempt: 1)) }
        journal.append(.runFinished(run: try #require(RunID("run-b")), ending: .stopped), try start("run-c"))
        var (items, requests, text): (UInt64, Int, String) = (0, 0, "")
        // A source that goes on, and one that begins anew before each piece.
        for source in [traceSource(), nil] {
            var place = position
            (items, requests, text) = (0, 0, "")
            while let piece = try await (source ?? traceSource()).next(after: place, bytes: bytes) {
                place = try #require(piece.position)
                items += piece.items
                requests += piece.items > 0 ? 1 : 0
                text += String(decoding: piece.message, as: UTF8.self)
            }
            #expect(items == 51 && requests > 5 && (bytes > 1 || requests == 51))
            for number in 0..<50 { #expect(text.components(separatedBy: "east/wrk-e-\(number)/wipe-vdb begins").count == 2, "\(number)") }
            if source == nil { position = place }
        }
        #expect(position == "53 53 0")
    }

    @Test("damaged positions, and those of another journal, begin with what comes from then on")
    func foreign() async throws {
        journal.append(try start("run-a"))
        let feed = EventFeed(head: 1) { [journal] in journal.read($0, $1) }
        for position in [nil, "x", "99 0 0", "1 9 0", "", "-1 0 0", "1", "1 1", "1 1 0 0", "1 1 x"] as [String?] {
            let piece = try #require(try await traceSource().next(after: position, bytes: 1 << 20))
            #expect(piece.message.isEmpty && piece.position == "1 1 0", "\(position ?? "nil")")
        }
        let events = EventExport(feed: feed, origin: origin, ids: ids)
        for position in [nil, "x", "2"] as [String?] {
            let piece = try #require(try await events.next(after: position, bytes: 1 << 20))
            #expect(piece.message.isEmpty && piece.position == "1")
        }
        #expect(try await events.next(after: "1", bytes: 1 << 20) == nil)
        let whole = try #require(try await events.next(after: "0", bytes: 1 << 20))
        #expect(whole.items == 1 && whole.position == "1")
    }

    @Test("telemetry that is sent and telemetry that retention took first add up, while a collector that stalls holds nobody up")
    func telemetry() async throws {
        let place = try Place()
        var configuration = StoreConfiguration(directory: place.path + "/store")
        (configuration.segmentBytes, configuration.retainedBytes) = (4000, 20_000)
        let store = try TelemetryStore(configuration, now: { Journal.noon })
        defer { store.close() }
        let (node, boot) = (try #require(NodeID("wrk-e-1")), try #require(BootID("0f6f2c1e-8a53")))
        let source = TelemetryExport(store: store, origin: origin)
        var position = try #require(try await source.next(after: nil, bytes: 1 << 20)?.position)
        var (sent, lost): (UInt64, UInt64) = (0, 0)
        for turn in 0..<100 as Range<UInt64> {
            var events = PackedEvents()
            for number in 0..<50 as Range<UInt32> {
                events.append(
                    TelemetryEvent(time: EventTime(Journal.noon.wall), kind: .processExec, attributes: .init(binary: "/bin/b", pid: number))
                )
            }
            let batch = TelemetryBatch(
                stream: TelemetryStream(source: .tracer, boot: boot, instance: 1), first: turn * 50 + 1, runs: [.events(50)],
                packed: events.bytes, plainBytes: UInt64(events.sizeInBytes))
            // The collector takes one piece in twenty turns.
            #expect(try await store.append([batch], of: node, in: nil, receivedAt: Journal.noon.wall) == [nil])
            guard turn.isMultiple(of: 20) || turn == 99 else { continue }
            while let piece = try await source.next(after: position, bytes: 1 << 20) {
                position = try #require(piece.position)
                sent += piece.items
                lost += piece.lost["retention"] ?? 0
                #expect(Set(piece.lost.keys).isSubset(of: ["retention"]))
                if turn != 99 { break }
            }
        }
        #expect(sent + lost == 5000 && lost > 1000 && sent > 200, "\(sent) \(lost)")
        #expect(store.books.total.delivered == 5000)
    }
}
