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

@Suite("The services of the catalogue, with stand-in tools and clusters")
struct ServiceCatalogueTests {
    /// Every service that a chart or Cilium brings, on both clusters, with a version where the catalogue knows none.
    static func spec(_ names: [String]? = nil) throws -> MeshSpec {
        var spec = try SmallMesh.spec(services: false)
        let clusters = spec.clusters.map(\.name)
        for known in ServiceCatalogue.all where names?.contains(known.name) != false {
            switch known.origin {
            case .chart(let repository, let name, let version):
                let source = MeshSpec.Service.Source.chart(repository: repository, name: name, version: version ?? "1.2.3")
                spec.services.append(.init(name: known.name, source: source, clusters: clusters))
            case .builtIn: spec.services.append(.init(name: known.name, source: .builtIn, clusters: clusters))
            case .manifest: continue
            }
        }
        return spec
    }

    private func serviceSteps(_ plan: Plan) -> [Step] {
        plan.steps.filter { if case .installService = $0.action { true } else { false } }
    }

    @Test("are installed on two clusters, work, and are done when they are looked at again")
    func wholeCatalogue() async throws {
        let spec = try Self.spec()
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            for cluster in ["east", "west"] {
                try await bench.run(cluster, "cilium-ca")
                try await bench.run(cluster, "cilium")
            }
            for step in serviceSteps(bench.plan) {
                // Hubble came with Cilium, whose values switch it on.
                if !step.id.text.hasSuffix("hubble-ui") {
                    #expect(!(await bench.verdict(on: step)).passes, "\(step.id) was done before it began")
                }
                let outcome = await bench.driver.carryOut(step, plan: bench.plan)
                guard case .succeeded = outcome else {
                    Issue.record("\(step.id): \(outcome)")
                    continue
                }
                let verdict = await bench.settle(step)
                #expect(verdict.passes, "\(step.id): \(verdict.reasons.map(\.detail))")
            }
            let before = world.runner.invocations.count
            for step in serviceSteps(bench.plan) { #expect(await bench.verdict(on: step).passes, "\(step.id)") }
            let verbs: Set<String> = ["upgrade", "install", "apply", "uninstall"]
            #expect(world.runner.invocations.dropFirst(before).allSatisfy { verbs.isDisjoint(with: $0.arguments) })
            // Values, and with them secrets, are in no file that stays.
            let left = try LinuxFileStore().list(world.directory + "/work") ?? []
            #expect(left.filter { $0.hasPrefix("values-") } == ["values-east.json", "values-west.json"])
        }
    }

    @Test("a changed value makes the step not done, and names the key without the value")
    func changedValue() async throws {
        var spec = try Self.spec(["ollama"])
        spec.services[0].values = ["ollama": .map(["gpu": .map(["enabled": .bool(false)])])]
        try await StandInWorld.with(spec) { [spec] world in
            var bench = try Bench(world, spec)
            try await bench.run("east", "service-ollama")
            #expect(await bench.settle(try bench.step("east", "service-ollama")).passes)
            var changed = spec
            changed.services[0].values = ["ollama": .map(["gpu": .map(["enabled": .bool(true)])])]
            bench.plan = try Bench.plan(changed)
            let verdict = await bench.verdict(on: try bench.step("east", "service-ollama"))
            #expect(!verdict.passes)
            #expect(verdict.reasons.contains { $0.detail == "ollama on east is not as planned: value ollama.gpu.enabled" })
            try await bench.run("east", "service-ollama")
            #expect(await bench.settle(try bench.step("east", "service-ollama")).passes)
        }
    }

    @Test("a secret value reaches Helm in a file of ours, and neither arguments, environment nor messages")
    func secretValue() async throws {
        var spec = try Self.spec(["robusta"])
        spec.services[0].secretValues = ["globalConfig.signing_key": .file(path: "signing-key")]
        try await StandInWorld.with(spec) { [spec] world in
            let bench = try Bench(world, spec)
            let secret = "c0ffee-signing-key"
            try LinuxFileStore().write(Array((secret + "\n").utf8), to: world.directory + "/signing-key")
            let outcome = try await bench.run("east", "service-robusta")
            #expect(!"\(outcome)".contains(secret))
            #expect(await bench.settle(try bench.step("east", "service-robusta")).passes)
            let fact = try await bench.observe(0)
            #expect(!"\(fact)".contains(secret))
            let release = try await HelmReleases(client: bench.tools.client(for: bench.cluster(0))).values(of: "robusta", in: "robusta")
            #expect(release?["globalConfig", "signing_key"]?.string == secret)
            for invocation in world.runner.invocations {
                #expect(!(invocation.arguments + Array(invocation.environment.values)).contains { $0.contains(secret) })
            }
            // Without the file nobody can tell whether the installed value is the planned one.
            try LinuxFileStore().remove(world.directory + "/signing-key")
            guard case .unknown = await bench.verdict(on: try bench.step("east", "service-robusta")) else {
                Issue.record("values that cannot be compared were taken for equal")
                return
            }
        }
    }

    @Test("somebody else's metrics-server is seen before a second one is installed")
    func claimed() async throws {
        let spec = try Self.spec(["metrics-server"])
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            let step = try bench.step("east", "service-metrics-server")
            let gate = step.gates.filter { $0.gate == .serviceUnclaimed }
            #expect(gate.count == 1)
            #expect(await bench.judge(gate).passes)
            try LinuxFileStore().write(Array(Bench.manifest.utf8), to: world.directory + "/other.json")
            _ = try await world.call("kubectl", ["--context", "admin@east", "apply", "--server-side", "-f", "other.json"])
            let verdict = await bench.judge(gate)
            guard case .deny(let reasons) = verdict else {
                Issue.record("\(verdict)")
                return
            }
            #expect(reasons[0].detail.contains("kube-system/deployments/metrics-server on east belongs to kubectl"))
            // On the other cluster nobody was first.
            try await bench.run("west", "service-metrics-server")
            #expect(await bench.settle(try bench.step("west", "service-metrics-server")).passes)
            #expect(
                await bench.judge(try bench.step("west", "service-metrics-server").gates.filter { $0.gate == .serviceUnclaimed }).passes)
        }
    }

    @Test("pods that a namespace without the label refuses make a release that is there and does not work")
    func podSecurity() async throws {
        let spec = try Self.spec(["groundcover"])
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            try await bench.run("east", "service-groundcover")
            let step = try bench.step("east", "service-groundcover")
            #expect(await bench.settle(step).passes)
            let client = try bench.tools.client(for: bench.cluster(0))
            try await client.apply(
                .map([
                    "apiVersion": .string("v1"), "kind": .string("Namespace"),
                    "metadata": .map(["name": .string("groundcover"), "labels": .map([PodSecurity.label: .string("baseline")])]),
                ]), at: "/api/v1/namespaces/groundcover")
            let verdict = await bench.verdict(on: step)
            #expect(verdict.reasons.contains { $0.gate == .podSecurity })
        }
    }

    @Test("what a service is configured to talk to is read from the cluster, and a host that mesh.yaml does not list holds its step")
    func egress() async throws {
        let names = ["groundcover", "honeycomb-otel", "kubescape", "robusta"]
        var spec = try Self.spec(names + ["ollama"])
        let robusta = try #require(spec.services.firstIndex { $0.name == "robusta" })
        spec.services[robusta].egress = [try #require(HostPattern("api.robusta.dev"))]
        try await StandInWorld.with(spec) { [spec] world in
            var bench = try Bench(world, spec)
            // What is not there talks to nobody, and is not done for that.
            #expect(try await bench.observe(0).services?["robusta"]?.egress?.hosts == [])
            for name in names + ["ollama"] { try await bench.run("east", "service-" + name) }
            let step = try bench.step("east", "service-robusta")
            let others = try bench.step("east", "service-honeycomb-otel")
            #expect(await bench.settle(others).passes)
            let fact = try await bench.observe(0)
            let seen = names.map { fact.services?[$0]?.egress?.hosts.map(\.description) ?? ["nothing is known"] }
            #expect(
                seen == [
                    ["ingest.groundcover.com"], ["api.honeycomb.io"], ["api.armosec.io", "report.armo.cloud"],
                    ["api.robusta.dev", "relay.robusta.dev"],
                ])
            // Nobody asked, nobody looked.
            #expect(fact.services?["ollama"] != nil && fact.services?["ollama"]?.egress == nil)
            let verdict = await bench.judge(step.done.filter { $0.gate == .egress })
            #expect(
                verdict.reasons.map(\.detail) == [
                    "robusta on east is configured to talk to relay.robusta.dev, which mesh.yaml does not list"
                ])

            // Added behind Helm's back, in the service's namespace, with a password in it.
            let client = try bench.tools.client(for: bench.cluster(0))
            try await client.apply(
                .map([
                    "apiVersion": .string("v1"), "kind": .string("ConfigMap"),
                    "metadata": .map(["name": .string("extra"), "namespace": .string("robusta")]),
                    "data": .map(["sink.yaml": .string("url: https://us.er:hush.hush@exfil.example/hook?key=tok.en\n")]),
                ]), at: "/api/v1/namespaces/robusta/configmaps/extra")
            try await client.apply(
                .map([
                    "apiVersion": .string("v1"), "kind": .string("Secret"),
                    "metadata": .map(["name": .string("extra"), "namespace": .string("robusta")]),
                    "stringData": .map(["url": .string("https://in-a-secret.example")]),
                ]), at: "/api/v1/namespaces/robusta/secrets/extra")
            let later = try await bench.observe(0)
            #expect(
                later.services?["robusta"]?.egress?.hosts.map(\.description) == ["api.robusta.dev", "exfil.example", "relay.robusta.dev"])
            #expect(!"\(later)".contains("hush") && !"\(later)".contains("in-a-secret"))
            var listed = spec
            listed.services[robusta].egress = ["*.robusta.dev", "exfil.example"].compactMap(HostPattern.init)
            bench.plan = try Bench.plan(listed)
            #expect(await bench.settle(try bench.step("east", "service-robusta")).passes)
        }
    }

    @Test("csi-digitalocean is refused by the plan's second pair of eyes and by the driver")
    func digitalOcean() async throws {
        var spec = try SmallMesh.spec(services: false)
        let source = MeshSpec.Service.Source.manifest(
            path:
                "https://raw.githubusercontent.com/digitalocean/csi-digitalocean/master/deploy/kubernetes/releases/csi-digitalocean-v4.8.0.yaml"
        )
        spec.services = [.init(name: "storage", source: source, clusters: spec.clusters.map(\.name))]
        #expect(PlanCheck.faults(of: try Bench.plan(spec)).contains { $0.contains("only on DigitalOcean machines") })
        try await StandInWorld.with(spec) { [spec] world in
            let bench = try Bench(world, spec)
            let outcome = await bench.driver.carryOut(try bench.step("east", "service-storage"), plan: bench.plan)
            guard case .refused(let why) = outcome else {
                Issue.record("\(outcome)")
                return
            }
            #expect(why.contains("for Proxmox use rook-ceph"))
            #expect(world.runner.invocations.isEmpty)
        }
    }
}
