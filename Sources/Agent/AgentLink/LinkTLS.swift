// SPDX-License-Identifier: Apache-2.0

import MeshModel
import NIOCore
import NIOSSL

/// The TLS side of one dialled connection: 1.3 only, no roots but the judge's, a context of its own so that nothing is ever resumed.
enum LinkTLS {
    static func handler(identity: AgentIdentity, alpn: String, host: String, proof: CoordinatorProof) throws -> NIOSSLClientHandler {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv13
        configuration.maximumTLSVersion = .tlsv13
        configuration.trustRoots = .certificates([])
        configuration.certificateVerification = .noHostnameVerification
        configuration.certificateChain = try identity.chain.map { .certificate(try NIOSSLCertificate(bytes: $0, format: .der)) }
        configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(identity.privateKeyPEM.utf8), format: .pem))
        configuration.applicationProtocols = [alpn]
        configuration.shutdownTimeout = .seconds(1)
        return try NIOSSLClientHandler(
            context: try NIOSSLContext(configuration: configuration), serverHostname: IPAddress(host) == nil ? host : nil,
            customVerificationCallback: { certificates, promise in
                promise.succeed(proof.settle(certificates) ? .certificateVerified : .failed)
            })
    }
}

/// What the verification callback of one connection found. Lives on its event loop.
final class CoordinatorProof {
    private let judge: CoordinatorJudge
    private(set) var verified = false
    /// Why the coordinator was refused.
    private(set) var refusal: String?

    init(judge: @escaping CoordinatorJudge) { self.judge = judge }

    func settle(_ certificates: [NIOSSLCertificate]) -> Bool {
        do {
            refusal = judge(try certificates.map { try $0.toDERBytes() })
        } catch {
            refusal = "the coordinator's certificate cannot be encoded: \(error)"
        }
        verified = refusal == nil
        return verified
    }
}
