// SPDX-License-Identifier: Apache-2.0

import FeedTesting
import Foundation
import Glibc
import MeshModel
import MeshSystem
import Testing

@Suite("Tetragon's stream through real tracer, agent and coordinator", .timeLimit(.minutes(4)))
struct TetragonBooksTests {
    /// What the coordinator has in its books for a source of the node.
    private struct Line {
        var produced = 0
        var delivered = 0
        var pending = 0
        var lost: [String: Int] = [:]
        var balances: Bool { pending == 0 && produced == delivered + lost.values.reduce(0, +) }
    }

    private func line(_ stage: ServeStage) async throws -> Line? {
        let lines = try await stage.ask("feed", "loss", "--output", "json").json()["lines"] as? [[String: Any]]
        guard let found = lines?.first(where: { $0["node"] as? String == "east-1" && $0["source"] as? String == "tetragon" }) else {
            return nil
        }
        return Line(
            produced: found["produced"] as? Int ?? 0, delivered: found["delivered"] as? Int ?? 0, pending: found["pending"] as? Int ?? 0,
            lost: found["lost"] as? [String: Int] ?? [:])
    }

    private func killAgent(_ stage: ServeStage, _ agent: Daemon) async throws {
        let text = try String(contentsOfFile: stage.place.path + "/a/lock", encoding: .utf8)
        #expect(kill(try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines))), SIGKILL) == 0)
        _ = try await agent.ending()
    }

    /// Times of the stored events of Tetragon. They come to some ten megabytes, of which a pipe takes what is wanted.
    private func stored(_ stage: ServeStage) async throws -> [String] {
        let program = try Programs.invocation("meshgate", [], home: stage.place.path).executable
        let script = """
            "$0" feed query --since 1h --limit 100000 --output ndjson --state-dir "$1" | grep '"source":"tetragon"' |
            grep -v '"kind":"tetragon_state"' | grep -o '"time":"[^"]*"'
            """
        let shell = try await ProcessCommandRunner().run(
            Invocation("/bin/sh", ["-c", script, program, stage.state], deadline: .seconds(60)))
        return shell.outputText.split(separator: "\n").map(String.init)
    }

    @Test(
        "agent and coordinator are killed in turn: every event that tetragon told is stored, or lost with a reason",
        .enabled(if: getuid() == 0, "needs root: the tracer is one"))
    func killed() async throws {
        let first = try await ServeStage()
        #expect(try await first.join("east-1", token: try await first.token("east-1"), state: "a").code == 0)
        let tetragon = StandInTetragon()
        let socket = first.place.path + "/tetragon.sock"
        try await tetragon.service.serve(at: socket) { try await story(first, tetragon, socket) }
    }

    /// Each part is some two megabytes: what the tracer keeps while the agent is away.
    private static let part = 3000

    private func happen(_ tetragon: StandInTetragon, _ number: Int, from start: Int64) async throws {
        let samples = try SampleEvent.samples().filter { !String(decoding: $0.line, as: UTF8.self).hasPrefix(#"{"rate_limit_info"#) }
        var events: [SampleEvent] = []
        for index in number * Self.part..<(number + 1) * Self.part {
            events.append(samples[index % samples.count].message(at: start + Int64(index)))
        }
        try await tetragon.happen(events)
    }

    private func tracer(_ place: String, _ socket: String) throws -> Daemon {
        let arguments = [
            "tracer", "serve", "--tracer-socket", "\(place)/tracer.sock", "--kind", "oom", "--agent-user", "0", "--tetragon",
            "unix://\(socket)", "--tetragon-log", "\(place)/no.log", "--hubble", "none",
        ]
        return Daemon(try Programs.invocation("meshgate-agent", arguments, home: place, deadline: .seconds(200)))
    }

    private func story(_ first: ServeStage, _ tetragon: StandInTetragon, _ socket: String) async throws {
        let place = first.place.path
        let start = Int64(SystemClock.now().wall.seconds - 600) * 1_000_000_000
        let wanted = 4 * Self.part
        let tracer = try tracer(place, socket)
        let one = try await first.agent(state: "a", tracer: "tracer.sock")
        _ = try await one.line("feed live")
        try await eventually("the tracer follows tetragon") { tetragon.followers == 1 }
        try await happen(tetragon, 0, from: start)
        // The coordinator is killed in the middle, and the agent keeps what comes.
        try await first.end(SIGKILL)
        try await happen(tetragon, 1, from: start)
        let stage = try await ServeStage(first.place)
        // The agent is killed in the middle, and the tracer keeps what comes.
        try await killAgent(stage, one)
        try await happen(tetragon, 2, from: start)
        let two = try await stage.agent(state: "a", tracer: "tracer.sock")
        _ = try await two.line("feed live")
        try await killAgent(stage, two)
        let three = try await stage.agent(state: "a", tracer: "tracer.sock")
        _ = try await three.line("feed live")
        try await happen(tetragon, 3, from: start)
        try await eventually("everything is accounted for, and nothing is pending") {
            guard let line = try await line(stage) else { return false }
            return line.balances && line.produced >= wanted + 1
        }
        try await check(stage, socket, wanted)
        _ = (tracer, three)
    }

    private func check(_ stage: ServeStage, _ socket: String, _ wanted: Int) async throws {
        let line = try #require(try await line(stage))
        #expect(Set(line.lost.keys).isSubset(of: ["agent_stopped", "relay_full"]), "\(line.lost)")
        let times = try await stored(stage)
        let (known, lost) = (Set(times).count, line.lost.values.reduce(0, +))
        // One more than these is what tetragon says of itself.
        #expect((line.delivered - 1...line.delivered).contains(times.count), "\(line)")
        #expect(known + lost >= wanted, "what is not there is lost with a reason: \(known), \(line)")
        // A parcel that was handed over right before a kill comes again; nothing else does.
        #expect(line.produced - (wanted + 1) <= 2 * 600, "\(line)")
        let socketPath = stage.place.path + "/tracer.sock"
        let status = try await Programs.run(
            "meshgate-agent", ["tracer", "status", "--tracer-socket", socketPath], home: stage.place.path)
        #expect(status.output.contains("tetragon streams from unix://\(socket), version v1.7.0, running"), "\(status.all)")
        #expect(status.output.contains("policy shop/no-shells: enabled, enforce"))
        #expect(status.output.contains("from_stream \(wanted)"), "\(status.output)")
    }
}
