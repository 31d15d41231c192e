// SPDX-License-Identifier: Apache-2.0

package import GRPCCore
import GRPCNIOTransportHTTP2Posix
import MeshHTTP
import MeshSystem

/// OTLP/gRPC. Messages pass through as bytes: `FeedExport` has written them, and the answers are a few fields.
package final class GRPCTransport: OTLPTransport {
    private let client: GRPCClient<HTTP2ClientTransport.Posix>
    private let metadata: Metadata
    private let options: CallOptions

    package init(_ configuration: OTLPConfiguration) throws(OTLPFault) {
        let endpoint = configuration.endpoint
        guard endpoint.path.isEmpty else { throw .endpoint("\(endpoint)") }
        let port = Int(endpoint.port ?? 4317)
        let target: any ResolvableTarget =
            if endpoint.host.contains(":") {
                .ipv6(address: endpoint.host, port: port)
            } else if endpoint.host.utf8.allSatisfy({ $0 == UInt8(ascii: ".") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
                .ipv4(address: endpoint.host, port: port)
            } else {
                .dns(host: endpoint.host, port: port)
            }
        do {
            client = GRPCClient(
                transport: try HTTP2ClientTransport.Posix(
                    target: target, transportSecurity: Self.security(configuration),
                    config: .defaults { $0.compression = .init(algorithm: .gzip, enabledAlgorithms: [.gzip, .deflate]) }))
        } catch {
            throw .transport("\(error)")
        }
        var metadata: Metadata = [:]
        for header in configuration.headers { metadata.addString(header.value, forKey: header.name) }
        self.metadata = metadata
        var options = CallOptions.defaults
        options.timeout = configuration.timeout
        options.maxResponseMessageBytes = 1 << 20
        options.compression = configuration.isCompressed ? .gzip : CompressionAlgorithm.none
        self.options = options
    }

    private static func security(_ configuration: OTLPConfiguration) -> HTTP2ClientTransport.Posix.TransportSecurity {
        guard configuration.endpoint.isSecure else { return .plaintext }
        var tls = HTTP2ClientTransport.Posix.TransportSecurity.TLS.defaults
        if let roots = configuration.roots { tls.trustRoots = .certificates([.bytes(roots, format: .pem)]) }
        if let identity = configuration.identity {
            tls.certificateChain = [.bytes(identity.certificate, format: .pem)]
            tls.privateKey = .bytes(identity.key, format: .pem)
        }
        return .tls(tls)
    }

    package func run() async throws { try await client.runConnections() }

    package func export(_ signal: OTLPSignal, _ message: [UInt8]) async -> OTLPReply {
        do {
            let answer = try await client.unary(
                request: ClientRequest(message: message, metadata: metadata),
                descriptor: MethodDescriptor(fullyQualifiedService: signal.service, method: "Export"), serializer: PlainBytes(),
                deserializer: PlainBytes(), options: options
            ) { response in try response.message }
            guard let success = OTLPAnswer.partialSuccess(answer) else {
                return .retry(after: nil, why: "the answer is not a collector's; check the endpoint")
            }
            return .accepted(rejected: success.rejected, said: success.said)
        } catch let error as RPCError {
            return RetryTable.judge(error)
        } catch {
            return .retry(after: nil, why: "\(error)")
        }
    }
}

/// Messages that are bytes already.
package struct PlainBytes: MessageSerializer, MessageDeserializer {
    package init() {}
    package func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Bytes { Bytes(message) }
    package func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> [UInt8] { bytes.withUnsafeBytes { Array($0) } }
}
