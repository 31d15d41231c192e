// SPDX-License-Identifier: Apache-2.0

internal import LocalLink
package import MeshModel
internal import MeshSystem

/// Asks the wiper process. Each call is one connection and one thread while it lasts.
package struct WiperClient: Sendable {
    package typealias Progress = Wiper.Progress

    private let socketPath: String
    private let patience: Duration

    /// `patience` is the longest silence that is borne between two messages: a slow disk is not a dead wiper.
    package init(socketPath: String, patience: Duration = .seconds(120)) {
        self.socketPath = socketPath
        self.patience = patience
    }

    /// The disks, and whether the wiper is armed.
    package func inventory() async throws -> [Fact] { try await facts(.inventory) }

    /// Whether the disks read as zero where the seed says.
    package func blankness(_ checks: [BlanknessCheck], seed: Digest) async throws -> [Fact] {
        try await facts(.blankness(checks, seed: seed))
    }

    /// What this host, as a hypervisor, knows of its guests' disks.
    package func virtualDisks(serials: [String]) async throws -> [Fact] { try await facts(.virtualDisks(serials: serials)) }

    /// What this host, as a hypervisor, has written down of itself and of the mesh's machines on it.
    package func hypervisorFiles(_ selector: GuestSelector) async throws -> [Fact] { try await facts(.hypervisorFiles(selector)) }

    private func facts(_ request: WiperRequest) async throws -> [Fact] {
        var facts: [Fact] = []
        for response in try await self.request(request) {
            guard case .facts(let part, _) = response else { throw Self.unexpected(response) }
            facts += part
        }
        return facts
    }

    /// What became of the order. The wipe goes on when the caller does not wait for it.
    package func wipe(_ envelope: WarrantEnvelope, node: NodeID, progress: @escaping Progress = { _, _, _ in }) async throws
        -> TaskReport.Result
    {
        try await result(of: .wipe(envelope, node: node), progress: progress)
    }

    /// Hands over a signed message that arms the wiper.
    package func arm(_ envelope: WarrantEnvelope, node: NodeID) async throws -> TaskReport.Result {
        try await result(of: .arm(envelope, node: node))
    }

    /// A busy wiper has not looked at the order, which is a refusal: whoever sent it may send it again.
    private func result(of order: WiperRequest, progress: @escaping Progress = { _, _, _ in }) async throws -> TaskReport.Result {
        do {
            guard case .result(let result)? = try await request(order, progress: progress).last else {
                throw LocalLinkError.unexpectedAnswer(role: WiperServer.role, "no result")
            }
            return result
        } catch let busy as WiperBusy {
            return .refused(TaskRefusal(.overloaded, busy.description))
        }
    }

    package func status() async throws -> WiperStatus {
        guard case .status(let status)? = try await request(.status).last else {
            throw LocalLinkError.unexpectedAnswer(role: WiperServer.role, "no status")
        }
        return status
    }

    /// Every answer but progress, up to the final one. A request that the wiper could not answer throws.
    package func request(_ request: WiperRequest, progress: @escaping Progress = { _, _, _ in }) async throws -> [WiperResponse] {
        let (socketPath, patience) = (socketPath, patience)
        return try await OwnThread.run(named: "wiper-client") {
            let socket = try LocalSocket.connect(socketPath, to: WiperServer.role)
            do {
                try socket.send(request)
            } catch {
                // A busy wiper answers at once and hangs up, maybe before it has the request.
                if case .busy(let words)? = (try? socket.receive(WiperResponse.self, patience: .seconds(1))) ?? nil {
                    throw WiperBusy(description: words)
                }
                throw error
            }
            var answers: [WiperResponse] = []
            while let response = try socket.receive(WiperResponse.self, patience: patience) {
                switch response {
                case .progress(let phase, let bytes, let total): progress(phase, bytes, total)
                case .failed(let problem): throw LocalLinkError.failed(role: WiperServer.role, problem)
                case .busy(let words): throw WiperBusy(description: words)
                case .facts, .result, .status: answers.append(response)
                }
                if response.isFinal { return answers }
            }
            throw LocalLinkError.connectionEnded(role: WiperServer.role, path: socketPath)
        }
    }

    private static func unexpected(_ response: WiperResponse) -> LocalLinkError {
        .unexpectedAnswer(role: WiperServer.role, String("\(response)".prefix(120)))
    }
}

/// The wiper has too many requests, and did not look at this one.
package struct WiperBusy: Error, Hashable, CustomStringConvertible {
    package let description: String
}
