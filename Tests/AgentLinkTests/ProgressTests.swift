// SPDX-License-Identifier: Apache-2.0

import AgentCore
import AgentLink
import FleetGateway
import MeshModel
import MeshWire
import Testing

@Suite("Progress over loopback", .timeLimit(.minutes(2)))
struct ProgressTests {
    /// Tells how far it is three times, with an answer of the other side between: only then does it end.
    private final class TalkativeHandler: TaskHandler {
        let mayEnd = Watched(false)
        func perform(_ task: NodeTask, progress: @escaping @Sendable (TaskProgress) -> Void) async -> TaskReport.Result {
            for done in 1...3 as ClosedRange<UInt64> { progress(TaskProgress(task: task.id, phase: .verifying, done: done, total: 3)) }
            await mayEnd.until { $0 }
            return .failed("the end")
        }
    }

    private func wipe(_ id: String, for name: String, _ stage: Stage) throws -> NodeTask {
        var order = try stage.order(id, for: name)
        order.order = .wipe(WarrantEnvelope(text: "text\n", signatures: ["signature\n"]))
        return order
    }

    @Test("of a wipe that runs reaches the inbox before its report, with the node that it comes from")
    func running() async throws {
        try await Stage.with { stage in
            let handler = AnsweringHandler { _ in .failed("the end") }
            handler.held.change { $0 = true }
            try await stage.running(try stage.agent("east-1", handler: handler)) {
                await stage.live("east-1")
                let outcome = await stage.gateway.dispatch(try wipe("t1", for: "east-1", stage))
                #expect(outcome == .sent)
                let memory = await stage.inbox.memory.until { !$0.progress.isEmpty }
                #expect(memory.progress.map(\.node) == [try node("east-1")])
                #expect(memory.progress.map(\.1) == [TaskProgress(task: try task("t1"), phase: .writing, done: 1, total: 2)])
                #expect(memory.asked.isEmpty, "the wipe has not ended")
                handler.held.change { $0 = false }
                let ended = await stage.inbox.memory.until { $0.recorded.count == 1 }
                #expect(ended.recorded.first?.result == .failed("the end"))
                #expect(ended.progress.count == 1 && ended.alarms.isEmpty)
            }
        }
    }

    @Test("comes in the order in which it was told, and none of it is acknowledged or kept")
    func order() async throws {
        try await Stage.with { stage in
            let (handler, stores) = (TalkativeHandler(), MemoryStores())
            try await stage.running(try stage.agent("east-1", handler: handler, stores: stores)) {
                await stage.live("east-1")
                _ = await stage.gateway.dispatch(try wipe("t1", for: "east-1", stage))
                let memory = await stage.inbox.memory.until { $0.progress.count == 3 }
                #expect(memory.progress.map(\.1.done) == [1, 2, 3])
                let kept = stores.keptOutbox?.entries ?? []
                #expect(kept.isEmpty)
                handler.mayEnd.change { $0 = true }
                let ended = await stage.inbox.memory.until { $0.recorded.count == 1 }
                #expect(ended.recorded.first?.sequence == 1)
            }
        }
    }

    @Test("of another node's task is told as of the node whose certificate it came under, and is no reason to end the session")
    func foreign() async throws {
        try await Stage.with { stage in
            let handler = AnsweringHandler()
            handler.held.change { $0 = true }
            try await stage.running(try stage.agent("east-1", handler: handler)) {
                await stage.live("east-1")
                _ = await stage.gateway.dispatch(try wipe("t1", for: "east-1", stage))
                await stage.inbox.memory.until { $0.progress.count == 1 }
                let west = try node("west-1")
                let peer = try await RawPeer.connect(stage.endpoint, RawPeer.tls(try stage.mesh.agent(west).identity))
                #expect(try await peer.greet(as: west).welcomed)
                peer.send(.progress(TaskProgress(task: try task("t1"), phase: .verifying, done: 2, total: 2)))
                peer.send(.progress(TaskProgress(task: try task("t1"), phase: .verifying, done: 2, total: 2)))
                let memory = await stage.inbox.memory.until { $0.progress.count == 3 }
                #expect(memory.progress.map(\.node) == [try node("east-1"), west, west])
                #expect(await stage.gateway.sessions().map(\.node.text).sorted() == ["east-1", "west-1"])
                await peer.close()
                handler.held.change { $0 = false }
            }
        }
    }

    @Test("from a peer that has not introduced itself ends its session and reaches nobody")
    func tooEarly() async throws {
        try await Stage.with { stage in
            let peer = try await RawPeer.connect(stage.endpoint, RawPeer.tls(try stage.mesh.agent(try node("east-1")).identity))
            peer.send(.progress(TaskProgress(task: try task("t1"), phase: .writing, done: 1, total: 2)))
            let seen = await peer.seen.until { $0.closed }
            #expect(seen.rejection?.code == "badFrame")
            #expect(stage.inbox.memory.value.progress.isEmpty && stage.inbox.memory.value.opened.isEmpty)
        }
    }
}
