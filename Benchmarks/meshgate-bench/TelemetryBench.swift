// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Telemetry
import TelemetrySpool
import TelemetryStore

/// Events through spool and store: offered, numbered, packed and written on the agent's side; read back, unpacked, checked, indexed, written and synced
/// on the coordinator's. The connection between them is left out. Then three queries over what was stored.
struct TelemetryBench {
    let events: Int
    let directory: String
    /// NDJSON of real events; their own bytes with a number of their own in each.
    let samples: String

    private struct Side {
        var seconds = 0.0
        var cpu = 0.0

        mutating func measure<Value>(_ body: () async throws -> Value) async rethrows -> Value {
            let (start, spent) = (Machine.now(), Machine.cpu())
            defer { (seconds, cpu) = (seconds + Machine.now() - start, cpu + Machine.cpu() - spent) }
            return try await body()
        }
    }

    func run() async throws {
        guard let bytes = try LinuxFileStore().read(samples, limit: 64 << 20), let node = NodeID("wrk-e-1") else {
            throw BenchError.failed("there is no file \(samples)")
        }
        let bodies = bytes.split(separator: UInt8(ascii: "\n")).map(Array.init)
        guard !bodies.isEmpty else { throw BenchError.failed("\(samples) is empty") }
        let load = Machine.load
        var spooling = SpoolConfiguration(directory: directory + "/spool", boot: try SystemClock.bootID())
        (spooling.diskBytes, spooling.intakeBytes) = (4 << 30, 64 << 20)
        let spool = try TelemetrySpool(spooling)
        let store = try TelemetryStore(StoreConfiguration(directory: directory + "/store"), now: SystemClock.now)
        let start = EventTime(SystemClock.now().wall).nanoseconds
        var (agent, coordinator) = (Side(), Side())
        for first in stride(from: 0, to: events, by: 20_000) {
            let batch = (first..<min(first + 20_000, events)).map { event($0, bodies, start) }
            await agent.measure {
                for event in batch { spool.offer(event, from: .tetragon) }
                spool.flush()
            }
            try await coordinator.measure { try await Self.deliver(spool, to: store, node) }
        }
        let status = store.status
        let million = Double(events) / 1e6
        Machine.row(
            "\(events)", "\(bytes.count / bodies.count)", (Double(events) / agent.cpu).text(0), (Double(events) / coordinator.cpu).text(0),
            ((agent.cpu + coordinator.cpu) / million).text(1), (Double(status.bytes) / Double(max(status.events, 1))).text(0),
            (Machine.memory("VmHWM") / 1024).text(0), try await queries(store, start), load)
        guard store.books.total == TelemetryAccount(produced: UInt64(events), delivered: UInt64(events)) else {
            throw BenchError.failed("the books do not balance: \(store.books.total)")
        }
        store.close()
    }

    private func event(_ number: Int, _ bodies: [[UInt8]], _ start: Int64) -> TelemetryEvent {
        var body = bodies[number % bodies.count]
        // Real events differ in ids and times, and what repeats packs too well.
        let digits = Array(String(number &* 2_654_435_761 & 0xffff_ffff).utf8)
        if body.count > 200 { body.replaceSubrange(100..<100 + digits.count, with: digits) }
        return TelemetryEvent(
            time: EventTime(nanoseconds: start + Int64(number) * 50_000), kind: number % 3 == 0 ? .processExit : .processExec,
            attributes: EventAttributes(binary: "/usr/bin/tool-\(number % 40)", pid: UInt32(truncatingIfNeeded: number), namespace: "shop"),
            body: EventBody(.json, body))
    }

    private static func deliver(_ spool: TelemetrySpool, to store: TelemetryStore, _ node: NodeID) async throws {
        while true {
            var sent: [SpooledBatch] = []
            while sent.count < 16, let batch = spool.takeNext() { sent.append(batch) }
            guard !sent.isEmpty else { return }
            let batches = try sent.map { try TelemetryBatch(decoding: $0.bytes) }
            _ = try await store.append(batches, of: node, in: nil, receivedAt: SystemClock.now().wall)
            for batch in sent { spool.acknowledge(batch) }
        }
    }

    /// Milliseconds of: a program that nobody started, the newest thousand of one that many did, one second in the middle.
    private func queries(_ store: TelemetryStore, _ start: Int64) async throws -> String {
        let middle = start + Int64(events / 2) * 50_000
        let wanted: [(TelemetryQuery, Int?)] = [
            (TelemetryQuery(binary: TextPattern("*/nc")), 1000), (TelemetryQuery(binary: TextPattern("*/tool-7")), 1000),
            (TelemetryQuery(since: EventTime(nanoseconds: middle), until: EventTime(nanoseconds: middle + 1_000_000_000)), nil),
        ]
        var times: [String] = []
        for (query, newest) in wanted {
            let began = Machine.now()
            let reader = store.events(query, newest: newest)
            while try await reader.next() != nil {}
            times.append(((Machine.now() - began) * 1000).text(0))
        }
        return times.joined(separator: " / ")
    }
}
