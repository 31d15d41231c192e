// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite("meshgate check", .timeLimit(.minutes(4)))
struct ServeCheckTests {
    /// A coordinator with one of its two nodes connected.
    private func stage() async throws -> (ServeStage, Daemon) {
        let stage = try await ServeStage()
        #expect(try await stage.join("east-1", token: try await stage.token("east-1"), state: "a").code == 0)
        let agent = try await stage.agent(state: "a")
        _ = try await agent.line("session live")
        try await eventually("east-1 is connected") { try await stage.isConnected("east-1") }
        return (stage, agent)
    }

    private func replies(_ ending: Ending) throws -> [[String: Any]] {
        try #require(try JSONSerialization.jsonObject(with: Data(ending.output.utf8)) as? [[String: Any]], "\(ending.all)")
    }

    private func verdicts(_ reply: [String: Any]) throws -> [String: String] {
        let gates = try #require(reply["gates"] as? [[String: Any]])
        return Dictionary(
            gates.map { ($0["gate"] as? String ?? "", $0["verdict"] as? String ?? "") }, uniquingKeysWith: { first, _ in first })
    }

    @Test("without a plan it shows the facts of every connected node, and all is good when all was answered")
    func withoutPlan() async throws {
        let (stage, agent) = try await stage()
        let shown = try await stage.ask("check", "host")
        #expect(shown.code == 0, "\(shown.all)")
        #expect(
            shown.output.contains("east-1  answered  in ") && shown.output.contains("there is no plan to compare with"), "\(shown.output)")
        #expect(shown.output.contains("clock ") && shown.output.contains("kernel ") && shown.output.contains("machine "), "\(shown.output)")
        let net = try await stage.ask("check", "net", "--node", "east-1")
        #expect(net.code == 0 && net.output.contains("DEFAULT ROUTE"), "\(net.all)")
        let both = try await stage.ask("check", "net", "host", "net")
        #expect(both.code == 0 && both.output.contains("1 node: 1 answered"), "\(both.all)")
        for head in ["east-1  net  answered", "east-1  host  answered"] {
            #expect(both.output.components(separatedBy: head).count == 2, "\(both.output)")
        }
        let answers = try replies(try await stage.ask("check", "host", "disk", "--output", "json"))
        #expect(answers.compactMap { $0["topic"] as? String } == ["host", "disk"])
        let status = try await stage.status()
        #expect(status["run"] == nil, "a look is no run")
        withExtendedLifetime(agent) {}
    }

    @Test(
        "against a plan each gate is judged with its reason, remedy and the steps that wait for it; exit 1 when something is not as planned"
    )
    func withPlan() async throws {
        let (stage, agent) = try await stage()
        let shown = try await stage.ask("check", "net", "-f", stage.mesh)
        #expect(shown.code == 1, "\(shown.all)")
        #expect(shown.output.contains("east-1  HELD  in ") && shown.output.contains("west-1  SILENT  in "), "\(shown.output)")
        #expect(shown.output.contains("G-NET-02 hold: east-1 does not have its planned address 10.20.1.11; it has "), "\(shown.output)")
        #expect(shown.output.contains("waits for it: east/cilium") || shown.output.contains("wait for it: east/cilium"), "\(shown.output)")
        #expect(shown.output.contains("the agent of west-1 is not connected"), "\(shown.output)")
        #expect(shown.output.contains("2 nodes: 0 as planned, 1 not, 1 silent"), "\(shown.output)")

        let host = try replies(try await stage.ask("check", "host", "-f", stage.mesh, "--node", "east-1", "--output", "json"))
        #expect(host.count == 1 && host[0]["answered"] as? Bool == true)
        let verdicts = try verdicts(host[0])
        #expect(verdicts["G-HST-03"] == "pass" && verdicts["G-HST-01"] == "pass", "\(verdicts)")
        #expect(verdicts.keys.allSatisfy { $0.hasPrefix("G-HST") })
        withExtendedLifetime(agent) {}
    }

    @Test("beside a run that goes on it looks all the same, and what it saw counts for the run")
    func besideRun() async throws {
        let (stage, agent) = try await stage()
        #expect(try await stage.ask("apply", "-f", stage.mesh, "--wait", "no").code == 0)
        let host = try replies(try await stage.ask("check", "host", "--node", "east-1", "--output", "json"))
        #expect(try !verdicts(host[0]).isEmpty, "the plan is that of the run")
        #expect(try await stage.ask("explain", "east/nodes").output.contains("no host evidence from node east-1") == false)
        #expect((try await stage.status()["run"] as? [String: Any])?["ending"] == nil, "the run goes on")
        withExtendedLifetime(agent) {}
    }

    @Test("wishes that make no sense are refused: an unknown topic, a node that is no name, no agents at all")
    func wishes() async throws {
        let stage = try await ServeStage()
        #expect(try await stage.ask("check", "weather").code == 64)
        #expect(try await stage.ask("check", "net", "--node", "East 1").code == 64)
        let nobody = try await stage.ask("check", "net")
        #expect(nobody.code == 1 && nobody.errors.contains("no agent is connected, and no plan names nodes"), "\(nobody.all)")
        let ghost = try await stage.ask("check", "net", "--node", "ghost")
        #expect(ghost.code == 1 && ghost.output.contains("ghost  SILENT"), "\(ghost.all)")
        #expect(try await stage.ask("check", "net", "-f", "/nowhere/mesh.yaml").code == 65)
    }
}
