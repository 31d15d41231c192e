// SPDX-License-Identifier: Apache-2.0

package import MeshSystem
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
package import Telemetry

/// Asks Tetragon's page of counters (port 2112) for what Tetragon lost before anybody could read it: neither its stream nor its log say so.
package final class TetragonScrape: Sendable {
    package typealias Log = @Sendable (_ event: String, _ details: [String: String]) -> Void

    /// The longest page; Tetragon's has some hundred kilobytes.
    package static let longestPage = 8 << 20

    /// What goes wrong with a page.
    package enum Fault: Error, Hashable, CustomStringConvertible {
        case status(Int)
        case tooLong
        case cut
        case late

        package var description: String {
            switch self {
            case .status(let code): "the page of counters answers \(code)"
            case .tooLong: "the page of counters is longer than \(TetragonScrape.longestPage) bytes"
            case .cut: "the page of counters ended early"
            case .late: "the page of counters did not come in time"
            }
        }
    }

    private let host: String
    private let port: Int
    private let intake: any TelemetryIntake
    private let keptPath: String?
    private let files: any FileStore
    private let interval: Duration
    private let patience: Duration
    private let log: Log

    /// `keptPath` is a file of ours: what Tetragon loses while nobody scrapes it is found out afterwards.
    package init(
        host: String, port: Int, intake: any TelemetryIntake, keptPath: String? = nil, files: any FileStore = LinuxFileStore(),
        interval: Duration = .seconds(15), patience: Duration = .seconds(10), log: @escaping Log = { _, _ in }
    ) {
        self.host = host
        self.port = port
        self.intake = intake
        self.keptPath = keptPath
        self.files = files
        self.interval = interval
        self.patience = patience
        self.log = log
    }

    /// Until cancelled. A host without Tetragon has no such page, which is no trouble.
    package func run() async {
        var losses = kept() ?? TetragonLosses()
        var known: String?
        while !Task.isCancelled {
            do {
                let metrics = TetragonMetrics(try await page())
                if let version = metrics.version, version != known {
                    log("reads tetragon's counters", ["port": "\(port)", "version": version])
                    known = version
                }
                let before = losses
                let lost = losses.lost(metrics)
                // Told first: killed in between we tell it once more, which is better than never.
                if lost > 0 { intake.lost(lost, .reportedBySource, from: .tetragon) }
                if losses != before { keep(losses) }
            } catch {
                if known != nil, !Task.isCancelled { log("tetragon's counters away", ["why": "\(error)"]) }
                known = nil
            }
            try? await Task.sleep(for: interval)
        }
    }

    private func kept() -> TetragonLosses? {
        guard let keptPath, let bytes = try? files.read(keptPath, limit: 4096) else { return nil }
        return TetragonLosses(text: String(decoding: bytes, as: UTF8.self))
    }

    private func keep(_ losses: TetragonLosses) {
        guard let keptPath else { return }
        do {
            try files.write(Array(losses.text.utf8), to: keptPath)
        } catch {
            log("tetragon's counters not kept", ["problem": "\(error)"])
        }
    }

    /// One GET of /metrics.
    package func page() async throws -> [UInt8] {
        try await withThrowingTaskGroup { group in
            group.addTask { [self] in try await ask() }
            group.addTask { [patience] in
                try await Task.sleep(for: patience)
                throw Fault.late
            }
            defer { group.cancelAll() }
            guard let page = try await group.next() else { throw Fault.cut }
            return page
        }
    }

    private func ask() async throws -> [UInt8] {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connectTimeout(.seconds(5)).connect(
            host: host, port: port
        ) { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHTTPClientHandlers()
                return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(wrappingChannelSynchronously: channel)
            }
        }
        return try await channel.executeThenClose { [host] parts, out in
            let headers: HTTPHeaders = ["host": host, "user-agent": "meshgate-agent", "connection": "close", "accept": "text/plain"]
            try await out.write(.head(HTTPRequestHead(version: .http1_1, method: .GET, uri: "/metrics", headers: headers)))
            try await out.write(.end(nil))
            var page: [UInt8] = []
            for try await part in parts {
                switch part {
                case .head(let head):
                    guard head.status == .ok else { throw Fault.status(Int(head.status.code)) }
                case .body(let buffer):
                    guard page.count + buffer.readableBytes <= Self.longestPage else { throw Fault.tooLong }
                    page += buffer.readableBytesView
                case .end: return page
                }
            }
            throw Fault.cut
        }
    }
}
