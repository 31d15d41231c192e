// SPDX-License-Identifier: Apache-2.0

import Gating
import Lab
import MeshModel
import MeshSystem
import MeshTesting
import MeshTrust
import Planning
import Running
import StandInTesting
import Testing

@testable import ToolDrivers

@Suite("The upgrade of Talos")
struct UpgradeTests {
    private func word(_ outcome: Outcome) -> String {
        switch outcome {
        case .succeeded: "succeeded"
        case .failed: "failed"
        case .refused: "refused"
        case .unknown: "unknown"
        }
    }

    /// Two clusters whose machines are to run 1.12.1 from an image with an extension, and run 1.11.3 from a plain one.
    private static func spec(_ version: SemanticVersion = SemanticVersion(1, 12, 1)) throws -> MeshSpec {
        var spec = try SmallMesh.spec()
        spec.versions.talos = version
        for index in spec.clusters.indices { spec.clusters[index].talos = .init(extensions: ["siderolabs/qemu-guest-agent"]) }
        return spec
    }

    /// The Image Factory's own id for that extension alone, as it published it.
    private static let schematic = "ce4c980550dd2ab1b17bbf2b08801c7eb59418eafe8f279833297925d67c7515"
    private static let image = "factory.talos.dev/metal-installer/\(schematic):v1.12.1"

    private static func plan(_ spec: MeshSpec) throws -> Plan {
        try Planner.plan(spec, hash: sha256) { Digest.sha256(try JSON.encode(.string("\($0.spec)"))) }
    }

    /// With `faults` on east, which is bootstrapped; `body` gets the plan's upgrade step of east and a driver that looks often.
    private func stage(
        _ spec: MeshSpec, faults: StandInFaults = StandInWorld.quick { $0.bootstrapped = true },
        _ body: @escaping @Sendable (StandInWorld, Bench, Step, UpgradeDriver) async throws -> Void
    ) async throws {
        let all = Dictionary(spec.clusters.map { ($0.name.text, faults) }, uniquingKeysWith: { first, _ in first })
        try await StandInWorld.with(spec, faults: all) { world in
            var bench = try Bench(world, spec)
            bench.plan = try Self.plan(spec)
            let step = try bench.step("east", "talos-upgrade")
            guard case .talosRelease(_, _, let wanted)? = step.done.first else { return #expect(Bool(false)) }
            var driver = UpgradeDriver(tools: bench.tools, cluster: bench.cluster(0), wanted: wanted)
            driver.pause = .milliseconds(10)
            driver.patience = .seconds(10)
            try await body(world, bench, step, driver)
        }
    }

    private func upgraded(_ world: StandInWorld) -> [String] {
        world.runner.invocations.filter { $0.arguments.contains("upgrade") && $0.executable == "talosctl" }.map { $0.arguments[3] }
    }

    @Test("goes from machine to machine, control planes first, with the image that the schematic names, and then finds nothing to do")
    func machineByMachine() async throws {
        try await stage(try Self.spec()) { world, bench, step, driver in
            #expect(!(await bench.verdict(on: step).passes))
            #expect(await bench.judge(step.gates).passes)
            let first = try await driver.carryOut(step: step.id, deadline: .seconds(60))
            #expect(word(first) == "succeeded", "\(first)")
            #expect(upgraded(world) == ["192.168.15.11", "192.168.15.21", "192.168.15.22"])
            let images = world.runner.invocations.compactMap { call in
                call.arguments.firstIndex(of: "--image").map { call.arguments[$0 + 1] }
            }
            #expect(Set(images) == [Self.image])
            #expect(await bench.verdict(on: step).passes)
            let again = try await driver.carryOut(step: step.id, deadline: .seconds(60))
            #expect(word(again) == "succeeded", "\(again)")
            #expect(upgraded(world).count == 3)
        }
    }

    @Test("the later cluster waits for the earlier one only while that one is not as planned")
    func clusterByCluster() async throws {
        try await stage(try Self.spec()) { world, bench, step, driver in
            let west = try bench.step("west", "talos-upgrade")
            #expect(!west.after.map(\.text).contains { $0.hasPrefix("east/") })
            let verdict = await bench.judge(west.gates)
            #expect(!verdict.passes && verdict.reasons.allSatisfy { $0.gate == .talosRelease && $0.subject.description == "cluster east" })
            _ = try await driver.carryOut(step: step.id, deadline: .seconds(60))
            #expect(await bench.judge(west.gates).passes)
        }
    }

    @Test("stops at the first that does not come back, and touches no other", arguments: ["stays", "silent", "fails"])
    func stops(how: String) async throws {
        try await stage(
            try Self.spec(),
            faults: StandInWorld.quick {
                $0.bootstrapped = true
                $0.upgradeFate = how
            }
        ) { world, _, step, driver in
            var driver = driver
            driver.patience = .milliseconds(how == "fails" ? 20_000 : 300)
            let outcome = try await driver.carryOut(step: step.id, deadline: .seconds(60))
            #expect(word(outcome) == "failed" && outcome.words.contains("cp-e-1 did not come back as planned"), "\(outcome)")
            #expect(outcome.words.contains("No other was upgraded"))
            #expect(upgraded(world) == ["192.168.15.11"])
        }
    }

    @Test("is refused where a minor would be skipped, where it would go back, and where no image is described")
    func refused() async throws {
        for (version, text) in [
            (SemanticVersion(1, 13, 0), "would skip 1.12"), (SemanticVersion(1, 11, 2), "going back from 1.11.3 to 1.11.2"),
            (SemanticVersion(2, 0, 0), "no way is known"),
        ] {
            try await stage(try Self.spec(version)) { world, _, step, driver in
                let outcome = try await driver.carryOut(step: step.id, deadline: .seconds(60))
                #expect(word(outcome) == "refused" && outcome.words.contains(text), "\(outcome)")
                #expect(upgraded(world).isEmpty)
            }
        }
        var plain = try Self.spec()
        plain.clusters[0].talos = nil
        try await stage(plain) { world, bench, step, _ in
            let outcome = await bench.driver.carryOut(step, plan: bench.plan)
            #expect(word(outcome) == "refused" && outcome.words.contains("does not describe the image"), "\(outcome)")
            #expect(upgraded(world).isEmpty)
        }
    }

    @Test("is refused while a machine is silent or etcd is not well, and held by the gates before that")
    func unwell() async throws {
        try await stage(try Self.spec(), faults: StandInWorld.quick()) { world, bench, step, driver in
            #expect(!(await bench.judge(step.gates).passes))
            let early = try await driver.carryOut(step: step.id, deadline: .seconds(60))
            #expect(word(early) == "refused", "\(early)")
            try world.set(
                StandInWorld.quick {
                    $0.bootstrapped = true
                    $0.silentMachines = ["wrk-e-2"]
                }, on: "east")
            let outcome = try await driver.carryOut(step: step.id, deadline: .seconds(60))
            #expect(word(outcome) == "refused" && outcome.words.contains("Talos on wrk-e-2 does not answer"), "\(outcome)")
            #expect(upgraded(world).isEmpty)
        }
    }

    @Test("goes on with what is left after it was interrupted")
    func resumed() async throws {
        try await stage(try Self.spec()) { world, _, step, driver in
            _ = try await world.call("talosctl", ["--context", "east", "--nodes", "192.168.15.11", "upgrade", "--image", Self.image])
            let clock = ContinuousClock()
            let end = clock.now.advanced(by: .seconds(10))
            var outcome = try await driver.carryOut(step: step.id, deadline: .seconds(60))
            // While the machine is on its way the gates hold the step.
            while word(outcome) == "refused", clock.now < end { outcome = try await driver.carryOut(step: step.id, deadline: .seconds(60)) }
            #expect(word(outcome) == "succeeded", "\(outcome)")
            #expect(upgraded(world) == ["192.168.15.11", "192.168.15.21", "192.168.15.22"])
        }
    }

    @Test("waits, where there is a network for pods, until each machine is ready again")
    func withNetwork() async throws {
        try await stage(try Self.spec()) { world, bench, step, driver in
            for name in ["gateway-api", "cilium-ca", "cilium"] { try await bench.run("east", name) }
            let cilium = await bench.settle(try bench.step("east", "cilium"))
            #expect(cilium.passes, "\(cilium.reasons.map(\.detail))")
            let upgrade = try await driver.carryOut(step: step.id, deadline: .seconds(60))
            #expect(word(upgrade) == "succeeded", "\(upgrade)")
            #expect(upgraded(world).count == 3)
            // A machine that is not ready then is left alone, and so are all others.
            try world.set(
                StandInWorld.quick {
                    $0.bootstrapped = true
                    $0.neverReady = ["wrk-e-1"]
                }, on: "east")
            let next = UpgradeDriver(
                tools: bench.tools, cluster: bench.cluster(0), wanted: .init(version: SemanticVersion(1, 12, 2), schematic: Self.schematic))
            let unready = EvidenceKey(.cluster(bench.cluster(0).name), .talos)
            let clock = ContinuousClock()
            let end = clock.now.advanced(by: .seconds(10))
            func isUnready() async -> Bool {
                await bench.driver.observe(unready, plan: bench.plan).facts.contains {
                    if case .talos(let fact) = $0 { fact.machine?.ready == false } else { false }
                }
            }
            while !(await isUnready()), clock.now < end {}
            let outcome = try await next.carryOut(step: step.id, deadline: .seconds(60))
            #expect(word(outcome) == "refused" && outcome.words.contains("wrk-e-1 is not ready"), "\(outcome)")
        }
    }

    @Test("the plan has the step only where a release is pinned, before everything that needs the machines to stay up")
    func planned() throws {
        let plan = try Self.plan(try Self.spec())
        let step = try #require(plan.step(StepID("east", "talos-upgrade")))
        #expect(step.after.map(\.text) == ["east/nodes"])
        for later in ["gateway-api", "cilium-ca", "wrk-e-1/wipe-vdb"] {
            #expect(try #require(plan.steps.first { $0.id.text == "east/" + later }).after.map(\.text).contains("east/talos-upgrade"))
        }
        guard case .talosRelease(_, let nodes, let wanted)? = step.done.first else { return #expect(Bool(false)) }
        #expect(nodes.count == 3 && wanted.schematic == Self.schematic)
        var free = try Self.spec()
        free.versions.talos = nil
        #expect(try Self.plan(free).step(StepID("east", "talos-upgrade")) == nil)
        var other = try Self.spec()
        other.clusters[0].kind = .rke2
        other.clusters[0].talos = nil
        let mixed = try Self.plan(other)
        #expect(mixed.step(StepID("east", "talos-upgrade")) == nil && mixed.step(StepID("east", "bootstrap")) == nil)
        #expect(mixed.step(StepID("west", "talos-upgrade"))?.gates.contains { $0.gate == .talosRelease } == false)
    }
}
