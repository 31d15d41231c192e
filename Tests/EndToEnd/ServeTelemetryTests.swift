// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import MeshHTTP
import MeshSystem
import Testing

@Suite("Telemetry of real agents in a real coordinator", .timeLimit(.minutes(4)))
struct ServeTelemetryTests {
    private func line(_ stage: ServeStage) async throws -> [String: Any]? {
        let lines = try await stage.ask("feed", "loss", "--output", "json").json()["lines"] as? [[String: Any]]
        return lines?.first { $0["node"] as? String == "east-1" && $0["source"] as? String == "host" }
    }

    /// The agent's process, as its lock names it.
    private func killAgent(_ stage: ServeStage) throws {
        let text = try String(contentsOfFile: stage.place.path + "/a/lock", encoding: .utf8)
        #expect(kill(try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines))), SIGKILL) == 0)
    }

    @Test("events arrive, are found, outlive kill -9 of agent and coordinator, and the books balance")
    func whole() async throws {
        let first = try await ServeStage()
        #expect(try await first.ask("feed", "loss").output.hasPrefix("No agent has told of any event yet."))
        let empty = try await first.ask("feed", "query", "--since", "10m")
        #expect(empty.code == 0 && empty.output.isEmpty && empty.errors.contains("no stored event fits"), "\(empty.all)")
        #expect(try await first.join("east-1", token: try await first.token("east-1"), state: "a").code == 0)
        var agent = try await first.agent(state: "a")
        _ = try await agent.line("feed live")
        try await eventually("the agent's start is stored") { try await line(first)?["delivered"] as? Int == 1 }

        // The coordinator is killed while the agent lives, then the agent is killed while the coordinator lives.
        try await first.end(SIGKILL)
        let stage = try await ServeStage(first.place)
        try killAgent(stage)
        _ = try await agent.ending()
        agent = try await stage.agent(state: "a")
        _ = try await agent.line("feed live")
        try await eventually("both starts are stored and nothing is pending") {
            guard let line = try await line(stage), let delivered = line["delivered"] as? Int, let produced = line["produced"] as? Int
            else {
                return false
            }
            let lost = (line["lost"] as? [String: Int] ?? [:]).values.reduce(0, +)
            return delivered >= 2 && produced == delivered + lost && line["pending"] as? Int == 0
        }
        let found = try await stage.ask("feed", "query", "--kind", "agent_start", "--node", "east-1", "--output", "ndjson")
        #expect(found.code == 0)
        for event in found.output.split(separator: "\n") {
            let object = try #require(try JSONSerialization.jsonObject(with: Data(event.utf8)) as? [String: Any])
            #expect(object["node"] as? String == "east-1" && object["source"] as? String == "host")
            #expect((object["body"] as? [String: Any])?["version"] != nil)
        }
        let list = try await stage.ask("feed", "query", "--output", "json")
        #expect((try JSONSerialization.jsonObject(with: Data(list.output.utf8)) as? [Any])?.count ?? 0 >= 2)
        #expect(try await stage.ask("feed", "query").output.contains("east-1 agent_start"))
        #expect(try await stage.ask("feed", "query", "--cluster", "west").output.isEmpty)
        #expect(try await stage.ask("feed", "loss").output.contains("DELIVERED"))
        let wrong = try await stage.ask("feed", "query", "--since", "yesterday")
        #expect(wrong.code == 1 && wrong.errors.contains("since=\"yesterday\" is not a time such as 10m"), "\(wrong.all)")
        let page = try await stage.get("/metrics").text
        #expect(page.contains(#"meshgate_telemetry_delivered_events_total{cluster="",node="east-1",source="host"}"#))
        #expect(try await stage.get("/v1/telemetry").status == 403)
    }

    @Test(
        "a program that starts on a host is seen by the tracer and found at the coordinator, with its arguments",
        .enabled(if: getuid() == 0, "needs root: the tracer brings programs into the kernel"))
    func tracer() async throws {
        let stage = try await ServeStage()
        #expect(try await stage.join("east-1", token: try await stage.token("east-1"), state: "a").code == 0)
        let tracer = Daemon(
            try Programs.invocation(
                "meshgate-agent",
                ["tracer", "serve", "--tracer-socket", "\(stage.place.path)/tracer.sock", "--kind", "exec", "--agent-user", "0"],
                home: stage.place.path, deadline: .seconds(120)))
        let agent = try await stage.agent(state: "a", tracer: "tracer.sock")
        _ = try await agent.line("feed live")
        let mark = UUID().uuidString
        try await eventually("a start of /bin/true is found by its name and arguments") {
            _ = try await ProcessCommandRunner().run(Invocation("/bin/true", [mark], deadline: .seconds(10)))
            return try await stage.ask(
                "feed", "query", "--kind", "process_exec", "--node", "east-1", "--binary", "*/true", "--output", "ndjson"
            ).output.contains(mark)
        }
        let loss = try await stage.ask("feed", "loss", "--output", "json").json()["lines"] as? [[String: Any]]
        #expect(loss?.contains { $0["node"] as? String == "east-1" && $0["source"] as? String == "tracer" } == true, "\(loss ?? [])")
        _ = (agent, tracer)
    }

    @Test("a window is exported as gzip that other tools read")
    func export() async throws {
        let stage = try await ServeStage()
        #expect(try await stage.join("east-1", token: try await stage.token("east-1"), state: "a").code == 0)
        let agent = try await stage.agent(state: "a")
        _ = try await agent.line("feed live")
        try await eventually("the agent's start is stored") { try await line(stage)?["delivered"] as? Int == 1 }
        let program = try Programs.invocation("meshgate", [], home: stage.place.path).executable
        let shell = try await ProcessCommandRunner().run(
            Invocation(
                "/bin/sh", ["-c", "\"$0\" feed export --since 1h --state-dir \"$1\" | gzip -dc", program, stage.state],
                deadline: .seconds(30)))
        #expect(shell.outputText.contains(#""kind":"agent_start""#), "\(shell.errorText)")
        _ = agent
    }
}
