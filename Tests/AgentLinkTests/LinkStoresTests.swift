// SPDX-License-Identifier: Apache-2.0

import AgentCore
import AgentLink
import Glibc
import Logging
import MeshModel
import MeshSystem
import Testing

@Suite("What the agent keeps on its disk")
struct LinkStoresTests {
    @Test("nothing, then what was saved, and a damaged file is an error and not an empty start")
    func keeps() async throws {
        let directory = "/tmp/meshgate-link-" + (try KernelEntropy().hexID())
        let files = LinuxFileStore()
        try files.createDirectory(directory)
        defer {
            for name in ["outbox", "state"] { unlink(directory + "/" + name) }
            rmdir(directory)
        }
        let outboxes = FileOutboxStore(files: files, path: directory + "/outbox")
        let states = FileAgentStateStore(files: files, path: directory + "/state")
        #expect(try outboxes.load() == nil)
        #expect(try states.load() == nil)

        let now = SystemClock.now()
        let report = TaskReport(
            task: try task("t1"), node: try node("east-1"), bootID: try #require(BootID("0f6f2c1e-8a53")), sequence: 0,
            age: TimeSpan(.zero),
            probe: .host, result: .facts([.unavailable("x")]))
        var outbox = Outbox()
        _ = outbox.add(report, takenAt: now, sizeInBytes: 10)
        try outboxes.save(outbox)
        let kept = try #require(try outboxes.load())
        #expect(kept.entries.map(\.report) == outbox.entries.map(\.report))
        #expect(kept.entries.map(\.takenAt) == [now])
        #expect(kept.nextSequence == 2)

        let state = AgentState(epoch: Generation(4), acknowledged: RememberingInbox.head(7), installation: "0011")
        try states.save(state)
        #expect(try states.load() == state)

        try files.write([0xff, 0xff, 0xff], to: directory + "/outbox")
        #expect(throws: (any Error).self) { try outboxes.load() }
        let mesh = try TestMesh()
        let identity = try mesh.agent(try node("east-1")).identity
        let configuration = AgentLinkConfiguration(
            node: try node("east-1"), agentVersion: "0.1.0", bootID: try #require(BootID("0f6f2c1e-8a53")),
            coordinators: [Endpoint(host: "127.0.0.1", port: 1)], identity: { identity }, judge: mesh.judge, now: mesh.clock)
        let link = AgentLink(
            configuration: configuration, handler: AnsweringHandler(), outboxStore: outboxes, stateStore: states, log: .init(label: "test"))
        let error = await #expect(throws: AgentLinkError.self) { try await link.run() }
        #expect(error?.description.hasPrefix("use the agent's outbox:") == true)
    }
}
