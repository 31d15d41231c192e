// SPDX-License-Identifier: Apache-2.0

import Glibc
import Hummingbird
import HummingbirdCore
package import Logging
import NIOCore
import ServiceLifecycle
import Synchronization

/// The admin surface: one set of routes behind up to three doors. Ends gracefully with its service group.
package struct OperatorServer: Service {
    /// Where a listener was opened.
    package enum Opened: Hashable, Sendable {
        case unixSocket(path: String)
        case mutualTLS(host: String, port: Int)
        case readOnly(host: String, port: Int)
    }

    private let configuration: OperatorServerConfiguration
    private let backend: any OperatorBackend
    private let sources: OperatorSources
    private let log: Logger
    private let opened: @Sendable (Opened) -> Void
    private let queries: QueryPlaces

    /// - Parameter opened: told of each listener once it accepts connections; port 0 has become a real one there.
    package init(
        _ configuration: OperatorServerConfiguration, backend: any OperatorBackend, sources: OperatorSources, log: Logger,
        opened: @escaping @Sendable (Opened) -> Void = { _ in }
    ) {
        self.configuration = configuration
        self.backend = backend
        self.sources = sources
        self.log = log
        self.opened = opened
        queries = QueryPlaces(configuration.limits.queries)
    }

    package func run() async throws {
        var services: [any Service] = []
        if let socket = configuration.unixSocket { services.append(try unixListener(socket)) }
        if let settings = configuration.mutualTLS {
            _ = try OperatorDoor.context(try settings.identity())
            let place = "\(settings.host):\(settings.port)"
            services.append(
                listener(.mutualTLS(settings), at: .hostname(settings.host, port: settings.port), named: place) { channel in
                    opened(.mutualTLS(host: settings.host, port: channel.localAddress?.port ?? settings.port))
                })
        }
        if let settings = configuration.readOnly {
            let place = "\(settings.host):\(settings.port)"
            services.append(
                listener(.readOnly(settings), at: .hostname(settings.host, port: settings.port), named: place) { channel in
                    opened(.readOnly(host: settings.host, port: channel.localAddress?.port ?? settings.port))
                })
        }
        try await ServiceGroup(configuration: .init(services: services, logger: log)).run()
    }

    /// Bound under another name, made private, and only then put in place: nobody finds it with a wrong mode, and a leftover of a killed
    /// coordinator is replaced in one step.
    private func unixListener(_ socket: OperatorServerConfiguration.UnixSocket) throws -> ListenerService {
        guard !Self.answers(socket.path) else { throw OperatorServerError.socketInUse(path: socket.path) }
        let fresh = "\(socket.path).\(getpid())"
        let failure = FailureBox()
        var service = listener(.unix(socket), at: .unixDomainSocket(path: fresh), named: socket.path) { channel in
            if chmod(fresh, 0o600) == 0, rename(fresh, socket.path) == 0 { return opened(.unixSocket(path: socket.path)) }
            failure.set(OperatorServerError.cannotListen(on: socket.path, said: String(cString: strerror(errno))))
            channel.close(mode: .all, promise: nil)
        }
        service.failure = failure
        service.cleanUp = { unlink(socket.path) }
        return service
    }

    private func listener(
        _ door: OperatorDoor, at address: BindAddress, named place: String, running: @escaping @Sendable (any Channel) -> Void
    ) -> ListenerService {
        let responder = OperatorResponder(
            door: door, backend: backend, sources: sources, limits: configuration.limits, queries: queries, log: log)
        let limits = configuration.limits
        var quiet = log
        // Hummingbird reports its listeners and each connection that ends; we say what matters ourselves.
        quiet.logLevel = max(log.logLevel, .critical)
        let application = Application(
            router: responder.router(),
            server: HTTPServerBuilder { respond in
                let http = HTTP1Channel(
                    responder: respond,
                    configuration: .init(
                        idleTimeout: TimeAmount(limits.idle),
                        httpDecoderConfiguration: .init(maxHeaderFieldSize: 16 << 10, maxHeaderListSize: 32 << 10, maxHeaderFieldCount: 64))
                )
                return DoorChannel(base: http, door: door, limits: limits)
            },
            configuration: ApplicationConfiguration(
                address: address, serverName: "meshgate", availableConnectionsDelegate: MaximumAvailableConnections(limits.connections)),
            onServerRunning: { channel in running(channel) }, logger: quiet)
        return ListenerService(application: application, place: place)
    }

    /// Whether somebody accepts connections on a socket file.
    private static func answers(_ path: String) -> Bool {
        let file = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard file >= 0 else { return false }
        defer { close(file) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(file, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0 }
        }
    }
}

/// What went wrong after a listener was bound.
private final class FailureBox: Sendable {
    private let error = Mutex<OperatorServerError?>(nil)
    func set(_ new: OperatorServerError) { error.withLock { $0 = new } }
    var found: OperatorServerError? { error.withLock { $0 } }
}

/// One listener, with its errors in our words.
private struct ListenerService: Service {
    let application: any Service
    let place: String
    var failure = FailureBox()
    var cleanUp: @Sendable () -> Void = {}

    func run() async throws {
        defer { cleanUp() }
        do {
            try await application.run()
        } catch let error as OperatorServerError {
            throw error
        } catch {
            throw failure.found ?? OperatorServerError.cannotListen(on: place, said: Self.words(error))
        }
        if let found = failure.found { throw found }
    }

    private static func words(_ error: any Error) -> String {
        (error as? IOError).flatMap { strerror($0.errnoCode) }.map { String(cString: $0) } ?? "\(error)"
    }
}
