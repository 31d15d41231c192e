// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshModel
import Testing

@testable import ToolDrivers

@Suite("The Kubernetes client, against a TLS server", .timeLimit(.minutes(5)))
struct KubernetesClientTests {
    private func names(_ items: [HelmValue]) -> [String] { items.compactMap { $0["metadata", "name"]?.string } }

    @Test("a list is fetched page by page, whole and in order")
    func pages() async throws {
        try await FakeAPIServer.with { server in
            let client = try server.client()
            #expect(names(try await client.list("/api/v1/things?labelSelector=a%3Db", pageSize: 3)) == (0..<7).map { "t\($0)" })
            let asked = try await server.log()
            #expect(asked.count == 3)
            #expect(asked[0].hasPrefix("GET /api/v1/things?labelSelector=a%3Db&limit=3 "))
            #expect(asked[2].hasPrefix("GET /api/v1/things?labelSelector=a%3Db&limit=3&continue=6 "))
        }
    }

    @Test("a page token that expired under way starts the list again, and nothing of the first pass stays")
    func expiredPages() async throws {
        try await FakeAPIServer.with { server in
            let client = try server.client()
            #expect(names(try await client.list("/api/v1/expiring")) == ["new-1", "new-2"])
            let asked = try await server.log()
            #expect(asked[1].contains("continue=a%20b%2Fc%2Bd%3D "))
        }
    }

    @Test("what is not there is nil by the server's word; a kind that nobody serves is not an empty list")
    func absence() async throws {
        try await FakeAPIServer.with { server in
            let client = try server.client()
            #expect(try await client.get("/api/v1/things/gone") == nil)
            #expect(try await client.get("/apis/unknown.io/v1/things") == nil)
            #expect(try await client.listIfServed("/apis/unknown.io/v1/things") == nil)
            await #expect(throws: KubernetesError.self) { try await client.list("/apis/unknown.io/v1/things") }
            #expect(try await client.list("/api/v1/nil") == [])
            #expect(try await client.delete("/api/v1/things/gone") == false)
        }
    }

    @Test("a refusal shows reason, message and every cause, without control characters")
    func causes() async throws {
        try await FakeAPIServer.with { server in
            let error = await #expect(throws: KubernetesError.self) {
                try await server.client().apply(.map([:]), at: "/api/v1/things/bad")
            }
            #expect(
                error.map { "\($0)" }
                    == "PATCH /api/v1/things/bad at https://127.0.0.1:\(server.port) was answered with 422 Invalid: Thing is invalid "
                    + "(spec.id: must be [31m less than 256; spec.name: FieldValueRequired)")
        }
    }

    @Test("apply names us as the field manager, and delete can insist on one very object")
    func changes() async throws {
        try await FakeAPIServer.with { server in
            let client = try server.client()
            let object: HelmValue = .map(["spec": .map(["a": .integer(1)])])
            #expect(try await client.apply(object, at: "/api/v1/things/mine", force: false) == object)
            #expect(try await client.delete("/api/v1/things/mine", uid: "uid-7"))
            await #expect(throws: KubernetesError.self) { try await client.delete("/api/v1/things/conflict", uid: "uid-8") }
            let asked = try await server.log()
            #expect(asked[0].hasPrefix("PATCH /api/v1/things/mine?fieldManager=meshgate&force=false - {\"spec\""))
            #expect(asked[1].contains(#""preconditions":{"uid":"uid-7"}"#))
        }
    }

    @Test("429 and 503 are tried again after the server's own time, with jitter; a cut connection after ours")
    func retries() async throws {
        try await FakeAPIServer.with { server in
            let (busy, header, cut) = (Waits(), Waits(), Waits())
            let busyAnswer = try await server.client(waits: busy).get("/flaky/busy")
            #expect(busyAnswer?["ok"] == .bool(true))
            #expect(busy.all.count == 2)
            #expect(busy.all.allSatisfy { (.seconds(7)...(.seconds(8))).contains($0) })
            let headerAnswer = try await server.client(waits: header).get("/flaky/header")
            #expect(headerAnswer?["ok"] == .bool(true))
            #expect(header.all.count == 1 && header.all[0] >= .seconds(3))
            let cutAnswer = try await server.client(waits: cut).get("/flaky/cut")
            #expect(cutAnswer?["ok"] == .bool(true))
            // Of three tries the server cuts two; one of them on a kept connection, which is dialled anew without a wait.
            #expect((1...2).contains(cut.all.count) && cut.all.allSatisfy { $0 <= .seconds(1) })
        }
    }

    @Test("tries come to an end, and the last answer is what is told")
    func noEndlessRetries() async throws {
        try await FakeAPIServer.with { server in
            let waits = Waits()
            let client = try server.client(waits: waits)
            let error = await #expect(throws: KubernetesError.self) { try await client.get("/always/down") }
            #expect(error.map { "\($0)" }?.hasSuffix("was answered with 503 ServiceUnavailable: no etcd") == true)
            #expect(waits.all.count == 3)
            await #expect(throws: HTTPClientError.self) { try await client.get("/always/cut") }
            #expect(waits.all.count == 6)
            // A day is longer than our patience: told at once instead of waited for.
            await #expect(throws: KubernetesError.self) { try await client.get("/always/forever") }
            #expect(waits.all.count == 6)
        }
    }

    @Test("creating is never repeated: whether the first try took effect is not known")
    func createOnce() async throws {
        try await FakeAPIServer.with { server in
            let client = try server.client()
            // Leaves a connection to be used again.
            _ = try await client.get("/version")
            await #expect(throws: HTTPClientError.self) { try await client.create(.map([:]), in: "/always/cut") }
            await #expect(throws: KubernetesError.self) { try await client.create(.map([:]), in: "/always/down") }
            let asked = try await server.log().filter { $0.hasPrefix("POST") }
            #expect(asked == ["POST /always/cut - {}", "POST /always/down - {}"])
        }
    }

    @Test(
        "an answer that no API server gives is an error, and never an empty list or an absence",
        arguments: [
            "garbage", "truncated", "short", "page", "typed", "page404", "json404", "redirect", "object", "noitems", "items", "loop",
            "array", "deep", "endless", "drip",
        ])
    func hostile(_ name: String) async throws {
        try await FakeAPIServer.with { server in
            let client = try server.client(deadline: name == "drip" ? .milliseconds(200) : .seconds(60))
            await #expect(throws: (any Error).self, "\(name)") { try await client.list("/hostile/\(name)") }
            await #expect(throws: (any Error).self, "\(name)") { try await client.listIfServed("/hostile/\(name)") }
            // These are objects, if odd ones.
            guard !["object", "noitems", "items", "loop"].contains(name) else { return }
            await #expect(throws: (any Error).self, "\(name)") { try await client.get("/hostile/\(name)") }
        }
    }
}
