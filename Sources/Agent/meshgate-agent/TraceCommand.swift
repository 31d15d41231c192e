// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import HostTrace
import LocalLink
import MeshModel
import MeshSystem
import ServiceLifecycle

/// `meshgate-agent probe trace`: what our own eBPF programs see on this host, live, without a coordinator and without the tracer's service.
struct TraceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace", abstract: "Watch programs, connections, dropped packets, memory and disks of this host, live.",
        discussion: """
            EXAMPLES
              meshgate-agent probe trace
              meshgate-agent probe trace --seconds 60 --kind drop,retransmit
              meshgate-agent probe trace --kind exec --output ndjson | grep curl

            KINDS
              exec, exit    programs that start and processes that end
              tcp           connects, connections from outside, their ends
              retransmit    TCP segments that are sent again
              drop          packets that the kernel throws away, with its reason
              oom           processes that the kernel kills for want of memory
              disk          how long disks take, and what they fail at

            It needs CAP_BPF and CAP_PERFMON (root has them). A kernel that refuses one program runs the others, and what is missing is told
            at the end, as are events that were lost. Times are UTC. The exit code is 69 when nothing can be traced.
            """)

    enum Output: String, ExpressibleByArgument, CaseIterable { case text, json, ndjson }

    @Option(help: "How long to watch, 1 to 86400.")
    var seconds = 10
    @Option(help: ArgumentHelp("What to watch, separated by commas; everything unless given.", valueName: "kinds"))
    var kind: String?
    @Option(
        name: .shortAndLong,
        help: "text for people, ndjson for programs (a line as it happens, the last one sums up), json (one document at the end).")
    var output = Output.text

    func run() async throws {
        guard (1...86_400).contains(seconds) else { throw ValidationError("--seconds is 1 to 86400") }
        let topics = try Self.topics(kind)
        let view: any TraceView =
            switch output {
            case .text: TraceTable(width: Terminal.width())
            case .ndjson: TraceLines()
            case .json: TraceDocument()
            }
        let watch = TraceWatch(topics: topics, span: .seconds(seconds), view: view)
        try await runUntilSignal(watch)
    }

    /// The topics of `--kind`.
    static func topics(_ text: String?) throws -> Set<TraceTopic> {
        guard let text else { return Set(TraceTopic.allCases) }
        return Set(
            try text.split(separator: ",", omittingEmptySubsequences: false).map { word in
                guard let topic = TraceTopic(rawValue: String(word)) else {
                    let known = TraceTopic.allCases.map(\.rawValue).joined(separator: ", ")
                    throw ValidationError("there is no kind \"\(printable(String(word.prefix(40))))\"; known are \(known)")
                }
                return topic
            })
    }
}

/// Shows what a watch sees, on standard output.
protocol TraceView: Sendable {
    func begin(_ tracer: HostTracer, span: Duration)
    /// What came in one round, which may be nothing; `words` explains its numbers.
    func show(_ events: [TraceEvent], _ words: KernelWords)
    func end(_ summary: TraceSummary, _ words: KernelWords)
}

/// Loads the programs, empties their ring until the time is over or a signal comes, and unloads them.
private struct TraceWatch: Service {
    let topics: Set<TraceTopic>
    let span: Duration
    let view: any TraceView
    private let stop = StopSignal()

    init(topics: Set<TraceTopic>, span: Duration, view: any TraceView) {
        self.topics = topics
        self.span = span
        self.view = view
    }

    func run() async throws {
        try await withGracefulShutdownHandler {
            try await OwnThread.run(named: "trace") { try watch() }
        } onGracefulShutdown: {
            stop.set()
        }
    }

    private func watch() throws {
        let tracer: HostTracer
        do {
            tracer = try HostTracer(topics)
        } catch {
            throw AgentFailure(.unavailable, "\(error)")
        }
        let words = KernelWords()
        view.begin(tracer, span: span)
        let began = ContinuousClock.now
        var counts: [String: Int] = [:]
        func round() {
            var events: [TraceEvent] = []
            tracer.drain { events.append($0) }
            for event in events { counts[event.kind, default: 0] += 1 }
            view.show(events, words)
        }
        while !stop.isSet, ContinuousClock.now - began < span {
            // Programs do not wake us: looking on a timer is the cheapest way.
            poll(nil, 0, Int32(HostTracer.interval.inMilliseconds))
            round()
        }
        round()
        let figures: TraceFigures
        do {
            figures = try tracer.figures()
        } catch {
            throw AgentFailure(.internalError, "\(error)")
        }
        view.end(TraceSummary(took: ContinuousClock.now - began, counts: counts, figures: figures, refused: tracer.refused), words)
        if tracer.running.isEmpty { throw ExitCode(AgentFailure.Code.unavailable.rawValue) }
    }
}
