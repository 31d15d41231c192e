// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import MeshSystem
internal import Synchronization

/// The serving side of a role: listens on a Unix socket, asks the kernel who connected, and gives each connection that is allowed a thread
/// of its own, because what roles do blocks. One connection carries one request.
package final class LocalServer<Response: Encodable & Sendable>: Sendable {
    /// Told of each event worth a log line.
    package typealias Log = @Sendable (_ event: String, _ details: [String: String]) -> Void
    package typealias Serve = @Sendable (LocalSocket) -> Void

    /// Who serves, on what, and for whom.
    package struct Terms: Sendable {
        package var role: String
        package var path: String
        /// Whose members may open the socket, besides our own user.
        package var group: UInt32?
        package var allowedUsers: Set<UInt32>
        package var mostConnections: Int
        package init(role: String, path: String, group: UInt32?, allowedUsers: Set<UInt32>, mostConnections: Int) {
            self.role = role
            self.path = path
            self.group = group
            self.allowedUsers = allowedUsers
            self.mostConnections = mostConnections
        }
    }

    /// Set by `stop`: whatever is under way should come to its end.
    package let stopSignal = StopSignal()
    private let terms: Terms
    private let whenBusy: Response
    private let log: Log
    private let listener: LocalSocket
    private let wakeup: Int32
    private let live = Mutex(Live())

    private struct Live {
        var connections = 0
        var finished: (@Sendable () -> Void)?
        var listening = false
    }

    /// Opens the socket; nothing is answered before `run`. `whenBusy` is what a connection beyond the most is told.
    package init(_ terms: Terms, whenBusy: Response, log: @escaping Log) throws {
        self.terms = terms
        self.whenBusy = whenBusy
        self.log = log
        listener = try LocalSocket.listen(terms.path, role: terms.role, group: terms.group)
        wakeup = meshgate_wakeup()
        guard wakeup >= 0 else { throw LocalLinkError.socket(doing: "make a wakeup", on: terms.path, errno: -wakeup) }
    }

    deinit { close(wakeup) }

    /// Serves until `stop` or cancellation, then returns when the last request has its answer.
    package func run(_ serve: @escaping Serve) async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                live.withLock {
                    $0.listening = true
                    $0.finished = { continuation.resume() }
                }
                do {
                    try OwnThread.start(named: "\(terms.role)-listen") { self.listen(serve) }
                } catch {
                    live.withLock { $0.finished = nil }
                    continuation.resume(throwing: error)
                }
            }
        } onCancel: {
            stop()
        }
    }

    /// Ends `run`.
    package func stop() {
        stopSignal.set()
        meshgate_wake(wakeup)
    }

    private func listen(_ serve: @escaping Serve) {
        while !stopSignal.isSet {
            var waiting = [
                pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0), pollfd(fd: wakeup, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&waiting, 2, -1) > 0, waiting[0].revents != 0, !stopSignal.isSet else { continue }
            let descriptor = meshgate_socket_accept(listener.descriptor)
            if descriptor >= 0 { take(LocalSocket(descriptor: descriptor, path: terms.path, role: terms.role), serve) }
        }
        unlink(terms.path)
        leave { $0.listening = false }
    }

    /// Judges the peer before one byte of it is read.
    private func take(_ socket: LocalSocket, _ serve: @escaping Serve) {
        do {
            let user = try socket.peerUser()
            guard terms.allowedUsers.contains(user) else {
                log("peer refused", ["user": String(user)])
                return
            }
            let admitted = live.withLock { live in
                guard live.connections < terms.mostConnections else { return false }
                live.connections += 1
                return true
            }
            guard admitted else {
                try socket.send(whenBusy)
                return
            }
            do {
                try OwnThread.start(named: "\(terms.role)-request") {
                    serve(socket)
                    self.leave { $0.connections -= 1 }
                }
            } catch {
                leave { $0.connections -= 1 }
                throw error
            }
        } catch {
            log("connection failed", ["problem": "\(error)"])
        }
    }

    private func leave(_ change: (inout Live) -> Void) {
        let finished = live.withLock { live -> (@Sendable () -> Void)? in
            change(&live)
            guard !live.listening, live.connections == 0 else { return nil }
            defer { live.finished = nil }
            return live.finished
        }
        finished?()
    }
}
