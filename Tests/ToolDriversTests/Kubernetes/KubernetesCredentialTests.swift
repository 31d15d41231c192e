// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshModel
import MeshSystem
import ServerTesting
import Synchronization
import Testing

@testable import ToolDrivers

@Suite("Credentials for API servers", .timeLimit(.minutes(5)))
struct KubernetesCredentialTests {
    @Test("a client certificate opens a server that wants one; none, or a foreign one, does not")
    func certificates() async throws {
        try await FakeAPIServer.with(requiresCertificate: true) { server in
            func identity(_ name: String) throws -> HTTPTLS.Identity {
                HTTPTLS.Identity(
                    certificate: try server.certificates.pem("\(name).pem"), key: try server.certificates.pem("\(name).key"))
            }
            let client = try server.client(.init(certificate: try identity("client")))
            #expect(try await client.get("/version")?["minor"]?.string == "34")
            await #expect(throws: HTTPClientError.self) { try await server.client().get("/version") }
            await #expect(throws: HTTPClientError.self) {
                try await server.client(.init(certificate: try identity("other"))).get("/version")
            }
        }
    }

    @Test("a server whose certificate another authority made is not spoken to")
    func foreignServer() async throws {
        try await FakeAPIServer.with { server in
            let good = try server.client()
            var access = good.access
            access.authority = try server.certificates.pem("other.pem")
            let client = KubernetesClient(access: access, http: good.http, authenticator: good.authenticator, patience: good.patience)
            let error = await #expect(throws: HTTPClientError.self) { try await client.get("/version") }
            guard case .untrusted? = error else {
                Issue.record("\(error.map { "\($0)" } ?? "none")")
                return
            }
            #expect(try await server.log().isEmpty)
        }
    }

    @Test("a token is sent, and one from a file is read anew for each call")
    func tokens() async throws {
        try await FakeAPIServer.with { server in
            #expect(try await server.client(.init(token: .literal("good"))).get("/token")?["ok"] == .bool(true))
            let file = server.certificates.file("token")
            let files = LinuxFileStore()
            let client = try server.client(.init(token: .file(file)))
            await #expect(throws: KubernetesError.self) { try await client.get("/token") }
            try files.write(Array("stale\n".utf8), to: file)
            await #expect(throws: KubernetesError.self) { try await client.get("/token") }
            try files.write(Array("good\n".utf8), to: file)
            #expect(try await client.get("/token")?["ok"] == .bool(true))
            try files.write(Array("two\r\nX-Evil: 1".utf8), to: file)
            await #expect(throws: KubernetesError.self) { try await client.get("/token") }
        }
    }

    @Test(
        "no token travels over plain http, except within the machine",
        arguments: [
            ("http://10.0.0.1:6443", false), ("http://127.0.0.1.example.org:80", false), ("http://127.0.0.1:80@evil.test", false),
            ("http://localhost:80", false), ("http://127.0.0.1:6443", true), ("http://[::1]:6443", true), ("https://10.0.0.1:6443", true),
        ])
    func plainHTTP(_ server: String, _ isSent: Bool) async throws {
        let plugins = ExecCredentials(runner: ProcessCommandRunner(), environment: [:], searchPath: [], now: { SystemClock.now() })
        let access = ClusterAccess(context: "east", server: server, authority: nil, credential: .init(token: .literal("good")))
        let authenticator = KubernetesAuthenticator(files: LinuxFileStore(), plugins: plugins)
        guard isSent else {
            let error = await #expect(throws: KubernetesError.self) { try await authenticator.proof(for: access) }
            #expect(error.map { "\($0)" }?.contains("not sent in the clear") == true)
            #expect(error.map { "\($0)" }?.contains("good") == false)
            return
        }
        #expect(try await authenticator.proof(for: access).token == "good")
    }

    // MARK: plugins

    /// Writes a plugin that prints `answer`, and notes each call and its environment in files beside it.
    private func plugin(_ server: FakeAPIServer, _ body: String, _ change: (inout ExecPlugin) -> Void = { _ in }) throws -> ExecPlugin {
        let path = server.certificates.file("plugin")
        let text = "#!/bin/sh\necho call >> \(path).calls\n/usr/bin/env > \(path).env\n\(body)\n"
        try LinuxFileStore().write(Array(text.utf8), to: path, mode: 0o755)
        var plugin = ExecPlugin(command: path, arguments: ["get-token", "$(id)"], environment: ["ROLE": "admin"], wantsCluster: true)
        change(&plugin)
        return plugin
    }

    private func calls(_ server: FakeAPIServer) throws -> Int {
        let bytes = try LinuxFileStore().read(server.certificates.file("plugin.calls"), limit: 1 << 20) ?? []
        return bytes.count { $0 == UInt8(ascii: "\n") }
    }

    private func printing(_ status: String, version: String = "client.authentication.k8s.io/v1") -> String {
        "printf '%s' '{\"apiVersion\": \"\(version)\", \"kind\": \"ExecCredential\", \"status\": \(status)}'"
    }

    @Test("a plugin is asked once while its answer is good, and again when it has expired")
    func cached() async throws {
        try await FakeAPIServer.with { server in
            let time = Mutex(Timestamp("2026-11-28T08:00:00Z") ?? Timestamp(seconds: 0))
            let plugin = try plugin(server, printing(#"{"token": "good", "expirationTimestamp": "2026-11-28T10:00:00+01:00"}"#))
            let client = try server.client(.init(plugin: plugin), now: { Moment(wall: time.withLock { $0 }, boot: 0) })
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 { group.addTask { _ = try await client.get("/token") } }
                try await group.waitForAll()
            }
            #expect(try calls(server) == 1)
            time.withLock { $0 = $0 + .seconds(3595) }
            _ = try await client.get("/token")
            #expect(try calls(server) == 2)
        }
    }

    @Test("it gets its own environment, the cluster, and nothing of ours; arguments stay arguments")
    func closedEnvironment() async throws {
        try await FakeAPIServer.with { server in
            let body = "printf '%s|' \"$@\" > \(server.certificates.file("plugin.args"))\n" + printing(#"{"token": "good"}"#)
            _ = try await server.client(.init(plugin: try plugin(server, body))).get("/token")
            let files = LinuxFileStore()
            let environment = String(decoding: try files.read(server.certificates.file("plugin.env"), limit: 1 << 20) ?? [], as: UTF8.self)
            let names = Set(environment.split(separator: "\n").compactMap { $0.split(separator: "=").first.map(String.init) })
            #expect(names.subtracting(["PWD", "SHLVL", "_", "OLDPWD"]) == ["PATH", "ROLE", "KUBERNETES_EXEC_INFO"])
            #expect(environment.contains(#""interactive":false"#))
            #expect(environment.contains(#""server":"https://127.0.0.1:\#(server.port)""#))
            #expect(environment.contains(#""tls-server-name":"mesh.test""#))
            let arguments = try files.read(server.certificates.file("plugin.args"), limit: 1 << 10) ?? []
            #expect(String(decoding: arguments, as: UTF8.self) == "get-token|$(id)|")
        }
    }

    @Test("an answer that the server refuses is asked for once more, and then believed to be refused")
    func refused() async throws {
        try await FakeAPIServer.with { server in
            // The first token is stale, the second good.
            let body = """
                if [ "$(/usr/bin/wc -l < \(server.certificates.file("plugin.calls")))" = 1 ]; then token=stale; else token=good; fi
                printf '%s%s%s' '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "' $token '"}}'
                """
            #expect(try await server.client(.init(plugin: try plugin(server, body))).get("/token")?["ok"] == .bool(true))
            #expect(try calls(server) == 2)
            let always = try plugin(server, printing(#"{"token": "stale"}"#)) { $0.environment = ["ROLE": "other"] }
            await #expect(throws: KubernetesError.self) { try await server.client(.init(plugin: always)).get("/token") }
            #expect(try calls(server) == 4)
        }
    }

    @Test("a plugin may answer with a client certificate")
    func certificateFromPlugin() async throws {
        try await FakeAPIServer.with(requiresCertificate: true) { server in
            func escaped(_ name: String) throws -> String {
                String(decoding: try server.certificates.pem(name), as: UTF8.self).split(separator: "\n").joined(separator: "\\n") + "\\n"
            }
            let status = #"{"clientCertificateData": "\#(try escaped("client.pem"))", "clientKeyData": "\#(try escaped("client.key"))"}"#
            let client = try server.client(.init(plugin: try plugin(server, printing(status))))
            #expect(try await client.get("/version")?["minor"]?.string == "34")
        }
    }

    @Test(
        "a plugin that fails is named with what it said, and what it printed is not shown",
        arguments: [
            ("exit 3", "ended with exit code 3"), ("echo SECRET; echo 'Error: log in first' >&2; exit 1", "Error: log in first"),
            ("echo SECRET", "is not an ExecCredential"), ("/usr/bin/head -c 3000000 /dev/zero", "printed more than"),
            (
                #"printf '{"apiVersion": "client.authentication.k8s.io/v1alpha1", "kind": "ExecCredential", "status": {"token": "SECRET"}}'"#,
                "is not an"
            ),
            (
                #"printf '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"clientCertificateData": "SECRET"}}'"#,
                "is not an"
            ),
            (
                #"printf '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "SECRET", "expirationTimestamp": "soon"}}'"#,
                "is not an"
            ),
        ])
    func failing(_ body: String, _ expected: String) async throws {
        try await FakeAPIServer.with { server in
            let client = try server.client(.init(plugin: try plugin(server, body)))
            let error = await #expect(throws: KubernetesError.self) { try await client.get("/token") }
            let text = error.map { "\($0)" } ?? ""
            #expect(text.contains(expected), "\(text)")
            #expect(!text.contains("SECRET"))
            #expect(try await server.log().isEmpty)
        }
    }

    @Test("a plugin that wants to talk to a person is not even started, and a missing one shows the hint")
    func refusedPlugins() async throws {
        try await FakeAPIServer.with { server in
            let chatty = try plugin(server, printing(#"{"token": "good"}"#)) { $0.interaction = .always }
            await #expect(throws: KubernetesError.self) { try await server.client(.init(plugin: chatty)).get("/token") }
            #expect(try calls(server) == 0)
            let missing = ExecPlugin(command: "no-such-plugin", installHint: "apt install it")
            let error = await #expect(throws: KubernetesError.self) { try await server.client(.init(plugin: missing)).get("/token") }
            #expect(error.map { "\($0)" }?.contains("apt install it") == true)
        }
    }

    @Test(
        "times are read as Go writes them",
        arguments: [
            ("2026-11-28T08:00:00Z", "2026-11-28T08:00:00.000Z"), ("2026-11-28T08:00:00.123456789Z", "2026-11-28T08:00:00.000Z"),
            ("2026-11-28T08:00:00+02:00", "2026-11-28T06:00:00.000Z"), ("2026-11-28T08:00:00.5-00:30", "2026-11-28T08:30:00.000Z"),
            ("2026-11-28 08:00:00Z", nil), ("2026-11-28T08:00:00", nil), ("2026-11-28T08:00:00.Z", nil), ("2026-11-28T08:00:00+2:00", nil),
            ("", nil), ("soon", nil),
        ])
    func times(_ text: String, _ expected: String?) {
        #expect(Timestamp(rfc3339: text)?.description == expected)
    }

    @Test("a credential never shows itself")
    func hidden() {
        let access = ClusterAccess(
            context: "east", server: "https://e:6443", authority: nil,
            credential: .init(certificate: HTTPTLS.Identity(certificate: [83], key: Array("SECRET".utf8)), token: .literal("SECRET")))
        var dumped = ""
        dump(access, to: &dumped)
        dump(access.credential, to: &dumped)
        #expect(!"\(access) \(String(reflecting: access)) \(dumped)".contains("SECRET"))
    }
}
