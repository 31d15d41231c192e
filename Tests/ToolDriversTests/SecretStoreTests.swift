// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshHTTP
import MeshModel
import MeshSystem
import ServerTesting
import Synchronization
import Testing

@testable import ToolDrivers

@Suite("Stores of secrets")
struct SecretStoreTests {
    /// A Doppler of our own over real HTTP. Its token decides how it behaves.
    static let server = #"""
        import http.server, json, sys
        from urllib.parse import urlparse, parse_qs
        store, calls = {"OTHER": "x"}, {}
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def log_message(self, *ignored): pass
            def answer(self, status, body, headers=()):
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers: self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
                kind = token.split(".")[2] if token.count(".") > 2 else "none"
                calls[kind] = calls.get(kind, 0) + 1
                url = urlparse(self.path)
                if kind == "busy" and calls[kind] < 3: return self.answer(429, {"messages": ["slow down"], "success": False}, [("Retry-After", "7")])
                if kind == "flooded": return self.answer(429, b"")
                if kind == "down" and calls[kind] < 3: return self.answer(502, b"<html>bad gateway</html>")
                if kind == "broken": return self.answer(500, {"messages": ["we broke " + token], "success": False})
                if kind == "gone": return self.answer(401, {"messages": ["Invalid Auth token"], "success": False})
                if kind == "weak": return self.answer(403, {"messages": ["This token does not have access to write"], "success": False})
                if kind == "cut":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"secrets\":{")
                    self.close_connection = True
                    return
                if kind == "garbage": return self.answer(200, b"\xff\xfe not json")
                if kind == "shape": return self.answer(200, {"secrets": [], "names": {}})
                if self.command == "POST":
                    for name, value in json.loads(body)["secrets"].items():
                        if value is None: store.pop(name, None)
                        elif kind != "liar": store[name] = value
                    return self.answer(200, {"secrets": {}, "success": True})
                place = parse_qs(url.query)
                if place != {"project": ["a b&c"], "config": ["dev"]}: return self.answer(404, {"messages": ["Could not find " + url.query], "success": False})
                if url.path.endswith("/names"): return self.answer(200, {"names": sorted(store), "success": True})
                shown = {n: {"raw": None if kind == "shy" else v, "computed": None if kind == "shy" else v.replace("${OTHER}", "x"), "rawVisibility": "restricted"} for n, v in store.items()}
                self.answer(200, {"secrets": shown, "success": True})
            do_GET = do_POST = do_DELETE = serve
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        print(server.server_address[1])
        server.serve_forever()
        """#

    private final class Waits: Sendable {
        let all = Mutex<[Duration]>([])
    }

    private func with(
        _ kind: String, _ body: @escaping @Sendable (DopplerStore, Waits) async throws -> Void
    ) async throws {
        try await PythonServer.with(Self.server) { server in
            let waits = Waits()
            let store = try DopplerStore(
                http: try CurlHTTPClient(), token: Secret("dp.st.\(kind).abcdefghijklmnop"), project: "a b&c", config: "dev",
                server: "http://127.0.0.1:\(server.port)", wait: { pause in waits.all.withLock { $0.append(pause) } })
            try await body(store, waits)
        }
    }

    /// What the store's error says.
    private func complaint(_ kind: String) async throws -> String {
        let words = Mutex("")
        try await with(kind) { store, _ in
            do {
                _ = try await store.read(["OTHER"])
            } catch {
                words.withLock { $0 = "\(error)" }
            }
        }
        return words.withLock { $0 }
    }

    @Test("what was written is read back by digest, listed by name and deleted again")
    func wholeWay() async throws {
        try await with("good") { store, _ in
            let wanted = ["KUBECONFIG_A": Secret("line\n\"quoted\" ü"), "B": Secret("b")]
            #expect(try await store.differing(from: wanted) == ["KUBECONFIG_A", "B"])
            #expect(try await store.settle(wanted) == [])
            #expect(try await store.differing(from: wanted) == [])
            #expect(try await store.names() == ["KUBECONFIG_A", "B", "OTHER"])
            try await store.delete(["B", "NEVER_THERE"])
            #expect(try await store.names() == ["KUBECONFIG_A", "OTHER"])
            #expect(try await store.read(["B", "OTHER"]).mapValues { $0.revealed() } == ["OTHER": "x"])
        }
    }

    @Test("a store that says written and did not write is found out, and so is one that changed the value")
    func liar() async throws {
        try await with("liar") { store, _ in
            let left = try await store.settle(["A": Secret("a")])
            #expect(left == ["A"])
        }
        try await with("good") { store, _ in
            let left = try await store.settle(["A": Secret("a ${OTHER}"), "B": Secret("b")])
            #expect(left == ["A"])
        }
    }

    @Test("a server that asks to wait is waited for, as long as it says")
    func retryAfter() async throws {
        try await with("busy") { store, waits in
            let names = try await store.names()
            #expect(names == ["OTHER"])
            #expect(waits.all.withLock { $0 } == [.seconds(7), .seconds(7)])
        }
        try await with("down") { store, waits in
            let names = try await store.names()
            #expect(names == ["OTHER"])
            #expect(waits.all.withLock { $0 } == [.milliseconds(500), .seconds(1)])
        }
    }

    @Test("it is asked a few times and no more, and never made to wait beyond a minute")
    func limits() async throws {
        try await with("flooded") { store, waits in
            await #expect(throws: SecretError.limited(tries: 5)) { try await store.names() }
            #expect(waits.all.withLock { $0.count } == 4)
        }
        let endless = HTTPResponse(status: 429, headers: [HTTPHeader("retry-after", "999999")])
        #expect(DopplerStore.pause(endless, 1) == .seconds(60))
        #expect(DopplerStore.pause(HTTPResponse(status: 429, headers: [HTTPHeader("Retry-After", "soon")]), 40) == .seconds(32))
    }

    @Test("each refusal is told for what it is, and never with the token")
    func refusals() async throws {
        #expect(try await complaint("gone").contains("does not know this service token"))
        #expect(try await complaint("weak").contains("does not have access to write"))
        #expect(try await complaint("shy") == "\(SecretError.restricted(["OTHER"], kind: "service token (dp.st.)"))")
        let broken = try await complaint("broken")
        #expect(broken.contains("500: we broke"))
        #expect(!broken.contains("abcdefghijklmnop"))
        for kind in ["garbage", "shape"] { #expect(try await complaint(kind).contains("is not in the form this version understands")) }
        #expect(try await !complaint("cut").isEmpty)
    }

    @Test("a token's kind is seen by its beginning, and one that never reaches secrets is refused at once")
    func kinds() throws {
        #expect(DopplerStore.TokenKind("dp.pt.x") == .personal)
        #expect(DopplerStore.TokenKind("dp.sa.x") == .serviceAccount)
        #expect(DopplerStore.TokenKind("hvs.x") == .other)
        for token in ["dp.scim.x", "dp.audit.x"] {
            #expect(throws: SecretError.self) {
                _ = try DopplerStore(http: try CurlHTTPClient(), token: Secret(token), project: "p", config: "c")
            }
        }
    }

    @Test("a secret shows itself nowhere but where it is asked for")
    func redacted() {
        let secret = Secret("hunter22")
        var dumped = ""
        dump(["a": secret], to: &dumped)
        let shown = "\(secret) \(String(reflecting: secret)) \([secret]) \(Optional(secret) as Any) \(dumped)"
        #expect(!shown.contains("hunter22"))
        #expect(secret.revealed() == "hunter22")
    }

    @Test("files of secrets are ours alone, and names that would lead elsewhere are refused")
    func files() async throws {
        let root = FileManager.default.temporaryDirectory.path + "/secrets-" + (try KernelEntropy().hexID(byteCount: 6))
        defer { try? FileManager.default.removeItem(atPath: root) }
        let store = FileSecretStore(directory: root + "/store", files: LinuxFileStore())
        let empty = try await store.names()
        #expect(empty == [])
        #expect(try await store.settle(["A_1": Secret("a")]) == [])
        let mode = try FileManager.default.attributesOfItem(atPath: root + "/store/A_1")[.posixPermissions] as? Int
        #expect(mode == 0o600)
        for name in ["../x", "a", "", "A/B", "A\n"] {
            await #expect(throws: SecretError.self) { try await store.write([name: Secret("x")]) }
            await #expect(throws: SecretError.self) { try await store.read([name]) }
        }
        try await store.delete(["A_1", "B"])
        #expect(try await store.names() == [])
    }

    @Test("the environment can be read and nothing else")
    func environment() async throws {
        let store = EnvironmentSecretStore { $0 == "A" ? "a" : nil }
        let found = try await store.read(["A", "B"])
        #expect(found.mapValues { $0.revealed() } == ["A": "a"])
        await #expect(throws: SecretError.self) { try await store.write(["A": Secret("b")]) }
        await #expect(throws: SecretError.self) { try await store.names() }
    }

    @Test("names of clusters that are gone are stale; other people's names and another mesh's never are")
    func stale() throws {
        let east = try #require(ClusterName("talos-east"))
        let west = try #require(ClusterName("west"))
        let living = SecretNames.name(.kubeconfig, of: east, mesh: "my-lab")
        #expect(living == "MESHGATE_MY_LAB_KUBECONFIG_TALOS_EAST")
        let gone = SecretNames.name(.talosconfig, of: west, mesh: "my-lab")
        let names: Set<String> = [
            living, gone, SecretNames.name(.kubeconfig, of: west, mesh: "other"), "DATABASE_URL", "MESHGATE_MY_LAB_KUBECONFIG_",
        ]
        #expect(SecretNames.stale(in: names, mesh: "my-lab", clusters: [east]) == [gone])
    }
}
