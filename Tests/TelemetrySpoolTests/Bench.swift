// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import MeshTesting
import Telemetry
import Testing

@testable import TelemetrySpool

/// A directory of one test, with a spool that can be killed and opened again, and a coordinator that counts what it is sent.
final class Bench {
    let directory: String
    var configuration: SpoolConfiguration
    var spool: TelemetrySpool
    /// Events and losses that were handed in, as the sources know it.
    private(set) var produced: UInt64 = 0
    private(set) var ledgers: [TelemetryStream: StreamLedger] = [:]
    /// What the streams that are no more came to.
    private var closed = TelemetryAccount()
    /// The pid of each event that was stored, in order of arrival; the tests number their events by it.
    private(set) var stored: [UInt32] = []

    init(in parent: String = "/tmp", _ adjust: (inout SpoolConfiguration) -> Void = { _ in }) throws {
        directory = "\(parent)/meshgate-spool-\(try KernelEntropy().hexID(byteCount: 6))"
        configuration = SpoolConfiguration(directory: directory, boot: try #require(BootID("0f6f2c1e-8a53")))
        adjust(&configuration)
        spool = try TelemetrySpool(configuration)
    }

    deinit {
        for name in (try? LinuxFileStore().list(directory)) ?? [] { unlink(directory + "/" + name) }
        rmdir(directory)
    }

    /// What kill -9 leaves: the files, and nothing of what was in memory.
    func restart(boot: String? = nil) throws {
        if let boot { configuration.boot = try #require(BootID(boot)) }
        spool = try TelemetrySpool(configuration)
    }

    /// Offers `count` events numbered from `produced` on, each with a body that hardly packs.
    func offer(_ count: Int, from source: TelemetrySource = .tracer, bodyBytes: Int = 0) {
        for _ in 0..<count {
            var event = TelemetryEvent(time: EventTime(nanoseconds: Int64(produced)), kind: .processExec)
            event.attributes.pid = UInt32(produced + 1)
            if bodyBytes > 0 {
                var random = SplitMix(seed: produced)
                event.body = EventBody(.tetragonMessage, (0..<bodyBytes).map { _ in UInt8.random(in: 0...255, using: &random) })
            }
            spool.offer(event, from: source)
            produced += 1
        }
    }

    func lose(_ count: UInt64, _ reason: LossReason = .ringFull, from source: TelemetrySource = .tracer) {
        spool.lost(count, reason, from: source)
        produced += count
    }

    /// Sends up to `limit` batches; each is stored, and acknowledged unless `silent`.
    @discardableResult
    func deliver(_ limit: Int = .max, silent: Bool = false) throws -> Int {
        var count = 0
        while count < limit, let sent = spool.takeNext() {
            let batch = try TelemetryBatch(decoding: sent.bytes)
            #expect((batch.stream, batch.first, batch.next) == (sent.stream, sent.first, sent.next))
            var ledger = ledgers[batch.stream] ?? StreamLedger()
            let admission = ledger.judge(batch)
            let events = batch.eventCount == 0 ? [] : try PackedEvents.events(in: try Self.unpacked(batch))
            #expect(events.count == Int(batch.eventCount))
            stored += events.dropFirst(Int(admission.skippedEvents)).map { $0.attributes.pid ?? 0 }
            ledger.take(batch)
            ledgers[batch.stream] = ledger
            if !silent { spool.acknowledge(sent) }
            count += 1
        }
        return count
    }

    /// The agent says how far its streams go, and the coordinator closes the ledgers of those that it hears of no more.
    func state() {
        let streams = spool.statement.streams
        for (stream, produced) in streams { ledgers[stream, default: StreamLedger()].state(produced) }
        for (stream, var ledger) in ledgers where streams[stream] == nil {
            if ledger.stated >= ledger.next {
                ledger.take(TelemetryBatch(stream: stream, first: ledger.next, runs: [.lost(ledger.stated - ledger.next + 1, .missing)]))
            }
            closed.add(ledger.account)
            ledgers[stream] = nil
        }
    }

    /// While `body` runs no file can be made in the spool's directory.
    func withoutDirectory(_ body: () throws -> Void) throws {
        try #require(rename(directory, directory + ".away") == 0)
        defer { rename(directory + ".away", directory) }
        try body()
    }

    static func unpacked(_ batch: TelemetryBatch) throws -> [UInt8] {
        guard batch.packing == .gzip else { return batch.packed }
        return try Gzip.decompress(batch.packed, limits: Gzip.Limits(outputBytes: BatchLimits.plainBytes, ratio: 2000))
    }

    /// Everything that was delivered or is accounted for.
    var account: TelemetryAccount { ledgers.values.reduce(into: closed) { $0.add($1.account) } }

    var segments: [String] { ((try? LinuxFileStore().list(directory)) ?? []).filter { $0.hasSuffix(".spool") } }

    /// Changes the bytes of one segment's file.
    func damage(_ name: String, _ change: (inout [UInt8]) -> Void) throws {
        var bytes = try #require(try LinuxFileStore().read(directory + "/" + name, limit: 1 << 26))
        change(&bytes)
        try LinuxFileStore().write(bytes, to: directory + "/" + name)
    }
}
