// SPDX-License-Identifier: Apache-2.0

internal import LocalLink
internal import MeshModel
package import MeshSystem

/// The prober process's service: what goes over the wire below a connection is sent and answered here. It has the right to send raw packets,
/// and neither a key, nor state, nor a coordinator; whoever takes it over has the host's network and nothing of the mesh.
package final class ProberServer: Sendable {
    /// Told of each event worth a log line.
    package typealias Log = @Sendable (_ event: String, _ details: [String: String]) -> Void

    /// Where it listens, and to whom.
    package struct Configuration: Sendable {
        package var socketPath: String
        /// Whose members may open the socket, besides our own user.
        package var socketGroup: UInt32?
        package var allowedUsers: Set<UInt32>
        package var version: String
        package init(socketPath: String, socketGroup: UInt32?, allowedUsers: Set<UInt32>, version: String) {
            self.socketPath = socketPath
            self.socketGroup = socketGroup
            self.allowedUsers = allowedUsers
            self.version = version
        }
    }

    static let role = "prober"
    private static let mostConnections = 16
    private static let requestPatience = Duration.seconds(5)

    private let configuration: Configuration
    private let server: LocalServer<ProberResponse>
    private let echoes: EchoHouse
    private let frames: FrameHouse
    private let resolver = NameResolver()
    private let entropy: any Entropy
    private let log: Log

    /// Opens the socket. Nothing is answered before `run`.
    package init(_ configuration: Configuration, entropy: any Entropy = KernelEntropy(), log: @escaping Log = { _, _ in }) throws {
        self.configuration = configuration
        self.entropy = entropy
        self.log = log
        echoes = EchoHouse(log: log)
        frames = FrameHouse(log: log)
        server = try LocalServer(
            .init(
                role: Self.role, path: configuration.socketPath, group: configuration.socketGroup,
                allowedUsers: configuration.allowedUsers, mostConnections: Self.mostConnections),
            whenBusy: .failed("the prober is busy with \(Self.mostConnections) requests; ask again later"), log: log)
    }

    /// Serves until `stop` or cancellation, then returns when the last request has its answer.
    package func run() async throws {
        try await server.run(serve)
        echoes.stop()
        frames.stop()
    }

    /// Ends `run`.
    package func stop() { server.stop() }

    @Sendable private func serve(_ socket: LocalSocket) {
        do {
            guard let request = try socket.receive(ProberRequest.self, patience: Self.requestPatience) else { return }
            try socket.send(answer(request))
        } catch {
            log("request failed", ["problem": "\(error)"])
            // The peer may be gone; then there is nobody to tell.
            try? socket.send(ProberResponse.failed("\(error)"))
        }
    }

    private static let noVLAN = HostProbeError.noPort(
        "a VLAN", "its id is not \(VLANTarget.ids.lowerBound) to \(VLANTarget.ids.upperBound)")

    private func answer(_ request: ProberRequest) -> ProberResponse {
        do {
            switch request {
            case .paths(let targets, let tokens):
                guard targets.count <= PathSurvey.targetLimit else {
                    throw HostProbeError.tooManyTargets(targets.count, limit: PathSurvey.targetLimit)
                }
                return .facts(try PathSurvey(targets: targets, tokens: tokens, entropy: entropy).run().map(Fact.path))
            case .listen(let window): return .listening(port: try echoes.open(window))
            case .vlans(let questions):
                guard questions.allSatisfy({ VLANTarget.ids.contains($0.target.vlan) }) else { throw Self.noVLAN }
                return .facts(try VLANSurvey(questions: questions, entropy: entropy).run().map(Fact.vlan))
            case .listenFrames(let listen):
                guard VLANTarget.ids.contains(listen.vlan) else { throw Self.noVLAN }
                try frames.open(listen)
                return .listeningFrames
            case .outside(let targets):
                return .facts(try OutsideSurvey(targets: targets, resolver: resolver, entropy: entropy).run().map(Fact.outside))
            case .serviceChains:
                return .serviceChains(ServiceChains.names(of: try PacketFilter.chains()))
            case .status:
                return .status(
                    ProberStatus(
                        sendsRaw: Hardening.effectiveCapabilities()?.contains(.netRaw) ?? false, version: configuration.version))
            }
        } catch {
            return .failed("\(error)")
        }
    }
}
