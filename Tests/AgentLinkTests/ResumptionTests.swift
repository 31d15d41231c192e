// SPDX-License-Identifier: Apache-2.0

import AgentLink
import FleetGateway
import Glibc
import MeshModel
import MeshSystem
import MeshTrust
import MeshWire
import NIOCore
import NIOPosix
import NIOSSL
import Testing

/// A saved TLS session must not let anyone in (security.md, finding T1). The other side is OpenSSL's own client, which keeps and offers tickets.
@Suite("Resumed TLS sessions", .timeLimit(.minutes(2)))
struct ResumptionTests {
    @Test(
        "a ticket from before the revocation or the expiry does not help, with the certificate or without", arguments: [true, false],
        [true, false])
    func ticket(_ byRevocation: Bool, _ withCertificate: Bool) async throws {
        try await Stage.with {
            $0.timing.greeting = .milliseconds(400)
        } _: { stage in
            let (identity, certificate) = try stage.mesh.agent(try node("east-1"), validFor: .seconds(600))
            try await Scratch.with { scratch in
                try scratch.keep(identity)
                let first = try await scratch.connect(stage.endpoint, ["-sess_out", scratch.path("session")], withCertificate: true)
                #expect(first.contains("New, TLSv1.3"))
                #expect(try scratch.hasTicket, "the client kept no ticket, so this test proves nothing")
                if byRevocation { stage.mesh.revoke(certificate.serial) } else { stage.mesh.advance(.seconds(601)) }
                let second = try await scratch.connect(
                    stage.endpoint, ["-sess_in", scratch.path("session")], withCertificate: withCertificate)
                #expect(!second.contains("Reused"), "the session was resumed")
                #expect(second.contains("alert"), "the full handshake was refused with an alert")
            }
            #expect(stage.inbox.memory.value.opened.isEmpty)
        }
    }

    @Test("the control: with one shared context the same client does resume, so the test above can see it")
    func control() async throws {
        let mesh = try TestMesh()
        let server = try mesh.coordinator()
        var configuration = TLSConfiguration.makeServerConfigurationWithMTLS(
            certificateChain: try server.chain.map { .certificate(try NIOSSLCertificate(bytes: $0, format: .der)) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(server.privateKeyPEM.utf8), format: .pem)),
            trustRoots: .certificates([]))
        configuration.certificateVerification = .noHostnameVerification
        configuration.applicationProtocols = [LinkProtocol.session]
        configuration.shutdownTimeout = .milliseconds(100)
        let shared = try NIOSSLContext(configuration: configuration)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        NIOSSLServerHandler(
                            context: shared, customVerificationCallback: { $1.succeed(.certificateVerified) }, configuration: .init()))
                    channel.eventLoop.scheduleTask(in: .milliseconds(600)) { channel.close(promise: nil) }
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let endpoint = Endpoint(host: "127.0.0.1", port: listener.localAddress?.port ?? 0)
        try await Scratch.with { scratch in
            try scratch.keep(try mesh.agent(try node("east-1")).identity)
            _ = try await scratch.connect(endpoint, ["-sess_out", scratch.path("session")], withCertificate: true)
            let second = try await scratch.connect(endpoint, ["-sess_in", scratch.path("session")], withCertificate: false)
            #expect(second.contains("Reused, TLSv1.3"))
        }
        try await listener.close()
    }
}

/// A directory for one client's files and the client itself.
private struct Scratch {
    private let directory: String
    private let files = LinuxFileStore()

    static func with(_ body: (Scratch) async throws -> Void) async throws {
        let scratch = Scratch(directory: "/tmp/meshgate-link-" + (try KernelEntropy().hexID()))
        try scratch.files.createDirectory(scratch.directory)
        defer { scratch.remove() }
        try await body(scratch)
    }

    private init(directory: String) { self.directory = directory }

    private func remove() {
        for name in ["session", "chain", "key"] { unlink(path(name)) }
        rmdir(directory)
    }

    func path(_ name: String) -> String { directory + "/" + name }

    func keep(_ identity: AgentIdentity) throws {
        let chain = try identity.chain.map { try Certificate(der: $0).pem }
        try files.write(Array(chain.joined().utf8), to: path("chain"))
        try files.write(Array(identity.privateKeyPEM.utf8), to: path("key"))
    }

    var hasTicket: Bool { get throws { (try files.read(path("session"), limit: 1 << 20)?.count ?? 0) > 0 } }

    /// Everything the client wrote until the server closed the connection.
    func connect(_ endpoint: Endpoint, _ options: [String], withCertificate: Bool) async throws -> String {
        let own = withCertificate ? ["-cert", path("chain"), "-key", path("key")] : []
        let result = try await ProcessCommandRunner().run(
            Invocation(
                "openssl",
                ["s_client", "-connect", endpoint.description, "-alpn", LinkProtocol.session, "-tls1_3", "-ign_eof"] + own + options,
                deadline: .seconds(30)))
        return result.outputText + result.errorText
    }
}
