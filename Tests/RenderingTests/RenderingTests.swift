// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshConfig
import MeshModel
import MeshTesting
import MeshTrust
import Rendering
import Testing

/// A mesh that has everything that can be rendered.
enum FullMesh {
    static let text = """
        apiVersion: meshgate.dev/v1alpha1
        kind: Mesh
        metadata: { name: full }
        spec:
          versions: { talos: 1.11.3, cilium: 1.18.5 }
          networks:
            - { name: lan, cidr: 10.1.0.0/24, gateway: 10.1.0.1 }
            - { name: storage, vlan: 30, cidr: 10.3.0.0/24, mtu: 9000 }
          hypervisors:
            - { name: pve-1, address: 10.0.0.5, bridges: [ { name: vmbr0, network: lan } ] }
          clusters:
            - name: north
              id: 1
              endpoint: https://10.1.0.10:6443
              network: lan
              talos: { platform: nocloud, extensions: [siderolabs/qemu-guest-agent], timeServers: [10.1.0.1, ntp.example] }
              cilium:
                l2announcements: true
                lbPools:
                  - { name: lan, blocks: [10.1.0.200-10.1.0.220, 10.1.0.224/28], services: { tier: "1" } }
                l2Policies: [ { name: lan, interfaces: ["^ens[0-9]+$"], nodes: [n-wrk-1] } ]
                bgp:
                  localASN: 64512
                  peers: [ { name: router, address: 10.1.0.1, asn: 64500 }, { name: six, address: "fd00::1", asn: 64501, holdTime: 9, multihop: 2 } ]
                  advertise: [LoadBalancerIP, PodCIDR]
                  nodes: [n-wrk-1]
                  routerIDs: [ { node: n-wrk-1, id: 10.255.0.1 } ]
              nodes:
                - { name: n-cp-1, role: controlPlane, address: 10.1.0.11, interfaces: [ { name: ens18, network: lan, mac: "bc:24:11:00:00:01" }, { name: ens18.30, network: storage, address: 10.3.0.11 } ] }
                - { name: n-wrk-1, role: worker, address: 10.1.0.21, hypervisor: pve-1, vmid: 121, cores: 8, memory: 16GiB, interfaces: [ { name: ens18, network: lan }, { name: ens19, network: storage, mac: "bc:24:11:00:00:03" } ], disks: [ { name: vdb, serial: n-wrk-1-data, size: 128GiB, use: rook-ceph } ] }
        """

    static func spec() throws -> MeshSpec { try readMesh(text: text, file: "full.yaml").spec }
}

@Suite("The schematic's id, without asking the Image Factory")
struct SchematicTests {
    @Test(
        "is the one that the factory gives",
        arguments: [
            (Schematic(), "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"),
            (
                Schematic(extensions: ["siderolabs/qemu-guest-agent"]),
                "ce4c980550dd2ab1b17bbf2b08801c7eb59418eafe8f279833297925d67c7515"
            ),
            (Schematic(kernelArguments: ["noapic", "nolapic"]), "9cba8e32753f91a16c1837ab8abf356af021706ef284aef07380780177d9a06c"),
        ])
    func known(_ schematic: Schematic, _ id: String) {
        #expect(schematic.id { Digest.sha256($0) } == id)
    }

    @Test("names the installer, by platform since 1.10, and one's own installer wins")
    func image() {
        let talos = MeshSpec.Talos(platform: .nocloud, extensions: ["siderolabs/qemu-guest-agent"])
        let id = "ce4c980550dd2ab1b17bbf2b08801c7eb59418eafe8f279833297925d67c7515"
        func image(_ talos: MeshSpec.Talos, _ version: SemanticVersion) -> String {
            talos.installImage(version) { Digest.sha256($0) }
        }
        #expect(image(talos, SemanticVersion(1, 11, 3)) == "factory.talos.dev/nocloud-installer/\(id):v1.11.3")
        #expect(image(talos, SemanticVersion(1, 9, 6)) == "factory.talos.dev/installer/\(id):v1.9.6")
        #expect(image(.init(installer: "registry.example:5000/talos"), SemanticVersion(1, 11, 3)) == "registry.example:5000/talos:v1.11.3")
    }
}

@Suite("Rendering a mesh for Talos")
struct TalosPatchTests {
    private func files(_ spec: MeshSpec, _ agents: TalosPatches.AgentSettings? = nil) -> [String: RenderedFile] {
        let files = spec.clusters.flatMap { TalosPatches(spec, agents: agents) { Digest.sha256($0) }.files(of: $0) }
        return Dictionary(files.map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })
    }

    private func text(_ file: RenderedFile?) throws -> String {
        switch try SmallMesh.need(file).form {
        case .yaml(let documents): YAMLText.documents(documents)
        case .text(let text): text
        case .json: throw SmallMesh.NotThere()
        }
    }

    @Test("the cluster's patch has no CNI, no kube-proxy, KubePrism, ranges, time and the image")
    func cluster() throws {
        #expect(
            try text(files(FullMesh.spec())["talos/north/cluster.yaml"]) == """
                cluster:
                  controlPlane:
                    endpoint: https://10.1.0.10:6443
                  network:
                    cni:
                      name: none
                    podSubnets:
                      - 10.244.0.0/16
                    serviceSubnets:
                      - 10.96.0.0/12
                  proxy:
                    disabled: true
                machine:
                  features:
                    kubePrism:
                      enabled: true
                      port: 7445
                  install:
                    image: factory.talos.dev/nocloud-installer/ce4c980550dd2ab1b17bbf2b08801c7eb59418eafe8f279833297925d67c7515:v1.11.3
                  time:
                    servers:
                      - 10.1.0.1
                      - ntp.example

                """)
    }

    @Test("a VLAN lies below its parent, a device is meant by its MAC, and kubelet and etcd stay on the node's own network")
    func controlPlane() throws {
        #expect(
            try text(files(FullMesh.spec())["talos/north/n-cp-1.yaml"]) == """
                cluster:
                  etcd:
                    advertisedSubnets:
                      - 10.1.0.0/24
                machine:
                  kubelet:
                    nodeIP:
                      validSubnets:
                        - 10.1.0.0/24
                  network:
                    hostname: n-cp-1
                    interfaces:
                      - addresses:
                          - 10.1.0.11/24
                        deviceSelector:
                          hardwareAddr: bc:24:11:00:00:01
                        dhcp: false
                        mtu: 1500
                        routes:
                          - gateway: 10.1.0.1
                            network: 0.0.0.0/0
                        vlans:
                          - addresses:
                              - 10.3.0.11/24
                            dhcp: false
                            mtu: 9000
                            vlanId: 30

                """)
    }

    @Test("a network without a planned address takes DHCP's, and one default route is enough")
    func worker() throws {
        let worker = try text(files(FullMesh.spec())["talos/north/n-wrk-1.yaml"])
        #expect(
            worker.contains("- deviceSelector:\n          hardwareAddr: bc:24:11:00:00:03\n        dhcp: true\n        mtu: 9000\n"))
        #expect(worker.components(separatedBy: "routes:").count == 2)
        #expect(!worker.contains("etcd"))
    }

    @Test("from 1.12 on the name is a document of its own")
    func hostname() throws {
        var spec = try FullMesh.spec()
        spec.versions.talos = SemanticVersion(1, 12, 0)
        let worker = try text(files(spec)["talos/north/n-wrk-1.yaml"])
        #expect(worker.hasSuffix("---\napiVersion: v1alpha1\nkind: HostnameConfig\nauto: \"off\"\nhostname: n-wrk-1\n"))
        #expect(!worker.contains("    hostname:"))
    }

    @Test("the agent's configuration comes with the machine's, and only a file with a token in it is secret")
    func agents() throws {
        let node = try SmallMesh.need(NodeID("n-wrk-1"))
        let settings = TalosPatches.AgentSettings(
            coordinator: "10.0.0.6:7443", allowedSigners: "ops ssh-ed25519 AAAA\n", joinTokens: [node: "mgj1.secret.pin"])
        let all = files(try FullMesh.spec(), settings)
        let worker = try text(all["talos/north/n-wrk-1.yaml"])
        #expect(
            worker.hasSuffix(
                """
                ---
                apiVersion: v1alpha1
                kind: ExtensionServiceConfig
                name: meshgate-agent
                configFiles:
                  - content: |
                      node = n-wrk-1
                      coordinator = 10.0.0.6:7443
                      join-token-file = /etc/meshgate/join-token
                    mountPath: /etc/meshgate/agent.conf
                  - content: |
                      mgj1.secret.pin
                    mountPath: /etc/meshgate/join-token
                ---
                apiVersion: v1alpha1
                kind: ExtensionServiceConfig
                name: meshgate-wiper
                configFiles:
                  - content: |
                      node = n-wrk-1
                    mountPath: /etc/meshgate/agent.conf
                  - content: |
                      ops ssh-ed25519 AAAA
                    mountPath: /etc/meshgate/allowed_signers

                """))
        #expect(all.values.filter(\.isSecret).map(\.path) == ["talos/north/n-wrk-1.yaml"])
        #expect(try !text(all["talos/north/n-cp-1.yaml"]).contains("join-token"))
    }

    @Test("one's own installer needs no schematic")
    func installer() throws {
        var spec = try FullMesh.spec()
        spec.clusters[0].talos = .init(installer: "registry.example/talos")
        #expect(files(spec)["talos/north/schematic.yaml"] == nil)
    }
}

@Suite("Rendering a mesh for Cilium and Terraform")
struct OtherRenderingTests {
    private func resources(_ spec: MeshSpec) -> [CiliumResource] {
        CiliumResources.of(spec.clusters[0], cilium: spec.versions.cilium)
    }

    @Test("pools, policies and BGP become objects of the release's API version")
    func resources() throws {
        let spec = try FullMesh.spec()
        let all = resources(spec)
        #expect(
            all.map { "\($0.apiVersion) \($0.kind.rawValue)/\($0.name)" } == [
                "cilium.io/v2 CiliumLoadBalancerIPPool/lan", "cilium.io/v2alpha1 CiliumL2AnnouncementPolicy/lan",
                "cilium.io/v2 CiliumBGPAdvertisement/meshgate", "cilium.io/v2 CiliumBGPPeerConfig/router",
                "cilium.io/v2 CiliumBGPPeerConfig/six", "cilium.io/v2 CiliumBGPNodeConfigOverride/n-wrk-1",
                "cilium.io/v2 CiliumBGPClusterConfig/meshgate",
            ])
        #expect(
            YAMLText.documents(all.prefix(2).map(\.object)) == """
                apiVersion: cilium.io/v2
                kind: CiliumLoadBalancerIPPool
                metadata:
                  name: lan
                  labels:
                    app.kubernetes.io/managed-by: meshgate
                spec:
                  blocks:
                    - start: 10.1.0.200
                      stop: 10.1.0.220
                    - cidr: 10.1.0.224/28
                  serviceSelector:
                    matchLabels:
                      tier: "1"
                ---
                apiVersion: cilium.io/v2alpha1
                kind: CiliumL2AnnouncementPolicy
                metadata:
                  name: lan
                  labels:
                    app.kubernetes.io/managed-by: meshgate
                spec:
                  externalIPs: false
                  interfaces:
                    - "^ens[0-9]+$"
                  loadBalancerIPs: true
                  nodeSelector:
                    matchExpressions:
                      - key: kubernetes.io/hostname
                        operator: In
                        values:
                          - n-wrk-1

                """)
        var older = spec
        older.versions.cilium = SemanticVersion(1, 17, 9)
        #expect(Set(resources(older).map(\.apiVersion)) == ["cilium.io/v2alpha1"])
    }

    @Test("each peer has a configuration of its own, which finds the advertisement by its label")
    func bgp() throws {
        let all = resources(try FullMesh.spec())
        let advertisement = try SmallMesh.need(all.first { $0.kind == .advertisement })
        #expect(YAMLText.document(advertisement.object).contains("    meshgate.dev/advertisement: meshgate\n"))
        let six = try SmallMesh.need(all.first { $0.name == "six" })
        let text = YAMLText.document(.map(six.spec))
        #expect(text.contains("ebgpMultihop: 2\n"))
        #expect(text.contains("  holdTimeSeconds: 9\n  keepAliveTimeSeconds: 3\n"))
        #expect(text.components(separatedBy: "meshgate.dev/advertisement: meshgate").count == 3)
        let cluster = try SmallMesh.need(all.last)
        #expect(YAMLText.document(.map(cluster.spec)).contains("peerAddress: fd00::1"))
    }

    @Test("Terraform gets every machine with what mesh.yaml knows of it, and null for what it leaves open")
    func terraform() throws {
        let spec = try FullMesh.spec()
        guard case .json(.map(let root)) = TerraformVariables(spec).file(of: spec.clusters).form,
            case .map(let machines)? = root["meshgate_machines"], case .map(let worker)? = machines["n-wrk-1"],
            case .map(let control)? = machines["n-cp-1"]
        else { throw SmallMesh.NotThere() }
        #expect(worker["vm_id"] == .integer(121))
        #expect(worker["memory_mib"] == .integer(16384))
        #expect(
            worker["disks"] == .list([.map(["name": .string("vdb"), "serial": .string("n-wrk-1-data"), "size_gib": .integer(128)])]))
        guard case .list(let interfaces)? = worker["interfaces"], case .map(let first)? = interfaces.first else {
            throw SmallMesh.NotThere()
        }
        #expect(first["bridge"] == .string("vmbr0"))
        #expect(first["mac"] == .null)
        #expect(control["vm_id"] == .null && control["hypervisor"] == .null)
    }

    @Test("what the file says of all this comes back from its own rendering")
    func roundTrip() throws {
        let spec = try FullMesh.spec()
        #expect(try readMesh(text: renderSpec(spec), file: "again").spec == spec)
    }
}
