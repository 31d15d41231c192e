// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshSystem
import Testing
import ToolDrivers

@testable import meshgate

@Suite("The admin's kubeconfig, read")
struct KubeconfigFileTests {
    private func contexts(_ text: String, file: String = "/nowhere/config") throws -> [String: KubeconfigFile.Access] {
        try KubeconfigFile.contexts(parsing: text, file: file, files: LinuxFileStore())
    }

    /// One context with these lines in its cluster and user.
    private func config(cluster: String = "", user: String) -> String {
        """
        apiVersion: v1
        kind: Config
        clusters: [{name: c, cluster: {server: "https://east:6443"\(cluster)}}]
        users: [{name: u, user: {\(user)}}]
        contexts: [{name: east, context: {cluster: c, user: u}}]
        """
    }

    private func problem(_ text: String) throws -> String {
        guard case .failure(let error)? = try contexts(text)["east"] else { return "none" }
        return "\(error)"
    }

    @Test("certificates are taken from the file and from beside it; the data forms win")
    func certificates() throws {
        let directory = "/tmp/meshgate-test-\(try KernelEntropy().hexID())"
        let files = LinuxFileStore()
        try files.createDirectory(directory)
        try files.write(Array("CERT".utf8), to: directory + "/c.pem")
        try files.write(Array("KEY".utf8), to: directory + "/k.pem")
        let text = config(
            cluster: ", certificate-authority: no-such-file, certificate-authority-data: Q0E=, tls-server-name: api.test",
            user: "client-certificate: c.pem, client-key: \(directory)/k.pem")
        let access = try #require(try contexts(text, file: directory + "/config")["east"]).get()
        #expect(access.authority == Array("CA".utf8))
        #expect(access.serverName == "api.test")
        #expect(access.credential.certificate == HTTPTLS.Identity(certificate: Array("CERT".utf8), key: Array("KEY".utf8)))
        for name in ["c.pem", "k.pem"] { try files.remove(directory + "/" + name) }
    }

    @Test("a token file wins over a token, and a plugin's path starts beside the file")
    func tokensAndPlugins() throws {
        let access = try #require(
            try contexts(
                config(
                    user: """
                        token: one, tokenFile: two, exec: {apiVersion: client.authentication.k8s.io/v1, command: ./bin/login, args: [-x],
                        env: [{name: A, value: b}], provideClusterInfo: true, interactiveMode: Never, installHint: hint}
                        """))["east"]
        ).get()
        guard case .file(let path)? = access.credential.token else {
            Issue.record("not the file")
            return
        }
        #expect(path == "/nowhere/two")
        #expect(
            access.credential.plugin
                == ExecPlugin(
                    command: "/nowhere/./bin/login", arguments: ["-x"], environment: ["A": "b"], wantsCluster: true, interaction: .never,
                    installHint: "hint"))
    }

    @Test(
        "what cannot be honoured makes the context unusable and says so",
        arguments: [
            (", insecure-skip-tls-verify: true", "token: x", "switches certificate checks off"),
            (", proxy-url: http://p", "token: x", "proxy"), ("", "as: root", "as somebody else"),
            ("", "username: a, password: b", "password"),
            ("", "auth-provider: {name: gcp}", "auth-provider"), ("", "client-certificate-data: Q0E=", "without a key"),
            ("", "client-certificate-data: '*', client-key-data: Q0E=", "not base64"),
            (", certificate-authority: gone", "token: x", "not there"),
            ("", "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}", "v1alpha1"),
            ("", "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Maybe}", "Maybe"),
        ])
    func unusable(cluster: String, user: String, expected: String) throws {
        let text = try problem(config(cluster: cluster, user: user))
        #expect(text.contains(expected), "\(text)")
    }

    @Test("one context that cannot be used does not take the others with it")
    func others() throws {
        let found = try contexts(
            """
            clusters: [{name: c, cluster: {server: "https://east:6443"}}]
            contexts: [{name: east, context: {cluster: c, user: ""}}, {name: west, context: {cluster: none, user: u}}]
            """)
        #expect(throws: Never.self) { try found["east"]?.get() }
        #expect(throws: DriverError.self) { try found["west"]?.get() }
    }

    @Test(
        "a file that is no kubeconfig is refused without showing what is in it",
        arguments: ["users: [{name: SECRET", "a: b: SECRET", "- SECRET", "contexts: [{SECRET: 1}]"])
    func noKubeconfig(_ text: String) {
        let error = #expect(throws: (any Error).self) { try contexts(text) }
        #expect(error.map { "\($0)" }?.contains("SECRET") == false)
        #expect(error.map { "\($0)" }?.contains("/nowhere/config is not a usable kubeconfig") == true)
    }
}
