// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import ServerTesting
import Testing

@Suite("https through libcurl")
struct TLSTests {
    let client: CurlHTTPClient
    init() throws { client = try CurlHTTPClient() }

    private func request(_ server: TestServer, host: String = "mesh.test", _ tls: HTTPTLS) -> HTTPRequest {
        HTTPRequest(
            .get, server.url("/echo", host: host, scheme: "https"), dialInstead: HTTPEndpoint(host: "127.0.0.1", port: server.port),
            tls: tls)
    }

    private func expectUntrusted(_ request: HTTPRequest, _ hint: String, by other: CurlHTTPClient? = nil) async {
        let error = await #expect(throws: HTTPClientError.self) { try await (other ?? client).send(request) }
        // A server that refuses our certificate says so in an alert, which the closing of the connection may overtake.
        let isRefusal = error?.kind == "untrusted" || error?.description.contains("refuses our client certificate") == true
        #expect(isRefusal, "\(hint): \(String(describing: error))")
    }

    @Test("a server is trusted by its name and the given roots alone")
    func server() async throws {
        try await withTestCertificates { made in
            try await withTestServer(["cert=\(made.file("server.pem"))", "key=\(made.file("server.key"))"]) { server in
                let roots = HTTPTLS(roots: .pem(try made.pem("ca.pem")))
                let response = try await client.send(request(server, roots))
                #expect(response.text.contains("host: mesh.test:\(server.port)"))
                #expect(try await client.send(request(server, HTTPTLS(roots: .file(made.file("ca.pem"))))).status == 201)
                #expect(try await client.send(request(server, HTTPTLS(roots: .pem(try made.pem("server.pem"))))).status == 201)
                #expect(try await client.send(request(server, HTTPTLS(roots: roots.roots, minimum: .v13))).status == 201)
                await expectUntrusted(request(server, host: "other.test", roots), "another name")
                await expectUntrusted(request(server, HTTPTLS(roots: .pem(try made.pem("other.pem")))), "another authority")
                await expectUntrusted(request(server, HTTPTLS()), "the system's roots")
                await expectUntrusted(request(server, HTTPTLS(roots: .file("/no/such/file"))), "a missing file")
                await expectUntrusted(request(server, HTTPTLS(roots: .pem([]))), "empty roots")
            }
        }
    }

    @Test("a server that knows only an older TLS than we allow is refused")
    func olderServer() async throws {
        try await withTestCertificates { made in
            let arguments = ["cert=\(made.file("server.pem"))", "key=\(made.file("server.key"))", "newest=TLSv1_2"]
            try await withTestServer(arguments) { server in
                let roots = HTTPTLS.Roots.pem(try made.pem("ca.pem"))
                #expect(try await client.send(request(server, HTTPTLS(roots: roots))).status == 201)
                await expectUntrusted(request(server, HTTPTLS(roots: roots, minimum: .v13)), "TLS 1.2 only")
            }
        }
    }

    @Test("where a client certificate is required, ours opens and none or a foreign one does not")
    func clientCertificate() async throws {
        try await withTestCertificates { made in
            let arguments = ["cert=\(made.file("server.pem"))", "key=\(made.file("server.key"))", "client=\(made.file("ca.pem"))"]
            try await withTestServer(arguments) { server in
                var tls = HTTPTLS(roots: .pem(try made.pem("ca.pem")))
                await expectUntrusted(request(server, tls), "no certificate")
                tls.identity = HTTPTLS.Identity(certificate: try made.pem("client.pem"), key: try made.pem("client.key"))
                #expect(try await client.send(request(server, tls)).status == 201)
                tls.identity = HTTPTLS.Identity(certificate: try made.pem("other.pem"), key: try made.pem("other.key"))
                await expectUntrusted(request(server, tls), "a foreign certificate")
                tls.identity = HTTPTLS.Identity(certificate: try made.pem("client.pem"), key: try made.pem("other.key"))
                // libcurl keeps connections by certificate, not by key: one that the right key opened would be used again.
                await expectUntrusted(request(server, tls), "a key of another certificate", by: try CurlHTTPClient())
                #expect("\(tls)".contains("PRIVATE") == false)
            }
        }
    }
}
