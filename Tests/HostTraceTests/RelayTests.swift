// SPDX-License-Identifier: Apache-2.0

import Foundation
import LocalLink
import Synchronization
import Telemetry
import Testing

@testable import HostTrace

/// An intake that remembers.
final class KeptEvents: TelemetryIntake {
    private let state = Mutex<(events: [TelemetryEvent], sources: Set<TelemetrySource>, lost: [LossReason: UInt64])>(([], [], [:]))
    private let came = DispatchSemaphore(value: 0)
    func offer(_ events: [TelemetryEvent], from source: TelemetrySource) {
        state.withLock {
            $0.events += events
            $0.sources.insert(source)
        }
        came.signal()
    }
    func lost(_ count: UInt64, _ reason: LossReason, from source: TelemetrySource) {
        state.withLock { $0.lost[reason, default: 0] += count }
    }
    var events: [TelemetryEvent] { state.withLock { $0.events } }
    var sources: Set<TelemetrySource> { state.withLock { $0.sources } }
    var lost: [LossReason: UInt64] { state.withLock { $0.lost } }
    /// Waits until `wanted` of what came is true; false when it does not become so.
    func wait(until wanted: ([TelemetryEvent]) -> Bool) -> Bool {
        while !wanted(events) {
            guard came.wait(timeout: .now() + 10) == .success else { return false }
        }
        return true
    }
}

@Suite struct RelayQueueTests {
    private func event(_ number: Int, body: Int = 10) -> TelemetryEvent {
        TelemetryEvent(
            time: EventTime(nanoseconds: Int64(number)), kind: .processExec,
            body: EventBody(.json, Array("{\"x\":\"\(String(repeating: "y", count: body))\"}".utf8)))
    }

    @Test("events come out in order, and a parcel stays until it is taken") func order() throws {
        let queue = RelayQueue()
        queue.offer([event(1), event(2)], from: .tracer)
        let first = try #require(queue.next())
        #expect(try PackedEvents.events(in: first.events.bytes).map(\.time.nanoseconds) == [1, 2])
        queue.offer([event(3)], from: .tracer)
        #expect(queue.next()?.number == first.number && queue.next()?.events.count == 2, "what was handed out changes no more")
        queue.took(first.number + 5)
        #expect(queue.next()?.number == first.number)
        queue.took(first.number)
        #expect(try PackedEvents.events(in: try #require(queue.next()).events.bytes).map(\.time.nanoseconds) == [3])
        queue.took(2)
        #expect(queue.next() == nil && queue.waiting == 0)
    }

    @Test("what finds no room is counted, and sources are kept apart") func overflow() throws {
        let queue = RelayQueue(limit: 10_000)
        queue.offer((1...100).map { event($0, body: 500) }, from: .tracer)
        queue.offer([event(101)], from: .host)
        queue.lost(7, .ringFull, from: .tracer)
        var (kept, lost) = (0, [TelemetrySource: [LossReason: UInt64]]())
        while let parcel = queue.next() {
            kept += try PackedEvents.events(in: parcel.events.bytes).count
            for (reason, count) in parcel.lost { lost[parcel.source, default: [:]][reason, default: 0] += count }
            queue.took(parcel.number)
        }
        #expect((15...25).contains(kept))
        #expect(lost == [.tracer: [.relayFull: UInt64(100 - kept), .ringFull: 7], .host: [.relayFull: 1]])
        queue.offer([event(102)], from: .tracer)
        #expect(queue.next()?.events.count == 1, "there is room again")
    }

    @Test("sources that take turns fill parcels of their own, and a flood that finds no room leaves no parcels behind") func turns() throws
    {
        let queue = RelayQueue(limit: 20_000)
        let sources = TelemetrySource.allCases
        for number in 0..<40_000 {
            queue.offer([event(number)], from: sources[number % sources.count])
            if number == 20_000 { _ = queue.next() }
            if number % 7 == 0 { queue.lost(1, .ringFull, from: sources[number % 3]) }
        }
        var (parcels, kept, lost) = (0, 0, UInt64(0))
        var last: [TelemetrySource: Int64] = [:]
        while let parcel = queue.next() {
            parcels += 1
            for event in try PackedEvents.events(in: parcel.events.bytes) {
                #expect(event.time.nanoseconds > last[parcel.source] ?? -1, "each source's events keep their order")
                last[parcel.source] = event.time.nanoseconds
                kept += 1
            }
            lost += parcel.lost.values.reduce(0, +)
            queue.took(parcel.number)
        }
        #expect(parcels <= 2 * sources.count && kept > 100)
        #expect(kept + Int(lost) == 40_000 + (40_000 + 6) / 7)
        #expect(queue.waiting == 0 && queue.isEmpty)
    }

    @Test("no parcel is longer than a frame, even of the longest events") func frames() throws {
        let queue = RelayQueue()
        queue.offer((1...40).map { event($0, body: EventLimits.body - 20) }, from: .tracer)
        while let parcel = queue.next() {
            #expect(parcel.events.sizeInBytes <= LocalSocket.limit)
            queue.took(parcel.number)
        }
    }
}

@Suite(.serialized) struct TracerServerTests {
    private func serving(_ topics: Set<TraceTopic>, _ body: (TracerClient, String) async throws -> Void) async throws {
        let path = NSTemporaryDirectory() + "tracer-\(UUID().uuidString.prefix(8)).sock"
        let server = try TracerServer(
            .init(socketPath: path, socketGroup: nil, allowedUsers: [geteuid()], topics: topics, version: "test"))
        async let served: Void = server.run()
        do {
            try await body(TracerClient(socketPath: path), path)
        } catch {
            server.stop()
            throw error
        }
        server.stop()
        try await served
    }

    @Test(
        "what the tracer sees arrives once, from before the agent came, and after it came again",
        .enabled(if: Kernel.takesPrograms, Kernel.reason))
    func through() async throws {
        try await serving([.exec]) { client, _ in
            var status = try await client.status()
            while status.running.isEmpty { status = try await client.status() }
            #expect(status.running == ["sched_process_exec"] && status.refused.isEmpty && !status.isFollowed)
            let marks = (0..<3).map { _ in UUID().uuidString }
            let kept = KeptEvents()
            func count(_ mark: String) -> Int {
                kept.events.count { $0.body.map { String(decoding: $0.bytes, as: UTF8.self).contains(mark) } ?? false }
            }
            try run("/bin/true", marks[0])
            for round in 1...2 {
                let stop = StopSignal()
                let over = DispatchSemaphore(value: 0)
                Thread {
                    // The tracer notices within a round that the one before is gone.
                    while !stop.isSet { try? client.follow(into: kept, until: stop) }
                    over.signal()
                }.start()
                #expect(kept.wait { _ in count(marks[round - 1]) == 1 })
                try run("/bin/true", marks[round])
                #expect(kept.wait { _ in count(marks[round]) == 1 })
                stop.set()
                try run("/bin/true")
                over.wait()
            }
            #expect(marks.map(count) == [1, 1, 1])
            #expect(kept.events.allSatisfy { $0.kind == .processExec || $0.kind == .hostFigures })
            #expect(kept.events.contains { $0.attributes.binary == "/bin/true" })
            #expect(kept.lost.isEmpty)
        }
    }

    @Test("what was seen before the tracer stops still reaches an agent that takes it", .enabled(if: Kernel.takesPrograms, Kernel.reason))
    func farewell() async throws {
        let path = NSTemporaryDirectory() + "tracer-\(UUID().uuidString.prefix(8)).sock"
        let server = try TracerServer(
            .init(socketPath: path, socketGroup: nil, allowedUsers: [geteuid()], topics: [.oom], version: "test"))
        async let served: Void = server.run()
        let (client, kept, over) = (TracerClient(socketPath: path), KeptEvents(), DispatchSemaphore(value: 0))
        Thread {
            try? client.follow(into: kept, until: StopSignal())
            over.signal()
        }.start()
        while try await !client.status().isFollowed {}
        let event = TelemetryEvent(
            time: EventTime(nanoseconds: 1), kind: .flow, body: EventBody(.json, [UInt8](repeating: 0x20, count: 2000)))
        server.queue.offer([TelemetryEvent](repeating: event, count: 1500), from: .hubble)
        server.stop()
        try await served
        #expect(kept.wait { $0.count { $0.kind == .flow } == 1500 })
        #expect(kept.lost.isEmpty)
    }

    @Test("a tracer that lies about what it lost is not believed") func lies() async throws {
        let path = NSTemporaryDirectory() + "tracer-\(UUID().uuidString.prefix(8)).sock"
        let server = try LocalServer<TracerResponse>(
            .init(role: "tracer", path: path, group: nil, allowedUsers: [geteuid()], mostConnections: 2), whenBusy: .failed("busy"),
            log: { _, _ in })
        async let served: Void = server.run { socket in
            _ = try? socket.receive(TracerRequest.self, patience: .seconds(10))
            try? socket.send(
                TracerResponse.parcel(
                    TracerParcel(number: 1, source: "tracer", events: 0, lost: ["ring_full": .max, "malformed": (1 << 62) - 1, "other": 3]))
            )
            _ = try? socket.receive(TracerRequest.self, patience: .seconds(10))
        }
        let kept = KeptEvents()
        #expect(throws: LocalLinkError.self) { try TracerClient(socketPath: path).follow(into: kept, until: StopSignal()) }
        #expect(kept.lost == [.ringFull: 1 << 32, .malformed: 1 << 32, .other: 3])
        server.stop()
        try await served
    }

    @Test(
        "where maps are had and programs are not (CAP_BPF alone), /proc is read, and said to be",
        .enabled(if: Kernel.takesPrograms, Kernel.reason))
    func withoutPerfmon() throws {
        let (queue, stop, over) = (RelayQueue(), StopSignal(), DispatchSemaphore(value: 0))
        let loop = TracerLoop(topics: [.exec, .disk], ringBytes: 1 << 16, queue: queue, version: "test") { _, _ in }
        Thread {
            // Of this thread alone.
            try? Hardening.keepOnly(.bpf)
            loop.run(until: stop)
            over.signal()
        }.start()
        defer {
            stop.set()
            over.wait()
        }
        func seen() throws -> [TelemetryEvent] {
            var events: [TelemetryEvent] = []
            while let parcel = queue.next() {
                events += try PackedEvents.events(in: parcel.events.bytes)
                queue.took(parcel.number)
            }
            return events
        }
        while loop.status.withoutPrograms == nil, loop.status.running.isEmpty { poll(nil, 0, 5) }
        let status = loop.status
        #expect(status.running.isEmpty && status.withoutPrograms?.contains("CAP_PERFMON") == true, "\(status)")
        var found = false
        // The first look tells of nobody, so one that is there at it is not seen: another is started until one is.
        for _ in 0..<20 where !found {
            let child = Process()
            child.executableURL = URL(fileURLWithPath: "/bin/sleep")
            child.arguments = ["60"]
            try child.run()
            for _ in 0..<60 where !found {
                poll(nil, 0, 50)
                found = try seen().contains { $0.kind == .processExec && $0.attributes.pid == UInt32(child.processIdentifier) }
            }
            kill(child.processIdentifier, SIGKILL)
            child.waitUntilExit()
        }
        #expect(found)
    }

    @Test(
        "a second follower is told that there is one, and a stranger's words end its connection only",
        .enabled(if: Kernel.takesPrograms, Kernel.reason))
    func others() async throws {
        try await serving([.oom]) { client, path in
            let (stop, over) = (StopSignal(), DispatchSemaphore(value: 0))
            Thread {
                try? client.follow(into: KeptEvents(), until: stop)
                over.signal()
            }.start()
            while try await !client.status().isFollowed {}
            #expect { try client.follow(into: KeptEvents(), until: StopSignal()) } throws: {
                "\($0)".contains("another process has the events already")
            }
            for bytes in [[0x7b], [], Array("{\"follow\":1}".utf8), [UInt8](repeating: 0xff, count: 1000)] as [[UInt8]] {
                let socket = try LocalSocket.connect(path, to: "tracer")
                try socket.send(bytes: bytes)
                #expect(try socket.receiveBytes(patience: .seconds(5)) == nil)
            }
            #expect(try await client.status().isFollowed)
            stop.set()
        }
    }
}
