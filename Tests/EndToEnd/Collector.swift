// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshSystem
import Telemetry
import Testing

/// A collector that answers as it is told, and keeps what it was sent in files.
final class Collector: Sendable {
    private let daemon: Daemon
    private let scheme: String
    private let place: Place
    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("OTLPExportTests/Fixtures").path
    /// Where OpenTelemetry's message classes and Google's gRPC server are, if anywhere: see scripts/venv.sh otlp.
    static let environment = ProcessInfo.processInfo.environment["MESHGATE_OTLP_VENV"]

    /// One that speaks HTTP.
    init(_ behaviours: String...) throws {
        place = try Place()
        scheme = "http://127.0.0.1"
        daemon = Self.start("/usr/bin/python3", "collector.py", [place.path] + behaviours)
    }

    /// One that speaks gRPC with TLS, and wants our certificate; `behaviours` are its script's.
    init(grpc behaviours: String..., certificates: String) throws {
        place = try Place()
        scheme = "https://localhost"
        let environment = try #require(Self.environment)
        daemon = Self.start("\(environment)/bin/python", "grpc_collector.py", [place.path, certificates] + behaviours)
    }

    private static func start(_ python: String, _ script: String, _ arguments: [String]) -> Daemon {
        Daemon(Invocation(python, ["-u", "\(fixtures)/\(script)"] + arguments, deadline: .seconds(120)))
    }

    func url() async throws -> String {
        let line = try await daemon.line("listening on ")
        return "\(scheme):\(line.split(separator: " ").last ?? "")"
    }

    /// One request, which `collector.py` and `grpc_collector.py` tell in a line of JSON.
    struct Request: Decodable {
        var number: Int
        var signal: String
        var key: String?
        /// Whether it was compressed, where that can be seen.
        var packed: Bool?
        /// Whether it was answered with success.
        var taken: Bool
    }

    /// The requests of a signal so far; each carried the key, and was compressed.
    func requests(_ signal: String) throws -> [Request] {
        try daemon.text.split(separator: "\n").filter { $0.hasPrefix("{") }.compactMap { line in
            let request = try JSONDecoder().decode(Request.self, from: Data(line.utf8))
            #expect(request.key == "hunter2" && request.packed != false)
            return request.signal == signal ? request : nil
        }
    }

    func body(_ request: Request) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: "\(place.path)/\(request.number)")) }

    /// Everything that was taken of a signal as text in which names and ids can be looked for.
    func text(_ signal: String) throws -> String {
        try requests(signal).filter(\.taken).map { String(decoding: try body($0), as: UTF8.self) }.joined()
    }

    /// How often each record's id is in what was taken as logs, as far as it begins like this.
    func ids(_ prefix: String) throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for request in try requests("logs") where request.taken {
            // Resource, scope, record, attribute.
            let bytes = Array(try body(request))
            let attributes = try [1, 2, 2, 6].reduce([0..<bytes.count]) { ranges, field in
                try ranges.flatMap { try Self.blocks(bytes, $0, field) }
            }
            for attribute in attributes {
                guard let key = try Self.blocks(bytes, attribute, 1).first, bytes[key].elementsEqual("log.record.uid".utf8),
                    let value = try Self.blocks(bytes, attribute, 2).first, let text = try Self.blocks(bytes, value, 1).first
                else { continue }
                let id = String(decoding: bytes[text], as: UTF8.self)
                if id.hasPrefix(prefix) { counts[id, default: 0] += 1 }
            }
        }
        return counts
    }

    /// The blocks of one field in a protobuf message.
    private static func blocks(_ bytes: [UInt8], _ range: Range<Int>, _ field: UInt64) throws -> [Range<Int>] {
        try bytes.withUnsafeBytes { buffer in
            var reader = ProtoReader(buffer, in: range, of: "a request")
            var found: [Range<Int>] = []
            while let next = try reader.next() { if next.id == field, next.type == .block { found.append(next.range) } }
            return found
        }
    }

    /// Reads everything that came with OpenTelemetry's own classes, where they can be had.
    func decode() async throws {
        guard let environment = Self.environment else { return }
        for signal in ["logs", "metrics", "traces"] {
            let bodies = try requests(signal).map { "\(place.path)/\($0.number)" }
            let read = try await ProcessCommandRunner().run(
                Invocation("\(environment)/bin/python", [Self.fixtures + "/decode.py", signal] + bodies, deadline: .seconds(60)))
            #expect(read.succeeded && read.outputText.split(separator: "\n").count == bodies.count, "\(read.errorText)")
        }
    }
}
