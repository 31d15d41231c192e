// SPDX-License-Identifier: Apache-2.0

import Glibc
import HostTrace
import MeshModel

/// The real tracer in this kernel, and everything that it told so far.
final class TraceWatch {
    let tracer: HostTracer
    let words = KernelWords()
    private(set) var seen: [TraceEvent] = []

    init(_ topics: Set<TraceTopic>) throws { tracer = try HostTracer(topics) }

    /// Empties the ring once.
    func look() { tracer.drain { seen.append($0) } }

    /// What `pick` finds, once the tracer told of it: what the kernel does by itself takes its time.
    func await<Found>(_ pick: (TraceEvent.What) -> Found?) -> Found? {
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            look()
            if let found = all(pick).first { return found }
            guard ContinuousClock.now < deadline else { return nil }
            poll(nil, 0, 40)
        }
    }

    /// All that `pick` finds in what was told so far.
    func all<Found>(_ pick: (TraceEvent.What) -> Found?) -> [Found] { seen.compactMap { pick($0.what) } }

    /// The start of the program whose arguments end with `mark`.
    func start(_ mark: String) -> TraceEvent.Exec? {
        self.await { if case .exec(let exec) = $0, exec.arguments.last == mark { exec } else { nil } }
    }

    /// The end of a process.
    func end(_ pid: UInt32?) -> TraceEvent.Exit? {
        self.await { if case .exit(let exit) = $0, exit.process.pid == pid { exit } else { nil } }
    }

    /// What was counted of one kind of request to a disk.
    func count(_ disk: String, _ operation: DiskOperation) throws -> TraceFigures.DiskCount? {
        try tracer.figures().disks.first { words.disk($0.major, $0.minor) == disk && $0.operation == operation }
    }
}

extension Stage {
    /// The tracer with these topics, each of whose programs this kernel must take.
    func watch(_ topics: Set<TraceTopic>) throws -> TraceWatch {
        let watch = try TraceWatch(topics)
        for program in topics.flatMap(\.programs).sorted(by: { $0.rawValue < $1.rawValue }) {
            let why = watch.tracer.refused.first { $0.program == program }?.why
            checks.expect(watch.tracer.running.contains(program), "a program stands at \(program.tracepoint)", why ?? "nobody says why not")
        }
        return watch
    }

    /// What was told and what was counted agree, for all programs of a watch that is over.
    func expectBalance(_ watch: TraceWatch) throws {
        watch.look()
        let figures = try watch.tracer.figures()
        let sent = figures.programs.values.reduce(0) { $0 + $1.sent }
        checks.expect(
            figures.programs.values.allSatisfy { $0.produced == $0.sent + $0.ringFull + $0.limited }, "produced is sent and lost",
            "\(figures.programs)")
        checks.expect(
            sent == UInt64(watch.seen.count) && watch.tracer.unreadable == 0, "every record was read, and was one",
            "\(sent) sent, \(watch.seen.count) seen, \(watch.tracer.unreadable) unreadable")
    }
}
