// SPDX-License-Identifier: Apache-2.0

import AgentLink
import FleetGateway
import MeshModel
import MeshTesting
import MeshWire
import Testing

@Suite("How a session must behave", .timeLimit(.minutes(2)))
struct ConductTests {
    @Test("Hello in another node's name ends the session with an alarm")
    func foreignHello() async throws {
        try await Stage.with { stage in
            let (east, west) = (try node("east-1"), try node("west-1"))
            let peer = try await enrolled(stage, east)
            let seen = try await peer.greet(as: west)
            #expect(seen.rejection?.code == "wrongNode")
            let memory = await stage.inbox.memory.until { !$0.alarms.isEmpty }
            guard case .foreignNode(east, claimed: west, _) = memory.alarms[0] else {
                Issue.record("another alarm: \(memory.alarms[0])")
                return
            }
        }
    }

    @Test("a report in another node's name is not recorded and ends the session with an alarm")
    func foreignReport() async throws {
        try await Stage.with { stage in
            let (east, west) = (try node("east-1"), try node("west-1"))
            let peer = try await greeted(stage, east)
            peer.send(.report(try report(of: west)))
            let seen = await peer.seen.until { $0.closed }
            #expect(seen.rejection?.code == "wrongNode")
            let memory = await stage.inbox.memory.until { $0.closed.count == 1 && !$0.alarms.isEmpty }
            #expect(memory.asked.isEmpty)
        }
    }

    @Test("a newer agent is told in a sentence what to do")
    func newerProtocol() async throws {
        try await Stage.with { stage in
            let east = try node("east-1")
            let seen = try await enrolled(stage, east).greet(as: east, protocolVersion: 2)
            #expect(seen.rejection?.code == "otherProtocol")
            #expect(seen.rejection?.words.contains("upgrade the coordinator or downgrade the agent") == true)
        }
    }

    @Test(
        "a frame with no place in the session, an empty one, a huge one and garbage close that session and no other",
        arguments: BadBytes.allCases)
    func badFrames(_ bad: BadBytes) async throws {
        try await Stage.with { stage in
            try await stage.running(try stage.agent("west-1")) {
                await stage.live("west-1")
                let east = try node("east-1")
                let peer = try await greeted(stage, east)
                peer.send(try bad.bytes(peer, east))
                let seen = await peer.seen.until { $0.closed }
                #expect(seen.rejection?.code == "badFrame")
                await stage.inbox.memory.until { $0.closed.count == 1 }
                try await stage.send("t1", for: "west-1")
                await stage.inbox.memory.until { $0.recorded.count == 1 }
                #expect(stage.inbox.memory.value.opened.count == 2)
            }
        }
    }

    @Test("before Hello a frame above 64 KiB is refused by its length alone")
    func earlyLimit() async throws {
        try await Stage.with { stage in
            let peer = try await enrolled(stage, try node("east-1"))
            await peer.seen.until { $0.secured }
            peer.send([0, 1, 0, 1])
            let seen = await peer.seen.until { $0.closed }
            #expect(seen.rejection?.code == "badFrame")
        }
    }

    @Test("a second live session with a node's key is refused with an alarm, and the first one stays")
    func duplicate() async throws {
        try await Stage.with { stage in
            let east = try node("east-1")
            let identity = try stage.mesh.agent(east).identity
            try await stage.running(try stage.agent("east-1", identity: identity)) {
                await stage.live("east-1")
                let second = try await RawPeer.connect(stage.endpoint, RawPeer.tls(identity))
                let seen = try await second.greet(as: east)
                #expect(seen.rejection?.code == "duplicateSession")
                let memory = await stage.inbox.memory.until { !$0.alarms.isEmpty }
                guard case .duplicateSession(east, _, _) = memory.alarms[0] else {
                    Issue.record("another alarm: \(memory.alarms[0])")
                    return
                }
                try await stage.send("t1", for: "east-1")
                await stage.inbox.memory.until { $0.recorded.count == 1 }
                #expect(stage.inbox.memory.value.closed.isEmpty)
            }
        }
    }

    @Test("an old session that gives no sign of life gives way to the node's new one, without an alarm")
    func halfOpen() async throws {
        try await Stage.with {
            $0.timing.proofOfLife = .milliseconds(100)
        } _: { stage in
            let east = try node("east-1")
            let identity = try stage.mesh.agent(east).identity
            let old = try await RawPeer.connect(stage.endpoint, RawPeer.tls(identity))
            let welcomed = try await old.greet(as: east).welcomed
            #expect(welcomed)
            // A raw peer never answers a heartbeat, like a machine that lost its power.
            try await stage.running(try stage.agent("east-1", identity: identity)) {
                await stage.live("east-1", times: 2)
                let memory = await stage.inbox.memory.until { $0.closed.count == 1 }
                guard case .replaced = memory.closed[0].why else {
                    Issue.record("closed for another reason: \(memory.closed[0].why)")
                    return
                }
                #expect(memory.alarms.isEmpty)
                try await stage.send("t1", for: "east-1")
                await stage.inbox.memory.until { $0.recorded.count == 1 }
            }
        }
    }

    @Test("a silent session is cut after the patience, and an agent's heartbeats keep a live one")
    func silence() async throws {
        try await Stage.with {
            $0.timing.heartbeat = .milliseconds(250)
            $0.timing.patience = .seconds(4)
        } _: { stage in
            try await stage.running(try stage.agent("west-1")) {
                await stage.live("west-1")
                let peer = try await greeted(stage, try node("east-1"))
                await peer.seen.until { $0.closed }
                let east = try node("east-1")
                let memory = await stage.inbox.memory.until { memory in memory.closed.contains { $0.node == east } }
                guard case .silent = memory.closed.first(where: { $0.node == east })?.why else {
                    Issue.record("closed for another reason: \(memory.closed)")
                    return
                }
                #expect(!memory.closed.contains { $0.node != east })
            }
        }
    }

    @Test("a node that does not read its tasks gets no more than its queue holds, and the caller is told")
    func queueFull() async throws {
        try await Stage.with {
            $0.limits.queuedTaskBytes = 300
        } _: { stage in
            let east = try node("east-1")
            let peer = try await greeted(stage, east)
            let targets = (0..<40).map { ReachTarget(node: east, address: IPAddress(family: .v4, value: UInt128($0)), port: 1) }
            let outcome = await stage.gateway.dispatch(
                try stage.order("t1", for: "east-1", .reach(targets, attempts: 1, timeout: TimeSpan(.seconds(1)))))
            #expect(outcome == .queueFull)
            let small = try await stage.send("t2", for: "east-1")
            #expect(small == .sent)
            await peer.seen.until { seen in seen.frames.contains { if case .task = $0 { true } else { false } } }
        }
    }

    @Test("a peer that floods with reports is read no faster than the inbox takes them")
    func backpressure() async throws {
        try await Stage.with {
            $0.limits.waitingReports = 4
        } _: { stage in
            let east = try node("east-1")
            let peer = try await greeted(stage, east)
            stage.inbox.memory.change { $0.held = [east] }
            // Frames of 32 KiB: each arrives in reads of its own, so that reading can stop between them.
            var report = try report(of: east)
            report.result = .facts(Array(repeating: .unavailable(String(repeating: "x", count: 4000)), count: 8))
            for sequence in 1...200 {
                report.sequence = UInt64(sequence)
                peer.send(.report(report))
            }
            await stage.inbox.memory.until { !$0.asked.isEmpty }
            let sessions = await stage.gateway.sessions()
            #expect((sessions.first?.waitingReports ?? 0) < 60)
            stage.inbox.memory.change { $0.held = [] }
            let memory = await stage.inbox.memory.until { $0.recorded.count == 200 }
            #expect(memory.recorded.map(\.sequence) == (1...200).map(UInt64.init))
        }
    }

    @Test("mutated frames of an enrolled agent never disturb the gateway")
    func fuzz() async throws {
        try await Stage.with { stage in
            let east = try node("east-1")
            let identity = try stage.mesh.agent(east).identity
            var random = SplitMix(seed: 7)
            for _ in 0..<60 {
                let peer = try await RawPeer.connect(stage.endpoint, RawPeer.tls(identity))
                let seen = try await peer.greet(as: east)
                guard seen.welcomed else {
                    await peer.close()
                    continue
                }
                for _ in 0..<10 {
                    var bytes = AgentFrame.report(try report(of: east)).framed
                    let index = Int.random(in: bytes.indices, using: &random)
                    bytes[index] = UInt8.random(in: 0...255, using: &random)
                    peer.send(bytes)
                }
                await peer.close()
                await stage.inbox.memory.until { $0.closed.count == $0.opened.count }
            }
            try await stage.running(try stage.agent("west-1")) {
                await stage.live("west-1")
                try await stage.send("t1", for: "west-1")
                await stage.inbox.memory.until { memory in memory.recorded.contains { $0.node.text == "west-1" } }
            }
            #expect(stage.inbox.memory.value.recorded.allSatisfy { $0.node.text == "west-1" || $0.node == east })
        }
    }

    private func enrolled(_ stage: Stage, _ node: NodeID) async throws -> RawPeer {
        try await RawPeer.connect(stage.endpoint, RawPeer.tls(try stage.mesh.agent(node).identity))
    }

    private func greeted(_ stage: Stage, _ node: NodeID) async throws -> RawPeer {
        let peer = try await enrolled(stage, node)
        _ = try await peer.greet(as: node)
        await stage.live(node.text)
        return peer
    }

    private func report(of node: NodeID) throws -> TaskReport {
        TaskReport(
            task: try task("t"), node: node, bootID: try #require(BootID("0f6f2c1e-8a53")), sequence: 1, age: TimeSpan(.zero), probe: .host,
            result: .facts([.unavailable("x")]))
    }
}

/// What no agent of ours sends in a live session.
enum BadBytes: CaseIterable, Sendable {
    case secondHello, join, empty, tooLong, garbage

    func bytes(_ peer: RawPeer, _ node: NodeID) throws -> [UInt8] {
        switch self {
        case .secondHello: AgentFrame.hello(try peer.hello(node)).framed
        case .join: AgentFrame.join(Join(token: "x", node: node, request: [])).framed
        case .empty: [0, 0, 0, 0]
        case .tooLong: [0, 0x10, 0, 1]
        case .garbage: FrameReader.frame([UInt8](repeating: 0xee, count: 300))
        }
    }
}
