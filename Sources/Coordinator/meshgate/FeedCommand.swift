// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import MeshModel
import MeshSystem
import OperatorAPI
import Synchronization

/// `meshgate feed`: what the hosts' eBPF, Tetragon and Hubble saw.
struct FeedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "feed", abstract: "Look at the telemetry of all hosts, and at what of it was lost.",
        discussion: """
            Examples:
              meshgate feed query --since 10m --cluster east --kind process_exec --binary '*/nc'
              meshgate feed export --since 2h > window.ndjson.gz
              meshgate feed loss
            """,
        subcommands: [FeedQueryCommand.self, FeedExportCommand.self, FeedLossCommand.self])
}

/// Which events are meant.
struct FeedSelection: ParsableArguments {
    @Option(help: "From when on: 10m before now, or 2026-11-23T08:40:01Z.") var since: String?
    @Option(help: "Until when.") var until: String?
    @Option(help: "Of one cluster.") var cluster: String?
    @Option(help: "Of one node.") var node: String?
    @Option(help: "tracer, tetragon, hubble or host.") var source: String?
    @Option(help: "Of one kind, such as process_exec.") var kind: String?
    @Option(help: "The program's path; * stands for anything.") var binary: String?
    @Option(help: "The Kubernetes namespace; * stands for anything.") var namespace: String?
    @Option(help: "The pod; * stands for anything.") var pod: String?
    @Option(help: "The reason, such as NETFILTER_DROP; * stands for anything.") var reason: String?

    /// As the admin surface wants them; it checks them.
    var parameters: [String: String] {
        let given: [String: String?] = [
            "since": since, "until": until, "cluster": cluster, "node": node, "source": source, "kind": kind, "binary": binary,
            "namespace": namespace, "pod": pod, "reason": reason,
        ]
        return given.compactMapValues { $0 }
    }
}

/// `meshgate feed query`: the events themselves.
struct FeedQueryCommand: AsyncParsableCommand {
    enum Form: String, ExpressibleByArgument, CaseIterable { case text, json, ndjson }

    static let configuration = CommandConfiguration(
        commandName: "query", abstract: "Print stored events, oldest first.",
        discussion: """
            Of all that fit, the newest are printed, as many as --limit says. Events hold what programs were started with: treat the output
            like the hosts themselves.

            Examples:
              meshgate feed query --since 10m --cluster east --kind process_exec --binary '*/nc'
              meshgate feed query --since 1h --kind packet_drop --output ndjson | jq -r .reason | sort | uniq -c
            """)
    @OptionGroup var selection: FeedSelection
    @Option(help: "The newest that many.") var limit = 1000
    @Option(name: [.customShort("o"), .long], help: "text for people; json, or ndjson with one object a line, for programs.") var output:
        Form =
            .text
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await asking(connection) { client in
            let form = output
            let count = Mutex(0)
            if form == .json { Terminal.raw("[") }
            try await client.telemetry(selection.parameters.merging(["limit": String(limit)]) { $1 }) { line in
                let isFirst = count.withLock { count in
                    defer { count += 1 }
                    return count == 0
                }
                switch form {
                case .text: Terminal.say(FeedText.line(line))
                case .ndjson: Terminal.say(line)
                case .json: Terminal.raw((isFirst ? "\n" : ",\n") + line)
                }
            }
            if form == .json { Terminal.raw("\n]\n") }
            let printed = count.withLock { $0 }
            if form == .text, printed == 0 { Terminal.remark("no stored event fits; `meshgate feed loss` says what came from whom") }
            if form == .text, printed == limit { Terminal.remark("there may be older ones: these are the newest \(limit), see --limit") }
        }
    }
}

/// `meshgate feed export`: a window for another tool or another day.
struct FeedExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write all stored events of a window as gzipped NDJSON to standard output.",
        discussion: "Example:\n  meshgate feed export --since 2h --cluster east > window.ndjson.gz")
    @OptionGroup var selection: FeedSelection
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        guard isatty(STDOUT_FILENO) == 0 else {
            throw Failure(.usage, "this is gzip, and standard output is a terminal; redirect it to a file")
        }
        try await asking(connection) { client in
            let packer = try Packer()
            try await client.telemetry(selection.parameters) { line in try packer.add(line) }
            try packer.finish()
        }
    }

    /// Packs lines as they come and writes them; what cannot be written is an error, as half a window looks like a whole one.
    private final class Packer: Sendable {
        private struct State: ~Copyable {
            let writer: GzipWriter
            var waiting: [UInt8] = []
        }
        private let state: Mutex<State>

        init() throws { state = Mutex(State(writer: try GzipWriter(level: 6))) }

        func add(_ line: String) throws {
            try state.withLock { state in
                state.waiting += line.utf8
                state.waiting.append(UInt8(ascii: "\n"))
                guard state.waiting.count >= 1 << 16 else { return }
                try Self.write(try state.writer.feed(state.waiting))
                state.waiting = []
            }
        }

        func finish() throws {
            try state.withLock { state in
                try Self.write(try state.writer.feed(state.waiting))
                try Self.write(try state.writer.finish())
            }
        }

        private static func write(_ bytes: [UInt8]) throws {
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
                if count >= 0 {
                    rest = rest.dropFirst(count)
                } else if errno != EINTR {
                    throw Failure(.io, "cannot write the window: \(explain(errno))")
                }
            }
        }
    }
}

/// `meshgate feed loss`: the books.
struct FeedLossCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "loss", abstract: "Show what became of all events: delivered, lost and why, or still on their way.",
        discussion: """
            produced = delivered + lost + pending, for each node and source, counted by the numbers that every event gets at its source.

            Examples:
              meshgate feed loss
              meshgate feed loss --output json | jq '[.lines[].lost | add // 0] | add'
            """)
    @OptionGroup var output: OutputOption
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await asking(connection) { client in
            let books = try await client.books()
            Terminal.say(output.output == .json ? try CanonicalJSON.text(books) : FeedText.books(books, now: SystemClock.now().wall))
        }
    }
}
