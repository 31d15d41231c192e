// SPDX-License-Identifier: Apache-2.0

internal import LocalLink
package import MeshModel
internal import MeshSystem

/// Asks the prober process. Each call is one connection and one thread while it lasts.
package struct ProberClient: Sendable {
    private let socketPath: String
    /// A survey has its own end; this is for a prober that hangs.
    private static let patience = Duration.seconds(20)

    package init(socketPath: String) { self.socketPath = socketPath }

    /// The facts of a probe that goes over the wire. A prober that is not there is a fact, too.
    package func answer(_ targets: [PathTarget], tokens: [NodeID: Digest]) async -> [Fact] {
        do {
            guard case .facts(let facts) = try await request(.paths(targets, tokens: tokens)) else { throw Self.unexpected("no facts") }
            return facts
        } catch {
            return [.unavailable("cannot measure the ways to other nodes: \(error); start meshgate-prober on this host")]
        }
    }

    /// Makes the prober answer other nodes for a moment; the port that it answers on.
    @discardableResult
    package func listen(_ window: EchoWindow) async throws -> UInt16 {
        guard case .listening(let port) = try await request(.listen(window)) else { throw Self.unexpected("no port") }
        return port
    }

    /// One fact for each target, or why there is none.
    package func answer(_ targets: [OutsideTarget]) async -> [Fact] {
        do {
            var facts: [Fact] = []
            for start in stride(from: 0, to: targets.count, by: OutsideSurvey.targetLimit) {
                let part = Array(targets[start..<min(start + OutsideSurvey.targetLimit, targets.count)])
                guard case .facts(let answers) = try await request(.outside(part)) else { throw Self.unexpected("no facts") }
                facts += answers
            }
            return facts
        } catch {
            return [.unavailable("cannot ask what lies outside: \(error); start meshgate-prober on this host")]
        }
    }

    /// The platform with kube-proxy's chains, where the prober may list them and this process may not.
    package func completed(_ facts: [Fact]) async -> [Fact] {
        guard facts.count == 1, case .kernel(var kernel)? = facts.first, let platform = kernel.platform, platform.serviceChains == nil,
            case .serviceChains(let chains)? = try? await request(.serviceChains)
        else { return facts }
        kernel.platform = ServiceChains.completing(platform, chains)
        return [.kernel(kernel)]
    }

    /// One fact for each question.
    func ask(_ questions: [VLANQuestion]) async throws -> [VLANFact] {
        var facts: [VLANFact] = []
        // In parts that the prober takes, one after the other: each is over within a second.
        for start in stride(from: 0, to: questions.count, by: VLANSurvey.targetLimit) {
            let part = Array(questions[start..<min(start + VLANSurvey.targetLimit, questions.count)])
            guard case .facts(let answers) = try await request(.vlans(part)) else { throw Self.unexpected("no facts") }
            facts += answers.compactMap { if case .vlan(let fact) = $0 { fact } else { nil } }
        }
        return facts
    }

    /// Makes the prober answer other nodes' frames for a moment.
    func listen(_ listen: FrameListen) async throws {
        guard case .listeningFrames = try await request(.listenFrames(listen)) else { throw Self.unexpected("no word that it listens") }
    }

    package func status() async throws -> ProberStatus {
        guard case .status(let status) = try await request(.status) else { throw Self.unexpected("no status") }
        return status
    }

    /// A request that the prober could not answer throws.
    private func request(_ request: ProberRequest) async throws -> ProberResponse {
        let socketPath = socketPath
        return try await OwnThread.run(named: "prober-client") {
            let socket = try LocalSocket.connect(socketPath, to: ProberServer.role)
            try socket.send(request)
            guard let response = try socket.receive(ProberResponse.self, patience: Self.patience) else {
                throw LocalLinkError.connectionEnded(role: ProberServer.role, path: socketPath)
            }
            if case .failed(let problem) = response { throw LocalLinkError.failed(role: ProberServer.role, problem) }
            return response
        }
    }

    private static func unexpected(_ what: String) -> LocalLinkError { .unexpectedAnswer(role: ProberServer.role, what) }
}
