// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import MeshHTTP
import MeshSystem
import OperatorAPI

/// How a command finds its coordinator: the Unix socket in the state directory, or a remote one by context.
struct ConnectionOptions: ParsableArguments {
    @Option(
        name: .long,
        help: "The coordinator's state directory; its socket is used. [MESHGATE_STATE_DIR; /var/lib/meshgate, or ~/.local/state/meshgate]",
        completion: .directory)
    var stateDir: String?
    @Option(name: .long, help: "A remote coordinator from contexts.json, see `meshgate context`. [MESHGATE_CONTEXT]")
    var context: String?

    /// The state directory that is meant.
    var stateDirectory: String { StateDirectory.path(stateDir) }

    func client() throws -> OperatorClient {
        if let name = context ?? environment("MESHGATE_CONTEXT"), stateDir == nil { return try remote(name) }
        if stateDir == nil, environment("MESHGATE_STATE_DIR") == nil, let current = try ContextFile.load().current {
            return try remote(current)
        }
        return OperatorClient(http: try CurlHTTPClient(), socket: StateDirectory(stateDirectory).socket)
    }

    /// What is known about a coordinator of this machine that did not answer.
    fileprivate func absence(_ error: OperatorClientError) -> Failure {
        let isRemote = stateDir == nil && (context ?? environment("MESHGATE_CONTEXT")) != nil
        let socket = StateDirectory(stateDirectory).socket
        guard !isRemote, case .failed(.unreachable(_, let said)) = error, said.contains("localhost") || said.contains(socket) else {
            return Failure(error.exit, "\(error)")
        }
        if access(socket, W_OK) != 0, errno == EACCES || errno == EPERM {
            return Failure(
                .notPermitted, "only the coordinator's own user may use \(socket); become that user, or ask with a `meshgate context`")
        }
        return Failure(
            .unavailable,
            "no coordinator answers at \(socket); start one with `meshgate serve`, or name another with --state-dir or --context")
    }

    private func remote(_ name: String) throws -> OperatorClient {
        let file = try ContextFile.load()
        guard let context = file.contexts[name] else {
            let known = file.contexts.keys.sorted().joined(separator: ", ")
            throw Failure(
                .configuration,
                "there is no context \"\(name)\"; known: \(known.isEmpty ? "none" : known). `meshgate context add` makes one")
        }
        func read(_ path: String) throws -> [UInt8] {
            guard let bytes = try readInput(path, limit: 1 << 20) else {
                throw Failure(.configuration, "context \"\(name)\" names \(path), which does not exist")
            }
            return bytes
        }
        let tls = HTTPTLS(
            roots: .pem(try read(context.authority)),
            identity: HTTPTLS.Identity(certificate: try read(context.certificate), key: try read(context.key)), minimum: .v13)
        return OperatorClient(http: try CurlHTTPClient(), server: context.server, tls: tls)
    }
}

/// Where everything of one coordinator lies.
struct StateDirectory: Sendable {
    let path: String

    init(_ path: String) { self.path = path }

    static func path(_ option: String?) -> String {
        if let option = option ?? environment("MESHGATE_STATE_DIR") { return absolute(option) }
        return isRoot ? "/var/lib/meshgate" : (environment("XDG_STATE_HOME") ?? absolute("~/.local/state")) + "/meshgate"
    }

    var socket: String { path + "/meshgate.sock" }
    /// The server first binds to a name with its process id after it; `sun_path` holds 107 bytes and a NUL.
    static let longestSocket = 107 - ".4194304".utf8.count
    var journal: String { path + "/journal.sqlite" }
    var authority: String { path + "/authority" }
    var work: String { path + "/work" }
    var telemetry: String { path + "/telemetry" }
    /// How far each stream was sent on.
    var outward: String { path + "/outward" }
}

/// Runs a command against the coordinator: what it refuses becomes our exit code, and what cannot be reached says how to start it.
func asking(_ connection: ConnectionOptions, _ body: (OperatorClient) async throws -> Void) async throws {
    try await reporting {
        do {
            try await body(try connection.client())
        } catch let error as OperatorClientError {
            throw connection.absence(error)
        }
    }
}
