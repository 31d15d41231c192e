// SPDX-License-Identifier: Apache-2.0

import Glibc

/// `meshgate-bench`: one measurement per call, one line of a Markdown table as its answer. `Benchmarks/run.sh` puts them together.
@main
struct Bench {
    static let usage = """
        meshgate-bench plan CLUSTERS NODES            read, lint and plan a mesh; peak memory of this process
        meshgate-bench matrix CLUSTERS NODES          who tries whom: choice, cover, and a simulation of all probers at once
        meshgate-bench tree LINES PEER-MS             lint a tree of about so many lines; what a peer took is only printed
        meshgate-bench tree-write LINES DIRECTORY     that tree, for the peer
        meshgate-bench intake CLUSTERS NODES          evidence through the run's one loop while a run of that size is going
        meshgate-bench steps CLUSTERS MS TIMES DIRECTORY   a whole run of tools that take MS each, TIMES longer on the last cluster
        meshgate-bench watch OBJECTS URL              follow a collection of that size of an API server
        meshgate-bench journal DIRECTORY              durable appends beside plain write and fdatasync
        meshgate-bench telemetry EVENTS DIRECTORY SAMPLES   events through spool and store, and queries; SAMPLES is NDJSON of real ones
        meshgate-bench feed DIRECTORY AGENT RATE EVENTS   Tetragon's stream through real tracer and agent; RATE a second, - for all at once
        meshgate-bench trace RATE SECONDS             as root: our own eBPF's ring, read at RATE events a second
        meshgate-bench identities COUNT DIRECTORY     a mesh authority and COUNT agents, for the next three
        meshgate-bench fleet DIRECTORY SESSIONS ROUNDS SIZE JOURNAL|-
        meshgate-bench nats DIRECTORY SESSIONS ROUNDS SIZE
        meshgate-bench agent DIRECTORY PROGRAM SECONDS
        meshgate-bench disk-labels DIRECTORY GIBIBYTES ROUNDS          as root: method `labels` beside wipefs and sgdisk
        meshgate-bench disk-zero DIRECTORY GIBIBYTES ROUNDS NWIPE|-    as root: method `zero` beside dd, blkdiscard and nwipe
        meshgate-bench disk-memory DIRECTORY PROGRAM                   as root: the wiper's process while it wipes
        SIZE is `small` (about 200 B out, 300 B back) or `large` (about 1 KiB both ways).
        """

    static func main() async {
        let words = Array(CommandLine.arguments.dropFirst())
        do {
            switch (words.first, words.count) {
            case ("plan", 3): try PlanBench(clusters: number(words[1]), nodes: number(words[2])).run()
            case ("matrix", 3): try MatrixBench(clusters: number(words[1]), nodes: number(words[2])).run()
            case ("tree", 3): try TreeBench(lines: number(words[1])).run(peer: words[2])
            case ("tree-write", 3): try TreeBench(lines: number(words[1])).write(to: words[2])
            case ("intake", 3): try await IntakeBench(clusters: number(words[1]), nodes: number(words[2])).run()
            case ("steps", 5):
                try await StepsBench(
                    clusters: number(words[1]), toolTime: number(words[2]), slowness: number(words[3]), directory: words[4]
                ).run()
            case ("watch", 3): try await WatchBench(objects: number(words[1]), server: words[2]).run()
            case ("journal", 2): try await JournalBench(directory: words[1]).run()
            case ("telemetry", 4): try await TelemetryBench(events: number(words[1]), directory: words[2], samples: words[3]).run()
            case ("feed", 5):
                try await FeedBench(
                    directory: words[1], program: words[2], rate: words[3] == "-" ? 0 : number(words[3]), events: number(words[4])
                ).run()
            case ("trace", 3): try TraceBench(rate: number(words[1]), seconds: number(words[2])).run()
            case ("identities", 3): try BenchMesh.make(agents: number(words[1]), in: words[2])
            case ("fleet", 6):
                try await FleetBench(
                    directory: words[1], sessions: number(words[2]), rounds: number(words[3]), size: size(words[4]),
                    journal: words[5] == "-" ? nil : words[5]
                ).run()
            case ("nats", 5):
                try await NatsBench(directory: words[1], sessions: number(words[2]), rounds: number(words[3]), size: size(words[4])).run()
            case ("agent", 4): try await AgentBench(directory: words[1], program: words[2], seconds: number(words[3])).run()
            case ("disk-labels", 4):
                try await DiskBenchLabels(directory: words[1], gibibytes: number(words[2]), rounds: number(words[3])).run()
            case ("disk-zero", 5):
                try await DiskBenchZero(
                    directory: words[1], gibibytes: number(words[2]), rounds: number(words[3]), withNwipe: words[4] != "-"
                ).run()
            case ("disk-memory", 3): try await DiskBenchMemory(directory: words[1], program: words[2]).run()
            // Started by `fleet` and `nats`.
            case ("agents", 6):
                try await Swarm(directory: words[1], port: number(words[2]), sessions: number(words[3]), size: size(words[4])).run(words[5])
            default: throw BenchError.usage
            }
        } catch {
            Machine.complain("\(error)")
            exit(1)
        }
    }

    private static func number(_ word: String) throws -> Int {
        guard let number = Int(word), number > 0 else { throw BenchError.usage }
        return number
    }

    private static func size(_ word: String) throws -> PayloadSize {
        guard let size = PayloadSize(rawValue: word) else { throw BenchError.usage }
        return size
    }
}

/// Why a measurement could not be made.
enum BenchError: Error, CustomStringConvertible {
    case usage
    case failed(String)
    var description: String {
        switch self {
        case .usage: "wrong usage\n" + Bench.usage
        case .failed(let what): what
        }
    }
}
