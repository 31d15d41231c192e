// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshModel
import MeshSystem
import MeshTesting
import MeshTrust
import Running
import StandInTesting
import Testing

@testable import ToolDrivers

@Suite("Values and sources of services")
struct ServiceValuesTests {
    @Test("dotted keys become nested maps, and an escaped dot stays")
    func nested() {
        #expect(ServiceValues.nested("a.b.c", .integer(1)) == ["a": .map(["b": .map(["c": .integer(1)])])])
        #expect(ServiceValues.nested(#"annotations.example\.org/x"#, .bool(true)) == ["annotations": .map(["example.org/x": .bool(true)])])
        #expect(ServiceValues.nested("plain", .null) == ["plain": .null])
    }

    @Test("differences are told by key, and what Helm only writes otherwise is none")
    func differences() {
        func differ(_ planned: [String: HelmValue], _ installed: [String: HelmValue]) -> [String] {
            ServiceValues.differences(planned: .map(planned), installed: .map(installed))
        }
        #expect(differ(["a": .integer(1)], ["a": .number(1.0)]) == [])
        #expect(differ(["a": .null], [:]) == [])
        #expect(differ([:], ["a": .map([:])]) == [])
        #expect(differ(["a": .map(["b": .string("x")])], ["a": .map(["b": .string("y")])]) == ["value a.b"])
        #expect(differ(["a": .map(["b": .string("x")])], [:]) == ["value a.b"])
        #expect(differ(["l": .list([.integer(1)])], ["l": .list([.integer(1), .integer(2)])]) == ["value l"])
        #expect(differ(["a": .string("1")], ["a": .integer(1)]) == ["value a"])
        let many = Dictionary(uniqueKeysWithValues: (0..<30).map { ("k\($0)", HelmValue.integer(Int64($0))) })
        #expect(differ(many, [:]).count == 11)
        #expect(differ(many, [:]).last == "and 20 more")
    }

    @Test("charts in repositories, registries and archives are named as Helm wants them")
    func charts() {
        let plain = ChartReference(repository: "https://charts.example", name: "x", version: "1.0.0")
        #expect(plain.arguments(archive: nil) == ["x", "--repo", "https://charts.example"])
        #expect(
            ChartReference(repository: "oci://r.example/charts", name: "x", version: "1").arguments(archive: nil) == [
                "oci://r.example/charts/x"
            ])
        #expect(ChartReference(repository: "oci://r.example/x", name: "x", version: "1").arguments(archive: nil) == ["oci://r.example/x"])
        #expect(ChartReference(repository: "charts/x-1.tgz", name: "x", version: "1").isArchive)
        #expect(plain.arguments(archive: "/w/a.tgz") == ["/w/a.tgz"])
    }

    @Test("what is fetched is taken only with the pinned digest, and the digest that was seen is told")
    func pins() async throws {
        let content = Array("kind: Namespace\n".utf8)
        let web = StaticWeb([
            "https://a.example/r/x.yaml": .init(status: 302, headers: [HTTPHeader("Location", "https://b.example/x.yaml")]),
            "https://b.example/x.yaml": .init(status: 200, body: content),
            "https://a.example/plain": .init(status: 302, headers: [HTTPHeader("Location", "http://b.example/x.yaml")]),
            "https://a.example/loop": .init(status: 301, headers: [HTTPHeader("Location", "/loop")]),
        ])
        let spec = try SmallMesh.spec(services: false)
        try await StandInWorld.with(spec) { world in
            var tools = try Bench(world, spec).tools
            tools.http = web
            let source = PinnedSource(tools: tools)
            let digest = Digest.sha256(content)
            #expect(try await source.bytes(of: "https://a.example/r/x.yaml", pinnedTo: digest) == content)
            func problem(_ url: String, _ digest: Digest?) async -> String {
                do {
                    _ = try await source.bytes(of: url, pinnedTo: digest)
                    return "taken"
                } catch { return "\(error)" }
            }
            #expect(await problem("https://b.example/x.yaml", nil).contains("write sha256: \"\(digest.hex)\""))
            #expect(await problem("https://b.example/x.yaml", .zero).contains("was changed since it was pinned"))
            #expect(await problem("https://a.example/plain", digest).contains("http://b.example/x.yaml, which is not followed"))
            #expect(await problem("https://a.example/loop", digest).contains("is not followed"))
            #expect(await problem("https://a.example/gone", digest).contains("was answered with 404"))
            #expect(await problem("no-such-file.yaml", nil).contains("there is no file"))
        }
    }
}

/// A web of fixed pages; everything else is 404.
struct StaticWeb: HTTPClient {
    let pages: [String: HTTPResponse]
    init(_ pages: [String: HTTPResponse]) { self.pages = pages }

    func send(_ request: HTTPRequest) async throws -> HTTPResponse { pages[request.url] ?? HTTPResponse(status: 404) }

    func stream(_ request: HTTPRequest, onChunk: @Sendable (HTTPHead, [UInt8]) async throws -> Void) async throws -> HTTPHead {
        let response = try await send(request)
        try await onChunk(response.head, response.body)
        return response.head
    }
}
