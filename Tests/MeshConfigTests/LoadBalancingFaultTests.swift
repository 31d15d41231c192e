// SPDX-License-Identifier: Apache-2.0

import MeshConfig
import Testing

@Suite("faults in Talos, pools, policies and BGP")
struct LoadBalancingFaultTests {
    private func faults(_ cluster: String) -> [String] {
        let text = """
            apiVersion: meshgate.dev/v1alpha1
            kind: Mesh
            metadata: { name: m }
            spec:
              versions: { cilium: 1.18.5 }
              clusters:
                - name: a
                  id: 1
                  endpoint: https://a:6443
                  nodes: [ { name: n-1, role: controlPlane, address: 10.0.0.1 } ]
            """
        do throws(MeshFaults) {
            _ = try readMesh(text: text + "\n      " + cluster + "\n", file: "m")
            return []
        } catch {
            return error.faults.map { "\($0.line):\($0.column): \($0.message)" }
        }
    }

    @Test(
        "each is told at its place, in what is wanted",
        arguments: [
            (
                "talos: { installer: registry.example/talos:v1 }",
                "11:27: \"installer\" of \"talos\" of cluster \"a\" wants an image without a tag such as registry.example/talos/installer, not \"registry.example/talos:v1\""
            ),
            (
                "talos: { kernelArguments: [\"a b\"] }",
                "11:34: \"kernelArguments\" of \"talos\" of cluster \"a\" wants a kernel argument such as console=ttyS0, not the text \"a b\""
            ),
            (
                "talos: { extensions: [qemu-guest-agent] }",
                "11:29: \"extensions\" of \"talos\" of cluster \"a\" wants an official extension such as siderolabs/qemu-guest-agent, not \"qemu-guest-agent\""
            ),
            (
                "talos: { installer: r.example/t, extensions: [siderolabs/gvisor] }",
                "11:52: \"extensions\" of \"talos\" of cluster \"a\" is for the Image Factory's image, but \"installer\" names another"
            ),
            (
                "cilium: { lbPools: [ { name: p, blocks: [10.0.0.9-10.0.0.2] } ] }",
                "11:48: \"blocks\" of pool \"p\" of \"cilium\" of cluster \"a\" wants addresses such as 192.168.15.200-192.168.15.220 or 192.168.15.192/27, not \"10.0.0.9-10.0.0.2\""
            ),
            (
                "cilium: { lbPools: [ { name: p, blocks: [10.0.0.0/30], services: { tier: 1 } } ] }",
                "11:80: label \"tier\" of pool \"p\" of \"cilium\" of cluster \"a\" wants a text, not \"1\""
            ),
            (
                "cilium: { l2Policies: [ { name: p, nodes: [n-2] } ] }",
                "11:50: policy \"p\" of \"cilium\" of cluster \"a\" names the node \"n-2\", which is not in \"nodes\"; did you mean \"n-1\"?"
            ),
            (
                "cilium: { bgp: { localASN: 64512 } }",
                "11:22: \"bgp\" of \"cilium\" of cluster \"a\" has no \"peers\"; it wants a list of routers"
            ),
            (
                "cilium: { bgp: { localASN: 64512, peers: [ { name: r, address: 10.0.0.9, asn: 1 } ], routerIDs: [ { node: n-1, id: \"::1\" } ] } }",
                "11:122: \"id\" of router id 1 of \"bgp\" of \"cilium\" of cluster \"a\" wants a router id such as 192.168.15.11, not the text \"::1\""
            ),
        ])
    func told(_ cluster: String, _ fault: String) { #expect(faults(cluster) == [fault]) }

    @Test("what is right is read without a word")
    func right() {
        #expect(faults("talos: { kernelArguments: [console=ttyS0, -selinux, a=b:c], timeServers: [ntp.example, \"fd00::1\"] }") == [])
    }
}
