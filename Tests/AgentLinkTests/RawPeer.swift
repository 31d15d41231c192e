// SPDX-License-Identifier: Apache-2.0

import AgentLink
import MeshModel
import MeshWire
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Testing

/// A client that does what no agent of ours does: any certificate or none, any protocol, any bytes.
final class RawPeer: Sendable {
    struct Seen: Sendable {
        var secured = false
        var frames: [CoordinatorFrame] = []
        var closed = false
        var rejection: Rejected? { frames.lazy.compactMap { if case .rejected(let rejected) = $0 { rejected } else { nil } }.first }
        var welcomed: Bool { frames.contains { if case .welcome = $0 { true } else { false } } }
    }
    let seen: Watched<Seen>
    private let channel: any Channel

    private init(channel: any Channel, seen: Watched<Seen>) {
        self.channel = channel
        self.seen = seen
    }

    static func tls(
        _ identity: AgentIdentity?, alpn: [String] = [LinkProtocol.session], from oldest: TLSVersion = .tlsv13,
        to newest: TLSVersion = .tlsv13
    ) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = oldest
        configuration.maximumTLSVersion = newest
        configuration.certificateVerification = .none
        configuration.applicationProtocols = alpn
        if let identity {
            configuration.certificateChain = try identity.chain.map { .certificate(try NIOSSLCertificate(bytes: $0, format: .der)) }
            configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(identity.privateKeyPEM.utf8), format: .pem))
        }
        return try NIOSSLContext(configuration: configuration)
    }

    /// `context` nil speaks no TLS at all.
    static func connect(_ endpoint: Endpoint, _ context: NIOSSLContext?) async throws -> RawPeer {
        let seen = Watched(Seen())
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let context {
                        try channel.pipeline.syncOperations.addHandler(try NIOSSLClientHandler(context: context, serverHostname: nil))
                    }
                    try channel.pipeline.syncOperations.addHandler(Recorder(seen))
                }
            }
            .connect(host: endpoint.host, port: endpoint.port).get()
        return RawPeer(channel: channel, seen: seen)
    }

    func send(_ bytes: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }
    func send(_ frame: AgentFrame) { send(frame.framed) }
    func close() async {
        channel.close(promise: nil)
        await seen.until { $0.closed }
    }

    /// Says Hello and waits for what comes of it.
    func greet(as node: NodeID, protocolVersion: UInt32 = LinkProtocol.version) async throws -> Seen {
        send(.hello(try hello(node, protocolVersion: protocolVersion)))
        return await seen.until { $0.welcomed || $0.rejection != nil || $0.closed }
    }

    func hello(_ node: NodeID, protocolVersion: UInt32 = LinkProtocol.version) throws -> Hello {
        Hello(
            protocolVersion: protocolVersion, agentVersion: "raw", node: node, bootID: try #require(BootID("0f6f2c1e-8a53")),
            installation: "raw",
            acknowledged: .empty, epoch: Generation(0), nextReport: 1, droppedReports: 0)
    }

    private final class Recorder: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let seen: Watched<Seen>
        private var reader = FrameReader(limit: 1 << 20)
        init(_ seen: Watched<Seen>) { self.seen = seen }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if let event = event as? TLSUserEvent, case .handshakeCompleted = event { seen.change { $0.secured = true } }
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            reader.append(unwrapInboundIn(data).readableBytesView)
            while let bytes = try? reader.next(), let frame = try? CoordinatorFrame(decoding: bytes) {
                seen.change { $0.frames.append(frame) }
            }
        }

        func channelInactive(context: ChannelHandlerContext) { seen.change { $0.closed = true } }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
