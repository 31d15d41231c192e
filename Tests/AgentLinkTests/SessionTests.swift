// SPDX-License-Identifier: Apache-2.0

import AgentCore
import AgentLink
import FleetGateway
import MeshModel
import MeshSystem
import MeshTrust
import Synchronization
import Testing

@Suite("Agent and gateway over loopback", .timeLimit(.minutes(2)))
struct SessionTests {
    @Test("an agent joins with its token, and then lives on with what it got")
    func join() async throws {
        try await Stage.with { stage in
            let key = try PrivateKey.generate()
            let request = try CertificateSigningRequest.make(key: key, commonName: "ignored")
            let joined = try await AgentLink.join(
                stage.endpoint, token: "good-token", node: try node("east-1"), request: request.der,
                identity: try stage.mesh.selfSigned(key), judge: stage.mesh.judge)
            #expect(joined.roots == [stage.mesh.root.der])
            let agent = try stage.agent("east-1", identity: AgentIdentity(chain: joined.chain, privateKeyPEM: try key.pem))
            try await stage.running(agent) { await stage.live("east-1") }
        }
    }

    @Test("a join with a wrong or spent token, or for another key, is refused with its reason")
    func joinRefused() async throws {
        try await Stage.with { stage in
            func join(_ token: String, request: PrivateKey, shown: PrivateKey) async throws -> String {
                let request = try CertificateSigningRequest.make(key: request, commonName: "x")
                do {
                    _ = try await AgentLink.join(
                        stage.endpoint, token: token, node: try node("east-1"), request: request.der,
                        identity: try stage.mesh.selfSigned(shown), judge: stage.mesh.judge)
                    return "joined"
                } catch AgentLinkError.joinRefused(_, let code, _) {
                    return code
                }
            }
            let (key, other) = (try PrivateKey.generate(), try PrivateKey.generate())
            #expect(try await join("bad-token", request: key, shown: key) == "unknownToken")
            #expect(try await join("good-token", request: key, shown: other) == "keyMismatch")
            #expect(stage.enroller.askedFor.value.count == 1, "a request for another key never reached the token")
            #expect(try await join("good-token", request: key, shown: key) == "joined")
            #expect(try await join("good-token", request: key, shown: key) == "spentToken")
        }
    }

    @Test("a task goes out, its report comes back, and the acknowledgement leaves only after the inbox has it")
    func roundTrip() async throws {
        try await Stage.with { stage in
            let stores = MemoryStores()
            try await stage.running(try stage.agent("east-1", stores: stores)) {
                await stage.live("east-1")
                let east = try node("east-1")
                stage.inbox.memory.change { $0.held = [east] }
                let outcome = try await stage.send("t1", for: "east-1")
                #expect(outcome == .sent)
                await stage.inbox.memory.until { $0.asked.count == 1 }
                #expect(stores.keptOutbox?.entries.count == 1, "not acknowledged while the inbox has not returned")
                stage.inbox.memory.change { $0.held = [] }
                let memory = await stage.inbox.memory.until { $0.recorded.count == 1 }
                #expect(memory.recorded[0].task == (try task("t1")))
                #expect(memory.recorded[0].sequence == 1)
                #expect(memory.recorded[0].result == .facts([.unavailable("t1")]))
                try await stage.send("t2", for: "east-1")
                await stage.inbox.memory.until { $0.recorded.count == 2 }
            }
            #expect(stores.keptState?.epoch == Generation(1))
        }
    }

    @Test("an acknowledged report leaves the outbox, and its journal head is remembered")
    func acknowledged() async throws {
        try await Stage.with { stage in
            let stores = MemoryStores()
            try await stage.running(try stage.agent("east-1", stores: stores)) {
                await stage.live("east-1")
                try await stage.send("t1", for: "east-1")
                await stage.inbox.memory.until { $0.recorded.count == 1 }
                // A second task is answered after the first acknowledgement was read: the connection keeps its order.
                try await stage.send("t2", for: "east-1")
                await stage.inbox.memory.until { $0.recorded.count == 2 }
            }
            #expect((stores.keptState?.acknowledged.sequence ?? 0) >= 1)
            #expect(stores.keptOutbox?.nextSequence == 3)
        }
    }

    @Test("a task for a node that is not there is not sent")
    func notConnected() async throws {
        try await Stage.with { stage in
            let outcome = try await stage.send("t1", for: "east-1")
            #expect(outcome == .notConnected)
        }
    }

    @Test("a connection cut between report and acknowledgement: the report comes again with the same number")
    func resent() async throws {
        try await Stage.with { stage in
            try await stage.running(try stage.agent("east-1")) {
                await stage.live("east-1")
                stage.inbox.memory.change { $0.failures = 1 }
                try await stage.send("t1", for: "east-1")
                let memory = await stage.inbox.memory.until { $0.recorded.count == 1 }
                #expect(memory.asked.map(\.sequence) == [1, 1])
                #expect(memory.opened.count == 2)
            }
        }
    }

    @Test("a report survives a restart of the agent and tells its age")
    func survivesRestart() async throws {
        try await Stage.with { stage in
            let stores = MemoryStores()
            let east = try node("east-1")
            let identity = try stage.mesh.agent(east).identity
            stage.inbox.memory.change { $0.held = [east] }
            try await stage.running(try stage.agent("east-1", identity: identity, stores: stores)) {
                await stage.live("east-1")
                try await stage.send("t1", for: "east-1")
                await stage.inbox.memory.until { $0.asked.count == 1 }
            }
            stage.inbox.memory.change {
                $0.failures = 1; $0.held = []
            }
            await stage.inbox.memory.until { $0.closed.count == 1 }
            stage.mesh.advance(.seconds(30))
            try await stage.running(try stage.agent("east-1", identity: identity, stores: stores)) {
                let memory = await stage.inbox.memory.until { $0.recorded.count == 1 }
                #expect(memory.recorded[0].sequence == 1)
                #expect(memory.recorded[0].age.duration >= .seconds(30))
            }
        }
    }

    @Test("an order that is under way when the agent stops still has its result in the outbox")
    func stopsInOrder() async throws {
        try await Stage.with { stage in
            let stores = MemoryStores()
            let handler = AnsweringHandler()
            handler.held.change { $0 = true }
            let agent = try stage.agent("east-1", handler: handler, stores: stores)
            let running = Task { try await agent.run() }  // cancelled two lines below
            await stage.live("east-1")
            try await stage.send("t1", for: "east-1")
            await handler.begun.until { $0.count == 1 }
            running.cancel()
            handler.held.change { $0 = false }
            try await running.value
            #expect(stores.keptOutbox?.entries.map(\.report.task.text) == ["t1"])
        }
    }

    @Test("the clock's question leaves with the time of its leaving, and the answer gets the time of its arrival")
    func clockFact() async throws {
        try await Stage.with { stage in
            let mesh = stage.mesh
            let handler = AnsweringHandler { task in
                guard case .probe(.clock(let asked)) = task.order else { return .failed("not asked for the clock") }
                return .facts([.clock(ClockFact(asked: asked, received: mesh.now.wall, replied: mesh.now.wall, synchronised: true))])
            }
            try await stage.running(try stage.agent("east-1", handler: handler)) {
                await stage.live("east-1")
                _ = await stage.gateway.dispatch(try stage.order("t1", for: "east-1", .clock(asked: Timestamp(seconds: 1))))
                let memory = await stage.inbox.memory.until { $0.recorded.count == 1 }
                guard case .facts(let facts) = memory.recorded[0].result, case .clock(let clock) = facts.first else {
                    Issue.record("no clock fact came")
                    return
                }
                #expect(clock.arrived == memory.receivedAt[0].wall)
                #expect(clock.asked > Timestamp(seconds: 1), "what it waited for before is no doubt about the clock")
                #expect(clock.offset != nil)
            }
        }
    }

    @Test("an order of an old epoch, for another node, or twice is refused, and the refusal is a report")
    func refusals() async throws {
        try await Stage.with { stage in
            let state = AgentState(epoch: Generation(1), acknowledged: .empty, installation: "x")
            try await stage.running(try stage.agent("east-1", stores: MemoryStores(state: state))) {
                await stage.live("east-1")
                var old = try stage.order("old", for: "east-1")
                old.epoch = Generation(0)
                var late = try stage.order("late", for: "east-1")
                late.deadline = stage.mesh.now.wall + .seconds(-1)
                for order in [old, late] { _ = await stage.gateway.dispatch(order) }
                let memory = await stage.inbox.memory.until { $0.recorded.count == 2 }
                let codes = memory.recorded.map { report -> TaskRefusal.Code? in
                    if case .refused(let refusal) = report.result { refusal.code } else { nil }
                }
                #expect(codes == [.oldEpoch, .deadlinePassed])
            }
        }
    }

    @Test("an agent that has obeyed a later epoch refuses this coordinator, which raises an alarm")
    func overtaken() async throws {
        try await Stage.with { stage in
            let state = AgentState(epoch: Generation(9), acknowledged: .empty, installation: "x")
            let refused = Watched<[String]>([])
            let agent = try stage.agent("east-1", stores: MemoryStores(state: state)) { event in
                if case .refused(_, let code, _) = event { refused.change { $0.append(code) } }
            }
            try await stage.running(agent) {
                let memory = await stage.inbox.memory.until { !$0.alarms.isEmpty }
                let east = try node("east-1")
                #expect(memory.alarms.first == .overtaken(east, agent: Generation(9), ours: Generation(1)))
                #expect(await refused.until { !$0.isEmpty }.first == "overtaken")
            }
            #expect(stage.inbox.memory.value.opened.isEmpty)
        }
    }

    @Test("an agent that remembers another journal is refused with the reason; an unknown head is let in with an alarm")
    func forked() async throws {
        try await Stage.with { stage in
            let head = RememberingInbox.head(500)
            let stores = MemoryStores(state: AgentState(epoch: Generation(1), acknowledged: head, installation: "x"))
            stage.heads.withLock { $0 = .forked("it ends at entry 300") }
            let refused = Watched<[String]>([])
            let agent = try stage.agent("east-1", stores: stores) { event in
                if case .refused(_, "forkedJournal", let words) = event { refused.change { $0.append(words) } }
            }
            try await stage.running(agent) {
                let words = await refused.until { !$0.isEmpty }
                #expect(words.first?.contains("it ends at entry 300") == true)
                #expect(stage.inbox.memory.value.opened.isEmpty)
                stage.heads.withLock { $0 = .unknown }
                await stage.live("east-1")
                let east = try node("east-1")
                #expect(stage.inbox.memory.value.alarms.contains(.unknownHead(east, remembered: head)))
            }
        }
    }

    @Test("one session that waits for its journal does not hold up another")
    func independent() async throws {
        try await Stage.with { stage in
            try await stage.running(try stage.agent("east-1"), try stage.agent("west-1")) {
                await stage.live("east-1")
                await stage.live("west-1")
                let east = try node("east-1")
                stage.inbox.memory.change { $0.held = [east] }
                for index in 0..<5 { try await stage.send("e\(index)", for: "east-1") }
                await stage.inbox.memory.until { $0.asked.contains { $0.node == east } }
                for index in 0..<20 { try await stage.send("w\(index)", for: "west-1") }
                await stage.inbox.memory.until { memory in memory.recorded.count { $0.node != east } == 20 }
                stage.inbox.memory.change { $0.held = [] }
                let memory = await stage.inbox.memory.until { $0.recorded.count == 25 }
                #expect(memory.recorded.filter { $0.node == east }.map(\.sequence) == [1, 2, 3, 4, 5], "in order within a session")
            }
        }
    }

    @Test("two hundred agents get a task each and all reports come back")
    func fanOut() async throws {
        try await Stage.with { stage in
            let names = (0..<200).map { "n\($0)" }
            let agents = try names.map { try stage.agent($0) }
            try await stage.running(agents) {
                await stage.inbox.memory.until { $0.opened.count == 200 }
                #expect(await stage.gateway.sessions().count == 200)
                for name in names { try await stage.send("task-\(name)", for: name) }
                let memory = await stage.inbox.memory.until { $0.recorded.count >= 200 }
                #expect(Set(memory.recorded.map(\.node)).count == 200)
            }
            let memory = await stage.inbox.memory.until { $0.closed.count == 200 }
            #expect(memory.alarms.isEmpty)
        }
    }

    @Test("the gateway tells its agents that it stops, closes every session, and says what is wrong with a port that is taken")
    func stops() async throws {
        let events = Watched<[String]>([])
        try await Stage.with { stage in
            let agent = try stage.agent("east-1") { event in
                if case .refused(_, let code, _) = event { events.change { $0.append(code) } }
            }
            let running = Task { try await agent.run() }  // cancelled by the last line
            await stage.live("east-1")
            let port = stage.port.withLock { $0 }
            let second = try Stage { $0.port = port }
            await #expect(throws: GatewayError.self) { try await second.gateway.run() }
            let found = await stage.gateway.disconnect(try node("east-1"), why: "for a test")
            #expect(found)
            #expect(await events.until { !$0.isEmpty } == ["disconnected"])
            running.cancel()
            try await running.value
        }
    }
}
