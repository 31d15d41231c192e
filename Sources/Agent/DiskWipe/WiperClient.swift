// SPDX-License-Identifier: Apache-2.0

package import MeshModel
internal import MeshSystem

/// Asks the wiper process. Each call is one connection and one thread while it lasts.
package struct WiperClient: Sendable {
    /// Bytes done so far, and how many there will be at most.
    package typealias Progress = @Sendable (_ bytes: UInt64, _ total: UInt64) -> Void

    private let socketPath: String
    private let patience: Duration

    /// `patience` is the longest silence that is borne between two messages: a slow disk is not a dead wiper.
    package init(socketPath: String, patience: Duration = .seconds(120)) {
        self.socketPath = socketPath
        self.patience = patience
    }

    package func inventory() async throws -> [DiskFact] {
        var disks: [DiskFact] = []
        for response in try await request(.inventory) {
            guard case .disks(let part, _) = response else { throw Self.unexpected(response) }
            disks += part
        }
        return disks
    }

    /// What became of the order. The wipe goes on when the caller does not wait for it.
    package func wipe(_ envelope: WarrantEnvelope, node: NodeID, progress: @escaping Progress = { _, _ in }) async throws
        -> TaskReport.Result
    {
        guard case .result(let result)? = try await request(.wipe(envelope, node: node), progress: progress).last else {
            throw DiskWipeError.unexpectedAnswer("no result")
        }
        return result
    }

    package func status() async throws -> WiperStatus {
        guard case .status(let status)? = try await request(.status).last else { throw DiskWipeError.unexpectedAnswer("no status") }
        return status
    }

    /// Every answer but progress, up to the final one. A request that the wiper could not answer throws.
    package func request(_ request: WiperRequest, progress: @escaping Progress = { _, _ in }) async throws -> [WiperResponse] {
        let (socketPath, patience) = (socketPath, patience)
        return try await OwnThread.run(named: "wiper-client") {
            let socket = try WiperSocket.connect(socketPath)
            try socket.send(request)
            var answers: [WiperResponse] = []
            while let response = try socket.receive(WiperResponse.self, patience: patience) {
                switch response {
                case .progress(let bytes, let total): progress(bytes, total)
                case .failed(let problem): throw DiskWipeError.unexpectedAnswer(problem)
                case .disks, .result, .status: answers.append(response)
                }
                if response.isFinal { return answers }
            }
            throw DiskWipeError.connectionEnded(path: socketPath)
        }
    }

    private static func unexpected(_ response: WiperResponse) -> DiskWipeError {
        .unexpectedAnswer(String("\(response)".prefix(120)))
    }
}
