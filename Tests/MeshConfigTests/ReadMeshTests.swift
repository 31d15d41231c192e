// SPDX-License-Identifier: Apache-2.0

import MeshConfig
import MeshModel
import MeshTesting
import Testing

@Suite("reading a mesh file")
struct ReadMeshTests {
    @Test("the example of the design reads without a fault, with its defaults expanded")
    func example() throws {
        let spec = try readMesh(text: fixture("mesh.yaml"), file: "mesh.yaml").spec
        #expect(spec.name == "aggrik8s")
        #expect(spec.versions == .init(talos: .init(1, 11, 3), cilium: .init(1, 18, 5), gatewayAPI: .init(1, 3, 0)))
        #expect(spec.networks.map(\.vlan) == [1500, 2000])
        #expect(spec.hypervisors.first?.capacity == .init(cores: 128, memory: .gibibytes(768)))
        #expect(spec.hypervisors.allSatisfy { $0.hasAgent })
        #expect(spec.clusters.map(\.nodes.count) == [4, 1])
        let east = try #require(spec.clusters.first)
        #expect(east.cilium.k8sServiceHost == "localhost" && east.cilium.k8sServicePort == 7445)
        #expect(east.cilium.tunnelPort == 8472 && east.cilium.clustermesh.nodePort == 32379)
        #expect(east.nodePortRange == 30000...32767)
        #expect(east.nodes.last?.disks == [.init(name: "vdb", serial: "wrk-e-1-data", size: .gibibytes(128))])
        #expect(spec.services.map(\.clusters.count) == [2, 2, 1])
        #expect(spec.policy == .init())
        #expect(spec.provision == .init(terraformDirectory: "terraform", variablesFrom: .doppler))
        #expect(spec.secrets == .init(dopplerProject: "aggrik8s-cluster", dopplerConfig: "dev"))
    }

    @Test("a hypervisor without an agent is read, and read back equal, and is no witness")
    func noAgentOnHypervisor() throws {
        let text = try fixture("mesh.yaml").replacing("    - name: pve\n", with: "    - name: pve\n      agent: none\n")
        let spec = try readMesh(text: text, file: "mesh.yaml").spec
        #expect(spec.hypervisors.map(\.hasAgent) == [false])
        #expect(spec.members.allSatisfy { spec.askableHypervisor(of: $0.node) == nil })
        #expect(try readMesh(text: renderSpec(spec), file: "again").spec == spec)
    }

    @Test("a hypervisor's API is read, and read back equal; a token that stands in the file is refused and not repeated")
    func hypervisorAPI() throws {
        func text(_ api: String) throws -> String {
            try fixture("mesh.yaml").replacing("    - name: pve\n", with: "    - name: pve\n      api: \(api)\n")
        }
        let full = "{ server: 'https://10.0.0.1:8006', node: pve1, authority: pve-root-ca.pem, token: { env: PVE_TOKEN } }"
        let spec = try readMesh(text: text(full), file: "mesh.yaml").spec
        #expect(
            spec.hypervisors.map(\.api) == [
                .init(
                    server: "https://10.0.0.1:8006", node: "pve1", authority: "pve-root-ca.pem", token: .environment(variable: "PVE_TOKEN"))
            ])
        #expect(try readMesh(text: renderSpec(spec), file: "again").spec == spec)
        for bad in [
            "{ server: 'http://10.0.0.1:8006', token: { env: A } }", "{ server: 'https://10.0.0.1:8006' }",
            "{ server: 'https://10.0.0.1:8006', token: root@pam!x=hush }",
            "{ server: 'https://10.0.0.1:8006', token: { env: A, file: b } }",
        ] {
            let faults = #expect(throws: MeshFaults.self) { try readMesh(text: text(bad), file: "mesh.yaml") }
            #expect(faults.map { !"\($0)".contains("hush") } ?? false)
        }
    }

    @Test("what is asked of a cluster's hosts is read, and read back equal; other words are faults, each at its place")
    func hosts() throws {
        func text(_ hosts: String) throws -> String {
            try fixture("mesh.yaml").replacing(
                "      kubeProxy: false\n", with: "      kubeProxy: false\n      hosts: \(hosts)\n", maxReplacements: 1)
        }
        let full = """
            { processor: x86-64-v3, packetFilter: true, names: [quay.io], timeServers: [10.20.10.1, time.cloudflare.com], \
            registries: [quay.io, "mirror.example:5000", "[fd00::7]:443"] }
            """
        let spec = try readMesh(text: text(full), file: "mesh.yaml").spec
        let hosts = try #require(spec.clusters.compactMap(\.hosts).first)
        #expect(hosts.processorLevel == 3 && hosts.packetFilter)
        #expect(
            hosts.outside.map(\.description) == [
                "the name quay.io", "time server 10.20.10.1", "time server time.cloudflare.com", "registry quay.io:443",
                "registry mirror.example:5000", "registry fd00::7:443",
            ])
        #expect(try readMesh(text: renderSpec(spec), file: "again").spec == spec)
        #expect(try readMesh(text: text("{}"), file: "mesh.yaml").spec.clusters.compactMap(\.hosts) == [MeshSpec.Hosts()])
        for (bad, words) in [
            ("{ processor: v3 }", "x86-64-v2, x86-64-v3 or x86-64-v4"), ("{ processor: x86-64-v1 }", "x86-64-v2"),
            ("{ packetFilter: sometimes }", "true or false"), ("{ names: [\"https://quay.io\"] }", "a host such as"),
            ("{ registries: [\"quay.io/v2\"] }", "a registry such as"), ("{ registries: [\"quay.io:0\"] }", "a registry such as"),
            ("{ registries: [\"quay.io:65536\"] }", "a registry such as"), ("{ names: [quay.io, quay.io] }", "twice"),
            ("{ registries: [quay.io, \"quay.io:443\"] }", "twice"), ("{ ntp: [10.0.0.1] }", "ntp"),
        ] {
            let faults = faults(in: try text(bad))
            #expect(faults.count == 1 && faults[0].contains(words), "\(bad): \(faults)")
        }
    }

    private static let phased = """
          provision:
            terraform:
              directory: terraform
              environment: [PROXMOX_VE_API_TOKEN, HOME]
              phases:
                - { name: network, addresses: [module.net, 'proxmox_virtual_environment_vm.cp["a.b"]'], createsOnly: true }
                - name: machines
                  variables: { workers: 3, "flag": "true" }
        """

    @Test("phases of Terraform are read, and read back equal")
    func phases() throws {
        let text = try fixture("mesh.yaml").replacing(
            "  provision:\n    terraform: { directory: terraform, varsFrom: doppler }\n", with: Self.phased + "\n")
        let spec = try readMesh(text: text, file: "mesh.yaml").spec
        let provision = try #require(spec.provision)
        #expect(provision.environment == ["PROXMOX_VE_API_TOKEN", "HOME"])
        #expect(
            provision.phases == [
                .init(
                    name: "network", addresses: ["module.net", "proxmox_virtual_environment_vm.cp[\"a.b\"]"], createsOnly: true),
                .init(name: "machines", variables: ["workers": "3", "flag": "true"]),
            ])
        #expect(try readMesh(text: renderSpec(spec), file: "rendered").spec == spec)
    }

    @Test("a value where a variable's name belongs, an address that is an option, and a phase named twice are faults")
    func faultyPhases() throws {
        let text = try fixture("mesh.yaml").replacing(
            "  provision:\n    terraform: { directory: terraform, varsFrom: doppler }\n",
            with: Self.phased.replacing("HOME]", with: "TOKEN=abc]").replacing("module.net", with: "-destroy").replacing(
                "name: machines", with: "name: network") + "\n")
        let faults = faults(in: text)
        #expect(faults.count == 3)
        #expect(faults.contains { $0.contains("wants the name of an environment variable") })
        #expect(faults.contains { $0.contains("wants an address such as module.east") })
        #expect(faults.contains { $0.contains("already taken") })
    }

    @Test("what a cluster leaves out follows its kind")
    func defaults() throws {
        let spec = try readMesh(text: small(), file: "mesh.yaml").spec
        let (talos, rke2) = (spec.clusters[0], spec.clusters[1])
        #expect(talos.podCIDRs.map(\.description) == ["10.244.0.0/16"] && talos.serviceCIDRs.map(\.description) == ["10.96.0.0/12"])
        #expect(talos.context == "admin@a" && !talos.kubeProxy && talos.cilium.kubeProxyReplacement)
        #expect(rke2.podCIDRs.map(\.description) == ["10.42.0.0/16"])
        #expect(rke2.kubeProxy && !rke2.cilium.kubeProxyReplacement && rke2.cilium.k8sServiceHost == nil)
        #expect(rke2.cilium.tunnelPort == 6081 && rke2.cilium.clustermesh.nodePort == 32385)
        #expect(rke2.cilium.values == helmValues)
    }

    @Test("a rendered spec reads back equal", arguments: ["mesh.yaml", "small", "large"])
    func rendering(_ name: String) throws {
        let text = name == "small" ? small() : name == "large" ? makeLargeMesh(clusters: 3, nodesPerCluster: 5).yaml : try fixture(name)
        let spec = try readMesh(text: text, file: name).spec
        let rendered = renderSpec(spec)
        #expect(faults(in: rendered) == [])
        #expect(try readMesh(text: rendered, file: "rendered").spec == spec)
        #expect(renderSpec(try readMesh(text: rendered, file: "rendered").spec) == rendered)
    }

    @Test("the generated mesh reads as the spec it comes with")
    func generated() throws {
        let mesh = makeLargeMesh(clusters: 20, nodesPerCluster: 12)
        #expect(faults(in: mesh.yaml) == [])
        #expect(try readMesh(text: mesh.yaml, file: "large.yaml").spec == mesh.spec)
    }

    @Test("CR LF line ends and a byte order mark make no difference")
    func foreignEditors() throws {
        let text = try fixture("mesh.yaml")
        let spec = try readMesh(text: text, file: "mesh.yaml").spec
        #expect(try readMesh(text: text.replacing("\n", with: "\r\n"), file: "mesh.yaml").spec == spec)
        #expect(try readMesh(bytes: [0xEF, 0xBB, 0xBF] + Array(text.utf8), file: "mesh.yaml").spec == spec)
    }

    @Test("a path of the spec leads to its line, and a defaulted part to what is around it")
    func sources() throws {
        let sources = try readMesh(text: fixture("mesh.yaml"), file: "mesh.yaml").sources
        let wanted: [(String, Int, Int)] = [
            ("spec.clusters[0].podCIDRs[0]", 28, 18), ("spec.clusters[0].podCIDRs[7]", 28, 7), ("spec.clusters[0].id", 23, 11),
            ("spec.clusters[1].cilium.tunnelPort", 59, 7), ("spec.networks[1].cidr", 10, 43), ("metadata.name", 4, 9),
            ("spec.clusters[0].nodes[3].disks[0].size", 49, 56), ("spec.services[0].clusters[1]", 73, 120), ("nonsense[", 1, 1), ("", 1, 1),
        ]
        for (path, line, column) in wanted {
            let place = sources.place(of: path)
            #expect(place.line == line && place.column == column, "\(path): \(place)")
        }
    }

    private var helmValues: [String: HelmValue] {
        [
            "a": .integer(1), "b": .number(1.5), "c": .string("1"), "d": .bool(true), "e": .null,
            "f": .list([.integer(-2), .string("R&D")]),
            "g": .map(["x.y": .string("yes"), "empty": .map([:])]), "version": .string("1.2.3"), "h": .string("line\nnext\t\u{1F600}"),
        ]
    }

    private func small() -> String {
        """
        apiVersion: meshgate.dev/v1alpha1
        kind: Mesh
        metadata: { name: small }
        spec:
          versions: { cilium: v1.18.5 }
          clusters:
            - { name: a, id: 1, endpoint: "https://[fd00::1]:6443", nodes: [] }
            - name: b
              id: 7
              kind: rke2
              context: rke2-b
              endpoint: https://b.example:6443
              nodePortRange: 30000-32767
              cilium:
                kubeProxyReplacement: false
                tunnelProtocol: geneve
                values:
                  { a: 1, b: 1.5, c: "1", d: true, e: , f: [-2, R&D], g: { x.y: "yes", empty: {} }, version: 1.2.3, h: "line\\nnext\\t\u{1F600}" }
              nodes:
                - { name: n, role: worker, address: "fd00::2", cores: 4, memory: 8GiB, disks: [ { name: vdb, size: 2TiB, wipe: discard+verify } ] }
          policy: { parallelism: 4, evidence: { maxAge: 1h30m }, warrants: { signatures: 2 }, mesh: { steadyFor: 90s, migrateCA: true }, watch: { holdOnRegression: true }, telemetry: { required: true, loss: 3, executions: true, drops: [NETFILTER_DROP, NO_SOCKET], resent: 2, flows: true, expectedDrops: [POLICY_DENIED, TTL_EXCEEDED], policies: [no-shells, shop/egress] } }

        """
    }
}
