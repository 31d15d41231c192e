// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshWire
import NIOCore
import NIOSSL
import Synchronization

/// Makes the TLS side of each accepted connection.
///
/// The context is new for every connection: session tickets are sealed with keys that live in the context, and a resumed session skips the
/// verification callback. With a shared one a revoked or expired agent would come back in with an old ticket and without its key.
final class ServerTLS: Sendable {
    private struct Parsed {
        let identity: ServerIdentity
        let certificates: [NIOSSLCertificate]
        let key: NIOSSLPrivateKey
    }
    private let provider: @Sendable () throws -> ServerIdentity
    private let gate: PeerGate
    private let speaksFeed: Bool
    private let parsed = Mutex<Parsed?>(nil)

    init(provider: @escaping @Sendable () throws -> ServerIdentity, gate: PeerGate, speaksFeed: Bool) {
        self.provider = provider
        self.gate = gate
        self.speaksFeed = speaksFeed
    }

    /// Fails when the identity at hand is not usable; called once before listening, so that the daemon says so at its start.
    func context() throws -> NIOSSLContext {
        do {
            let (certificates, key) = try material()
            var configuration = TLSConfiguration.makeServerConfigurationWithMTLS(
                certificateChain: certificates.map { .certificate($0) }, privateKey: .privateKey(key), trustRoots: .certificates([]))
            configuration.minimumTLSVersion = .tlsv13
            configuration.maximumTLSVersion = .tlsv13
            configuration.certificateVerification = .noHostnameVerification
            configuration.applicationProtocols = [LinkProtocol.session, LinkProtocol.join] + (speaksFeed ? [LinkProtocol.feed] : [])
            configuration.shutdownTimeout = .seconds(1)
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw GatewayError.unusableIdentity(cause: error)
        }
    }

    /// The handler of one connection; `proof` learns who the peer is before the handshake completes.
    func handler(proof: PeerProof) throws -> NIOSSLServerHandler {
        let gate = gate
        return NIOSSLServerHandler(
            context: try context(),
            customVerificationCallback: { certificates, promise in
                promise.succeed(proof.settle(certificates, gate: gate) ? .certificateVerified : .failed)
            })
    }

    private func material() throws -> ([NIOSSLCertificate], NIOSSLPrivateKey) {
        let identity = try provider()
        if let known = parsed.withLock({ $0 }), known.identity == identity { return (known.certificates, known.key) }
        let certificates = try identity.chain.map { try NIOSSLCertificate(bytes: $0, format: .der) }
        let key = try NIOSSLPrivateKey(bytes: Array(identity.privateKeyPEM.utf8), format: .pem)
        parsed.withLock { $0 = Parsed(identity: identity, certificates: certificates, key: key) }
        return (certificates, key)
    }
}

/// Who one peer proved to be. Written in the verification callback of this very connection and nowhere else, so that a connection whose
/// handshake skipped the callback stays without a proof. Lives on the connection's event loop.
final class PeerProof {
    enum Proof {
        case none
        case agent(SessionPeer, chain: [[UInt8]])
        case joiner(key: Digest)
    }
    private(set) var proof = Proof.none
    /// Why the peer was refused, for the log.
    private(set) var refusal: String?

    func settle(_ certificates: [NIOSSLCertificate], gate: PeerGate) -> Bool {
        let chain: [[UInt8]]
        do {
            chain = try certificates.map { try $0.toDERBytes() }
        } catch {
            refusal = "the peer's certificate cannot be encoded: \(error)"
            return false
        }
        switch gate.judge(chain) {
        case .success(let peer):
            proof = .agent(peer, chain: chain)
            return true
        case .failure(let reason):
            if case .success(let key) = gate.judgeJoiner(chain) {
                proof = .joiner(key: key)
                return true
            }
            refusal = reason.words
            return false
        }
    }
}
