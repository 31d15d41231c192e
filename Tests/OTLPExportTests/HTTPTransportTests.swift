// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshHTTP
import MeshModel
import MeshSystem
import OTLPExport
import ServerTesting
import Testing

/// A collector in Python that answers as it is told.
struct Collector {
    struct Request: Decodable {
        var number: Int
        var path: String
        var type: String?
        var packed: Bool
        var key: String?
        var client: Bool
    }

    let server: PythonServer
    let directory: String

    static func with(
        _ behaviours: String..., certificates: String? = nil, _ body: @Sendable @escaping (Collector) async throws -> Void
    ) async throws {
        let place = "/tmp/meshgate-otlp-\(try KernelEntropy().hexID())"
        try LinuxFileStore().createDirectory(place)
        defer { try? FileManager.default.removeItem(atPath: place) }
        let file = try #require(Bundle.module.url(forResource: "collector", withExtension: "py", subdirectory: "Fixtures"))
        var script = try String(contentsOf: file, encoding: .utf8)
        if let certificates { script = "import os\nos.environ['COLLECTOR_CERTIFICATES'] = '\(certificates)'\n" + script }
        try await PythonServer.with(script, [place] + behaviours) { try await body(Collector(server: $0, directory: place)) }
    }

    var url: String { "http://127.0.0.1:\(server.port)" }

    /// What came, as it was before it was packed.
    func body(_ number: Int) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\(number)"))) }

    func requests(_ count: Int) async throws -> [Request] {
        var requests: [Request] = []
        for await line in server.events {
            requests.append(try JSONDecoder().decode(Request.self, from: Data(line.utf8)))
            if requests.count == count { break }
        }
        return requests
    }
}

@Suite("OTLP/HTTP against a collector on a real socket", .timeLimit(.minutes(2)))
struct HTTPTransportTests {
    private func transport(
        _ url: String, change: (inout OTLPConfiguration) throws -> Void = { _ in }
    ) throws -> HTTPTransport {
        var configuration = OTLPConfiguration(endpoint: try .init(url), transport: .http)
        try change(&configuration)
        return HTTPTransport(configuration, client: try CurlHTTPClient(), now: { SystemClock.now() })
    }

    @Test("each signal goes to its path, packed, with the key, and every answer is judged as the table says")
    func answers() async throws {
        try await Collector.with("200", "partial:2", "400", "429:7", "503", "502", "413", "404", "301", "garbage") { collector in
            let transport = try transport(collector.url) { $0.headers = [.init(name: "x-honeycomb-team", value: "hunter2")] }
            #expect(await transport.export(.logs, [1, 2, 3]) == .accepted(rejected: 0, said: ""))
            #expect(await transport.export(.metrics, [4]) == .accepted(rejected: 2, said: "no room for more"))
            #expect(await transport.export(.traces, [5]) == .refused("HTTP 400"))
            #expect(await transport.export(.logs, [6]) == .retry(after: .seconds(7), why: "HTTP 429"))
            #expect(await transport.export(.logs, [6]) == .retry(after: nil, why: "HTTP 503"))
            #expect(await transport.export(.logs, [6]) == .retry(after: nil, why: "HTTP 502"))
            #expect(await transport.export(.logs, [6]) == .tooLarge("HTTP 413"))
            #expect(await transport.export(.logs, [6]) == .refused("HTTP 404"))
            #expect(await transport.export(.logs, [6]) == .refused("HTTP 301"))
            guard case .retry(nil, let why) = await transport.export(.logs, [6]) else { return #expect(Bool(false)) }
            #expect(why.contains("not a collector's"))
            let requests = try await collector.requests(3)
            #expect(requests.map(\.path) == ["/v1/logs", "/v1/metrics", "/v1/traces"])
            #expect(requests.allSatisfy { $0.type == "application/x-protobuf" && $0.packed && $0.key == "hunter2" })
            #expect(try collector.body(1) == [1, 2, 3] && collector.body(3) == [5])
        }
    }

    @Test("a collector that is slow, floods, or is not there is asked again later, and waited for no longer than the timeout")
    func silence() async throws {
        try await Collector.with("slow:60", "flood", "200") { collector in
            let hasty = try transport(collector.url + "/prefix") { configuration in
                configuration.timeout = .milliseconds(300)
                configuration.isCompressed = false
            }
            guard case .retry(nil, _) = await hasty.export(.logs, [1]) else { return #expect(Bool(false)) }
            let patient = try transport(collector.url)
            guard case .retry(nil, _) = await patient.export(.logs, [1]) else { return #expect(Bool(false)) }
            #expect(await patient.export(.logs, [1]) == .accepted(rejected: 0, said: ""))
            let first = try #require(try await collector.requests(1).first)
            #expect(first.path == "/prefix/v1/logs" && !first.packed)
        }
        try await Collector.with("nothing") { collector in
            let keyed = try transport(collector.url) { $0.headers = [.init(name: "x-honeycomb-team", value: "hunter2")] }
            guard case .retry(nil, let why) = await keyed.export(.logs, [1]) else { return #expect(Bool(false)) }
            #expect(!why.contains("hunter2"))
        }
        let nobody = try transport("http://127.0.0.1:1")
        guard case .retry(nil, _) = await nobody.export(.logs, [1]) else { return #expect(Bool(false)) }
    }

    @Test("https needs the collector's authority, and shows our certificate")
    func tls() async throws {
        try await withTestCertificates { made in
            try await Collector.with("200", certificates: made.directory) { collector in
                let identity = HTTPTLS.Identity(certificate: try made.pem("client.pem"), key: try made.pem("client.key"))
                // The name in the certificate is mesh.test, which resolves to nobody.
                func client(_ roots: [UInt8]) throws -> HTTPTransport {
                    var configuration = OTLPConfiguration(endpoint: try .init("https://mesh.test"), transport: .http)
                    configuration.roots = roots
                    configuration.identity = identity
                    return HTTPTransport(
                        configuration, client: Redirected(client: try CurlHTTPClient(), port: collector.server.port),
                        now: { SystemClock.now() })
                }
                #expect(await (try client(made.pem("ca.pem"))).export(.logs, [9]) == .accepted(rejected: 0, said: ""))
                guard case .retry(nil, let why) = await (try client(made.pem("other.pem"))).export(.logs, [9]) else {
                    return #expect(Bool(false))
                }
                #expect(why.contains("no trusted connection"), "\(why)")
                #expect(try await collector.requests(1).first?.client == true)
            }
        }
    }
}

/// Sends every request to a port of this machine, whatever its URL names.
private struct Redirected: HTTPClient {
    let client: CurlHTTPClient
    let port: UInt16

    func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        var request = request
        request.dialInstead = HTTPEndpoint(host: "127.0.0.1", port: port)
        return try await client.send(request)
    }

    func stream(_ request: HTTPRequest, onChunk: @Sendable (HTTPHead, [UInt8]) async throws -> Void) async throws -> HTTPHead {
        try await client.stream(request, onChunk: onChunk)
    }
}
