// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import LocalLink
internal import MeshModel
internal import Synchronization
internal import Telemetry

/// The tracer's work: programs in the kernel, their ring emptied on a timer, and what they saw put into the queue for the agent. Where no
/// program can run it reads /proc instead, and says so in the feed.
package final class TracerLoop: Sendable {
    package typealias Log = @Sendable (_ event: String, _ details: [String: String]) -> Void

    private static let lookAtBooks = Duration.seconds(1)
    /// How often the sums are told. They also say that the tracer lives and what it watches, so they come when nothing else happens, and the
    /// first ones soon.
    private static let sumUp = Duration.seconds(10)

    private let topics: Set<TraceTopic>
    private let scope: TraceScope
    private let ringBytes: Int
    private let procroot: String
    private let queue: RelayQueue
    private let log: Log
    private let seen: Mutex<TracerStatus>

    package init(
        topics: Set<TraceTopic>, scope: TraceScope = .host, ringBytes: Int, procroot: String = "/proc", queue: RelayQueue, version: String,
        log: @escaping Log
    ) {
        self.topics = topics
        self.scope = scope
        self.ringBytes = ringBytes
        self.procroot = procroot
        self.queue = queue
        self.log = log
        seen = Mutex(
            TracerStatus(
                version: version, running: [], refused: [], withoutPrograms: nil, events: 0, lost: [:], waiting: 0, isFollowed: false))
    }

    /// What it does at this moment; the server adds what it knows of the other side.
    package var status: TracerStatus { seen.withLock { $0 } }

    /// Works until `stop` is set. Blocks: for a thread of its own.
    package func run(until stop: StopSignal) {
        let host = ProcTracer(procroot: procroot, scope: scope)
        do {
            let tracer = try HostTracer(topics, scope: scope, ringBytes: ringBytes)
            seen.withLock {
                $0.running = tracer.running.map(\.tracepoint)
                $0.refused = tracer.refused
            }
            for refusal in tracer.refused { tell(limit: refusal.program.tracepoint, why: refusal.why, source: .tracer) }
            log("tracing", ["programs": tracer.running.map(\.tracepoint).joined(separator: ",")])
            trace(tracer, host, until: stop)
        } catch {
            seen.withLock { $0.withoutPrograms = "\(error)" }
            tell(limit: "programs", why: "\(error)", source: .host)
            look(host, until: stop)
        }
    }

    private func trace(_ tracer: HostTracer, _ host: ProcTracer, until stop: StopSignal) {
        let words = KernelWords()
        var lossBooks: [TraceProgram: TraceFigures.Books] = [:]
        var unreadable: UInt64 = 0
        var tableFull: UInt64 = 0
        // Where no program tells of processes, /proc does.
        let seesProcesses = tracer.running.contains { $0 == .exec || $0 == .exit } || topics.isDisjoint(with: [.exec, .exit])
        var summed = try? tracer.figures()
        let watched = tracer.running.map(\.tracepoint)
        _ = host.figures(at: Self.now(), watched: watched)
        var (books, sums) = (ContinuousClock.now, ContinuousClock.now - Self.sumUp)
        func round() {
            var events: [TelemetryEvent] = []
            tracer.drain { events.append($0.telemetry(words)) }
            put(events, .tracer)
        }
        func settle() {
            do {
                let figures = try tracer.figures()
                for (program, now) in figures.programs {
                    let before = lossBooks[program] ?? TraceFigures.Books()
                    lose(now.ringFull &- before.ringFull, .ringFull, .tracer)
                    lose(now.limited &- before.limited, .rateLimited, .tracer)
                    lossBooks[program] = now
                }
                lose(tracer.unreadable &- unreadable, .malformed, .tracer)
                unreadable = tracer.unreadable
                if !seesProcesses { lookAtProcesses(host) }
                guard ContinuousClock.now - sums >= Self.sumUp else { return }
                sums = .now
                words.forgetNames()
                let (events, left) = figures.sums(since: summed, at: Self.now(), words)
                put(events, .tracer)
                if left > 0 {
                    tell(limit: "sums", why: "\(left) sums of drops or disks with little in them were left out", source: .tracer)
                }
                let unkept = figures.programs.values.reduce(0) { $0 &+ $1.tableFull }
                if unkept > tableFull {
                    let why =
                        "\(unkept &- tableFull) counts or times found no room in the kernel's maps: the sums of drops or disks are too low"
                    tell(limit: "sums", why: why, source: .tracer)
                }
                (summed, tableFull) = (figures, unkept)
                put(host.figures(at: Self.now(), watched: watched), .host)
            } catch {
                log("books unreadable", ["problem": "\(error)"])
            }
        }
        while !stop.isSet {
            poll(nil, 0, Int32(HostTracer.interval.inMilliseconds))
            round()
            if ContinuousClock.now - books >= Self.lookAtBooks {
                books = .now
                settle()
            }
        }
        round()
        settle()
    }

    /// Without programs: processes that came and went between two looks, and the host's counters.
    private func look(_ host: ProcTracer, until stop: StopSignal) {
        var (looked, sums) = (ContinuousClock.now, ContinuousClock.now - Self.sumUp)
        _ = host.figures(at: Self.now(), watched: [])
        while !stop.isSet {
            poll(nil, 0, Int32(HostTracer.interval.inMilliseconds))
            let now = ContinuousClock.now
            guard now - looked >= Self.lookAtBooks else { continue }
            looked = now
            lookAtProcesses(host)
            guard now - sums >= Self.sumUp else { continue }
            sums = now
            put(host.figures(at: Self.now(), watched: []), .host)
        }
    }

    private func lookAtProcesses(_ host: ProcTracer) {
        let (events, left) = host.processes(at: Self.now())
        put(events, .host)
        lose(left, .rateLimited, .host)
    }

    private func put(_ events: [TelemetryEvent], _ source: TelemetrySource) {
        guard !events.isEmpty else { return }
        queue.offer(events, from: source)
        seen.withLock { $0.events &+= UInt64(events.count) }
    }

    private func lose(_ count: UInt64, _ reason: LossReason, _ source: TelemetrySource) {
        guard count > 0 else { return }
        queue.lost(count, reason, from: source)
        seen.withLock { $0.lost[reason.rawValue, default: 0] &+= count }
    }

    private func tell(limit what: String, why: String, source: TelemetrySource) {
        log("not traced", ["what": what, "why": why])
        var line = JSONLine()
        line.put("what", what)
        line.put("why", why)
        put(
            [
                TelemetryEvent(
                    time: Self.now(), kind: .sourceLimited, attributes: EventAttributes(reason: what), body: EventBody(.json, line.closed))
            ],
            source)
    }

    private static func now() -> EventTime { EventTime(nanoseconds: HostTracer.wallNow()) }
}
