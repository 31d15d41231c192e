// SPDX-License-Identifier: Apache-2.0

import MeshConfig
import MeshModel
import Testing

@Suite("broken mesh files")
struct BrokenInputTests {
    /// Replaces one line of the example and tells what an admin would read.
    private func faultsAfter(line number: Int, _ replacement: String) throws -> [String] {
        var lines = try fixture("mesh.yaml").split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        lines[number - 1] = replacement
        return faults(in: lines.joined(separator: "\n"))
    }

    @Test(
        "each slip is told with its place and what is wanted",
        arguments: [
            (28, "      podCIDR: [10.250.0.0/16]", "28:7: unknown key \"podCIDR\" in cluster \"talos-east\"; did you mean \"podCIDRs\"?"),
            (
                28, "      podCIDRs: [10.244.0.1/16]",
                "28:18: \"podCIDRs\" of cluster \"talos-east\" wants \(CIDR.form), not \"10.244.0.1/16\""
            ),
            (
                28, "      podCIDRs: 10.244.0.0/16",
                "28:17: \"podCIDRs\" of cluster \"talos-east\" wants a list, each \(CIDR.form), not \"10.244.0.0/16\""
            ),
            (28, "      podCIDRs: []", "28:17: \"podCIDRs\" of cluster \"talos-east\" is empty; it wants at least one range"),
            (
                16, "      capacity: { cores: 128, memory: 768GB }",
                "16:39: \"memory\" of \"capacity\" of hypervisor \"pve\" wants \(ByteCount.form), not \"768GB\""
            ),
            (
                16, "      capacity: { cores: many, memory: 768GiB }",
                "16:26: \"cores\" of \"capacity\" of hypervisor \"pve\" wants a number of cores from 1 to 4096, not \"many\""
            ),
            (23, "      id: \"1\"", "23:11: \"id\" of cluster \"talos-east\" wants a whole number, not the text \"1\""),
            (23, "      id: 0x1", "23:11: \"id\" of cluster \"talos-east\" wants a whole number, not \"0x1\""),
            (23, "", "22:7: cluster \"talos-east\" has no \"id\"; it wants a whole number"),
            (
                24, "      kind: talo",
                "24:13: \"kind\" of cluster \"talos-east\" wants talos, rke2 or kubernetes, not \"talo\"; did you mean \"talos\"?"
            ),
            (
                26, "      endpoint: 192.168.15.10",
                "26:17: \"endpoint\" of cluster \"talos-east\" wants an address such as https://192.168.15.10:6443, not \"192.168.15.10\""
            ),
            (
                27, "      network: east-lann",
                "27:16: cluster \"talos-east\" names the network \"east-lann\", which is not in \"spec.networks\"; did you mean \"east-lan\"?"
            ),
            (30, "      kubeProxy: off", "30:18: \"kubeProxy\" of cluster \"talos-east\" wants true or false, not \"off\""),
            (
                32, "        kubeProxyReplacement:\n          - true",
                "33:11: \"kubeProxyReplacement\" of \"cilium\" of cluster \"talos-east\" wants true or false, not a list"
            ),
            (
                34, "        tunnelProtocol: VXLAN",
                "34:25: \"tunnelProtocol\" of \"cilium\" of cluster \"talos-east\" wants vxlan or geneve, not \"VXLAN\"; did you mean \"vxlan\"?"
            ),
            (
                38, "        values: { a: off }",
                "38:22: \"off\" is a boolean for some YAML readers and a text for others; write true, false or quote it"
            ),
            (
                38, "        values: { a: 010 }",
                "38:22: \"010\" is read as different numbers by different YAML readers; write plain decimals or quote it"
            ),
            (38, "        values: [1]", "38:17: \"values\" of \"cilium\" of cluster \"talos-east\" wants a map of Helm values, not a list"),
            (
                46, "          hypervisor: pvf",
                "46:23: node \"wrk-e-1\" names the hypervisor \"pvf\", which is not in \"spec.hypervisors\"; did you mean \"pve\"?"
            ),
            (43, "        - name: cp-e-1", "43:17: the node name \"cp-e-1\" is already taken on line 40"),
            (43, "        - name: pve", "43:17: the node name \"pve\" is already taken on line 13"),
            (
                49, "            - { name: vdb, size: 128GiB, use: rook }",
                "49:47: \"use\" of disk \"vdb\" of node \"wrk-e-1\" wants rook-ceph or none, not \"rook\""
            ),
            (50, "    - name: talos-east", "50:13: the cluster name \"talos-east\" is already taken on line 22"),
            (
                74, "    - { name: m, manifest: a, playbook: b }",
                "74:7: service \"m\" has more than one source (manifest, playbook); it wants one of chart, manifest, playbook or terraform"
            ),
            (
                75, "    - { name: r, playbook: b, clusters: [talos-est] }",
                "75:42: service \"r\" names the cluster \"talos-est\", which is not in \"spec.clusters\"; did you mean \"talos-east\"?"
            ),
            (
                77, "    evidence: { maxAge: 10 }",
                "77:25: \"maxAge\" of \"evidence\" wants \(TimeSpan.form), longer than nothing, not \"10\""
            ),
            (78, "    warrants: { signatures: 3 }", "78:29: \"signatures\" of \"warrants\" wants a whole number from 1 to 2, not \"3\""),
            (
                6, "  versions: { talos: 1.11.3, cilium: 1.18 }",
                "6:38: \"cilium\" of \"versions\" wants \(SemanticVersion.form), not \"1.18\""
            ),
            (1, "apiVersion: meshgate.dev/v1", "1:13: \"apiVersion\" of the file wants meshgate.dev/v1alpha1, not \"meshgate.dev/v1\""),
            (23, "      id: 1\n      id: 2", "24:7: the key \"id\" is written twice in one map (first on line 23)"),
            (38, "        values: &v {}", "38:17: anchors (&name) and aliases (*name) are not accepted; write the value out"),
            (38, "        values: *v", "38:17: anchors (&name) and aliases (*name) are not accepted; write the value out"),
            (38, "        values: { a: !!int 3 }", "38:22: tags such as \"tag:yaml.org,2002:int\" are not accepted; write the plain value"),
            (38, "        values: { [a]: 3 }", "38:19: a key must be a plain word, not a list or a map"),
            (31, "\tcilium:", "31:1: a tab cannot indent YAML; use spaces"),
            (
                28, "      podCIDRs: [10.244.0.0/16",
                "29:19: not valid YAML: did not find expected ',' or ']' (while parsing a flow sequence, begun on line 28)"
            ),
            (78, "---\nkind: Mesh", "78:1: a second document starts here; one file holds one mesh"),
            (
                4, "  name: bad\u{1}name",
                "4:12: the control character with code 1 is not accepted; write it as an escape in double quotes if it is really meant"
            ),
        ])
    func slips(_ line: Int, _ text: String, _ wanted: String) throws {
        #expect(try faultsAfter(line: line, text) == ["mesh.yaml:" + wanted])
    }

    @Test("all faults come at once, in the order of the file, doubled keys among them")
    func all() {
        let text = """
            apiVersion: meshgate.dev/v1alpha1
            kind: Mash
            metadata: { nam: x }
            spec:
              versions: { cilium: 1.18.5, cilium: 1.18.6 }
              networks: { name: x }
              clusters:
                - { name: a, name: b, name: c, id: 1 }
                - 5
            """
        #expect(
            faults(in: text) == [
                "mesh.yaml:2:7: \"kind\" of the file wants Mesh, not \"Mash\"; did you mean \"Mesh\"?",
                "mesh.yaml:3:11: \"metadata\" has no \"name\"; it wants a name of a-z, 0-9 and '-'",
                "mesh.yaml:3:13: unknown key \"nam\" in \"metadata\"; did you mean \"name\"?",
                "mesh.yaml:5:31: the key \"cilium\" is written twice in one map (first on line 5)",
                "mesh.yaml:6:13: \"networks\" of \"spec\" wants a list, not a map of keys",
                "mesh.yaml:8:7: cluster \"a\" has no \"endpoint\"; it wants an address such as https://192.168.15.10:6443",
                "mesh.yaml:8:7: cluster \"a\" has no \"nodes\"; it wants a list of its nodes",
                "mesh.yaml:8:18: the key \"name\" is written twice in one map (first on line 8)",
                "mesh.yaml:8:27: the key \"name\" is written twice in one map (first on line 8)",
                "mesh.yaml:9:7: cluster 2 wants a map of keys (name, id, kind, context, endpoint, network, podCIDRs, serviceCIDRs, "
                    + "kubeProxy, nodePortRange, cilium, nodes, talos, hosts), not \"5\"",
            ])
    }

    @Test("an empty file, a word and a list are told from a mesh")
    func shapes() {
        #expect(faults(in: "") == ["mesh.yaml:1:1: the file is empty; a mesh file starts with \"apiVersion:\""])
        #expect(faults(in: "# nothing\n").count == 1)
        #expect(faults(in: "mesh") == ["mesh.yaml:1:1: the file wants a map of keys (apiVersion, kind, metadata, spec), not \"mesh\""])
        #expect(faults(in: "[1, 2]").count == 1)
        #expect(faults(in: "{}").map { $0.prefix(40) }.count == 4)
    }

    @Test("bytes that are not UTF-8 are told with their place")
    func encoding() {
        func told(_ bytes: [UInt8]) -> [String] {
            do throws(MeshFaults) {
                _ = try readMesh(bytes: bytes, file: "m")
                return []
            } catch {
                return error.faults.map(\.description)
            }
        }
        #expect(told(Array("a: é\nb: ".utf8) + [0xC3, 0x28]) == ["m:2:4: this byte is not UTF-8; save the file as UTF-8"])
        #expect(told([0xFF, 0xFE, 0x61, 0]) == ["m:1:1: the file is written in UTF-16; save it as UTF-8"])
        #expect(told(Array(repeating: 32, count: 17 << 20)).first?.contains("at most 16 MiB") == true)
    }

    @Test("an anchor in front of a block is named as the cause")
    func anchorBeforeBlock() {
        let wanted = ["mesh.yaml:2:7: anchors (&name) and aliases (*name) are not accepted; write the value out"]
        #expect(faults(in: "kind: Mesh\nspec: &a\n  versions: {}\n") == wanted)
    }
}
