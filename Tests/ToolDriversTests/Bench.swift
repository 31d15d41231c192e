// SPDX-License-Identifier: Apache-2.0

import Gating
import Lab
import MeshHTTP
import MeshModel
import MeshSystem
import MeshTesting
import MeshTrust
import Planning
import Running
import StandInTesting
import Synchronization
import Testing

@testable import ToolDrivers

/// A step driver whose tools and clusters are stand-ins, with a plan to carry out.
struct Bench: Sendable {
    let world: StandInWorld
    let driver: StepDriver
    let tools: Toolbox
    var plan: Plan
    /// PEM; one for all clusters.
    let ca: (certificate: String, key: String)

    /// Two clusters with a Terraform tree and a service of each kind.
    static func spec() throws -> MeshSpec {
        var spec = try SmallMesh.spec()
        let names = spec.clusters.map(\.name)
        spec.provision = .init(terraformDirectory: "terraform")
        spec.services += [
            .init(name: "metrics-server", source: .manifest(path: "metrics-server.json"), clusters: names),
            .init(name: "day-two", source: .playbook(path: "play.yml"), clusters: names),
        ]
        return spec
    }

    /// A list of signers without a name on it.
    static let nobody: @Sendable () throws -> AllowedSigners = { try AllowedSigners(parsing: "") }

    static let manifest = """
        {"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1beta1.metrics.k8s.io"},
         "spec": {"service": {"name": "metrics-server", "namespace": "kube-system"}}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "metrics-server", "namespace": "kube-system"},
         "spec": {"replicas": 1}}]}
        """

    init(_ world: StandInWorld, _ spec: MeshSpec, runner: (any CommandRunner)? = nil, searchPath: [String] = ["/nowhere"]) throws {
        self.world = world
        let files = LinuxFileStore()
        let work = world.directory + "/work"
        for directory in [work, world.directory + "/terraform", world.directory + "/manifests"] { try files.createDirectory(directory) }
        for (name, text) in [
            ("terraform/main.tf", "resource \"lab_machine\" \"a\" {\n  name = \"a\"\n}\nresource \"lab_machine\" \"b\" {\n}\n"),
            ("metrics-server.json", Self.manifest), ("play.yml", "- hosts: all\n"),
        ] { try files.write(Array(text.utf8), to: world.directory + "/" + name) }
        if let version = spec.versions.gatewayAPI { try LabGatewayAPI.write(version, beside: world.directory) }
        let key = try PrivateKey.generate()
        let now = SystemClock.now().wall
        let certificate = try Certificate.makeRoot(key: key, name: "Cilium CA", notBefore: now, notAfter: now + .seconds(1095 * 86_400))
        let pair = (certificate: certificate.pem, key: try key.pem)
        ca = pair
        let access = Dictionary(
            uniqueKeysWithValues: spec.clusters.map {
                (
                    $0.context,
                    Result<ClusterAccess, DriverError>.success(
                        ClusterAccess(context: $0.context, server: world.servers[$0.name.text] ?? "", authority: nil))
                )
            })
        var tools = Toolbox(
            runner: runner ?? world.runner, http: try CurlHTTPClient(), files: files, now: SystemClock.now, searchPath: searchPath,
            kubeconfig: world.kubeconfig, baseDirectory: world.directory, workDirectory: work, environment: [:], contexts: { access },
            meshCA: { pair }, progress: { _, _ in })
        tools.meshCertificate = { pair.certificate }
        self.tools = tools
        driver = StepDriver(tools: tools, signers: Self.nobody)
        plan = try Self.plan(spec)
    }

    static func plan(_ spec: MeshSpec) throws -> Plan {
        try Planner.plan(spec) { Digest.sha256(try JSON.encode(.string("\($0.spec)"))) }
    }

    /// Secret cilium-ca with a CA that has issued nothing here.
    func foreignAuthority() throws -> HelmValue {
        let (key, now) = (try PrivateKey.generate(), SystemClock.now().wall)
        let certificate = try Certificate.makeRoot(
            key: key, name: "Cilium CA", notBefore: now + .seconds(-60), notAfter: now + .seconds(1095 * 86_400))
        return .map([
            "apiVersion": .string("v1"), "kind": .string("Secret"), "metadata": .map(["name": .string("cilium-ca")]),
            "data": .map([
                "ca.crt": .string(JSON.base64(Array(certificate.pem.utf8))), "ca.key": .string(JSON.base64(Array(try key.pem.utf8))),
            ]),
        ])
    }

    func cluster(_ index: Int) -> MeshSpec.Cluster { plan.spec.clusters[index] }

    func step(_ parts: String...) throws -> Step { try #require(plan.step(StepID(rawParts: parts))) }

    /// Carries one step out and expects that the tool reports success.
    @discardableResult
    func run(_ parts: String...) async throws -> Outcome {
        let step = try #require(plan.step(StepID(rawParts: parts)))
        let outcome = await driver.carryOut(step, plan: plan)
        guard case .succeeded = outcome else {
            Issue.record("\(step.id): \(outcome)")
            return outcome
        }
        return outcome
    }

    func observe(_ cluster: Int) async throws -> ClusterFact {
        let evidence = await driver.observe(EvidenceKey(.cluster(self.cluster(cluster).name), .cluster), plan: plan)
        for case .cluster(let fact) in evidence.facts { return fact }
        Issue.record("no fact: \(evidence.facts)")
        throw SmallMesh.NotThere()
    }

    /// What the coordinator sees for itself of what this step was to reach.
    func verdict(on step: Step) async -> Verdict { await judge(step.done.filter { $0.needs.allSatisfy(Self.isOurs) }) }

    /// The verdict on fresh evidence.
    func judge(_ requirements: [Requirement]) async -> Verdict {
        var table = EvidenceTable()
        for key in Set(requirements.flatMap(\.needs)) { table.take(await driver.observe(key, plan: plan)) }
        return Judge(evidence: table, maxAge: .seconds(600), now: SystemClock.now()).judge(requirements)
    }

    /// Looks again until the step has reached what it was to reach, or 20 seconds have passed.
    func settle(_ step: Step) async -> Verdict {
        let clock = ContinuousClock()
        let end = clock.now.advanced(by: .seconds(20))
        var last = await verdict(on: step)
        while !last.passes, clock.now < end { last = await verdict(on: step) }
        return last
    }

    /// Everything up to and including the clustermesh API servers.
    func prepareMesh() async throws {
        for cluster in ["east", "west"] {
            try await run(cluster, "gateway-api")
            try await run(cluster, "cilium-ca")
            try await run(cluster, "cilium")
            try await run(cluster, "clustermesh")
            #expect(await settle(try step(cluster, "clustermesh")).passes)
        }
    }

    private static func isOurs(_ key: EvidenceKey) -> Bool { if case .node = key.subject { false } else { true } }
}

extension StepID {
    init(rawParts parts: [String]) { self = StepID(parts.joined(separator: "/")) ?? StepID("never") }
}
