// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOPosix
internal import NIOSSL

/// The clustermesh API server of a node's cluster, as far as a handshake goes: it shows the certificate that its cluster has at that moment, wants
/// one of the client as etcd does, and says nothing. Without a certificate yet, a connection is accepted and closed.
final class LabTLSServer {
    private let group: MultiThreadedEventLoopGroup
    private let channel: any Channel

    /// - Parameter directory: of the stand-in cluster.
    init(port: UInt16, directory: String) throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let shown = LabServerCertificate(reading: directory) else { throw ChannelError.eof }
                    try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: Self.context(shown)))
                    // Whoever has seen it has seen all.
                    channel.eventLoop.scheduleTask(in: .seconds(5)) { channel.close(promise: nil) }
                }
            }
        do {
            channel = try bootstrap.bind(host: "0.0.0.0", port: Int(port)).wait()
        } catch {
            try? group.syncShutdownGracefully()
            throw error
        }
        self.group = group
    }

    func stop() {
        try? channel.close().wait()
        try? group.syncShutdownGracefully()
    }

    private static func context(_ shown: LabServerCertificate) throws -> NIOSSLContext {
        let chain = try NIOSSLCertificate.fromPEMBytes(Array(shown.certificate.utf8))
        let key = try NIOSSLPrivateKey(bytes: Array(shown.key.utf8), format: .pem)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.certificateVerification = .noHostnameVerification
        configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(shown.authority.utf8)))
        return try NIOSSLContext(configuration: configuration)
    }
}
