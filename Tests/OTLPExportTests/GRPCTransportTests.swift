// SPDX-License-Identifier: Apache-2.0

import GRPCCore
import GRPCNIOTransportHTTP2Posix
import MeshHTTP
import MeshSystem
import OTLPExport
import ServerTesting
import Synchronization
import Telemetry
import Testing

/// A collector's gRPC side that answers as it is told, the last answer for all that follow.
private final class Service: RegistrableRPCService {
    enum Answer: Sendable {
        case bytes([UInt8])
        case error(RPCError)
        case silence
    }

    struct Request: Sendable {
        var signal: OTLPSignal
        var message: [UInt8]
        var key: String?
        var encoding: String?
    }

    private let state: Mutex<(answers: [Answer], requests: [Request])>

    init(_ answers: [Answer]) { state = Mutex((answers, [])) }

    var requests: [Request] { state.withLock { $0.requests } }

    func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
        for signal in OTLPSignal.allCases {
            router.registerHandler(
                forMethod: MethodDescriptor(fullyQualifiedService: signal.service, method: "Export"), deserializer: PlainBytes(),
                serializer: PlainBytes()
            ) { [self] request, _ in
                let request = try await ServerRequest(stream: request)
                let answer = state.withLock { state in
                    state.requests.append(
                        Request(
                            signal: signal, message: request.message,
                            key: request.metadata[stringValues: "x-honeycomb-team"].first { _ in true },
                            encoding: request.metadata[stringValues: "grpc-encoding"].first { _ in true }))
                    return state.answers.count > 1 ? state.answers.removeFirst() : state.answers[0]
                }
                switch answer {
                case .bytes(let bytes): return StreamingServerResponse(single: ServerResponse(message: bytes))
                case .error(let error): throw error
                case .silence:
                    // Longer than its client waits; the server ends after its handlers.
                    try await Task.sleep(for: .seconds(2))
                    throw RPCError(code: .unavailable, message: "")
                }
            }
        }
    }

    /// Runs `body` with the port.
    static func with(
        _ answers: Answer..., security: HTTP2ServerTransport.Posix.TransportSecurity = .plaintext,
        _ body: (Service, Int) async throws -> Void
    ) async throws {
        let service = Service(answers)
        let transport = HTTP2ServerTransport.Posix(
            address: .ipv4(host: "127.0.0.1", port: 0), transportSecurity: security,
            config: .defaults { $0.compression = .init(enabledAlgorithms: [.gzip]) })
        try await withGRPCServer(transport: transport, services: [service]) { _ in
            let address = try #require(try await transport.listeningAddress.ipv4)
            try await body(service, address.port)
        }
    }
}

@Suite("OTLP/gRPC against a collector on a real socket", .timeLimit(.minutes(2)))
struct GRPCTransportTests {
    /// Runs `body` with a transport whose connections are held.
    private func with(
        _ url: String, change: (inout OTLPConfiguration) throws -> Void = { _ in }, _ body: (GRPCTransport) async throws -> Void
    ) async throws {
        var configuration = OTLPConfiguration(endpoint: try .init(url), transport: .grpc)
        try change(&configuration)
        let transport = try GRPCTransport(configuration)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { do { try await transport.run() } catch is CancellationError {} catch is RuntimeError {} }
            try await body(transport)
            group.cancelAll()
        }
    }

    @Test("each signal goes to its service, packed, with the key, and every answer is judged as the table says")
    func answers() async throws {
        var full: Metadata = [:]
        full.addBinary(RetryTableTests.status(seconds: 9, nanoseconds: 0), forKey: "grpc-status-details-bin")
        var partial = ProtoWriter()
        partial.message(1) {
            $0.number(1, 2)
            $0.block(2, "no room".utf8)
        }
        try await Service.with(
            .bytes([]), .bytes(partial.bytes), .error(RPCError(code: .unavailable, message: "later", metadata: full)),
            .error(RPCError(code: .resourceExhausted, message: "quota", metadata: full)),
            .error(RPCError(code: .resourceExhausted, message: "quota")), .error(RPCError(code: .unauthenticated, message: "who?")),
            .bytes([0xff, 0xff])
        ) { service, port in
            try await with("http://127.0.0.1:\(port)", change: { $0.headers = [.init(name: "x-honeycomb-team", value: "hunter2")] }) {
                transport in
                let long = [UInt8](repeating: 7, count: 300_000)
                #expect(await transport.export(.logs, long) == .accepted(rejected: 0, said: ""))
                #expect(await transport.export(.metrics, [4]) == .accepted(rejected: 2, said: "no room"))
                #expect(await transport.export(.traces, [5]) == .retry(after: .seconds(9), why: "unavailable: later"))
                #expect(await transport.export(.logs, [6]) == .retry(after: .seconds(9), why: "resourceExhausted: quota"))
                #expect(await transport.export(.logs, [6]) == .refused("resourceExhausted: quota"))
                #expect(await transport.export(.logs, [6]) == .refused("unauthenticated: who?"))
                guard case .retry(nil, let why) = await transport.export(.logs, [6]) else { return #expect(Bool(false)) }
                #expect(why.contains("not a collector's"))
                let requests = service.requests
                #expect(requests.map(\.signal) == [.logs, .metrics, .traces, .logs, .logs, .logs, .logs])
                #expect(requests[0].message == long && requests.allSatisfy { $0.key == "hunter2" && $0.encoding == "gzip" })
            }
        }
    }

    @Test("a collector that says nothing, speaks something else, or is not there is asked again later")
    func silence() async throws {
        @Sendable func isRetry(_ reply: OTLPReply) -> Bool { if case .retry = reply { true } else { false } }
        try await Service.with(.silence) { _, port in
            try await with("http://127.0.0.1:\(port)", change: { $0.timeout = .milliseconds(300) }) {
                #expect(isRetry(await $0.export(.logs, [1])))
            }
        }
        try await Collector.with("garbage") { collector in
            try await with(collector.url, change: { $0.timeout = .milliseconds(500) }) { #expect(isRetry(await $0.export(.logs, [1]))) }
        }
        try await with("http://127.0.0.1:1", change: { $0.timeout = .milliseconds(500) }) { #expect(isRetry(await $0.export(.logs, [1]))) }
    }

    @Test("https needs the collector's authority and name, and shows our certificate")
    func tls() async throws {
        try await withTestCertificates { made in
            func security(_ name: String) -> HTTP2ServerTransport.Posix.TransportSecurity {
                .mTLS(
                    certificateChain: [.file(path: made.file("\(name).pem"), format: .pem)],
                    privateKey: .file(path: made.file("\(name).key"), format: .pem)
                ) { tls in
                    tls.trustRoots = .certificates([.file(path: made.file("ca.pem"), format: .pem)])
                    tls.clientCertificateVerification = .noHostnameVerification
                }
            }
            func reply(_ port: Int, roots: String, identified: Bool = true) async throws -> OTLPReply {
                let replies = Mutex<[OTLPReply]>([])
                try await with(
                    "https://localhost:\(port)",
                    change: { configuration in
                        configuration.timeout = .seconds(identified && roots == "ca.pem" ? 20 : 2)
                        configuration.roots = try made.pem(roots)
                        if identified {
                            configuration.identity = .init(certificate: try made.pem("client.pem"), key: try made.pem("client.key"))
                        }
                    }
                ) { transport in
                    let reply = await transport.export(.logs, [1])
                    replies.withLock { $0.append(reply) }
                }
                return try #require(replies.withLock { $0.first })
            }
            func isRetry(_ reply: OTLPReply) -> Bool { if case .retry = reply { true } else { false } }
            try await Service.with(.bytes([]), security: security("local")) { service, port in
                let good = try await reply(port, roots: "ca.pem")
                #expect(good == .accepted(rejected: 0, said: ""))
                let strange = try await reply(port, roots: "other.pem")
                let unknown = try await reply(port, roots: "ca.pem", identified: false)
                #expect(isRetry(strange) && isRetry(unknown) && service.requests.count == 1)
            }
            // The certificate is mesh.test's: another name is not let through, although the chain is good.
            try await Service.with(.bytes([]), security: security("server")) { service, port in
                let wrong = try await reply(port, roots: "ca.pem")
                #expect(isRetry(wrong) && service.requests.isEmpty)
            }
        }
    }

    @Test("a path has no place in a gRPC endpoint")
    func path() throws {
        let configuration = OTLPConfiguration(endpoint: try .init("http://collector:4317/v1"), transport: .grpc)
        #expect(throws: OTLPFault.self) { try GRPCTransport(configuration) }
    }
}
