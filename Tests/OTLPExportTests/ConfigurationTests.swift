// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import OTLPExport
import Testing

@Suite("Where a collector is, and its headers")
struct ConfigurationTests {
    @Test(
        "endpoints are read and written back",
        arguments: [
            ("http://collector:4318", "http://collector:4318", false), ("https://api.honeycomb.io/", "https://api.honeycomb.io", true),
            ("http://[fd00::1]:4318/otlp/", "http://[fd00::1]:4318/otlp", false), ("http://10.0.0.1", "http://10.0.0.1", false),
            ("http://prom:9090/api/v1/otlp", "http://prom:9090/api/v1/otlp", false),
        ])
    func endpoints(text: String, written: String, isSecure: Bool) throws {
        let endpoint = try OTLPConfiguration.Endpoint(text)
        #expect(endpoint.description == written && endpoint.isSecure == isSecure)
    }

    @Test(
        "what is no endpoint is refused",
        arguments: [
            "", "collector:4318", "ftp://collector", "http://", "http://:4318", "http://a:0", "http://a:65536", "http://a:", "http://a b",
            "http://a/?q=1", "http://a/#x", "http://fd00::1:4318", "http://[fd00::1", "http://[::1]x", "http://[::1]:", "http://a\n:1",
        ])
    func noEndpoints(text: String) { #expect(throws: OTLPFault.self) { try OTLPConfiguration.Endpoint(text) } }

    @Test("a password in an endpoint is refused and not shown")
    func userInfo() {
        let error = #expect(throws: OTLPFault.self) { try OTLPConfiguration.Endpoint("https://me:hunter2@collector") }
        #expect(error.map { !"\($0)".contains("hunter2") } == true)
    }

    @Test("headers come from lines or from a list, with names in lower case")
    func headers() throws {
        let lines = try OTLPConfiguration.Header.read(lines: "# Honeycomb\nX-Honeycomb-Team: abc: d\r\n\n x-dataset:\tmesh \n")
        #expect(lines.map(\.name) == ["x-honeycomb-team", "x-dataset"] && lines.map(\.value) == ["abc: d", "mesh"])
        let list = try OTLPConfiguration.Header.read(list: "Authorization=Basic%20YTpi, x-a = b=c ")
        #expect(list.map(\.name) == ["authorization", "x-a"] && list.map(\.value) == ["Basic YTpi", "b=c"])
    }

    @Test(
        "headers that could smuggle something in, or that belong to the transport, are refused, and no value is shown",
        arguments: [
            "secret", "a b: secret", ": secret", "x:", "x: sec\u{1}ret", "x: secrét", "Content-Type: secret", "te: secret",
            "grpc-x: secret",
        ])
    func badHeaders(line: String) {
        let error = #expect(throws: OTLPFault.self) { try OTLPConfiguration.Header.read(lines: line) }
        #expect(error.map { !"\($0)".contains("sec") } == true)
    }

    @Test("keys are in no description", arguments: ["x=%zz", "x=%0d%0aHost:evil", "novalue"])
    func badLists(list: String) throws {
        #expect(throws: OTLPFault.self) { try OTLPConfiguration.Header.read(list: list) }
        var configuration = OTLPConfiguration(endpoint: try .init("http://a"), transport: .http)
        configuration.headers = [.init(name: "x-honeycomb-team", value: "hunter2")]
        configuration.identity = .init(certificate: Array("hunter2".utf8), key: Array("hunter2".utf8))
        var dumped = ""
        dump(configuration, to: &dumped)
        #expect(!"\(configuration)\(dumped)\(String(reflecting: configuration))".contains("hunter2"))
    }

    @Test("whatever is written in a headers file, reading it ends in headers or in a fault")
    func hostile() {
        var generator = SystemRandomNumberGenerator.seeded(20)
        for _ in 0..<3000 {
            let text = String(
                decoding: (0..<Int.random(in: 0...60, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) },
                as: UTF8.self)
            for headers in [try? OTLPConfiguration.Header.read(lines: text), try? OTLPConfiguration.Header.read(list: text)] {
                for header in headers ?? [] { #expect((header.name + header.value).utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f }) }
            }
            _ = try? OTLPConfiguration.Endpoint("http://" + text)
        }
    }
}

extension SystemRandomNumberGenerator {
    /// The same numbers each time: SplitMix64.
    static func seeded(_ seed: UInt64) -> Seeded { Seeded(state: seed) }

    struct Seeded: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
    }
}
