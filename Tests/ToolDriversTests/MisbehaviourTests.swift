// SPDX-License-Identifier: Apache-2.0

import Gating
import Lab
import MeshModel
import MeshSystem
import MeshTesting
import Planning
import Running
import StandInTesting
import Testing

@testable import ToolDrivers

@Suite("The step driver, with tools that misbehave")
struct MisbehaviourTests {
    @Test("a tool that hangs is ended at the deadline, and its outcome is unknown")
    func hang() async throws {
        let spec = try Bench.spec()
        try await StandInWorld.with(spec, faults: ["east": StandInWorld.quick { $0.ciliumHang = true }]) { world in
            let bench = try Bench(world, spec)
            var step = try bench.step("east", "cilium")
            step.deadline = TimeSpan(.milliseconds(200))
            let clock = ContinuousClock()
            let start = clock.now
            let outcome = await bench.driver.carryOut(step, plan: bench.plan)
            #expect(start.duration(to: clock.now) < .seconds(60))
            guard case .unknown = outcome else {
                Issue.record("\(outcome)")
                return
            }
        }
    }

    @Test("an operation that was cut off while Helm was pending is cleared away, but only where we began it")
    func interrupted() async throws {
        let spec = try Bench.spec()
        let stuck = StandInWorld.quick { $0.hangsWhilePending = true }
        try await StandInWorld.with(spec, faults: ["east": stuck, "west": stuck]) { world in
            let bench = try Bench(world, spec)
            let step = try bench.step("east", "cilium")
            try await cutOff(bench, cluster: 0) { _ = await bench.driver.carryOut(step, plan: bench.plan) }
            try await cutOff(bench, cluster: 1) {
                _ = try await world.call("cilium", ["--context", "admin@west", "install", "--set", "cluster.name=west,cluster.id=2"])
            }
            try world.set(StandInWorld.quick(), on: "east")
            try world.set(StandInWorld.quick(), on: "west")
            try await bench.run("east", "cilium")
            #expect(await bench.settle(try bench.step("east", "cilium")).passes)
            let other = await bench.driver.carryOut(try bench.step("west", "cilium"), plan: bench.plan)
            guard case .failed(let why) = other else {
                Issue.record("\(other)")
                return
            }
            #expect(why.contains("another operation (install/upgrade/rollback) is in progress"))
        }
    }

    /// Cancels `body` as soon as a release of Cilium is pending, as when we are killed there.
    private func cutOff(_ bench: Bench, cluster: Int, _ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await body() }
            while try await bench.observe(cluster).releases["kube-system/cilium"]?.status != "pending-install" {}
            group.cancelAll()
            do { try await group.waitForAll() } catch is CancellationError { return }
        }
    }

    @Test("status that is not JSON leaves the state unknown, whatever the exit code")
    func garbage() async throws {
        let spec = try Bench.spec()
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            try await bench.prepareMesh()
            try world.set(StandInWorld.quick { $0.ciliumStatusGarbage = true }, on: "east")
            let fact = try await bench.observe(0)
            #expect(fact.ciliumErrors == nil)
            #expect(fact.clustermesh?.connectivityKnown == false)
            #expect(fact.clustermesh?.apiserverReady == true)
            guard case .unknown = await bench.verdict(on: try bench.step("east", "cilium")) else {
                Issue.record("garbage was believed")
                return
            }
        }
    }

    @Test("connect that exits with 0 while nobody is connected is not believed")
    func notConnected() async throws {
        let spec = try Bench.spec()
        let liar = StandInWorld.quick { $0.ciliumExitZeroNotConnected = true }
        try await StandInWorld.with(spec, faults: ["east": liar, "west": liar]) { world in
            let bench = try Bench(world, spec)
            try await bench.prepareMesh()
            try await bench.run("mesh", "connect")
            let mesh = try #require(try await bench.observe(0).clustermesh)
            #expect(mesh.remotes == ["west": false])
            #expect(mesh.connectivityKnown)
            #expect(mesh.connectedMinimum == 0)
            #expect(mesh.notReady > 0)
            #expect(!(await bench.verdict(on: try bench.step("mesh", "connect"))).passes)
        }
    }

    @Test("a status without a connectivity section is unknown, as when it was recorded")
    func noConnectivity() async throws {
        let spec = try Bench.spec()
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            try await bench.prepareMesh()
            try await bench.run("mesh", "connect")
            try world.set(StandInWorld.quick { $0.connectivityUnknown = true }, on: "east")
            guard case .unknown = await bench.verdict(on: try bench.step("mesh", "connect")) else {
                Issue.record("a missing section was taken for a connection")
                return
            }
        }
    }

    @Test("failures of a connectivity test are counted, though its report is not well-formed XML")
    func failedTests() async throws {
        let spec = try Bench.spec()
        try await StandInWorld.with(spec, faults: ["east": StandInWorld.quick { $0.connectivityFailures = 2 }]) { world in
            let bench = try Bench(world, spec)
            try await bench.prepareMesh()
            try await bench.run("mesh", "connect")
            let outcome = await bench.driver.carryOut(try bench.step("connectivity", "east", "west"), plan: bench.plan)
            guard case .failed = outcome else {
                Issue.record("\(outcome)")
                return
            }
            let evidence = await bench.driver.observe(EvidenceKey(.cluster(bench.cluster(0).name), .connectivity), plan: bench.plan)
            let fact = ConnectivityFact(from: bench.cluster(0).name, to: bench.cluster(1).name, tests: 8, failures: 2, skipped: 1)
            #expect(evidence.facts == [.connectivity(fact)])
        }
    }

    @Test("an API server that is down is a fact of its own, with the server's words")
    func apiDown() async throws {
        let spec = try Bench.spec()
        try await StandInWorld.with(spec, faults: ["east": StandInWorld.quick { $0.apiDown = true }]) { world in
            let bench = try Bench(world, spec)
            let evidence = await bench.driver.observe(EvidenceKey(.cluster(bench.cluster(0).name), .cluster), plan: bench.plan)
            guard case .unavailable(let why)? = evidence.facts.first else {
                Issue.record("\(evidence.facts)")
                return
            }
            #expect(why.contains("was answered with 503"))
        }
    }

    @Test("a CA that somebody else put there is refused by the chart, and the reason is passed on")
    func foreignCA() async throws {
        let spec = try Bench.spec()
        try await StandInWorld.with(spec, faults: ["west": StandInWorld.quick { $0.foreignCA = true }]) { world in
            let bench = try Bench(world, spec)
            try await bench.run("east", "cilium-ca")
            #expect(!(await bench.verdict(on: try bench.step("west", "cilium-ca"))).passes)
            let outcome = await bench.driver.carryOut(try bench.step("west", "cilium"), plan: bench.plan)
            guard case .failed(let why) = outcome else {
                Issue.record("\(outcome)")
                return
            }
            #expect(why.contains("invalid ownership metadata"))
        }
    }
}
