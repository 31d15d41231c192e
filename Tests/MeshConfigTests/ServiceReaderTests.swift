// SPDX-License-Identifier: Apache-2.0

import MeshConfig
import MeshModel
import Testing

@Suite("Services in the file")
struct ServiceReaderTests {
    /// The last service of the fixture, line 75, replaced.
    private func file(_ service: String) throws -> String {
        var lines = try fixture("mesh.yaml").split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        lines[74] = "    - " + service
        return lines.joined(separator: "\n")
    }

    private func service(_ text: String) throws -> MeshSpec.Service {
        let spec = try readMesh(text: try file(text), file: "mesh.yaml").spec
        // What is read is written again in a form that means the same.
        #expect(try readMesh(text: renderSpec(spec), file: "again").spec == spec)
        return try #require(spec.services.last)
    }

    @Test("a name of the catalogue needs no source, and the spec says what it stands for")
    func catalogue() throws {
        let tetragon = try service("{ name: tetragon, clusters: [talos-east] }")
        #expect(tetragon.source == .chart(repository: "https://helm.cilium.io", name: "tetragon", version: "1.7.0"))
        #expect(try service("{ name: hubble-ui, clusters: all }").source == .builtIn)
        let own = try service("{ name: tetragon, chart: { version: 1.6.2 } }")
        #expect(own.source == .chart(repository: "https://helm.cilium.io", name: "tetragon", version: "1.6.2"))
    }

    @Test("values, secrets and pins are read")
    func details() throws {
        let digest = String(repeating: "a", count: 64)
        let robusta = try service(
            "{ name: robusta, chart: { version: 0.28.1 }, namespace: alerts, values: { clusterName: east, n: 3 }, "
                + "secretValues: { a.b: { file: secrets/key }, c: { env: ROBUSTA_KEY } } }")
        #expect(robusta.values == ["clusterName": .string("east"), "n": .integer(3)])
        #expect(robusta.secretValues == ["a.b": .file(path: "secrets/key"), "c": .environment(variable: "ROBUSTA_KEY")])
        #expect(robusta.home == "alerts")
        #expect(try service("{ name: olmv1, manifest: https://x.example/a.yaml, sha256: \"\(digest)\" }").sha256?.hex == digest)
        #expect(try service("{ name: d, playbook: a.yml, venv: .venv }").virtualEnvironment == ".venv")
    }

    @Test(
        "what cannot be meant is told at its place",
        arguments: [
            ("{ name: tetragn }", "has no source; it wants one of chart, manifest, playbook or terraform; did you mean \"tetragon\"?"),
            ("{ name: olmv1 }", "wants a manifest and its sha256; it is published at https://github.com/operator-framework/"),
            ("{ name: robusta }", "wants a version: chart: { version: ... } of robusta in https://robusta-charts"),
            ("{ name: x, manifest: a.yaml, sha256: abc }", "wants a SHA-256 of 64 hexadecimal digits, not \"abc\""),
            ("{ name: x, manifest: a.yaml, values: { a: 1 } }", "\"values\" of service \"x\" means nothing for a manifest"),
            ("{ name: x, playbook: a.yml, namespace: b }", "\"namespace\" of service \"x\" means nothing for a playbook"),
            ("{ name: hubble-ui, values: { a: 1 } }", "means nothing for what Meshgate itself brings"),
            (
                "{ name: x, playbook: a.yml, secretValues: { a: { env: B, file: c } } }",
                "wants one of env or file; the secret itself stands nowhere"
            ),
            (
                "{ name: x, playbook: a.yml, secretValues: { a: hunter2 } }",
                "wants { env: VARIABLE } or { file: PATH }; the secret itself stands nowhere"
            ),
        ])
    func faultyServices(_ service: String, _ problem: String) throws {
        let found = faults(in: try file(service))
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.contains(problem) == true, "\(found)")
        #expect(found.first?.contains("hunter2") != true)
    }

    /// The fixture with phases of Terraform, from line 69 on, and other services.
    private func phased(_ phases: [String], _ services: [String]) throws -> String {
        var lines = try fixture("mesh.yaml").split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        lines[72...74] = services.map { "    - " + $0 }[...]
        lines[68...68] = (["    terraform:", "      directory: terraform", "      phases:"] + phases.map { "        - " + $0 })[...]
        return lines.joined(separator: "\n")
    }

    private static let machines = "{ name: machines, addresses: [module.machines] }"
    private static let store = "{ name: object-store, addresses: [module.object_store] }"

    @Test("a phase of Terraform is a source, and means the same when it is written again")
    func terraform() throws {
        let text = try phased(
            [Self.machines, Self.store],
            [
                "{ name: object-store, terraform: { phase: object-store }, clusters: [talos-east], egress: [s3.example.com, \"*.eu.example.com\", 192.0.2.7] }"
            ])
        let spec = try readMesh(text: text, file: "mesh.yaml").spec
        #expect(spec.services[0].source == .terraform(phase: "object-store"))
        #expect(spec.services[0].egress?.map(\.description) == ["s3.example.com", "*.eu.example.com", "192.0.2.7"])
        #expect(spec.groundPhases.map { $0?.name } == ["machines"])
        #expect(spec.service(ofPhase: "object-store")?.name == "object-store" && spec.service(ofPhase: nil) == nil)
        #expect(try readMesh(text: renderSpec(spec), file: "again").spec == spec)
        // No list and an empty one are two things.
        #expect(try service("{ name: tetragon }").egress == nil)
        #expect(try service("{ name: tetragon, egress: [] }").egress == [])
    }

    @Test(
        "a phase that cannot be meant is told at its place",
        arguments: [
            (
                [machines, store], ["{ name: s3, terraform: { phase: object-stor } }"],
                "mesh.yaml:77:39: service \"s3\" names the phase \"object-stor\", which is not in \"provision.terraform.phases\"; did you mean "
                    + "\"object-store\"?"
            ),
            (
                [machines, store], ["{ name: a, terraform: { phase: object-store } }", "{ name: b, terraform: { phase: object-store } }"],
                "mesh.yaml:78:38: service \"b\" names the phase \"object-store\", which service \"a\" names on line 77 already"
            ),
            (
                ["{ name: machines }", store], ["{ name: s3, terraform: { phase: object-store } }"],
                "mesh.yaml:72:11: phase \"machines\" has no addresses and so is the whole configuration; it is applied before phase "
                    + "\"object-store\", which is a service's and wants a list of them"
            ),
            (
                [machines, "{ name: object-store }"], ["{ name: s3, terraform: { phase: object-store } }"],
                "mesh.yaml:73:11: phase \"object-store\" has no addresses and so is the whole configuration; it is a service's and wants a list of them"
            ),
            (
                ["{ name: machines, addresses: [module.object_store.bucket] }", store],
                ["{ name: s3, terraform: { phase: object-store } }"],
                "phase \"machines\" names module.object_store.bucket, and phase \"object-store\" of a service names module.object_store; one"
            ),
            (
                [machines, store], ["{ name: s3, terraform: { phase: object-store }, values: { a: 1 } }"],
                "means nothing for a phase of Terraform"
            ),
            (
                [machines, store], ["{ name: s3, terraform: { phase: object-store }, manifest: a.yaml }"],
                "has more than one source (manifest, terraform)"
            ),
            ([machines, store], ["{ name: s3, terraform: {} }"], "\"terraform\" of service \"s3\" has no \"phase\"; it wants a name"),
            ([machines, store], ["{ name: hubble-ui, terraform: { phase: object-store } }"], "is what Meshgate itself brings"),
            ([machines, store], ["{ name: s3, terraform: { phase: object-store }, clusters: [] }"], "is on no cluster"),
            (
                [machines, store], ["{ name: s3, manifest: a.yaml, egress: [https://a.example.com/x] }"],
                "wants a host such as api.example.com"
            ),
            ([machines, store], ["{ name: s3, manifest: a.yaml, egress: [\"*.com\"] }"], "wants a host such as api.example.com"),
            ([machines, store], ["{ name: s3, manifest: a.yaml, egress: all }"], "\"egress\" of service \"s3\" wants a list"),
        ])
    func faultyPhases(_ phases: [String], _ services: [String], _ problem: String) throws {
        let found = faults(in: try phased(phases, services))
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.contains(problem) == true, "\(found)")
    }

    @Test("a service cannot name a phase where there is no Terraform, or none in phases")
    func noPhases() throws {
        let found = faults(in: try file("{ name: s3, terraform: { phase: object-store } }"))
        #expect(
            found.count == 1 && found[0].contains("names the phase \"object-store\", which is not in \"provision.terraform.phases\""),
            "\(found)")
    }

    @Test("every name of the catalogue says what it is, and no two are the same")
    func sound() {
        let names = ServiceCatalogue.all.map(\.name)
        #expect(names == names.sorted())
        #expect(Set(names).count == names.count)
        for known in ServiceCatalogue.all {
            #expect(!known.workloads.isEmpty, "\(known.name) has no landmark")
            if case .chart(_, _, let version?) = known.origin, let release = SemanticVersion(version) {
                #expect(known.known?.contains(release) == true, "\(known.name)")
            }
            #expect(known.removedFirst.allSatisfy { $0.hasPrefix("/apis/") && $0.split(separator: "/").count == 4 })
        }
    }
}
