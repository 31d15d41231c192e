// SPDX-License-Identifier: Apache-2.0

import MeshConfig
import Testing

@Suite("Taking a context out of a kubeconfig")
struct KubeconfigSurgeryTests {
    private let text = """
        # mine, do not touch
        apiVersion: v1
        clusters:
        - name: east   # the old one
          cluster:
            server: https://10.1.0.1:6443
            certificate-authority-data: QUJD
        # shared
        - cluster: {server: "https://10.9.0.1:6443"}
          name: shared

        - name: west
          cluster:
            server: https://10.2.0.1:6443
        contexts:
        - context: {cluster: east, user: admin-east}
          name: east
        - context: {cluster: shared, user: admin-east}
          name: shared
        - context: {cluster: west, user: admin-west}
          name: west
        current-context: east
        kind: Config
        preferences:   {}
        users:
          - name: admin-east
            user: {token: "t1"}
          - name: admin-west
            user:
              token: 't2'

        """

    @Test("its lines go, with the cluster and user that nobody else names; every other line stays as it was")
    func removes() throws {
        let east = try KubeconfigSurgery.removing("east", from: text, file: "k")
        // Its user serves another context as well.
        let wanted = text.replacing(
            "- name: east   # the old one\n  cluster:\n    server: https://10.1.0.1:6443\n    certificate-authority-data: QUJD\n", with: ""
        ).replacing("- context: {cluster: east, user: admin-east}\n  name: east\n", with: "")
            .replacing("current-context: east", with: "current-context: \"\"")
        #expect(east == wanted)
        let west = try KubeconfigSurgery.removing("west", from: text, file: "k")
        #expect(
            west.contains("# shared\n") && west.contains("current-context: east\n") && !west.contains("10.2.0.1") && !west.contains("t2"))
        #expect(west.contains("  - name: admin-east\n    user: {token: \"t1\"}\n"))
    }

    @Test("the last one leaves empty lists, which kubectl reads")
    func last() throws {
        var left = text
        for context in ["west", "east", "shared"] { left = try KubeconfigSurgery.removing(context, from: left, file: "k") }
        #expect(left.contains("clusters: []\n") && left.contains("contexts: []\n") && left.contains("users: []\n"))
        #expect(left.hasPrefix("# mine, do not touch\n") && left.contains("preferences:   {}\n"))
        #expect(try KubeconfigDocument(parsing: left, file: "k").contextNames.isEmpty)
    }

    @Test("what cannot be cut out line by line is refused, and so is a context that is not there")
    func refused() throws {
        #expect(throws: Kubeconfig.Fault.self) { try KubeconfigSurgery.removing("north", from: text, file: "k") }
        let flow = #"{"clusters":[{"name":"a","cluster":{}}],"users":[],"contexts":[{"name":"a","context":{"cluster":"a"}}]}"#
        #expect(throws: Kubeconfig.Fault.self) { try KubeconfigSurgery.removing("a", from: flow, file: "k") }
    }

    @Test("one context alone is a kubeconfig of its own; one that points to files is refused")
    func alone() throws {
        let document = try KubeconfigDocument(parsing: text, file: "k")
        let alone = try KubeconfigDocument(parsing: try #require(try document.alone("shared", file: "k")), file: "a")
        #expect(alone.contextNames == ["shared"] && alone.current == "shared")
        #expect(try alone.text().contains("10.9.0.1") && alone.text().contains("t1") && !alone.text().contains("10.1.0.1"))
        #expect(try document.alone("north", file: "k") == nil)
        let files = text.replacing("certificate-authority-data: QUJD", with: "certificate-authority: ca.pem")
        #expect(throws: Kubeconfig.Fault.self) { try KubeconfigDocument(parsing: files, file: "k").alone("east", file: "k") }
    }
}
