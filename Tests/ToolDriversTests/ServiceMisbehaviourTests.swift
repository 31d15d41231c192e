// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshSystem
import MeshTesting
import Planning
import Running
import StandInTesting
import Testing

@testable import ToolDrivers

@Suite("Services, with tools that misbehave")
struct ServiceMisbehaviourTests {
    enum Kind: String, CaseIterable, Sendable { case helm, kubectl, ansible = "ansible-playbook" }

    /// Carries the one service of `kind` out with a shell script in place of its tool.
    private func outcome(
        of kind: Kind, _ script: String, deadline: Duration = .seconds(20), then: (@Sendable (Bench, Step) async throws -> Void)? = nil
    ) async throws -> Outcome {
        var spec = try SmallMesh.spec(services: false)
        let source: MeshSpec.Service.Source =
            switch kind {
            case .helm: .chart(repository: "https://charts.example", name: "thing", version: "1.0.0")
            case .kubectl: .manifest(path: "metrics-server.json")
            case .ansible: .playbook(path: "play.yml")
            }
        spec.services = [.init(name: "thing", source: source, clusters: spec.clusters.map(\.name))]
        return try await StandInWorld.with(spec) { [spec] world in
            let bin = world.directory + "/bin"
            let files = LinuxFileStore()
            try files.createDirectory(bin)
            try files.write(Array("#!/bin/sh\n\(script)\n".utf8), to: "\(bin)/\(kind.rawValue)", mode: 0o755)
            let bench = try Bench(world, spec, runner: ProcessCommandRunner(), searchPath: [bin])
            var step = try bench.step("east", "service-thing")
            step.deadline = TimeSpan(deadline)
            let outcome = await bench.driver.carryOut(step, plan: bench.plan)
            try await then?(bench, step)
            return outcome
        }
    }

    @Test("one that hangs and ignores TERM is ended at the deadline, and its outcome is unknown", arguments: Kind.allCases)
    func hang(_ kind: Kind) async throws {
        let outcome = try await outcome(of: kind, "trap '' TERM; while :; do /bin/sleep 1; done", deadline: .milliseconds(200))
        guard case .unknown = outcome else {
            Issue.record("\(outcome)")
            return
        }
    }

    @Test("one that exits with 0 and did nothing leaves the step undone", arguments: Kind.allCases)
    func lies(_ kind: Kind) async throws {
        _ = try await outcome(of: kind, "echo done; exit 0") { bench, step in
            #expect(!(await bench.verdict(on: step)).passes)
        }
    }

    @Test("garbage and megabytes of it are no objects and no figures", arguments: [Kind.kubectl, .ansible])
    func garbage(_ kind: Kind) async throws {
        let outcome = try await outcome(
            of: kind, "/usr/bin/head -c 2000000 /dev/urandom; echo '{\"event\": \"stats\", \"hosts\": 7}'; exit 0")
        guard case .failed = outcome else {
            Issue.record("\(outcome)")
            return
        }
    }

    @Test("one that is killed is a failure with the signal in it", arguments: Kind.allCases)
    func killed(_ kind: Kind) async throws {
        guard case .failed(let why) = try await outcome(of: kind, "kill -9 $$") else {
            Issue.record("not a failure")
            return
        }
        #expect(why.contains("signal 9"))
    }

    @Test("what a tool leaves behind in the background holds nobody up", arguments: Kind.allCases)
    func doubleFork(_ kind: Kind) async throws {
        let clock = ContinuousClock()
        let start = clock.now
        _ = try await outcome(of: kind, "( /bin/sleep 30 & ) ; exit 3")
        #expect(start.duration(to: clock.now) < .seconds(25))
    }

    @Test("no file with values or variables is left after a failure", arguments: Kind.allCases)
    func filesAreGone(_ kind: Kind) async throws {
        _ = try await outcome(of: kind, "exit 1") { bench, _ in
            let left = try LinuxFileStore().list(bench.tools.workDirectory) ?? []
            #expect(!left.contains { $0.hasPrefix("values-") || $0.hasPrefix("manifest-") })
            let files = try LinuxFileStore().list(bench.tools.workDirectory + "/ansible-east-thing") ?? []
            #expect(!files.contains { $0.hasSuffix(".json") || $0 == "kubeconfig" })
        }
    }
}
