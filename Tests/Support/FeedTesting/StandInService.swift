// SPDX-License-Identifier: Apache-2.0

import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Glibc
internal import Synchronization

/// A real gRPC server on a Unix socket with a few methods, whose messages are bytes: what stands in for Tetragon and Hubble.
package final class StandInService: Sendable {
    package typealias Write = @Sendable ([UInt8]) async throws -> Void
    package typealias Unary = @Sendable ([UInt8]) async throws -> [UInt8]
    /// A stream ends when it returns, and breaks when it throws.
    package typealias Stream = @Sendable (_ request: [UInt8], _ write: @escaping Write) async throws -> Void

    private let unary: [String: Unary]
    private let streams: [String: Stream]
    private let ending: @Sendable () -> Void

    /// `ending` is called when a server is to end: every stream must then end as well.
    package init(unary: [String: Unary], streams: [String: Stream], ending: @escaping @Sendable () -> Void) {
        self.unary = unary
        self.streams = streams
        self.ending = ending
    }

    /// What a stream throws that is to look like a service that went away.
    package static var away: any Error { RPCError(code: .unavailable, message: "the stand-in goes away") }

    /// Serves at `path` while `body` runs; afterwards nobody listens there.
    package func serve<Result: Sendable>(at path: String, _ body: @Sendable () async throws -> Result) async throws -> Result {
        unlink(path)
        let transport = HTTP2ServerTransport.Posix(
            address: .unixDomainSocket(path: path), transportSecurity: .plaintext)
        let result = try await serve(transport) {
            _ = try await transport.listeningAddress
            return try await body()
        }
        unlink(path)
        return result
    }

    /// Serves with TLS on a port of loopback, which `body` is told.
    package func serve<Result: Sendable>(
        certificate: String, key: String, clientRoots: String, _ body: @Sendable (Int) async throws -> Result
    ) async throws -> Result {
        let transport = HTTP2ServerTransport.Posix(
            address: .ipv4(host: "127.0.0.1", port: 0),
            transportSecurity: .mTLS(
                certificateChain: [.file(path: certificate, format: .pem)], privateKey: .file(path: key, format: .pem)
            ) { $0.trustRoots = .certificates([.file(path: clientRoots, format: .pem)]) })
        let result = try await serve(transport) {
            guard let port = try await transport.listeningAddress.ipv4?.port else { throw Self.away }
            return try await body(port)
        }
        return result
    }

    private func serve<Result: Sendable>(
        _ transport: HTTP2ServerTransport.Posix, _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        let server = GRPCServer(transport: transport, services: [Methods(unary: unary, streams: streams)])
        return try await withThrowingTaskGroup { group in
            group.addTask { try await server.serve() }
            do {
                let result = try await body()
                ending()
                server.beginGracefulShutdown()
                try await group.waitForAll()
                return result
            } catch {
                ending()
                server.beginGracefulShutdown()
                group.cancelAll()
                throw error
            }
        }
    }
}

private struct Methods: RegistrableRPCService {
    let unary: [String: StandInService.Unary]
    let streams: [String: StandInService.Stream]

    func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
        for (name, method) in unary {
            router.registerHandler(forMethod: Self.descriptor(name), deserializer: Bytes(), serializer: Bytes()) { request, _ in
                var message: [UInt8] = []
                for try await part in request.messages { message = part }
                return StreamingServerResponse(single: ServerResponse(message: try await method(message)))
            }
        }
        for (name, method) in streams {
            router.registerHandler(forMethod: Self.descriptor(name), deserializer: Bytes(), serializer: Bytes()) { request, _ in
                var message: [UInt8] = []
                for try await part in request.messages { message = part }
                let asked = message
                // As grpc-go does it: the answer's head comes with the first message, or with the refusal.
                let (messages, made) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
                // Ends with the stand-in, which ends every stream.
                Task {
                    do {
                        try await method(asked) { made.yield($0) }
                        made.finish()
                    } catch {
                        made.finish(throwing: error)
                    }
                }
                var iterator = messages.makeAsyncIterator()
                let first = try await iterator.next()
                return StreamingServerResponse { writer in
                    if let first { try await writer.write(first) }
                    for try await message in messages { try await writer.write(message) }
                    return [:]
                }
            }
        }
    }

    private static func descriptor(_ method: String) -> MethodDescriptor {
        let parts = method.split(separator: "/")
        return MethodDescriptor(fullyQualifiedService: String(parts[0]), method: String(parts[1]))
    }
}

private struct Bytes: MessageSerializer, MessageDeserializer {
    func serialize<Out: GRPCContiguousBytes>(_ message: [UInt8]) -> Out { Out(message) }
    func deserialize<In: GRPCContiguousBytes>(_ bytes: In) -> [UInt8] { bytes.withUnsafeBytes(Array.init) }
}
