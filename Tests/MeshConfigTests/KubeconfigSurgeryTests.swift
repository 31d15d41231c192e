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
        let flow = "clusters: [{name: a, cluster: {}}]\nusers: []\ncontexts: [{name: a, context: {cluster: a}}]\n"
        #expect(throws: Kubeconfig.Fault.self) { try KubeconfigSurgery.removing("a", from: flow, file: "k") }
        let almost = "{clusters: [{name: a, cluster: {insecure-skip-tls-verify: yes}}], users: [], contexts: [{name: b, context: {}}]}"
        #expect(throws: Kubeconfig.Fault.self) { try KubeconfigSurgery.removing("b", from: almost, file: "k") }
    }

    @Test("a file that is JSON stays JSON, with every value as it was")
    func json() throws {
        let text = #"""
            {"clusters":[{"name":"a","cluster":{"server":"https://a\/\n\"\u00e9\u0007"}},{"name":"b","cluster":{"server":"https://b"}}],
             "users":[{"name":"u","user":{"token":"007"}}],"preferences":{"colors":true,"n":5,"none":null},
             "contexts":[{"name":"a","context":{"cluster":"a","user":"u"}},{"name":"b","context":{"cluster":"b","user":"u"}}],"current-context":"b"}
            """#
        let left = try KubeconfigSurgery.removing("b", from: text, file: "k")
        let wanted =
            #"{"clusters":[{"name":"a","cluster":{"server":"https://a/\n\"é\u0007"}}],"users":[{"name":"u","user":{"token":"007"}}],"#
            + #""preferences":{"colors":true,"n":5,"none":null},"contexts":[{"name":"a","context":{"cluster":"a","user":"u"}}],"current-context":""}"#
        #expect(left == wanted + "\n")
    }

    @Test("the same in a talosconfig: a context goes with its key, and every other line stays")
    func talos() throws {
        let text = """
            # mine
            context: east
            contexts:
                east:   # old
                    endpoints: [10.1.0.11]
                    ca: QQ==
                # west is not ours
                west:
                    endpoints:
                        - 10.2.0.11
                    ca: Qg==

            """
        let left = try TalosconfigSurgery.removing("east", from: text, file: "t")
        #expect(
            left
                == text.replacing("    east:   # old\n        endpoints: [10.1.0.11]\n        ca: QQ==\n", with: "")
                .replacing("context: east", with: "context: \"\""))
        #expect(try TalosconfigSurgery.removing("west", from: left, file: "t").hasSuffix("contexts: {}\n    # west is not ours\n"))
        #expect(throws: Kubeconfig.Fault.self) { try TalosconfigSurgery.removing("north", from: text, file: "t") }
        #expect(throws: Kubeconfig.Fault.self) { try TalosconfigSurgery.removing("a", from: "contexts: {a: {ca: QQ==}}\n", file: "t") }
        #expect(
            try TalosconfigSurgery.removing("a", from: #"{"context":"b","contexts":{"a":{},"b":{"ca":"QQ=="}}}"#, file: "t")
                == #"{"context":"b","contexts":{"b":{"ca":"QQ=="}}}"# + "\n")
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
