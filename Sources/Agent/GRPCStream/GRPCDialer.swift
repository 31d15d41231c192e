// SPDX-License-Identifier: Apache-2.0

internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Makes channels to other programs' gRPC services. A channel is made anew after each break: one that lived through a restart of the service
/// was seen to stay away for minutes, where a new one connected at once.
package final class GRPCDialer: Sendable {
    /// The longest message that is taken; `tetra` and `hubble` take as much.
    package static let longestMessage = 10 << 20
    /// What may be on the way to us and not read yet.
    private static let window = 1 << 20
    /// Lives as long as the process: channels close a little later than their calls end.
    private let loops = MultiThreadedEventLoopGroup.singleton

    package init() {}

    /// One thread for all channels, whatever the number of processors: a service may have few. Once, and before the first dialer.
    package static func useOneThread() { NIOSingletons.groupLoopCountSuggestion = 1 }

    /// A channel to `address` for as long as `body` runs.
    package func withChannel<Result: Sendable>(
        to address: GRPCAddress, trust: GRPCTrust?, _ body: (GRPCChannel) async throws -> Result
    ) async throws -> Result {
        let config = HTTP2ClientTransport.Posix.Config.defaults { config in
            config.http2.targetWindowSize = Self.window
            config.http2.authority = Self.authority(address, trust)
            config.connection.maxIdleTime = nil
            // The channel's own tries end with the channel; ours begin a new one.
            config.backoff.max = .seconds(2)
            // The one place where a handler can be put in front of all others.
            config.channelDebuggingCallbacks.onCreateTCPConnection = { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(PacedReads(), position: .first)
                }
            }
        }
        let transport = try HTTP2ClientTransport.Posix(
            target: Self.target(address), transportSecurity: Self.security(trust), config: config, eventLoopGroup: loops)
        return try await withGRPCClient(transport: transport) { try await body(GRPCChannel(client: $0)) }
    }

    /// Whether there is a socket at `path`, also one that we may not see: dialling it then says so.
    package static func isThere(_ path: String) -> Bool { access(path, F_OK) == 0 || errno == EACCES }

    private static func authority(_ address: GRPCAddress, _ trust: GRPCTrust?) -> String {
        switch address {
        // grpc-go refuses a path as authority, which is what would be sent for a socket.
        case .unix: trust?.serverName ?? "localhost"
        case .tcp(let host, _): trust?.serverName ?? host
        }
    }

    private static func target(_ address: GRPCAddress) -> any ResolvableTarget {
        switch address {
        case .unix(let path): .unixDomainSocket(path: path)
        case .tcp(let host, let port):
            if host.contains(":") {
                .ipv6(address: host, port: port)
            } else if host.allSatisfy({ $0.isNumber || $0 == "." }) {
                .ipv4(address: host, port: port)
            } else {
                .dns(host: host, port: port)
            }
        }
    }

    private static func security(_ trust: GRPCTrust?) -> HTTP2ClientTransport.Posix.TransportSecurity {
        guard let trust else { return .plaintext }
        return .tls { config in
            config.trustRoots = .certificates([.file(path: trust.roots, format: .pem)])
            guard trust.showsCertificate else { return }
            config.certificateChain = [.file(path: trust.certificate, format: .pem)]
            config.privateKey = .file(path: trust.key, format: .pem)
        }
    }
}

/// One channel while it lasts; methods are named as on the wire: `tetragon.FineGuidanceSensors/GetEvents`.
package struct GRPCChannel: Sendable {
    let client: GRPCClient<HTTP2ClientTransport.Posix>

    /// Asks once.
    package func call(_ method: String, _ request: [UInt8] = [], deadline: Duration = .seconds(10)) async throws -> [UInt8] {
        try await client.unary(
            request: ClientRequest(message: request), descriptor: Self.descriptor(method), serializer: RawMessages(),
            deserializer: RawMessages(), options: Self.options(deadline)
        ) { try $0.message }
    }

    /// Follows a stream: `began` once, when the service has accepted the call, and `take` for each message until it says false, the stream ends
    /// or the task is cancelled. Messages that are not asked for yet wait at the service.
    ///
    /// Services on grpc-go answer a call with its first message, and a quiet host has none for long: one that did not refuse in time has
    /// accepted.
    package func follow(
        _ method: String, _ request: [UInt8], began: @escaping @Sendable () -> Void,
        take: @escaping @Sendable ([UInt8]) async throws -> Bool
    ) async throws {
        let isAccepted = Mutex(false)
        let accept: @Sendable () -> Void = {
            let isFirst = isAccepted.withLock { accepted in
                defer { accepted = true }
                return !accepted
            }
            if isFirst { began() }
        }
        try await withThrowingTaskGroup { group in
            group.addTask {
                try await Task.sleep(for: Self.timeToRefuse)
                accept()
            }
            defer { group.cancelAll() }
            try await client.serverStreaming(
                request: ClientRequest(message: request), descriptor: Self.descriptor(method), serializer: RawMessages(),
                deserializer: RawMessages(), options: Self.options(nil)
            ) { response in
                let contents = try response.accepted.get()
                accept()
                for try await part in contents.bodyParts {
                    if case .message(let message) = part, try await !take(message) { return }
                }
            }
        }
    }

    /// A service refuses before it looks for anything.
    private static let timeToRefuse = Duration.seconds(1)

    private static func options(_ deadline: Duration?) -> CallOptions {
        var options = CallOptions.defaults
        options.timeout = deadline
        options.waitForReady = false
        options.maxResponseMessageBytes = GRPCDialer.longestMessage
        // The transport (grpc-swift-nio-transport 2.9) holds this one against what it receives; otherwise it ends calls at 4 MiB.
        options.maxRequestMessageBytes = GRPCDialer.longestMessage
        return options
    }

    private static func descriptor(_ method: String) -> MethodDescriptor {
        let slash = method.firstIndex(of: "/") ?? method.endIndex
        return MethodDescriptor(
            fullyQualifiedService: String(method[..<slash]), method: String(method[slash...].dropFirst()))
    }
}
