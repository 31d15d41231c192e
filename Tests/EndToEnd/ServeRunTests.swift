// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshSystem
import Testing

/// A run that cannot get anywhere: its clusters do not exist and only one of its nodes has an agent.
@Suite("A run at the command line", .timeLimit(.minutes(4)))
struct ServeRunTests {
    private func running() async throws -> ServeStage {
        let stage = try await ServeStage()
        let started = try await stage.ask("apply", "-f", stage.mesh, "--wait", "no")
        #expect(started.code == 0, "\(started.all)")
        return stage
    }

    @Test("is held with reasons that name the node, the context and the remedy")
    func held() async throws {
        let stage = try await running()
        try await eventually("the cluster was asked") {
            try await stage.ask("explain", "east/nodes").output.contains("the kubeconfig has no context \"admin@east\"")
        }
        let explained = try await stage.ask("explain", "east/nodes")
        #expect(explained.output.contains("state: held since ") && explained.output.contains("unknown     G-HST-01  the agent answers"))
        #expect(explained.output.contains("no host evidence from node east-1 yet"), "\(explained.output)")
        #expect(explained.output.contains("else `meshgate node invite east-1`"))
        let waiting = try await stage.ask("explain", "mesh/connect")
        #expect(waiting.output.contains("state: waiting\nwaits for: "), "\(waiting.output)")
        let json = try await stage.ask("explain", "east/nodes", "--output", "json").json()
        #expect((json["step"] as? [String: Any])?["state"] as? String == "held")
        let nowhere = try await stage.ask("explain", "east/nothing")
        #expect(nowhere.code == 1 && nowhere.errors.contains("the running plan has no step east/nothing; `meshgate plan` lists them"))
        #expect(try await stage.ask("explain", "East Nodes").code == 64)
        let status = try await stage.ask("status").output
        #expect(status.contains("held     east/nodes") && !status.contains(" \n"), "\(status)")
    }

    @Test("keeps inside a narrow terminal: the tree, the status and the explanation")
    func narrow() async throws {
        let stage = try await running()
        try await eventually("the cluster was asked") {
            try await stage.ask("explain", "east/nodes").output.contains("the kubeconfig has no context \"admin@east\"")
        }
        let program = try Programs.path("meshgate")
        // Tables of nodes may be wider; reasons and the tree may not.
        for (command, prefix) in [("status", "held "), ("explain east/nodes", "    "), ("apply -f \(stage.mesh)", "")] {
            let shown = Daemon(
                Invocation(
                    "/usr/bin/script", ["-qec", "stty cols 60 rows 30; \(program) \(command)", "/dev/null"],
                    environment: [
                        "TERM": "xterm", "NO_COLOR": "1", "HOME": stage.place.path, "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh",
                        "MESHGATE_STATE_DIR": stage.state,
                    ], deadline: .seconds(60)))
            if command.hasPrefix("apply") {
                _ = try await shown.line("context \"admin@west\"")
                #expect(try await stage.ask("stop").code == 0)
            }
            let text = try await shown.ending().output.replacing(#/\u{1B}\[[0-9]*[A-K]/#, with: "")
            let lines = text.split(whereSeparator: \.isNewline).filter { $0.hasPrefix(prefix) }
            #expect(!lines.isEmpty && lines.allSatisfy { $0.count <= 60 }, "\(command): \(text)")
        }
    }

    @Test("goes on beside a second apply of the same plan; another plan and another mesh are refused with what to do")
    func conflicts() async throws {
        let stage = try await running()
        let run = try #require((try await stage.status()["run"] as? [String: Any])?["id"] as? String)
        let same = try await stage.ask("apply", "-f", stage.mesh, "--wait", "no")
        #expect(same.code == 0 && same.output == "following \(run), which is going on\n", "\(same.all)")
        let other = try stage.place.put("other.yaml", ServeStage.meshText(cilium: "1.18.4"))
        let refused = try await stage.ask("apply", "-f", other, "--wait", "no")
        #expect(
            refused.code == 1 && refused.errors.contains("\(run) is still going; follow it with `meshgate status`, or stop it"),
            "\(refused.all)"
        )
        let foreign = try stage.place.put("foreign.yaml", ServeStage.meshText(name: "port"))
        let elsewhere = try await stage.ask("apply", "-f", foreign, "--wait", "no")
        #expect(elsewhere.code == 1 && elsewhere.errors.contains("serves mesh \"quay\", the plan is for \"port\""), "\(elsewhere.all)")

        #expect(try await stage.ask("stop").code == 0)
        let twice = try await stage.ask("stop")
        #expect(twice.code == 1 && twice.errors.contains("there is no run; start one with `meshgate apply`"))
        #expect(try await stage.ask("apply", "-f", other, "--wait", "no").code == 0)
    }

    @Test("an override is for a gate that the step has, with a reason, for a day at most, and never for a wipe")
    func overrides() async throws {
        let stage = try await running()
        for gate in ["G-DSK-01", "G-DSK-04", "G-DSK-06", "G-HST-03"] {
            let refused = try await stage.ask("override", "east/east-1/wipe-vdb", "--gate", gate, "--reason", "in a hurry")
            #expect(refused.code == 77 && refused.errors.contains("guards data and cannot be overridden"), "\(gate): \(refused.all)")
        }
        let reasonless = try await stage.ask("override", "east/cilium", "--gate", "G-HST-03", "--reason", " ")
        #expect(reasonless.code == 1 && reasonless.errors.contains("an override needs a reason"), "\(reasonless.all)")
        let strange = try await stage.ask("override", "east/cilium", "--gate", "G-CM-08", "--reason", "x")
        #expect(
            strange.code == 1 && strange.errors.contains("east/cilium has no gate G-CM-08 before it; it has: G-CIL-03, G-CIL-10, G-HST-03"),
            "\(strange.all)"
        )
        let long = try await stage.ask("override", "east/cilium", "--gate", "G-HST-03", "--reason", "x", "--for", "25h")
        #expect(long.code == 1 && long.errors.contains("counts for 24h at most"), "\(long.all)")
        #expect(try await stage.ask("override", "east/cilium", "--gate", "G-NO-1", "--reason", "x").code == 64)
        let good = try await stage.ask("override", "east/cilium", "--gate", "G-HST-03", "--reason", "test bed", "--for", "5m")
        #expect(good.code == 0 && good.output == "gate G-HST-03 of east/cilium passes for 5m\n", "\(good.all)")
        #expect(try await stage.ask("explain", "east/cilium").output.contains("overridden  G-HST-03"))
        #expect(try await stage.ask("events").output.contains("test bed"))
    }

    @Test("a wipe without a disk, a warrant or a signature gets none of them for free")
    func wipes() async throws {
        let stage = try await running()
        let plan = try await stage.ask("wipe", "plan")
        #expect(plan.output.contains("missing  the disk is not in east-1's last inventory") && plan.output.contains("everything on it"))
        #expect(
            try await stage.ask("wipe", "request", "east/east-1/wipe-vdb").errors.contains(
                "no warrant can be written yet for east/east-1/wipe-vdb: "))
        let approve = try await stage.ask("approve", "east/east-1/wipe-vdb", "--key", "/nowhere/key", input: "east-data\n")
        #expect(approve.code == 1 && approve.errors.contains("no warrant can be written yet"), "\(approve.all)")
        let file = try stage.place.put("w.txt", "meshgate-wipe-warrant\n")
        let nonsense = try await stage.ask("wipe", "submit", "east/east-1/wipe-vdb", "--warrant", file, "--signature", file)
        #expect(nonsense.code == 1 && nonsense.errors.contains("the warrant's text cannot be used: line "), "\(nonsense.all)")
        let missing = try await stage.ask("wipe", "submit", "east/east-1/wipe-vdb", "--warrant", "/nowhere/w", "--signature", file)
        #expect(missing.code == 65 && missing.errors.contains("there is no file /nowhere/w"), "\(missing.all)")
        let other = try await stage.ask("wipe", "request", "east/cilium")
        #expect(
            other.code == 1 && other.errors.contains("the run has no wipe step east/cilium; it has: east/east-1/wipe-vdb"), "\(other.all)"
        )
    }
}
