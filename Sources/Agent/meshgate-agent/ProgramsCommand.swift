// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import HostProbe
import HostTrace
import MeshModel
import MeshSystem
import Telemetry

/// `meshgate-agent probe programs`: every eBPF program in this kernel, and what Cilium, Tetragon and others cost with theirs.
struct ProgramsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "programs", abstract: "List the eBPF programs in this kernel with their owners, memory and cost.",
        discussion: """
            EXAMPLES
              meshgate-agent probe programs
              meshgate-agent probe programs --seconds 30 --output json

            For these seconds the kernel counts each program's runs and their time. It needs root (CAP_SYS_ADMIN). A program without an owner
            is kept by a pin, a link or a network interface: PLACE says what it is attached to, by a link of the kernel, by `tc` or as XDP.
            The exit code is 77 when the kernel does not show them to you.
            """)

    enum Output: String, ExpressibleByArgument, CaseIterable { case text, json }

    @Option(help: "How long to count, 1 to 3600.")
    var seconds = 2
    @Option(name: .shortAndLong, help: "text for people, json for programs.")
    var output = Output.text

    func run() async throws {
        guard (1...3600).contains(seconds) else { throw ValidationError("--seconds is 1 to 3600") }
        let span = Duration.seconds(seconds)
        let seen: BPFInventory
        do {
            seen = try await OwnThread.run(named: "programs") {
                try BPFInventory.counting {
                    let before = try BPFInventory.read()
                    poll(nil, 0, Int32(span.inMilliseconds))
                    return try BPFInventory.read().since(before)
                }
            }
        } catch {
            throw AgentFailure(.notPermitted, "\(error)")
        }
        switch output {
        case .text: print(Self.text(seen, span), terminator: "")
        case .json: print(Self.json(seen, span).text)
        }
    }

    /// The costliest first, and below them what each owner costs in all.
    static func text(_ seen: BPFInventory, _ span: Duration) -> String {
        guard !seen.programs.isEmpty else { return "no eBPF programs are loaded\n" }
        let sorted = seen.programs.sorted { ($1.runTime, $0.id) < ($0.runTime, $1.id) }
        var text = TextTable(
            "ID", "TYPE", "NAME", "TAG", "RUNS/S", "NS/RUN", "CPU", "MEMORY", "PLACE", "OWNER",
            rows: sorted.map { program in
                let runs = program.runs ?? 0
                let places = program.attachments.map { $0.kind + ($0.place.map { " \($0)" } ?? "") }
                return [
                    "\(program.id)", program.kind, program.name.isEmpty ? "-" : program.name, program.tag,
                    "\(runs * 1000 / UInt64(max(1, span.inMilliseconds)))",
                    runs == 0 ? "-" : "\((program.runTimeInNanoseconds ?? 0) / runs)", share(program.runTime, of: span),
                    kibibytes(program.memoryInBytes ?? 0), places.isEmpty ? "-" : places.joined(separator: ", "),
                    program.keepers.isEmpty ? "-" : program.keepers.joined(separator: ", "),
                ]
            }
        ).text
        var totals: [String: (programs: Int, time: Duration, memory: UInt64)] = [:]
        for program in seen.programs {
            let owner = program.keepers.first ?? "without an owner"
            let sum = totals[owner] ?? (0, .zero, 0)
            totals[owner] = (sum.programs + 1, sum.time + program.runTime, sum.memory + (program.memoryInBytes ?? 0))
        }
        text += "\n"
        for (owner, sum) in totals.sorted(by: { ($1.value.time, $0.key) < ($0.value.time, $1.key) }) {
            text += "\(printable(owner)): \(sum.programs) programs, \(share(sum.time, of: span)) of a CPU, \(kibibytes(sum.memory))\n"
        }
        let memory = seen.maps.reduce(0) { $0 + $1.memoryInBytes }
        return text + "\(seen.maps.count) maps with \(kibibytes(memory)), \(seen.links) links\n"
    }

    static func json(_ seen: BPFInventory, _ span: Duration) -> JSONLine {
        var document = JSONLine()
        document.put("counted_us", span.microseconds)
        document.put(
            "programs",
            seen.programs.map { program in
                var line = JSONLine()
                line.put("id", program.id)
                line.put("type", program.kind)
                line.put("name", program.name)
                line.put("tag", program.tag)
                line.put("uid", program.user ?? 0)
                line.put("runs", program.runs ?? 0)
                line.put("run_time_ns", program.runTime.nanoseconds)
                line.put("memory", program.memoryInBytes ?? 0)
                line.put("maps", (program.maps ?? []).map(String.init))
                line.put("places", program.attachments.map { $0.kind + ($0.place.map { " \($0)" } ?? "") })
                line.put("owners", program.keepers)
                return line
            })
        document.put(
            "maps",
            seen.maps.map { map in
                var line = JSONLine()
                line.put("id", map.id)
                line.put("type", map.kind)
                line.put("name", map.name)
                line.put("entries", map.entries)
                line.put("memory", map.memoryInBytes)
                return line
            })
        document.put("links", seen.links)
        return document
    }

    private static func share(_ time: Duration, of span: Duration) -> String {
        let part = UInt64(max(0, time.nanoseconds)) * 10_000 / UInt64(max(1, span.nanoseconds))
        return "\(part / 100).\(part % 100 < 10 ? "0" : "")\(part % 100)%"
    }

    private static func kibibytes(_ bytes: UInt64) -> String { "\((bytes + 1023) / 1024) KiB" }
}

extension BPFProgram {
    fileprivate var runTime: Duration { .nanoseconds(Int64(clamping: runTimeInNanoseconds ?? 0)) }
    /// Processes that hold it open, by name, each once.
    fileprivate var keepers: [String] {
        owners.map(\.command).reduce(into: []) { names, name in if !names.contains(name) { names.append(name) } }
    }
}
