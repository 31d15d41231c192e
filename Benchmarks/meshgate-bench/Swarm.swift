// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshWire
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Many agents in one process and on one thread, so that they cost as little as they can: each with its own certificate and connection,
/// speaking either our frames or the protocol of NATS. Both kinds have the same socket and TLS code under them.
struct Swarm {
    let directory: String
    let port: Int
    let sessions: Int
    let size: PayloadSize
    /// Handshakes at once.
    private static let window = 64

    /// Connects everybody, then answers until standard input ends.
    func run(_ kind: String) async throws {
        let agents = try BenchMesh(directory).agents(sessions)
        let reports = try BenchReports(size: size)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let (next, entered) = AsyncStream.makeStream(of: Void.self)
        for _ in 0..<Self.window { entered.yield() }
        var waiting = next.makeAsyncIterator()
        for (index, agent) in agents.enumerated() {
            await waiting.next()
            let tls = try Self.tls(agent, alpn: kind == "mesh" ? [LinkProtocol.session] : [])
            let ready: @Sendable () -> Void = { entered.yield() }
            ClientBootstrap(group: group)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        if kind == "mesh" {
                            try channel.pipeline.syncOperations.addHandlers([
                                try NIOSSLClientHandler(context: tls, serverHostname: nil),
                                try SwarmSession(index: index, reports: reports, ready: ready),
                            ])
                        } else {
                            let answer = ByteBuffer(repeating: UInt8(ascii: "x"), count: reports.sizes.report)
                            try channel.pipeline.syncOperations.addHandler(
                                NATSClient(tls: tls, first: "SUB n.\(index) 1\r\nPUB ready 0\r\n\r\n", ready: ready) { message, out in
                                    guard let reply = message.reply else { return }
                                    out.writeString("PUB \(reply) \(answer.readableBytes)\r\n")
                                    out.writeImmutableBuffer(answer)
                                    out.writeString("\r\n")
                                })
                        }
                    }
                }
                .connect(host: "127.0.0.1", port: port)
                .whenFailure { Machine.complain("agent \(index) cannot connect: \($0)") }
        }
        var byte: UInt8 = 0
        while read(0, &byte, 1) > 0 {}
    }

    /// The same for both: TLS with the agent's own certificate. The server's certificate is not judged, as the other side is measured.
    static func tls(_ agent: BenchMesh.Agent, alpn: [String]) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv13
        configuration.certificateVerification = .none
        configuration.applicationProtocols = alpn
        configuration.certificateChain = [.certificate(try NIOSSLCertificate(bytes: agent.leaf, format: .der))]
        configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(agent.keyPEM.utf8), format: .pem))
        return try NIOSSLContext(configuration: configuration)
    }
}
