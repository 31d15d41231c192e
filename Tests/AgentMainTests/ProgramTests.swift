// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import Foundation
import MeshModel
import MeshSystem
import Testing

@testable import meshgate_agent

@Suite(.timeLimit(.minutes(2))) struct ProgramTests {
    @Test("help names the commands, shows examples and lists the exit codes") func help() async throws {
        let ending = try await AgentProgram("--help").ending()
        #expect(ending.code == 0)
        for word in ["run", "join", "wiper", "probe", "EXAMPLES", "EXIT CODES", "78  a setting is missing", "--generate-completion-script"]
        {
            #expect(ending.output.contains(word), "\(word)")
        }
        #expect(try await AgentProgram("--version").ending().output == MeshgateAgent.version + "\n")
    }

    @Test("wrong usage is 64, no membership is 78, a faulty setting is 78 with its line") func usage() async throws {
        let scratch = try Scratch()
        #expect(try await AgentProgram("--bogus").ending().code == 64)
        #expect(try await AgentProgram("probe", "reach").ending().code == 64)
        #expect(try await AgentProgram("probe", "links", "192.0.2.1:1").ending().code == 64)
        let nobody = try await AgentProgram("run", "--state", scratch.path + "/state").ending()
        #expect(nobody.code == 78 && nobody.errors.contains("has not joined a mesh; run `meshgate-agent join`"))
        let file = try scratch.put("agent.conf", "node = a\ncoordinatr = b:1\n")
        let faulty = try await AgentProgram("run", "--config", file).ending()
        #expect(faulty.code == 78 && faulty.errors.contains("\(file):2: there is no setting \"coordinatr\"; did you mean coordinator?"))
        let environment = try await AgentProgram("run", environment: ["MESHGATE_AGENT_LOG_LEVEL": "loud"]).ending()
        #expect(environment.code == 78 && environment.errors.contains("MESHGATE_AGENT_LOG_LEVEL"))
        #expect(try await AgentProgram("run", "--config", scratch.path + "/none").ending().code == 74)
    }

    @Test("a probe prints JSON or a table, and says 69 when something could not be told") func probe() async throws {
        let ending = try await AgentProgram("probe", "links", "--output", "json").ending()
        let document = try #require(try JSONSerialization.jsonObject(with: Data(ending.output.utf8)) as? [String: Any])
        let facts = try #require(document["facts"] as? [[String: Any]])
        #expect(ending.code == 0 && facts.contains { $0["name"] as? String == "lo" && $0["kind"] as? String == "loopback" })
        #expect(try await AgentProgram("probe", "host").ending().output.contains("boot id"))
        let scratch = try Scratch()
        let socket = try scratch.put("not-a-socket", "")
        let disks = try await AgentProgram("probe", "disks", "--wiper-socket", socket).ending()
        #expect(disks.code == 69 && disks.output.contains("not available: cannot tell about the disks"))
    }

    @Test("an agent joins with its token, answers orders, survives a restart, stops on SIGTERM and rejoins nothing") func whole()
        async throws
    {
        let scratch = try Scratch()
        let coordinator = try TestCoordinator(directory: scratch.path + "/ca")
        let token = try coordinator.token(for: "wrk-e-1")
        let tokenFile = try scratch.put("token", token + "\n")
        let state = scratch.path + "/state"
        let arguments = [
            "run", "--coordinator", try await coordinator.address(), "--node", "wrk-e-1", "--state", state, "--join-token-file", tokenFile,
            "--node-key", scratch.path + "/run/node-key", "--wiper-socket", scratch.path + "/none.sock",
        ]
        let first = try AgentProgram(arguments)
        let session = await coordinator.inbox.session()
        #expect(session.node.text == "wrk-e-1" && session.agentVersion == MeshgateAgent.version)
        let node = session.node

        guard case .facts(let host) = try await coordinator.ask(node, .probe(.host), id: "t1").result, case .host(let fact) = host.first
        else {
            throw Problem("no host fact")
        }
        #expect(fact.bootID == session.bootID)
        guard case .facts(let links) = try await coordinator.ask(node, .probe(.links), id: "t2").result else { throw Problem("no links") }
        #expect(links.contains { if case .link(let link) = $0 { link.name == "lo" } else { false } })
        guard case .facts(let disks) = try await coordinator.ask(node, .probe(.disks), id: "t3").result else { throw Problem("no disks") }
        #expect(disks.count == 1 && disks.contains { if case .unavailable = $0 { true } else { false } })
        let wipe = try await coordinator.ask(node, .wipe(WarrantEnvelope(text: "x", signatures: [])), id: "t4").result
        guard case .refused(let refusal) = wipe else { throw Problem("a wipe without a wiper: \(wipe)") }
        #expect(refusal.code == .unsupported && refusal.detail.hasPrefix("this host's wiper cannot be asked"))

        let second = try await AgentProgram("run", "--state", state).ending()
        #expect(second.code == 74 && second.errors.contains("is locked by"))
        first.terminate()
        let stopped = await first.ending()
        #expect(stopped.code == 0 && stopped.errors.contains("info agent stopped node=wrk-e-1"))
        #expect(!stopped.errors.contains(token) && !stopped.output.contains(token))
        _ = await coordinator.inbox.end()

        #expect(try mode(state) == 0o700 && mode(state + "/identity.pem") == 0o600)
        #expect(!FileManager.default.fileExists(atPath: state + "/join.key"))
        let nodeKey = try String(contentsOfFile: scratch.path + "/run/node-key", encoding: .utf8)
        #expect(nodeKey == session.peer.key.hex + "\n")
        let again = try await AgentProgram("join", "--state", state, "--coordinator", "127.0.0.1:1", "--token", token).ending()
        #expect(again.code == 78 && again.errors.contains("already node wrk-e-1 of mesh lab"))

        let third = try AgentProgram(arguments)
        let back = await coordinator.inbox.session()
        #expect(back.installation == session.installation && back.nextReport == 5 && back.peer.key == session.peer.key)
        third.terminate()
        #expect(await third.ending().code == 0)
        await coordinator.stop()
    }

    @Test("a join says 77 when it is refused, 69 when nobody is there, and believes only the pinned authority") func refusals() async throws
    {
        let scratch = try Scratch()
        let coordinator = try TestCoordinator(directory: scratch.path + "/ca")
        let other = try TestCoordinator(directory: scratch.path + "/ca2")
        let address = try await coordinator.address()
        let state = scratch.path + "/state"
        let token = try coordinator.token(for: "wrk-e-1")
        let wrongNode = try await AgentProgram("join", "--coordinator", address, "--state", state, "--node", "wrk-e-2", "--token", token)
            .ending()
        #expect(wrongNode.code == 77, "\(wrongNode.errors)")
        let foreign = try await AgentProgram(
            "join", "--coordinator", address, "--state", state, "--node", "wrk-e-1", "--token", try other.token(for: "wrk-e-1")
        ).ending()
        #expect(foreign.code == 69 && foreign.errors.contains("pinned digest"), "\(foreign.errors)")
        let nonsense = try await AgentProgram("join", "--coordinator", address, "--state", state, "--node", "a", "--token", "secret")
            .ending()
        #expect(nonsense.code == 78 && !nonsense.errors.contains("secret."))
        let port = address.split(separator: ":").last ?? ""
        await coordinator.stop()
        let away = try await AgentProgram(
            "join", "--coordinator", "127.0.0.1:\(port)", "--state", state, "--node", "wrk-e-1", "--token", token
        ).ending()
        #expect(away.code == 69, "\(away.errors)")
        #expect(!FileManager.default.fileExists(atPath: state + "/identity.pem"))
        await other.stop()
    }

    @Test("the wiper is armed once, serves, answers for its state and stops on SIGTERM") func wiper() async throws {
        let scratch = try Scratch()
        let (socket, state) = (scratch.path + "/w.sock", scratch.path + "/wiper")
        let armed = try await AgentProgram("wiper", "arm", "--wiper-state", state).ending()
        #expect(armed.code == 0 && armed.output == "armed: \(state)\n", "\(armed.errors)")
        let nameless = try await AgentProgram("wiper", "serve", "--wiper-state", state, "--wiper-socket", socket).ending()
        #expect(nameless.code == 78 && nameless.errors.contains("the wiper must know its node"))
        #expect(try await AgentProgram("wiper", "status", "--wiper-socket", socket).ending().code == 69)
        let wiper = try AgentProgram("wiper", "serve", "--node", "wrk-e-1", "--wiper-state", state, "--wiper-socket", socket)
        while !FileManager.default.fileExists(atPath: socket) { await Task.yield() }
        let status = try await AgentProgram("wiper", "status", "--wiper-socket", socket).ending()
        #expect(status.code == 0 && status.output == "armed\n", "\(status.errors)")
        wiper.terminate()
        let ending = await wiper.ending()
        #expect(ending.code == 0 && ending.errors.contains("info wiper stopped"), "\(ending.errors)")
    }

    private func mode(_ path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }
}

private struct Problem: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
