// SPDX-License-Identifier: Apache-2.0

import FeedTesting
import Foundation
import Glibc
import MeshModel
import MeshSystem
import ServerTesting
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

    /// Times of the stored events of Tetragon, and how often it said how it is. They come to some hundred megabytes, of which a pipe keeps what
    /// is wanted.
    private func stored(_ stage: ServeStage) async throws -> (times: [String], states: Int) {
        let program = try Programs.invocation("meshgate", [], home: stage.place.path).executable
        let script = """
            "$0" feed export --since 1h --state-dir "$1" | zcat | grep '"source":"tetragon"' |
            sed -E 's/^.*"kind":"tetragon_state".*$/state/; s/^.*("time":"[^"]*").*$/\\1/'
            """
        let shell = try await ProcessCommandRunner().run(
            Invocation("/bin/sh", ["-c", script, program, stage.state], deadline: .seconds(120)))
        let lines = shell.outputText.split(separator: "\n").map(String.init)
        return (lines.filter { $0 != "state" }, lines.count { $0 == "state" })
    }

    /// A page of counters, as `file` has it.
    private static let counters = """
        import http.server, sys
        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = open(sys.argv[1], "rb").read()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def log_message(self, *a): pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Page)
        print(server.server_port, flush=True)
        server.serve_forever()
        """

    @Test(
        "50,000 events a second, and agent and coordinator are killed in turn: every event is stored, or lost with a reason",
        .enabled(if: getuid() == 0, "needs root: the tracer is one"))
    func killed() async throws {
        let first = try await ServeStage()
        #expect(try await first.join("east-1", token: try await first.token("east-1"), state: "a").code == 0)
        let tetragon = StandInTetragon(queue: 10_000)
        let (socket, page) = (first.place.path + "/tetragon.sock", try first.place.put("counters", tetragon.metrics))
        try await tetragon.service.serve(at: socket) {
            try await PythonServer.with(Self.counters, [page]) { server in
                try await story(Scene(first: first, tetragon: tetragon, socket: socket, counters: Int(server.port)))
            }
        }
    }

    private struct Scene {
        let first: ServeStage
        let tetragon: StandInTetragon
        let socket: String
        let counters: Int
    }

    private static let (part, rate) = (25_000, 50_000)

    /// A part of the events, each at an instant of its own, a hundredth of a second's worth at a time.
    private func happen(_ scene: Scene, _ number: Int, from start: Int64) async throws {
        let samples = try SampleEvent.samples().filter { !String(decoding: $0.line, as: UTF8.self).hasPrefix(#"{"rate_limit_info"#) }
        let events = (number * Self.part..<(number + 1) * Self.part).map {
            samples[$0 % samples.count].message(at: start + Int64($0))
        }
        let (began, step) = (ContinuousClock.now, Self.rate / 100)
        for first in stride(from: 0, to: events.count, by: step) {
            try await Task.sleep(until: began + .seconds(Double(first) / Double(Self.rate)))
            try await scene.tetragon.happen(Array(events[first..<min(first + step, events.count)]))
        }
        _ = try scene.first.place.put("counters", scene.tetragon.metrics)
    }

    private func tracer(_ place: String, _ socket: String) throws -> Daemon {
        let arguments = [
            "tracer", "serve", "--tracer-socket", "\(place)/tracer.sock", "--kind", "oom", "--agent-user", "0", "--tetragon",
            "unix://\(socket)", "--tetragon-log", "\(place)/no.log", "--hubble", "none",
        ]
        return Daemon(try Programs.invocation("meshgate-agent", arguments, home: place, deadline: .seconds(200)))
    }

    private func agent(_ stage: ServeStage, _ scene: Scene) async throws -> Daemon {
        let agent = try await stage.agent(
            state: "a", tracer: "tracer.sock", environment: ["MESHGATE_AGENT_TETRAGON_METRICS": "127.0.0.1:\(scene.counters)"])
        _ = try await agent.line("feed live")
        _ = try await agent.line("reads tetragon's counters")
        return agent
    }

    private func story(_ scene: Scene) async throws {
        let start = Int64(SystemClock.now().wall.seconds - 600) * 1_000_000_000
        let wanted = 4 * Self.part
        let tracer = try tracer(scene.first.place.path, scene.socket)
        let one = try await agent(scene.first, scene)
        try await eventually("the tracer follows tetragon") { scene.tetragon.followers == 1 }
        // Whoever is killed is killed in the middle of a flood.
        async let zero: Void = happen(scene, 0, from: start)
        try await scene.first.end(SIGKILL)
        try await zero
        try await happen(scene, 1, from: start)
        let stage = try await ServeStage(scene.first.place)
        async let second: Void = happen(scene, 2, from: start)
        try await killAgent(stage, one)
        try await second
        let two = try await agent(stage, scene)
        async let third: Void = happen(scene, 3, from: start)
        try await killAgent(stage, two)
        try await third
        let three = try await agent(stage, scene)
        try await eventually("everything is accounted for, and nothing is pending") {
            guard let line = try await line(stage) else { return false }
            return line.balances && line.produced >= wanted + 1
        }
        try await check(stage, scene, wanted)
        _ = (tracer, three)
    }

    private func check(_ stage: ServeStage, _ scene: Scene, _ wanted: Int) async throws {
        let line = try #require(try await line(stage))
        #expect(Set(line.lost.keys).isSubset(of: ["agent_stopped", "relay_full", "reported_by_source", "spool_full"]), "\(line.lost)")
        let (times, states) = try await stored(stage)
        let (known, lost) = (Set(times).count, line.lost.values.reduce(0, +))
        // Tetragon may have said how it is meanwhile.
        #expect((times.count + states - 2...times.count + states).contains(line.delivered), "\(times.count) and \(states): \(line)")
        #expect(known + lost >= wanted, "what is not there is lost with a reason: \(known), \(line)")
        // What the killed agent had just scraped is lost as what it had in memory.
        let (reported, stopped) = (line.lost["reported_by_source"] ?? 0, line.lost["agent_stopped"] ?? 0)
        #expect((reported...reported + stopped).contains(scene.tetragon.overflowed), "tetragon's own count: \(line.lost)")
        // A parcel that was handed over right before a kill comes again; nothing else does.
        #expect(line.produced - (wanted + states) <= 2 * 600, "\(line)")
        let socketPath = stage.place.path + "/tracer.sock"
        let status = try await Programs.run(
            "meshgate-agent", ["tracer", "status", "--tracer-socket", socketPath], home: stage.place.path)
        #expect(status.output.contains("tetragon streams from unix://\(scene.socket), version v1.7.0, running"), "\(status.all)")
        #expect(status.output.contains("policy shop/no-shells: enabled, enforce"))
        #expect(status.output.contains("from_stream \(wanted - scene.tetragon.overflowed)"), "\(status.output)")
    }
}
