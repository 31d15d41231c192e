// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshHTTP
import OperatorAPI
import Testing

@Suite("The read-only listener")
struct ReadOnlyTests {
    private func serve(_ body: @Sendable (SurfaceLab, Int) async throws -> Void) async throws {
        try await SurfaceLab().serve({
            $0.unixSocket = nil
            $0.readOnly = .init(port: 0, names: ["mesh.example"])
        }) { lab, listeners in
            guard case .readOnly(_, let port) = listeners.first else { throw NoListener() }
            try await body(lab, port)
        }
    }

    private func send(_ method: MeshHTTP.HTTPRequest.Method, _ path: String, port: Int, host: String? = nil) async throws -> HTTPResponse {
        let headers = host.map { [HTTPHeader("Host", $0)] } ?? []
        return try await CurlHTTPClient().send(MeshHTTP.HTTPRequest(method, "http://127.0.0.1:\(port)\(path)", headers: headers))
    }

    @Test("everybody on the machine may read metrics, health and the dashboard")
    func reading() async throws {
        try await serve { (_, port) async throws in
            let metrics = try await send(.get, "/metrics", port: port)
            #expect(metrics.status == 200 && metrics.header("content-type") == "text/plain; version=0.0.4; charset=utf-8")
            #expect(try await send(.get, "/healthz", port: port).text == "ok\n")
            let page = try await send(.get, "/?state=held", port: port)
            #expect(page.text == "<!doctype html>held")
            let policy = try #require(page.header("content-security-policy"))
            #expect(policy.hasPrefix("default-src 'none'") && policy.contains("script-src 'self'") && !policy.contains("unsafe"))
            let style = try await send(.get, "/dashboard.css", port: port)
            #expect(style.text == "body {}" && style.header("content-type") == "text/css; charset=utf-8")
            let script = try await send(.get, "/dashboard.js", port: port)
            #expect(script.text == "\"use strict\";" && script.header("content-type") == "text/javascript; charset=utf-8")
        }
    }

    @Test("nobody changes anything through it")
    func writing() async throws {
        try await serve { (lab, port) async throws in
            for route in OperatorRoute.allCases where route.method == .post {
                let path = route.path.replacingOccurrences(of: "{node}", with: "wrk-e-1")
                #expect(try await send(.post, path, port: port).status == 403, "\(route)")
            }
            #expect(lab.backend.asked.isEmpty)
        }
    }

    @Test("a web page that reaches it under a name of its own gets nothing")
    func rebinding() async throws {
        try await serve { (_, port) async throws in
            #expect(try await send(.get, "/v1/status", port: port, host: "evil.example").status == 421)
            #expect(try await send(.get, "/v1/status", port: port, host: "evil.example:\(port)").status == 421)
            for host in ["localhost:\(port)", "[::1]:\(port)", "127.0.0.1", "mesh.example:80"] {
                #expect(try await send(.get, "/v1/status", port: port, host: host).status == 200, "\(host)")
            }
        }
    }

    @Test("an address that is taken is named")
    func taken() async throws {
        try await serve { (lab, port) async throws in
            do {
                try await SurfaceLab().serve({
                    $0.unixSocket = nil
                    $0.readOnly = .init(port: port)
                }) { _, _ in }
                Issue.record("two listeners on one port")
            } catch OperatorServerError.cannotListen(let place, _) {
                #expect(place == "127.0.0.1:\(port)")
            }
        }
    }
}
