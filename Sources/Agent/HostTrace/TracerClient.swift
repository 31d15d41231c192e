// SPDX-License-Identifier: Apache-2.0

package import LocalLink
internal import MeshModel
internal import MeshSystem
package import Telemetry

/// Asks the tracer process, and takes what it sees.
package struct TracerClient: Sendable {
    private let socketPath: String
    /// The tracer says something every five seconds.
    private static let patience = Duration.seconds(20)
    /// More than this in one parcel is not believed, as in SourceLimits: one hostile number must not end all counting.
    private static let mostLost: UInt64 = 1 << 32

    package init(socketPath: String) { self.socketPath = socketPath }

    package func status() async throws -> TracerStatus {
        let socketPath = socketPath
        return try await OwnThread.run(named: "tracer-client") {
            let socket = try LocalSocket.connect(socketPath, to: TracerServer.role)
            try socket.send(TracerRequest.status)
            guard case .status(let status) = try Self.answer(socket, socketPath) else {
                throw LocalLinkError.unexpectedAnswer(role: TracerServer.role, "no status")
            }
            return status
        }
    }

    /// Hands what the tracer sees to `intake` until `stop` is set or the connection ends, which throws. Blocks: for a thread of its own. A
    /// parcel is taken once `intake` has it; one that was handed over right before an end may come again.
    package func follow(into intake: some TelemetryIntake, until stop: StopSignal) throws {
        let socket = try LocalSocket.connect(socketPath, to: TracerServer.role)
        try socket.send(TracerRequest.follow)
        while !stop.isSet {
            guard case .parcel(let head) = try Self.answer(socket, socketPath) else {
                throw LocalLinkError.unexpectedAnswer(role: TracerServer.role, "no parcel")
            }
            var events: [TelemetryEvent] = []
            if head.events > 0 {
                guard let packed = try socket.receiveBytes(patience: Self.patience) else {
                    throw LocalLinkError.connectionEnded(role: TracerServer.role, path: socketPath)
                }
                do {
                    events = try PackedEvents.events(in: packed)
                } catch {
                    throw LocalLinkError.frameMalformed(role: TracerServer.role, problem: "\(error)")
                }
            }
            guard let source = TelemetrySource(rawValue: head.source), UInt64(events.count) == head.events
            else { throw LocalLinkError.frameMalformed(role: TracerServer.role, problem: "a parcel that is not what its head says") }
            if !events.isEmpty { intake.offer(events, from: source) }
            for (word, count) in head.lost { intake.lost(min(count, Self.mostLost), LossReason(word: word), from: source) }
            try socket.send(TracerRequest.took(head.number))
        }
    }

    private static func answer(_ socket: LocalSocket, _ path: String) throws -> TracerResponse {
        guard let response = try socket.receive(TracerResponse.self, patience: patience) else {
            throw LocalLinkError.connectionEnded(role: TracerServer.role, path: path)
        }
        if case .failed(let problem) = response { throw LocalLinkError.failed(role: TracerServer.role, problem) }
        return response
    }
}
