// SPDX-License-Identifier: Apache-2.0

import Glibc
import HummingbirdCore
import Logging
import NIOCore
import NIOSSL
import Synchronization

/// Who one connection proved to be. Written once, when the kernel or the handshake told it.
final class ConnectionPeer: Sendable {
    enum Proof: Sendable {
        case none
        case user(UInt32)
        case chain([[UInt8]])
        case anyone
    }
    private let state = Mutex(Proof.none)
    var proof: Proof {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }

    /// The connection that the running task serves.
    @TaskLocal static var current: ConnectionPeer?
}

/// How a listener learns who calls, and what it then allows.
enum OperatorDoor: Sendable {
    case unix(OperatorServerConfiguration.UnixSocket)
    case mutualTLS(OperatorServerConfiguration.MutualTLS)
    case readOnly(OperatorServerConfiguration.ReadOnly)

    /// Prepares a fresh connection, before anything of HTTP is added.
    func admit(_ channel: any Channel, as peer: ConnectionPeer, limits: OperatorServerConfiguration.Limits, log: Logger) -> EventLoopFuture<
        Void
    > {
        let identified: EventLoopFuture<Void> =
            switch self {
            case .unix: Self.identify(channel, peer)
            case .mutualTLS(let settings): channel.eventLoop.makeCompletedFuture { try Self.secure(channel, peer, settings, log) }
            case .readOnly: channel.eventLoop.makeCompletedFuture { peer.proof = .anyone }
            }
        return identified.flatMap {
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(ConnectionGuard(limits: limits))
            }
        }
    }

    /// Who asks: judged anew for each request, so that what was revoked since the handshake counts.
    func caller(_ peer: ConnectionPeer?) -> Result<Caller, CallerRefusal> {
        switch (self, peer?.proof ?? .none) {
        case (.unix(let socket), .user(let uid)):
            guard let role = socket.role(uid) else { return .failure(CallerRefusal("uid \(uid) may not use this socket")) }
            return .success(Caller(name: "uid \(uid)", role: role))
        case (.mutualTLS(let settings), .chain(let chain)): return settings.judge(chain)
        case (.readOnly, .anyone): return .success(Caller(name: "viewer", role: .viewer))
        case (.unix, _), (.mutualTLS, _), (.readOnly, _): return .failure(CallerRefusal("this connection did not say who it is"))
        }
    }

    /// The kernel's word on who opened the other end.
    private static func identify(_ channel: any Channel, _ peer: ConnectionPeer) -> EventLoopFuture<Void> {
        guard let provider = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeFailedFuture(CallerRefusal("the socket does not tell who calls"))
        }
        let credentials: EventLoopFuture<PeerCredentials> = provider.unsafeGetSocketOption(
            level: .init(rawValue: SOL_SOCKET), name: .init(rawValue: SO_PEERCRED))
        return credentials.map { peer.proof = .user($0.uid) }
    }

    /// `struct ucred`.
    private struct PeerCredentials: Sendable {
        var pid: Int32 = 0
        var uid: UInt32 = 0
        var gid: UInt32 = 0
    }

    /// A context of its own for every connection: tickets are sealed with keys of the context, so none of another connection is accepted
    /// and every handshake shows and judges a certificate (security.md T1).
    private static func secure(
        _ channel: any Channel, _ peer: ConnectionPeer, _ settings: OperatorServerConfiguration.MutualTLS, _ log: Logger
    ) throws {
        let handler = NIOSSLServerHandler(
            context: try context(try settings.identity()),
            customVerificationCallback: { certificates, promise in
                guard let chain = try? certificates.map({ try $0.toDERBytes() }) else { return promise.succeed(.failed) }
                switch settings.judge(chain) {
                case .success:
                    peer.proof = .chain(chain)
                    promise.succeed(.certificateVerified)
                case .failure(let refusal):
                    log.notice("operator turned away", metadata: ["reason": "\(refusal)"])
                    promise.succeed(.failed)
                }
            })
        try channel.pipeline.syncOperations.addHandler(handler)
    }

    static func context(_ identity: OperatorServerConfiguration.ServerIdentity) throws -> NIOSSLContext {
        do {
            let chain = try identity.chain.map { NIOSSLCertificateSource.certificate(try NIOSSLCertificate(bytes: $0, format: .der)) }
            let key = try NIOSSLPrivateKey(bytes: Array(identity.privateKeyPEM.utf8), format: .pem)
            var configuration = TLSConfiguration.makeServerConfigurationWithMTLS(
                certificateChain: chain, privateKey: .privateKey(key), trustRoots: .certificates([]))
            configuration.minimumTLSVersion = .tlsv13
            configuration.maximumTLSVersion = .tlsv13
            configuration.certificateVerification = .noHostnameVerification
            configuration.applicationProtocols = ["http/1.1"]
            configuration.shutdownTimeout = .seconds(1)
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw OperatorServerError.unusableIdentity(said: "\(error)")
        }
    }
}

/// HTTP/1.1 behind a door: the peer of the connection is known to every request on it.
struct DoorChannel<Base: ServerChildChannel>: ServerChildChannel {
    struct Value: ServerChildChannelValue {
        let base: Base.Value
        let peer: ConnectionPeer
        var channel: any Channel { base.channel }
    }
    let base: Base
    let door: OperatorDoor
    let limits: OperatorServerConfiguration.Limits

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let peer = ConnectionPeer()
        return door.admit(channel, as: peer, limits: limits, log: logger)
            .flatMap { base.setup(channel: channel, logger: logger) }
            .map { Value(base: $0, peer: peer) }
    }

    func handle(value: Value, logger: Logger) async {
        await ConnectionPeer.$current.withValue(value.peer) { await base.handle(value: value.base, logger: logger) }
    }
}
