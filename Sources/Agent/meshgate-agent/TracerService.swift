// SPDX-License-Identifier: Apache-2.0

import GRPCStream
import HostTrace
import Hubble
import LocalLink
import Logging
import MeshModel
import MeshSystem
import ServiceLifecycle
import Telemetry
import Tetragon

/// The tracer with the others that it listens to on this host, Tetragon's stream and log and Hubble's flows, as one service.
struct TracerService: Service {
    private let server: TracerServer
    private let dialer = GRPCDialer()
    private let log: TetragonSource?
    private let ways: TetragonWays
    private let stream: TetragonStream?
    private let hubble: HubbleStream?
    private let stop = StopSignal()

    init(server: TracerServer, settings: AgentSettings, logger: Logger) {
        self.server = server
        let queue = server.queue
        let (streams, directory) = (settings.streams, settings.tracerSocket.directory)
        let tell: @Sendable (String, [String: String]) -> Void = { event, details in
            logger.info("\(event)", metadata: details.mapValues { .string($0) })
        }
        // Who reads a port of Tetragon reads all of it: `run` does, and nothing is read twice.
        let readsLog = streams.tetragon.port == nil
        ways = TetragonWays(readsLog: readsLog)
        log =
            readsLog
            ? TetragonSource(
                .init(
                    paths: settings.tetragonLog.map { [$0] } ?? TetragonSource.usualPaths,
                    positionPath: directory + "/tetragon.position", since: EventTime(nanoseconds: HostTracer.bootTime())),
                ways: ways, intake: queue, hasRoom: { queue.hasRoom }, isTaken: { queue.isEmpty }, log: tell) : nil
        if streams.tetragon.isLocal {
            var configuration = TetragonStream.Configuration(address: Self.tetragon(streams.tetragon))
            configuration.leftOut = streams.tetragonLeaveOut
            stream = TetragonStream(configuration, dialer: dialer, ways: ways, intake: queue, hasRoom: { queue.hasRoom }, log: tell)
        } else {
            stream = nil
        }
        if streams.hubble.isLocal {
            var configuration = HubbleStream.Configuration(address: Self.hubble(streams.hubble))
            configuration.verdicts = streams.hubbleVerdicts
            hubble = HubbleStream(configuration, dialer: dialer, intake: queue, hasRoom: { queue.hasRoom }, log: tell)
        } else {
            hubble = nil
        }
    }

    func run() async throws {
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup { group in
                if let log { group.addTask { [stop] in try await OwnThread.run(named: "tetragon") { log.run { stop.isSet } } } }
                if let stream { group.addTask { await stream.run() } }
                if let hubble { group.addTask { await hubble.run() } }
                defer {
                    stop.set()
                    group.cancelAll()
                }
                try await server.run { [self] in sources }
            }
        } onGracefulShutdown: {
            // No more of the log: what is in the queue is handed over, and the log keeps the rest.
            stop.set()
            server.stop()
        }
    }

    private var sources: [SourceStatus] {
        var found: [SourceStatus] = []
        if log != nil || stream != nil { found.append(SourceStatus(ways.status)) }
        if let hubble { found.append(SourceStatus(hubble.status)) }
        return found
    }

    private static func tetragon(_ place: StreamSettings.Place) -> @Sendable () -> GRPCAddress? {
        if case .at(let address) = place { { address } } else { { TetragonDiscovery.socket() } }
    }

    private static func hubble(_ place: StreamSettings.Place) -> @Sendable () -> GRPCAddress? {
        if case .at(let address) = place { return { address } }
        return { GRPCDialer.isThere(HubbleStream.usualSocket) ? .unix(HubbleStream.usualSocket) : nil }
    }
}

extension SourceStatus {
    init(_ status: TetragonWays.Status) {
        self.init(
            name: "tetragon", address: status.address, isStreaming: status.isStreaming, version: status.version, health: status.health,
            policies: status.policies.map(\.text),
            counts: [
                "from_stream": status.fromStream, "from_log": status.fromLog, "on_both_ways": status.repeated, "breaks": status.breaks,
            ],
            problems: [status.problem.map { "stream: \($0)" }, status.logProblem.map { "log: \($0)" }].compactMap(\.self))
    }

    init(_ status: HubbleStream.Status) {
        self.init(
            name: "hubble", address: status.address, isStreaming: status.isStreaming, version: status.version,
            counts: ["told": status.told, "only_counted": status.counted, "lost_by_hubble": status.lost, "breaks": status.breaks],
            problems: [status.problem].compactMap(\.self))
    }

    /// As `tracer status` shows it.
    var text: String {
        var text = "\(printable(name)) "
        if let address {
            text += "\(isStreaming ? "streams from" : "NO STREAM from") \(printable(address))"
        } else {
            text += "no stream on this host"
        }
        if !version.isEmpty { text += ", version \(printable(version))" }
        if !health.isEmpty { text += ", \(printable(health))" }
        text += "\n"
        for policy in policies { text += "  policy \(printable(policy))\n" }
        let counted = counts.filter { $0.value > 0 }.sorted { $0.key < $1.key }
        if !counted.isEmpty { text += "  " + counted.map { "\(printable($0.key)) \($0.value)" }.joined(separator: ", ") + "\n" }
        for problem in problems { text += "  PROBLEM \(printable(problem))\n" }
        return text
    }
}

extension String {
    /// What is before the last slash.
    fileprivate var directory: String { String(self[..<(lastIndex(of: "/") ?? startIndex)]) }
}
