// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Hummingbird
internal import Logging
internal import MeshModel
internal import NIOCore

/// The stand-in Kubernetes API server of one cluster: plain HTTP on 127.0.0.1, for the lab only.
package enum LabStandInAPI {
    private static let largestBody = 8 << 20

    /// Serves until the task is cancelled or the program is told to end. `world/CLUSTER/seed.json` says what the cluster is made of; the
    /// port is written to `world/CLUSTER/api.port` and announced.
    package static func run(
        cluster: String, worldDirectory: String, port: Int = 0, announce: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws {
        let directory = worldDirectory + "/" + cluster
        let world = try StandInCluster(directory: directory)
        let failure = Failure()
        let responder = CallbackResponder<BasicRequestContext> { request, _ in try await respond(request, world, directory) }
        let application = Application(
            responder: responder,
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port), serverName: "meshgate-lab-stand-in"),
            onServerRunning: { channel in
                guard let bound = channel.localAddress?.port else { return }
                await failure.catching { try LabFiles.write("\(bound)\n", to: directory + "/api.port") }
                announce(bound)
            }, logger: Logger(label: "stand-in-api", factory: { _ in SwiftLogNoOpLogHandler() }))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await application.run() }
            group.addTask { try await live(world, directory) }
            // Whichever ends first ends the other.
            try await group.next()
            group.cancelAll()
        }
        try await failure.rethrow()
    }

    /// The cluster goes on living while nobody asks.
    private static func live(_ world: StandInCluster, _ directory: String) async throws {
        while !Task.isCancelled {
            try await world.live(StandInFaults.load(directory))
            try await ContinuousClock().sleep(for: .milliseconds(100))
        }
    }

    private static func respond(_ request: Request, _ world: StandInCluster, _ directory: String) async throws -> Response {
        let faults = try StandInFaults.load(directory)
        // Not of Kubernetes: how the stand-in tools learn in which way to misbehave.
        if request.uri.path == "/stand-in/faults" {
            return response(200, String(decoding: try JSONEncoder().encode(faults), as: UTF8.self))
        }
        if faults.apiSlow > 0 { try await ContinuousClock().sleep(for: .milliseconds(faults.apiSlow)) }
        let answer: StandInAnswer
        // Talos answers where the API server of Kubernetes does not.
        if faults.apiDown, !request.uri.path.hasPrefix(StandInMachines.path) {
            answer = .refusal(.down)
        } else {
            let body = try await request.body.collect(upTo: largestBody)
            var query: [String: String] = [:]
            for (key, value) in request.uri.queryParameters { query[String(key)] = String(value) }
            answer = try await world.answer(
                StandInQuestion(
                    method: request.method.rawValue, path: request.uri.path, query: query,
                    contentType: request.headers[.contentType] ?? "", body: Array(buffer: body)), faults: faults)
        }
        let text = if let plain = answer.json.text { plain } else { try StandInJSON.encode(answer.json) }
        return response(answer.status, text)
    }

    private static func response(_ status: Int, _ text: String) -> Response {
        Response(
            status: .init(code: status), headers: [.contentType: "application/json"], body: .init(byteBuffer: ByteBuffer(string: text)))
    }

    /// Keeps what went wrong where it cannot be thrown.
    private actor Failure {
        private var error: (any Error)?
        func catching(_ body: () throws -> Void) { do { try body() } catch { self.error = error } }
        func rethrow() throws { if let error { throw error } }
    }
}
