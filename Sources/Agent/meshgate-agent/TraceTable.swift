// SPDX-License-Identifier: Apache-2.0

import Glibc
import HostTrace
import MeshModel
import MeshSystem
import Synchronization
import Telemetry

/// A watch for people: one line for each event, in columns, no longer than the terminal is wide.
final class TraceTable: TraceView {
    /// Columns of the terminal; `nil` when standard output is none.
    let width: Int?
    private let drops = Mutex(DropFolder())

    init(width: Int?) { self.width = width }

    func begin(_ tracer: HostTracer, span: Duration) {
        let points = tracer.running.map(\.tracepoint).joined(separator: ", ")
        Terminal.write("watching \(points.isEmpty ? "nothing" : points) for \(span.briefly); Ctrl-C ends it\n\n")
        Terminal.write(Self.columns("TIME (UTC)", "WHAT", "PID", "PROGRAM", "DETAILS") + "\n")
    }

    func show(_ events: [TraceEvent], _ words: KernelWords) {
        let now = SystemClock.now().wall.milliseconds * 1_000_000
        write(drops.withLock { $0.lines(events, now: now) }, words)
    }

    func end(_ summary: TraceSummary, _ words: KernelWords) {
        write(drops.withLock { $0.rest() }, words)
        Terminal.write(summary.text(words))
    }

    private func write(_ lines: [DropFolder.Line], _ words: KernelWords) {
        Terminal.write(lines.map { cut(Self.line($0, words)) + "\n" }.joined())
    }

    /// A line of the table.
    static func line(_ line: DropFolder.Line, _ words: KernelWords) -> String {
        switch line {
        case .event(let event): Self.line(event, words)
        case .more(let count, let event): columns("", "", "", "", "... \(count) more: \(printable(said(event, words).details))")
        }
    }

    private func cut(_ line: String) -> String {
        guard let width, width > 20, line.count > width else { return line }
        return line.prefix(width - 1) + "…"
    }

    private static func columns(_ time: String, _ what: String, _ pid: String, _ name: String, _ details: String) -> String {
        func filled(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(1, width - text.count)) }
        return filled(time, 14) + filled(what, 11) + filled(pid, 9) + filled(name, 17) + details
    }

    /// One event as a line of the table.
    static func line(_ event: TraceEvent, _ words: KernelWords) -> String {
        let time = String(Timestamp(milliseconds: event.time / 1_000_000).description.dropFirst(11).dropLast())
        let (what, details) = said(event, words)
        let process = event.process
        return columns(
            time, what, process.map { "\($0.pid)" } ?? "-", process.map { printable($0.name) } ?? "-", printable(details))
    }

    private static func said(_ event: TraceEvent, _ words: KernelWords) -> (what: String, details: String) {
        switch event.what {
        case .exec(let exec):
            let rest = exec.arguments.dropFirst().map(quoted).joined(separator: " ")
            let text = exec.path + (rest.isEmpty ? "" : " " + rest) + (exec.argumentsAreCut ? " ..." : "")
            return ("exec", "\(text)  (uid \(exec.process.uid), parent \(exec.parent))")
        case .exit(let exit):
            let end = exit.signal == 0 ? "code \(exit.code)" : "killed by \(KernelWords.signal(exit.signal))"
            return ("exit", "\(end) after \(brief(exit.lifetime))")
        case .tcp(let connection, let from, let to): return said(connection, from, to)
        case .retransmit(let connection):
            return ("resend", "\(ends(connection.flow)), resent \(connection.retransmits) times so far")
        case .drop(let drop):
            let transport = KernelWords.transport(drop.flow.protocol, etherType: drop.etherType)
            let place = words.interface(drop.flow).map { " on \($0)" } ?? ""
            return ("drop", "\(words.reason(drop.reason)): \(transport) \(ends(drop.flow)), \(drop.length) bytes\(place)")
        case .oomKill: return ("OOM KILL", "the kernel kills it: memory is used up")
        case .diskError(let error):
            let disk = words.disk(error.major, error.minor)
            let status = KernelWords.diskStatus(error.status)
            return ("DISK ERROR", "\(disk): \(status) at a \(error.operation.word) of \(error.bytes) bytes at sector \(error.sector)")
        }
    }

    private static func said(
        _ connection: TraceEvent.Connection, _ from: TCPState, _ to: TCPState
    ) -> (what: String, details: String) {
        let age = connection.age.map { " after \(brief($0))" } ?? ""
        let error = connection.error == 0 ? "" : ": \(KernelWords.error(connection.error))"
        switch (from, to) {
        case (_, .synSent): return ("connect", end(connection.flow.destination, connection.flow.destinationPort))
        case (.synSent, .established): return ("connected", ends(connection.flow) + age)
        case (_, .established): return ("accepted", ends(connection.flow, arrow: "<-"))
        case (_, .listen): return ("listen", end(connection.flow.source, connection.flow.sourcePort))
        case (.listen, .close): return ("unlisten", end(connection.flow.source, connection.flow.sourcePort))
        case (.synSent, .close): return ("failed", end(connection.flow.destination, connection.flow.destinationPort) + error + age)
        case (_, .close):
            let resent = connection.retransmits == 0 ? "" : ", \(connection.retransmits) resent"
            let bytes = ", \(connection.bytesSent) bytes out, \(connection.bytesReceived) in"
            return ("closed", ends(connection.flow) + bytes + resent + error + age)
        default: return ("tcp", "\(ends(connection.flow)) \(from.word) to \(to.word)")
        }
    }

    private static func end(_ address: IPAddress?, _ port: UInt16) -> String {
        guard let address else { return port == 0 ? "?" : "?:\(port)" }
        if port == 0 { return "\(address)" }
        return address.family == .v6 ? "[\(address)]:\(port)" : "\(address):\(port)"
    }

    private static func ends(_ flow: TraceEvent.Flow, arrow: String = "->") -> String {
        guard flow.source != nil || flow.destination != nil else { return "without addresses" }
        return "\(end(flow.source, flow.sourcePort)) \(arrow) \(end(flow.destination, flow.destinationPort))"
    }

    /// Arguments with spaces in them, or none, are shown in quotes.
    private static func quoted(_ argument: String) -> String {
        argument.isEmpty || argument.contains(" ") ? "'\(argument)'" : argument
    }

    /// `85us`, `1.4ms`, `2.5s`, and from a minute on as everywhere.
    static func brief(_ span: Duration) -> String {
        let micro = span.microseconds
        switch micro {
        case ..<1000: return "\(micro)us"
        case ..<1_000_000: return "\(Double(micro / 100) / 10)ms"
        case ..<60_000_000: return "\(Double(micro / 100_000) / 10)s"
        default: return span.briefly
        }
    }
}

/// A watch for programs: a line of JSON for each event, as it happens, and one that sums up.
struct TraceLines: TraceView {
    func begin(_ tracer: HostTracer, span: Duration) {}
    func show(_ events: [TraceEvent], _ words: KernelWords) {
        Terminal.write(events.map { Self.line($0, words).text + "\n" }.joined())
    }
    func end(_ summary: TraceSummary, _ words: KernelWords) { Terminal.write(summary.json(words).text + "\n") }

    static func line(_ event: TraceEvent, _ words: KernelWords) -> JSONLine {
        var line = JSONLine()
        line.put("time", Timestamp(milliseconds: event.time / 1_000_000).description)
        line.put("time_ns", event.time)
        line.put("kind", event.kind)
        line.append(event.json(words))
        return line
    }
}

/// A watch as one JSON document at its end; bounded, as it is kept in memory until then.
final class TraceDocument: TraceView {
    private static let most = 100_000
    private let kept = Mutex(Kept())
    private struct Kept {
        var lines: [JSONLine] = []
        var left = 0
    }

    func begin(_ tracer: HostTracer, span: Duration) {}
    func show(_ events: [TraceEvent], _ words: KernelWords) {
        kept.withLock { kept in
            let room = Self.most - kept.lines.count
            kept.lines += events.prefix(room).map { TraceLines.line($0, words) }
            kept.left += max(0, events.count - room)
        }
    }
    func end(_ summary: TraceSummary, _ words: KernelWords) {
        kept.withLock { kept in
            var document = JSONLine()
            document.put("events", kept.lines)
            document.put("events_left_out", kept.left)
            document.put("summary", summary.json(words))
            Terminal.write(document.text + "\n")
        }
    }
}

/// Standard output as it is needed here: unbuffered, so that a line is there when it happens.
enum Terminal {
    /// Columns, when it is a terminal.
    static func width() -> Int? {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    /// All of the text. A reader who went away ends the program, as with any other tool in a pipe; a text that cannot be kept is a failure.
    static func write(_ text: String) {
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count > 0 {
                done += count
            } else if errno == EPIPE {
                exit(0)
            } else if errno != EINTR {
                let why = "meshgate-agent: cannot write the output: \(explain(errno))\n"
                _ = Array(why.utf8).withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
                exit(AgentFailure.Code.inputOutput.rawValue)
            }
        }
    }
}
