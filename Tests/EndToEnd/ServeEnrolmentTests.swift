// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite("Agents meet the coordinator", .timeLimit(.minutes(4)))
struct ServeEnrolmentTests {
    @Test("invite, join, connected; revoked, it is out within 5 s and does not come back, with a restart in between or not")
    func whole() async throws {
        let stage = try await ServeStage()
        let joined = try await stage.join("east-1", token: try await stage.token("east-1"), state: "a")
        #expect(joined.code == 0 && joined.output.hasPrefix("joined mesh quay as node east-1"), "\(joined.all)")
        let agent = try await stage.agent(state: "a")
        _ = try await agent.line("session live")
        try await eventually("east-1 is connected") { try await stage.isConnected("east-1") }

        let revoked = try await stage.ask("node", "revoke", "east-1", "--reason", "the disk was sold")
        #expect(revoked.code == 0 && revoked.output.hasPrefix("east-1 is out; certificates refused: "))
        _ = try await agent.line("the certificate was revoked")
        try await eventually("east-1 is out") { try await !stage.isConnected("east-1") }
        let why = try await agent.line("session lost")
        #expect(why.contains("does not accept this agent's certificate; was the node revoked"), "\(why)")

        try await stage.end()
        let second = try await ServeStage(stage.place)
        let again = try await second.agent(state: "a-copy-that-is-not-there")
        #expect(try await again.ending().code == 78)
        try FileManager.default.copyItem(atPath: second.place.path + "/a", toPath: second.place.path + "/thief")
        let thief = try await second.agent(state: "thief")
        _ = try await thief.line("session lost")
        #expect(try await !second.isConnected("east-1"))
        #expect(!thief.text.contains("session live"))
    }

    @Test("a token is for one key, one node and a while; each refusal is a sentence and exit 77")
    func tokens() async throws {
        let stage = try await ServeStage()
        let token = try await stage.token("east-1")
        let other = try await stage.join("west-1", token: token, state: "w")
        #expect(other.code == 77 && other.errors.contains("was made for another node, not for west-1"), "\(other.all)")
        #expect(try await stage.join("east-1", token: token, state: "a").code == 0)
        let spent = try await stage.join("east-1", token: token, state: "b")
        #expect(spent.code == 77 && spent.errors.contains("used already by another key; if that was not you, revoke that agent"))
        let parts = token.split(separator: ".")
        let stranger = try await stage.join(
            "east-1", token: "mgj1.\(String(repeating: "ab", count: 32)).\(parts[2])", state: "c")
        #expect(stranger.code == 77 && stranger.errors.contains("not known here; make a new one with `meshgate node invite NODE`"))
        let short = try await stage.token("west-1", life: "1ms")
        let late = try await stage.join("west-1", token: short, state: "d")
        #expect(late.code == 77 && late.errors.contains("this join token expired at "), "\(late.all)")
        for name in ["b", "c", "d", "w"] { #expect(!FileManager.default.fileExists(atPath: "\(stage.place.path)/\(name)/identity.pem")) }
        #expect(![stage.coordinator.text, spent.all, stranger.all, late.all].contains { $0.contains(parts[1]) }, "a token was shown")
    }

    @Test("a token's pin decides whom the agent believes: another mesh's coordinator is refused before the token is sent")
    func pins() async throws {
        let stage = try await ServeStage()
        let other = try await ServeStage()
        let foreign = try await stage.join("east-1", token: try await other.token("east-1"), state: "a")
        #expect(foreign.code == 69 && foreign.errors.contains("no authority shown by the peer has the pinned digest"), "\(foreign.all)")
        let plain = try await Programs.run(
            "meshgate-agent",
            [
                "join", "--coordinator", try await stage.address("listening for metrics"), "--node", "east-1", "--state",
                stage.place.path + "/b", "--token-file", try stage.place.put("t", try await stage.token("east-1")),
            ], home: stage.place.path)
        #expect(plain.code == 69 && plain.errors.contains("the other side does not speak TLS 1.3; is this the coordinator's address"))
        #expect(!stage.coordinator.text.contains("agent enrolled"))
    }

    @Test("wishes that make no sense are refused: no life, too long a life, no reason, no such agent")
    func wishes() async throws {
        let stage = try await ServeStage()
        for life in ["0s", "25h"] {
            let refused = try await stage.ask("node", "invite", "east-1", "--for", life)
            #expect(refused.code == 1 && refused.errors.contains("a join token is good for 24h at most"), "\(refused.all)")
        }
        #expect(try await stage.ask("node", "invite", "east-1", "--for", "1x").code == 64)
        #expect(try await stage.ask("node", "invite", "East 1").code == 64)
        let ghost = try await stage.ask("node", "revoke", "ghost", "--reason", "x")
        #expect(ghost.code == 1 && ghost.errors.contains("no agent was ever enrolled as ghost; `meshgate node list` shows the agents"))
        #expect(try await stage.ask("node", "revoke", "east-1", "--reason", " ").errors.contains("needs a reason"))
        #expect(try await stage.ask("node", "revoke", "east-1").code == 64)
    }
}
