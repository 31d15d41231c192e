// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FeedExport
import Glibc
import Logging
import MeshConfig
import MeshModel
import MeshSystem
import ServiceLifecycle
import TelemetryStore
import UnixSignals

/// `meshgate serve`: the coordinator.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run the coordinator on this machine.",
        discussion: """
            Everything has a default: the first start makes the state directory, an authority of its own and an empty journal.

            Examples:
              meshgate serve
              meshgate serve --mesh mesh.yaml --listen 192.168.88.5:7443
              meshgate serve --operators 0.0.0.0:7444 --name coordinator.lan
              meshgate serve --otlp-endpoint https://api.honeycomb.io --otlp-headers-file /etc/meshgate/honeycomb

            Ends gracefully on SIGTERM and SIGINT. Exit codes: 65 the mesh file cannot be used, 69 an address or the state directory is
            in use, 74 the journal failed, 77 the state directory may not be written, 78 something in it is damaged, of another mesh, or
            from a newer version.
            """)
    @Option(name: .long, help: "Where everything is kept. [MESHGATE_STATE_DIR]", completion: .directory) var stateDir: String?
    @Option(name: [.customShort("f"), .long], help: "The mesh file; its name is the mesh's.", completion: .file()) var mesh: String?
    @Option(help: "The mesh's name, when there is no mesh file yet.") var meshName: String?
    @Option(help: "Where agents dial in, ADDRESS:PORT.") var listen: String = "0.0.0.0:7443"
    @Option(help: "Metrics, health and events without TLS, read-only: ADDRESS:PORT, or `none`. Loopback unless you know better.")
    var http: String = "127.0.0.1:7480"
    @Option(help: "The admin surface for remote operators (mTLS), ADDRESS:PORT.") var operators: String?
    @Option(name: .customLong("name"), help: "A further name or address of this machine, for certificates. May be repeated.") var names:
        [String] = []
    @Option(help: "The kubeconfig with the clusters' contexts. [KUBECONFIG; ~/.kube/config]", completion: .file()) var kubeconfig: String?
    @Option(
        help: "Who may sign teardowns, and wipes of Talos machines without an agent; hosts with an agent have their own file.",
        completion: .file())
    var allowedSigners: String = "/etc/meshgate/allowed_signers"
    @Option(help: "How much telemetry is kept; above it the oldest goes. [MESHGATE_TELEMETRY_SIZE; 4GiB]") var telemetrySize: String?
    @Option(help: "How long telemetry is kept. [MESHGATE_TELEMETRY_AGE; 14d]") var telemetryAge: String?
    @Option(
        help: "Write own events to this machine's log: journald or syslog, with another socket as KIND:PATH. [MESHGATE_EVENTS_TO; none]")
    var eventsTo: String?
    @OptionGroup(title: "Sending on") var otlp: OTLPOptions
    @Option(help: "trace, debug, info, notice, warning or error.") var logLevel: String = "info"

    func run() async throws {
        try await reporting {
            ignoreBrokenPipes()
            guard let level = Logger.Level(rawValue: logLevel) else { throw Failure(.usage, "--log-level \(logLevel) is not a level") }
            LoggingSystem.bootstrap { label in EventLog(label: label, level: level) }
            let log = Logger(label: "meshgate")
            let coordinator = try await ServeFailure.explained { try await Coordinator.open(try settings(), log: log) }
            log.info(
                "coordinator started",
                metadata: [
                    "mesh": "\(coordinator.settings.mesh)", "state": "\(coordinator.settings.state.path)", "version": "\(Version.text)",
                ])
            let group = ServiceGroup(
                configuration: .init(
                    services: coordinator.services.map { .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup) },
                    gracefulShutdownSignals: [.sigterm, .sigint], logger: log))
            try await ServeFailure.explained { try await group.run() }
            log.info("coordinator stopped")
        }
    }

    private func settings() throws -> Coordinator.Settings {
        let agents = try Self.endpoint(listen, option: "--listen")
        let state = StateDirectory(StateDirectory.path(stateDir))
        guard state.socket.utf8.count <= StateDirectory.longestSocket else {
            throw Failure(
                .configuration,
                "\(state.socket) is longer than a socket's path may be (\(StateDirectory.longestSocket) bytes); choose a shorter --state-dir"
            )
        }
        let meshPath = mesh.map(absolute)
        return Coordinator.Settings(
            mesh: try name(state: state), state: state,
            baseDirectory: meshPath.map { String($0.prefix(upTo: $0.lastIndex(of: "/") ?? $0.startIndex)) } ?? absolute("."),
            kubeconfig: absolute(kubeconfig ?? environment("KUBECONFIG") ?? "~/.kube/config"), agentHost: agents.host,
            agentPort: agents.port,
            names: (["localhost", "127.0.0.1"] + (agents.host == "0.0.0.0" ? Self.ownNames : [agents.host]) + names),
            http: http == "none" ? nil : try Self.endpoint(http, option: "--http"),
            operators: try operators.map { try Self.endpoint($0, option: "--operators") },
            searchPath: (environment("PATH") ?? "").split(separator: ":").map(String.init).filter { $0.hasPrefix("/") },
            allowedSigners: absolute(allowedSigners), telemetry: try telemetry(state), otlp: try otlp.configuration(),
            systemLog: try systemLog())
    }

    private func telemetry(_ state: StateDirectory) throws -> StoreConfiguration {
        var configuration = StoreConfiguration(directory: state.telemetry)
        if let text = telemetrySize ?? environment("MESHGATE_TELEMETRY_SIZE") {
            guard let size = ByteCount(text), size.bytes >= 16 << 20 else {
                throw Failure(.usage, "--telemetry-size \"\(text)\" is not \(ByteCount.form), and at least 16MiB")
            }
            configuration.retainedBytes = Int(clamping: size.bytes)
            configuration.segmentBytes = min(configuration.segmentBytes, configuration.retainedBytes / 8)
        }
        if let text = telemetryAge ?? environment("MESHGATE_TELEMETRY_AGE") {
            guard let age = TimeSpan(text), age.duration >= .seconds(60) else {
                throw Failure(.usage, "--telemetry-age \"\(text)\" is not \(TimeSpan.form), and at least 1m")
            }
            configuration.retainedFor = age.duration
        }
        return configuration
    }

    private func systemLog() throws -> SystemLogSocket? {
        guard let text = eventsTo ?? environment("MESHGATE_EVENTS_TO"), text != "none" else { return nil }
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        guard let form = SystemLogSocket.Form(rawValue: parts.first ?? ""), parts.count == 1 || parts[1].hasPrefix("/") else {
            throw Failure(.usage, "--events-to \"\(text)\" is not journald or syslog, with \":\" and the absolute path of another socket")
        }
        do { return try SystemLogSocket(form, path: parts.count == 2 ? parts[1] : nil) } catch { throw Failure(.configuration, "\(error)") }
    }

    /// From the mesh file, the option, or what the state directory was made for.
    private func name(state: StateDirectory) throws -> String {
        if let mesh { return try MeshOption.read(mesh).spec.name }
        if let meshName {
            guard ClusterName(meshName) != nil else {
                throw Failure(.usage, "--mesh-name \"\(meshName)\" is not a name (a-z, 0-9 and '-')")
            }
            return meshName
        }
        if let stored = try LinuxFileStore().read(state.authority + "/mesh", limit: 1024) { return String(decoding: stored, as: UTF8.self) }
        return "mesh"
    }

    static func endpoint(_ text: String, option: String) throws -> (host: String, port: Int) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (0...65535).contains(port) else {
            throw Failure(.usage, "\(option) wants ADDRESS:PORT, such as 0.0.0.0:7443, not \"\(text)\"")
        }
        let host = String(text[..<colon]).trimmingBrackets
        guard IPAddress(host) != nil else { throw Failure(.usage, "\(option) wants a literal address, not \"\(host)\"") }
        return (host, port)
    }

    private static var ownNames: [String] {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return [] }
        let name = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return name.isEmpty ? [] : [name]
    }
}

extension String {
    /// `[::1]` as `::1`.
    var trimmingBrackets: String { hasPrefix("[") && hasSuffix("]") ? String(dropFirst().dropLast()) : self }
}

/// A peer that hangs up is an error of a write, not the end of the process.
func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }
