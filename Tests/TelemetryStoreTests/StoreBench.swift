// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Synchronization
import Telemetry
import Testing

@testable import TelemetryStore

/// A store in a directory of its own, with a clock that the test moves.
final class StoreBench {
    static let start = Timestamp(seconds: 1_764_000_000)
    let directory: String
    var configuration: StoreConfiguration
    private(set) var store: TelemetryStore
    private let clock: Clock

    final class Clock: Sendable {
        let time = Mutex(StoreBench.start)
        var now: Moment { let wall = time.withLock { $0 }; return Moment(wall: wall, boot: wall.milliseconds) }
    }

    init(
        in parent: String = "/tmp", _ adjust: (inout StoreConfiguration) -> Void = { _ in },
        arrived: @escaping @Sendable ([Arrival], Moment) -> Void = { _, _ in }
    ) throws {
        directory = "\(parent)/meshgate-store-\(try KernelEntropy().hexID(byteCount: 6))"
        configuration = StoreConfiguration(directory: directory)
        adjust(&configuration)
        let clock = Clock()
        self.clock = clock
        store = try TelemetryStore(configuration, now: { clock.now }, arrived: { arrived($0, clock.now) })
    }

    deinit {
        store.close()
        for name in (try? LinuxFileStore().list(directory)) ?? [] { unlink(directory + "/" + name) }
        rmdir(directory)
    }

    var now: Timestamp { clock.now.wall }
    var moment: Moment { clock.now }
    func advance(_ time: Duration) { clock.time.withLock { $0 = $0 + time } }

    /// The store as after kill -9: the one before is left as it is.
    func restart() throws { store = try TelemetryStore(configuration, now: { [clock] in clock.now }) }

    static func stream(_ source: TelemetrySource = .tracer, instance: UInt64 = 1) throws -> TelemetryStream {
        TelemetryStream(source: source, boot: try #require(BootID("0f6f2c1e-8a53")), instance: instance)
    }

    /// A batch of events that begin at `seconds` after the start, a millisecond apart, with their number as process id.
    static func batch(
        _ first: UInt64, _ count: Int, at seconds: Double = 0, kind: EventKind = .processExec, binary: String = "/usr/bin/true",
        namespace: String? = nil, stream: TelemetryStream? = nil, packed: Bool = true
    ) throws -> TelemetryBatch {
        var events = PackedEvents()
        for index in 0..<count {
            var event = TelemetryEvent(
                time: EventTime(nanoseconds: start.milliseconds * 1_000_000 + Int64(seconds * 1e9) + Int64(index) * 1_000_000), kind: kind)
            event.attributes = EventAttributes(binary: binary, pid: UInt32(first) + UInt32(index), namespace: namespace)
            event.body = .json(#"{"number":\#(first + UInt64(index))}"#)
            events.append(event)
        }
        return try batch(first, [.events(UInt64(count))], events, stream: stream, packed: packed)
    }

    static func batch(
        _ first: UInt64, _ runs: [TelemetryBatch.Run], _ events: PackedEvents, stream: TelemetryStream? = nil, packed: Bool = true
    ) throws -> TelemetryBatch {
        TelemetryBatch(
            stream: try stream ?? Self.stream(), first: first, runs: runs, packing: packed ? .gzip : .plain,
            packed: packed ? try Gzip.compress(events.bytes, level: 1) : events.bytes, plainBytes: UInt64(events.sizeInBytes))
    }

    @discardableResult
    func append(_ batches: TelemetryBatch..., node name: String = "wrk-e-1", cluster: String = "east") async throws -> [String?] {
        try await store.append(
            batches, of: try #require(NodeID(name)), in: ClusterName(cluster), receivedAt: now)
    }

    func all(_ query: TelemetryQuery = TelemetryQuery(), newest: Int? = nil) async throws -> [StoredEvent] {
        let reader = store.events(query, newest: newest)
        var events: [StoredEvent] = []
        while let more = try await reader.next() { events += more }
        return events
    }

    func account(_ name: String = "wrk-e-1", _ source: TelemetrySource = .tracer) throws -> TelemetryAccount? {
        store.books.accounts[.init(node: try #require(NodeID(name)), source: source)]
    }

    var segments: [String] { ((try? LinuxFileStore().list(directory)) ?? []) }

    func damage(_ name: String, _ change: (inout [UInt8]) -> Void) throws {
        var bytes = try #require(try LinuxFileStore().read(directory + "/" + name, limit: 1 << 28))
        change(&bytes)
        // In place, as a disk would do it: whoever has the file open sees it.
        let file = open(directory + "/" + name, O_WRONLY | O_TRUNC)
        #expect(write(file, bytes, bytes.count) == bytes.count)
        close(file)
    }
}
