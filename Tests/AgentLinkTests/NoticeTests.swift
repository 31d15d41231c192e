// SPDX-License-Identifier: Apache-2.0

import AgentLink
import FleetGateway
import MeshModel
import MeshSystem
import Testing

@Suite("What an agent tells unasked", .timeLimit(.minutes(2)))
struct NoticeTests {
    /// Tells whatever it is given, as the host's own watch does.
    private final class NoticingHandler: TaskHandler {
        let news: AsyncStream<String>
        let inlet: AsyncStream<String>.Continuation
        let taken = Watched(0)

        init() { (news, inlet) = AsyncStream.makeStream() }

        func perform(_ task: NodeTask, progress: @escaping @Sendable (TaskProgress) -> Void) async -> TaskReport.Result { .facts([]) }

        func watch(_ tell: @escaping @Sendable (ProbeKind, [Fact]) -> Void) async {
            for await words in news {
                tell(.links, [.unavailable(words)])
                taken.change { $0 += 1 }
            }
        }
    }

    @Test("it is reported at once over a live session, under a task of its own, with the kind of probe that it answers")
    func live() async throws {
        try await Stage.with { stage in
            let handler = NoticingHandler()
            try await stage.running(try stage.agent("east-1", handler: handler)) {
                await stage.live("east-1")
                handler.inlet.yield("ens18 has no carrier")
                let memory = await stage.inbox.memory.until { $0.recorded.count == 1 }
                #expect(memory.recorded[0].probe == .links)
                #expect(memory.recorded[0].task.text.hasPrefix("notice:links:"))
                #expect(memory.recorded[0].result == .facts([.unavailable("ens18 has no carrier")]))
            }
        }
    }

    @Test("of what happens while the coordinator is away, the last is told when it is back, and only that")
    func away() async throws {
        try await Stage.with { stage in
            let handler = NoticingHandler()
            for words in ["down", "up", "down again"] { handler.inlet.yield(words) }
            let agent = try stage.agent("east-1", handler: handler, stores: MemoryStores())
            try await stage.running(agent) {
                await handler.taken.until { $0 == 3 }
                await stage.live("east-1")
                let memory = await stage.inbox.memory.until { $0.recorded.contains { $0.result == .facts([.unavailable("down again")]) } }
                // What was told before the session was live was replaced; a quick session may have caught an earlier one, too.
                #expect(memory.recorded.last?.result == .facts([.unavailable("down again")]))
            }
        }
    }
}
