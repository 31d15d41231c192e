// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshHTTP
import MeshSystem
import Testing

@Suite("HTTP through libcurl")
struct CurlHTTPClientTests {
    let client: CurlHTTPClient
    init() throws { client = try CurlHTTPClient() }

    @Test(
        "method, headers and body arrive as given, and nothing is added but what HTTP needs",
        arguments: [HTTPRequest.Method.get, .post, .put, .patch, .delete])
    func methods(method: HTTPRequest.Method) async throws {
        try await withTestServer { server in
            let body = Array("a\u{0}ü".utf8)
            let headers = [HTTPHeader("X-Given", "one two"), HTTPHeader("X-Empty", "")]
            let response = try await client.send(HTTPRequest(method, server.url("/echo?q=1"), headers: headers, body: body))
            #expect(response.status == 201)
            let parts = response.text.split(separator: "\n\n", maxSplits: 1)
            #expect(
                parts.first.map(String.init)
                    == """
                    \(method.rawValue) /echo?q=1
                    accept: */*
                    content-length: 4
                    host: 127.0.0.1:\(server.port)
                    user-agent: meshgate
                    x-empty: 
                    x-given: one two
                    """)
            #expect(Array(response.body.suffix(4)) == body)
            #expect(response.header("X-TWO") == "padded")
            #expect(response.head.headers.filter { $0.name.lowercased() == "x-two" }.map(\.value) == ["padded", "second"])
        }
    }

    @Test("bodies may be absent or large, HEAD has none, informational heads are skipped, errors are responses")
    func shapes() async throws {
        try await withTestServer { server in
            let empty = try await client.send(HTTPRequest(.post, server.url("/echo")))
            #expect(empty.text.contains("content-length: 0"))
            let large = try await client.send(HTTPRequest(.put, server.url("/echo"), body: [UInt8](repeating: 65, count: 3 << 20)))
            #expect(large.body.count > 3 << 20)
            let head = try await client.send(HTTPRequest(.head, server.url("/big?1000")))
            #expect(head.header("content-length") == "1000")
            #expect(head.body.isEmpty)
            let early = try await client.send(HTTPRequest(.get, server.url("/early")))
            #expect(early.text == "late")
            #expect(early.header("x-early") == nil)
            let failed = try await client.send(HTTPRequest(.get, server.url("/error")))
            #expect(failed.status == 500 && !failed.isSuccess && failed.text == "sorry")
            let redirect = try await client.send(HTTPRequest(.get, server.url("/redirect")))
            #expect(redirect.status == 302)
            #expect(redirect.header("location") == "/echo")
        }
    }

    @Test("a Unix socket is dialled instead of the host")
    func unixSocket() async throws {
        let path = "/tmp/meshgate-test-\(try KernelEntropy().hexID())"
        defer { unlink(path) }
        try await withTestServer(["unix=\(path)"]) { _ in
            let response = try await client.send(HTTPRequest(.get, "http://localhost/echo", unixSocket: path))
            #expect(response.text.contains("host: localhost\n"))
        }
        let error = await #expect(throws: HTTPClientError.self) {
            try await client.send(HTTPRequest(.get, "http://localhost/v1", unixSocket: "/tmp/no-such-socket"))
        }
        #expect(error?.description.contains("http://localhost/v1 on the socket /tmp/no-such-socket") == true)
    }

    @Test("a response of exactly the limit is taken, one byte more is refused")
    func sizeLimit() async throws {
        try await withTestServer { server in
            let exact = try await client.send(HTTPRequest(.get, server.url("/big?5000"), responseLimit: 5000))
            #expect(exact.body.count == 5000)
            await #expect(throws: HTTPClientError.responseTooLarge(url: server.url("/big"), limit: 5000)) {
                try await client.send(HTTPRequest(.get, server.url("/big?5001"), responseLimit: 5000))
            }
            await #expect(throws: HTTPClientError.self) { try await client.send(HTTPRequest(.get, server.url("/fathead"))) }
        }
    }

    @Test("a silent server is left at the deadline, a stalled stream at the idle limit")
    func deadline() async throws {
        try await withTestServer { server in
            let began = ContinuousClock.now
            let error = await #expect(throws: HTTPClientError.self) {
                try await client.send(HTTPRequest(.get, server.url("/silent"), deadline: .milliseconds(300)))
            }
            #expect(error?.kind == "timedOut")
            #expect(ContinuousClock.now - began < .seconds(60))
            let stalled = await #expect(throws: HTTPClientError.self) {
                try await client.stream(HTTPRequest(.get, server.url("/stall"), deadline: nil, idleLimit: .milliseconds(400))) { _, chunk in
                    #expect(chunk == Array("only\n".utf8))
                }
            }
            #expect(stalled?.kind == "timedOut")
        }
    }

    @Test("an answer that breaks off or is not HTTP is an error that says so", arguments: ["/cut", "/garbage"])
    func broken(path: String) async throws {
        try await withTestServer { server in
            let error = await #expect(throws: HTTPClientError.self) { try await client.send(HTTPRequest(.get, server.url(path))) }
            #expect(error?.kind == "brokenOff")
        }
    }

    @Test("nobody there is named without the credentials of the URL")
    func unreachable() async throws {
        let error = await #expect(throws: HTTPClientError.self) {
            try await client.send(HTTPRequest(.get, "http://admin:secret@127.0.0.1:1/path/x?token=secret#secret"))
        }
        #expect(error?.kind == "unreachable")
        #expect(error?.description.contains(" http://127.0.0.1:1/path/x:") == true)
        #expect(error?.description.contains("secret") == false)
    }

    @Test("what could smuggle in another header, scheme or socket is refused before anything is sent")
    func smuggling() async throws {
        let bad = [
            HTTPRequest(.get, "file:///etc/passwd"), HTTPRequest(.get, "gopher://127.0.0.1/"), HTTPRequest(.get, "127.0.0.1"),
            HTTPRequest(.get, "http://127.0.0.1/ HTTP/1.1\r\nX: y"), HTTPRequest(.get, "http://127.0.0.1/\u{0}"),
            HTTPRequest(.get, "http://127.0.0.1/", headers: [HTTPHeader("A: b\r\nC", "d")]),
            HTTPRequest(.get, "http://127.0.0.1/", headers: [HTTPHeader("A", "b\r\nC: d")]),
            HTTPRequest(.get, "http://127.0.0.1/", headers: [HTTPHeader("A", "b\u{0}")]),
            HTTPRequest(.get, "http://127.0.0.1/", unixSocket: "relative"),
        ]
        for request in bad {
            let error = await #expect(throws: HTTPClientError.self) { try await client.send(request) }
            #expect(error?.kind == "malformed", "\(request.url)")
        }
    }

    @Test("a proxy in the environment is not asked")
    func proxy() async throws {
        setenv("http_proxy", "http://127.0.0.1:1", 1)
        defer { unsetenv("http_proxy") }
        try await withTestServer { server in
            let response = try await client.send(HTTPRequest(.get, server.url("/echo")))
            #expect(response.status == 201)
        }
    }

    @Test("two hundred requests at once are all answered")
    func many() async throws {
        try await withTestServer { server in
            try await withThrowingTaskGroup { group in
                for number in 0..<200 {
                    group.addTask { try await client.send(HTTPRequest(.get, server.url("/big?\(number)"))).body.count }
                }
                var sum = 0
                for try await count in group { sum += count }
                #expect(sum == 199 * 100)
            }
        }
    }
}
