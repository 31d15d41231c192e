// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing

@Suite("The coordinator's end and its next beginning", .timeLimit(.minutes(4)))
struct ServeLifeTests {
    @Test(
        "SIGTERM and SIGINT end it well before 30 s with followers and agents connected: exit 0, and no socket is left",
        arguments: [SIGTERM, SIGINT])
    func graceful(signal: Int32) async throws {
        let stage = try await ServeStage()
        #expect(try await stage.join("east-1", token: try await stage.token("east-1"), state: "a").code == 0)
        let agent = try await stage.agent(state: "a")
        _ = try await agent.line("session live")
        let follower = Daemon(
            try Programs.invocation("meshgate", ["events", "--follow", "--since", "0", "--state-dir", stage.state], home: stage.place.path))
        _ = try await follower.line("agentEnrolled")
        let began = ContinuousClock.now
        let ending = try await stage.end(signal)
        #expect(ending.code == 0 && ending.errors.contains("coordinator stopped"), "\(ending.all)")
        #expect(ContinuousClock.now - began < .seconds(30))
        #expect(!ending.errors.contains(" error "), "\(ending.errors)")
        #expect(!FileManager.default.fileExists(atPath: stage.state + "/meshgate.sock"))
        _ = try await follower.ending()
    }

    @Test("killed, it goes on with the same run under a higher epoch, and its agents and followers come back by themselves")
    func killed() async throws {
        let stage = try await ServeStage()
        let started = try await stage.ask("apply", "-f", stage.mesh, "--wait", "no")
        #expect(started.code == 0 && started.output.hasSuffix(" started\n"), "\(started.all)")
        let run = try #require((try await stage.status()["run"] as? [String: Any])?["id"] as? String)
        let follower = Daemon(
            try Programs.invocation(
                "meshgate", ["apply", "-f", stage.mesh, "--state-dir", stage.state], home: stage.place.path, deadline: .seconds(90)))
        _ = try await follower.line("following \(run), which is going on")
        #expect(try await stage.end(SIGKILL).code == -1)
        _ = try await follower.line("the coordinator does not answer; waiting for it")
        let second = try await ServeStage(stage.place)
        let status = try await second.status()
        #expect(status["epoch"] as? Int == 2)
        #expect((status["run"] as? [String: Any])?["id"] as? String == run)
        _ = try await follower.line("the coordinator is back, epoch 2")
        #expect(try await second.ask("stop").code == 0)
        let ending = try await follower.ending()
        #expect(ending.code == 1 && ending.output.contains("the run has stopped after "), "\(ending.all)")
    }
}
