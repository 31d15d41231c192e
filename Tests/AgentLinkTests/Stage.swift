// SPDX-License-Identifier: Apache-2.0

import AgentLink
import FleetGateway
import Logging
import MeshModel
import MeshSystem
import Synchronization
import Testing

/// A gateway on a loopback port with everything around it. Lives as long as the body of `with`.
final class Stage: Sendable {
    let mesh: TestMesh
    let inbox = RememberingInbox()
    let enroller: OneTokenEnroller
    let gateway: FleetGateway
    let heads: Mutex<HeadVerdict>
    let epoch = Mutex(Generation(1))
    let port = Mutex(0)

    init(_ adjust: (inout FleetGatewayConfiguration) -> Void = { _ in }, telemetry: (any TelemetryInbox)? = nil) throws {
        let mesh = try TestMesh()
        self.mesh = mesh
        enroller = OneTokenEnroller(mesh: mesh)
        heads = Mutex(.agrees)
        let identity = try mesh.coordinator()
        let hooks = Hooks()
        var configuration = FleetGatewayConfiguration(
            host: "127.0.0.1", port: 0, bootID: try #require(BootID("aaaaaaaa-bbbb")), identity: { identity }, gate: mesh.gate,
            epoch: { hooks.stage.withLock { $0() }?.epoch.withLock { $0 } ?? Generation(0) },
            headCheck: { _ in hooks.stage.withLock { $0() }?.heads.withLock { $0 } ?? .unknown }, now: mesh.clock)
        configuration.timing.sweep = .milliseconds(200)
        configuration.timing.handshake = .seconds(20)
        configuration.timing.greeting = .seconds(20)
        adjust(&configuration)
        var log = Logger(label: "test")
        log.logLevel = .critical
        gateway = FleetGateway(configuration: configuration, inbox: inbox, enroller: enroller, telemetry: telemetry, log: log)
        hooks.stage.withLock { $0 = { [weak self] in self } }
    }

    /// Lets the configuration's closures find the stage that is made after them.
    private final class Hooks: Sendable { let stage = Mutex<@Sendable () -> Stage?>({ nil }) }

    static func with(
        _ adjust: (inout FleetGatewayConfiguration) -> Void = { _ in }, telemetry: (any TelemetryInbox)? = nil,
        _ body: (Stage) async throws -> Void
    ) async throws {
        let stage = try Stage(adjust, telemetry: telemetry)
        let running = Task { try await stage.gateway.run() }  // cancelled below, whatever the body does
        do {
            let address = try await stage.gateway.boundAddress()
            stage.port.withLock { $0 = address.port }
            try await body(stage)
        } catch {
            running.cancel()
            try await running.value
            throw error
        }
        running.cancel()
        try await running.value
    }

    var endpoint: Endpoint { Endpoint(host: "127.0.0.1", port: port.withLock { $0 }) }

    /// One agent of the real kind, not yet running.
    func agent(
        _ name: String, identity: AgentIdentity? = nil, handler: any TaskHandler = AnsweringHandler(),
        stores: MemoryStores = MemoryStores(),
        at endpoint: Endpoint? = nil, observe: @escaping @Sendable (LinkEvent) -> Void = { _ in }
    ) throws -> AgentLink {
        let identity = try identity ?? mesh.agent(try node(name)).identity
        var configuration = AgentLinkConfiguration(
            node: try node(name), agentVersion: "0.1.0", bootID: try #require(BootID("0f6f2c1e-8a53")),
            coordinators: [endpoint ?? self.endpoint],
            identity: { identity }, judge: mesh.judge, now: mesh.clock)
        configuration.backoff = Backoff(base: .milliseconds(10), cap: .milliseconds(100))
        configuration.sharesThreads = true
        configuration.handshake = .seconds(20)
        var log = Logger(label: "test")
        log.logLevel = .critical
        return AgentLink(
            configuration: configuration, handler: handler, outboxStore: stores, stateStore: stores, log: log, observe: observe)
    }

    /// Runs agents while the body lasts.
    func running(_ agents: AgentLink..., body: () async throws -> Void) async throws { try await running(agents, body: body) }

    func running(_ agents: [AgentLink], body: () async throws -> Void) async throws {
        let tasks = agents.map { agent in Task { try await agent.run() } }  // cancelled below, whatever the body does
        let result: Result<Void, any Error>
        do {
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
        for task in tasks { task.cancel() }
        for task in tasks { try await task.value }
        try result.get()
    }

    func order(_ id: String, for name: String, _ probe: NodeTask.Probe = .host) throws -> NodeTask {
        NodeTask(
            id: try task(id), node: try node(name), epoch: epoch.withLock { $0 }, deadline: mesh.now.wall + .seconds(60),
            order: .probe(probe))
    }

    @discardableResult
    func send(_ id: String, for name: String, _ probe: NodeTask.Probe = .host) async throws -> DispatchOutcome {
        await gateway.dispatch(try order(id, for: name, probe))
    }

    /// Until the node's session is live.
    func live(_ name: String, times: Int = 1) async {
        await inbox.memory.until { memory in memory.opened.count { $0.node.text == name } >= times }
    }
}
