// SPDX-License-Identifier: Apache-2.0

import Foundation
import Import
import Linting
import MeshConfig
import MeshModel
import MeshTesting
import Testing

@Suite("A mesh proposed from what other tools know")
struct ImportTests {
    static func fixture(_ name: String) throws -> String {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/" + name, withExtension: nil))
        return try String(contentsOf: url, encoding: .utf8)
    }
    static func json(_ name: String) throws -> HelmValue {
        try JSONDecoder().decode(HelmValue.self, from: Data(try fixture(name).utf8))
    }
    static func yaml(_ name: String) throws -> HelmValue? { try readSharedYAML(try fixture(name), file: name).first }

    static func everything() throws -> ImportSources {
        ImportSources(terraform: try json("state.json"), kubeconfig: try yaml("kubeconfig.yaml"), talosconfig: try yaml("talosconfig.yaml"))
    }

    /// As the command writes it.
    private func written(_ proposal: Proposal) throws -> String {
        let plain = renderSpec(proposal.spec)
        let sources = try readMesh(text: plain, file: "plain").sources
        return proposal.annotated(plain) { sources.place(of: $0).line }
    }

    @Test("Terraform's state, a kubeconfig and a talosconfig make the mesh that a person would write, with every gap marked")
    func golden() throws {
        let proposal = try Proposer.propose("lab", from: try Self.everything())
        let text = try written(proposal)
        if let path = ProcessInfo.processInfo.environment["MESHGATE_RECORD_IMPORT"] {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        }
        #expect(text == (try Self.fixture("mesh.golden.yaml")))
        #expect(try readMesh(text: text, file: "golden").spec == proposal.spec)
    }

    @Test("roles, disks and networks are what the sources say")
    func content() throws {
        let spec = try Proposer.propose("lab", from: try Self.everything()).spec
        #expect(spec.clusters.map(\.name.text) == ["talos-east", "talos-west"])
        // The kubeconfig's address is the one that works for people, and wins over a node's.
        #expect(spec.clusters.map(\.endpoint) == ["https://192.168.15.10:6443", "https://192.168.20.11:6443"])
        #expect(spec.clusters[0].nodes.map(\.role) == [.controlPlane, .worker])
        #expect(spec.clusters[0].nodes[1].disks == [.init(name: "vdb", serial: "wrk-e-1-data", size: .gibibytes(128), use: .none)])
        #expect(spec.clusters[1].nodes[0].disks.map(\.serial) == [nil])
        #expect(spec.clusters[1].nodes[0].name.text == "cp-1-2")
        #expect(spec.networks.map(\.vlan) == [1500, 2000])
        #expect(spec.networks[0].cidr == CIDR("192.168.15.0/24"))
        #expect(spec.networks[0].mtu == 9000)
        #expect(spec.versions.talos == SemanticVersion(1, 11, 3))
        #expect(spec.clusters[0].nodes[1].memory == .gibibytes(16))
    }

    @Test("what belongs to no cluster is left out and said")
    func leftOut() throws {
        let proposal = try Proposer.propose("lab", from: try Self.everything())
        #expect(proposal.summary.contains { $0.contains("machine jumphost belongs to no cluster") })
        #expect(proposal.summary.contains { $0.contains("context work leads to a cluster that no other source knows") })
    }

    @Test("no secret of any source is in the result")
    func secrets() throws {
        let proposal = try Proposer.propose("lab", from: try Self.everything())
        let all = try written(proposal) + proposal.summary.joined()
        for secret in ["hunter22", "aHVudGVyMjI"] {
            #expect(try Self.fixture("state.json").contains(secret) || Self.fixture("kubeconfig.yaml").contains(secret))
            #expect(!all.contains(secret))
        }
    }

    @Test("no disk is proposed for anything that would wipe it, and the only lint errors are those of the guesses")
    func harmless() throws {
        let proposal = try Proposer.propose("lab", from: try Self.everything())
        #expect(proposal.spec.members.flatMap(\.node.disks).allSatisfy { $0.use == .none })
        let errors = lint(proposal.spec).filter { $0.severity == .error }
        // Two clusters with Talos' default ranges overlap, and that is marked as a guess.
        #expect(errors.allSatisfy { $0.path.contains("podCIDRs") || $0.path.contains("serviceCIDRs") }, "\(errors)")
        #expect(proposal.notes.contains { $0.path.hasSuffix("podCIDRs") && $0.kind == .guessed })
    }

    @Test("talhelper's file is enough for a cluster")
    func talhelper() throws {
        let tree = try #require(try Self.yaml("talconfig.yaml"))
        let spec = try Proposer.propose("lab", from: ImportSources(talhelper: [tree])).spec
        let north = try #require(spec.clusters.first)
        #expect(north.endpoint == "https://10.1.0.10:6443")
        #expect(north.podCIDRs == [CIDR("10.44.0.0/16")].compactMap(\.self))
        #expect(north.nodes.map(\.role) == [.controlPlane, .worker])
        #expect(north.nodes.map(\.address.description) == ["10.1.0.11", "10.1.0.21"])
    }

    @Test("what is shared by anchors and merges is read as talhelper reads it, and a bomb of them is refused with its place")
    func shared() throws {
        let text = """
            clusterName: north
            endpoint: &vip "https://10.1.0.10:6443"
            nodes:
              - &worker { hostname: w1, ipAddress: 10.1.0.21, controlPlane: false, installDisk: /dev/sda }
              - { <<: *worker, hostname: w2, ipAddress: 10.1.0.22 }
              - { <<: *worker, hostname: c1, ipAddress: 10.1.0.11, controlPlane: true }
            """
        let trees = try readSharedYAML(text, file: "talconfig.yaml")
        guard case .map(let root)? = trees.first, case .list(let nodes)? = root["nodes"], case .map(let second) = nodes[1] else {
            return #expect(Bool(false), "\(trees)")
        }
        #expect(second["installDisk"] == .string("/dev/sda") && second["hostname"] == .string("w2"))
        let spec = try Proposer.propose("lab", from: ImportSources(talhelper: trees)).spec
        #expect(spec.clusters.first?.nodes.map(\.name.text) == ["w1", "w2", "c1"])
        #expect(spec.clusters.first?.nodes.map(\.role) == [.worker, .worker, .controlPlane])

        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            bomb += "a\(level): &a\(level) [\(Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", "))]\n"
        }
        let refusal = #expect(throws: MeshFaults.self) { try readSharedYAML(bomb, file: "talconfig.yaml") }
        #expect(refusal?.description.contains("talconfig.yaml:") == true && refusal?.description.contains("unfold") == true)
    }

    @Test("talm's modelines and Omni's template give machines, and say what they do not know")
    func others() throws {
        let line = "# talm: nodes=[\"10.2.0.11\"], endpoints=[\"10.2.0.11\"], templates=[\"templates/controlplane.yaml\"]\nmachine: {}\n"
        let talm = try Proposer.propose("south", from: ImportSources(talm: [("node1.yaml", line, nil), ("notes.yaml", "x", nil)]))
        #expect(talm.spec.clusters.map(\.name.text) == ["south"])
        #expect(talm.spec.clusters[0].nodes.map(\.role) == [.controlPlane])
        #expect(talm.summary.contains { $0.contains("notes.yaml has no modeline") })
        let template =
            "kind: Cluster\nname: omni-a\ntalos: { version: v1.11.3 }\n---\nkind: ControlPlane\nmachines: [27c16241-96bf]\n---\nkind: Workers\nmachines: [a0b1]\n"
        let omni = try Proposer.propose("x", from: ImportSources(omni: try readSharedYAML(template, file: "t")))
        #expect(omni.spec.clusters[0].nodes.map(\.name.text) == ["machine-27c16241", "machine-a0b1"])
        #expect(omni.notes.filter { $0.kind == .unknown && $0.path.hasSuffix("address") }.count == 2)
    }

    @Test("nothing known is said, not proposed")
    func nothing() {
        #expect(throws: ImportError.nothing) { try Proposer.propose("x", from: ImportSources(terraform: .map([:]))) }
        #expect(throws: ImportError.nothing) {
            try Proposer.propose("x", from: ImportSources(terraform: .list([.null]), kubeconfig: .string("x")))
        }
    }

    @Test("whatever is broken in a source, what comes out reads")
    func hostile() throws {
        var generator = SplitMix(seed: 0x1A2B)
        let odd: [HelmValue] = [
            .null, .bool(true), .integer(.min), .integer(.max), .number(.infinity), .string(""), .string("a: b\n- \"x\" # \u{0}\u{202e}"),
            .string("https://x:99999/y"), .string("999.1.1.1/33"), .list([]), .map([:]), .string(String(repeating: "A", count: 5000)),
            .string("::/0"), .string("-"),
        ]
        func broken(_ value: HelmValue) -> HelmValue {
            if Int.random(in: 0..<40, using: &generator) == 0 { return odd.randomElement(using: &generator) ?? .null }
            return switch value {
            case .list(let items): .list(items.map(broken))
            case .map(let map): .map(map.mapValues(broken))
            case .null, .bool, .integer, .number, .string: value
            }
        }
        let whole = try Self.everything()
        let talconfig = try #require(try Self.yaml("talconfig.yaml"))
        for _ in 0..<150 {
            var sources = ImportSources(
                terraform: whole.terraform.map(broken), kubeconfig: whole.kubeconfig.map(broken),
                talosconfig: whole.talosconfig.map(broken),
                talhelper: [broken(talconfig)])
            if Bool.random(using: &generator) { sources.terraform = nil }
            guard let proposal = try? Proposer.propose("lab", from: sources) else { continue }
            let text = try written(proposal)
            // What is proposed can be read back, however odd the sources were.
            #expect((try? readMesh(text: text, file: "hostile").spec) == proposal.spec)
        }
    }
}
