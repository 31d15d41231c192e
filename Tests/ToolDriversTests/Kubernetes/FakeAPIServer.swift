// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshModel
import MeshSystem
import ServerTesting
import Synchronization
import Testing

@testable import ToolDrivers

/// A TLS server that answers as Kubernetes does, or as it never should, by path (see the script). Its certificate is for `mesh.test`.
struct FakeAPIServer: Sendable {
    let certificates: TestCertificates
    let port: UInt16
    private let http: CurlHTTPClient

    /// Runs `body` with a server; with `requiresCertificate` it speaks only to clients of its authority.
    static func with(requiresCertificate: Bool = false, _ body: @Sendable @escaping (FakeAPIServer) async throws -> Void) async throws {
        try await withTestCertificates { made in
            var arguments = ["cert=\(made.file("server.pem"))", "key=\(made.file("server.key"))"]
            if requiresCertificate { arguments.append("client=\(made.file("ca.pem"))") }
            try await PythonServer.with(script, arguments) { server in
                try await body(FakeAPIServer(certificates: made, port: server.port, http: CurlHTTPClient()))
            }
        }
    }

    func access(_ credential: ClusterAccess.Credential = .init()) throws -> ClusterAccess {
        ClusterAccess(
            context: "east", server: "https://127.0.0.1:\(port)", serverName: "mesh.test", authority: try certificates.pem("ca.pem"),
            credential: credential)
    }

    /// A client that never really waits between tries; the waits are in `waits`.
    func client(
        _ credential: ClusterAccess.Credential = .init(), waits: Waits = Waits(), deadline: Duration = .seconds(20),
        searchPath: [String] = ["/usr/bin"], now: @escaping NowSource = { SystemClock.now() }
    ) throws -> KubernetesClient {
        let plugins = ExecCredentials(runner: ProcessCommandRunner(), environment: [:], searchPath: searchPath, now: now)
        return KubernetesClient(
            access: try access(credential), http: http,
            authenticator: KubernetesAuthenticator(files: LinuxFileStore(), plugins: plugins),
            patience: KubernetesPatience(deadline: deadline, pause: { waits.add($0) }))
    }

    /// What the server was asked so far: `GET /path?query token`.
    func log() async throws -> [String] {
        let log = try await client().get("/log")
        return (log?["lines"]?.list ?? []).compactMap(\.string)
    }
}

/// Waits that nobody waited for.
final class Waits: Sendable {
    private let kept = Mutex<[Duration]>([])
    func add(_ wait: Duration) { kept.withLock { $0.append(wait) } }
    var all: [Duration] { kept.withLock { $0 } }
}

private let script = #"""
    import http.server, json, socketserver, ssl, sys, time

    log, counts = [], {}

    def status(code, reason, message, **details):
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason,
                "details": details, "code": code}

    def listing(items, version="100", more="", kind="ThingList"):
        metadata = {"resourceVersion": version}
        if more: metadata["continue"] = more
        return {"kind": kind, "apiVersion": "v1", "metadata": metadata, "items": items}

    def thing(name, version="1", **more):
        return dict({"metadata": {"name": name, "uid": "uid-" + name, "resourceVersion": version}}, **more)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def log_message(self, *ignored): pass
        def address_string(self): return "client"

        def answer(self, code, body, headers=(), type="application/json"):
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", type)
            for name, value in headers: self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def cut(self):
            self.close_connection = True
            self.connection.close()

        def begin(self, type="application/json"):
            self.send_response(200)
            self.send_header("Content-Type", type)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()

        def chunk(self, data):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

        def events(self, *lines, end=True):
            self.begin()
            for line in lines:
                data = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
                # In small pieces: a line has nothing to do with a chunk.
                for start in range(0, len(data), 70000): self.chunk(data[start:start + 70000])
            if end: self.chunk(b"")
            else: self.cut()

        def serve(self):
            path, _, query = self.path.partition("?")
            asked = dict(part.partition("=")[::2] for part in query.split("&") if part)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if path != "/log": log.append(self.command + " " + self.path + " " + self.headers.get("Authorization", "-") + " " + body.decode())
            count = counts[path] = counts.get(path, 0) + 1
            if "watch" in asked: return self.watch(path, asked, count)
            if path == "/log": self.answer(200, {"lines": log})
            elif path == "/version": self.answer(200, {"major": "1", "minor": "34", "gitVersion": "v1.34.1"})
            elif path == "/api/v1/things":
                start, limit = int(asked.get("continue", "0")), int(asked["limit"])
                more = str(start + limit) if start + limit < 7 else ""
                self.answer(200, listing([thing("t%d" % n) for n in range(7)][start:start + limit], more=more))
            elif path == "/api/v1/expiring":
                if "continue" in asked and count == 2: self.answer(410, status(410, "Expired", "the token is too old"))
                elif "continue" in asked: self.answer(200, listing([thing("new-2")]))
                else: self.answer(200, listing([thing("new-1" if count > 2 else "old-1")], more="a b/c+d="))
            elif path == "/api/v1/nil": self.answer(200, listing(None))
            elif path == "/api/v1/things/gone": self.answer(404, status(404, "NotFound", 'things "gone" not found'))
            elif path == "/apis/unknown.io/v1/things": self.answer(404, b"404 page not found\n", type="text/plain; charset=utf-8")
            elif path == "/api/v1/things/bad":
                self.answer(422, status(422, "Invalid", "Thing is invalid", causes=[
                    {"reason": "FieldValueInvalid", "field": "spec.id", "message": "must be\x1b[31m less than 256"},
                    {"reason": "FieldValueRequired", "field": "spec.name"}]))
            elif path == "/api/v1/things/conflict": self.answer(409, status(409, "Conflict", "uid mismatch"))
            elif path == "/api/v1/things/mine":
                self.answer(200, json.loads(body) if self.command == "PATCH" else {"kind": "Status", "status": "Success"})
            elif path == "/flaky/busy":
                if count < 3: self.answer(429, status(429, "TooManyRequests", "later", retryAfterSeconds=7))
                else: self.answer(200, {"ok": True})
            elif path == "/flaky/header":
                if count < 2: self.answer(503, b"starting", [("Retry-After", "3")], "text/plain")
                else: self.answer(200, {"ok": True})
            elif path == "/flaky/cut": self.cut() if count < 3 else self.answer(200, {"ok": True})
            elif path == "/always/down": self.answer(503, status(503, "ServiceUnavailable", "no etcd"))
            elif path == "/always/forever": self.answer(429, b"", [("Retry-After", "86400")], "text/plain")
            elif path == "/always/cut": self.cut()
            elif path == "/token":
                if self.headers.get("Authorization") == "Bearer good": self.answer(200, {"ok": True})
                else: self.answer(401, status(401, "Unauthorized", "Unauthorized"))
            elif path == "/hostile/garbage": self.answer(200, b"\x00\xff{]]", type="application/json")
            elif path == "/hostile/truncated": self.answer(200, b'{"kind": "ThingList", "items": [{"metadata"')
            elif path == "/hostile/short":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{}")
                self.cut()
            elif path == "/hostile/page": self.answer(200, b"<html>log in</html>", type="text/html")
            elif path == "/hostile/typed": self.answer(200, b'{"kind": "ThingList", "items": []}', type="text/plain")
            elif path == "/hostile/page404": self.answer(404, b"<html>nginx</html>", type="text/html")
            elif path == "/hostile/json404": self.answer(404, {"error": "no such route"})
            elif path == "/hostile/redirect": self.answer(302, b"", [("Location", "/api/v1/things")])
            elif path == "/hostile/object": self.answer(200, {})
            elif path == "/hostile/noitems": self.answer(200, {"kind": "ThingList", "metadata": {}})
            elif path == "/hostile/items": self.answer(200, {"kind": "ThingList", "items": {"a": 1}})
            elif path == "/hostile/loop": self.answer(200, listing([thing("again")], more="same"))
            elif path == "/hostile/array": self.answer(200, [])
            elif path == "/hostile/deep": self.answer(200, b'{"a":' * 200000)
            elif path == "/hostile/endless":
                self.begin()
                try:
                    while True: self.chunk(b" " * 1048576)
                except OSError: self.close_connection = True
            elif path == "/hostile/drip":
                self.begin()
                try:
                    while True:
                        self.chunk(b" ")
                        time.sleep(0.01)
                except OSError: self.close_connection = True
            elif path.startswith("/watch/"): self.collection(path, count)
            else: self.answer(404, status(404, "NotFound", "the server could not find the requested resource"))

        def collection(self, path, count):
            if path == "/watch/pods": self.answer(200, listing([thing("a"), thing("b")] if count == 1 else [thing("b")], "10" if count == 1 else "50"))
            elif path == "/watch/many":
                self.answer(200, listing([thing("m%d" % n, filler="x" * 4000) for n in range(100)], "10"))
            else: self.answer(200, listing([], "10"))

        def watch(self, path, asked, count):
            version = asked["resourceVersion"]
            if path == "/watch/pods":
                if version == "10":
                    self.events({"type": "ADDED", "object": thing("c", "11")}, {"type": "BOOKMARK", "object": thing("", "15")})
                elif version == "15":
                    self.events({"type": "MODIFIED", "object": thing("c", "16", big="y" * 200000)}, b'{"type": "ADDED", "obj', end=False)
                elif version == "16":
                    self.events({"type": "ERROR", "object": status(410, "Expired", "too old resource version: 16 (49)")})
                else: self.events({"type": "DELETED", "object": thing("b", "51")}, end=False)
            elif path == "/watch/gone": self.answer(410, status(410, "Gone", "too old"))
            elif path == "/watch/forbidden": self.answer(403, status(403, "Forbidden", "things is forbidden"))
            elif path == "/watch/busy":
                if count < 4: self.answer(429, status(429, "TooManyRequests", "later", retryAfterSeconds=5))
                else: self.events({"type": "ADDED", "object": thing("a", "11")})
            elif path == "/watch/mute": self.events()
            elif path == "/watch/garbage": self.events(b"\x00\x01 nonsense\n")
            elif path == "/watch/versionless": self.events({"type": "ADDED", "object": {"metadata": {"name": "x"}}})
            elif path == "/watch/unknown": self.events({"type": "EXPLODED", "object": thing("x", "11")})
            elif path == "/watch/line":
                try: self.events(b"z" * (20 << 20))
                except OSError: self.close_connection = True
            else: self.answer(404, status(404, "NotFound", "no watch"))

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    class TCP(socketserver.ThreadingTCPServer):
        daemon_threads, request_queue_size = True, 64
        def handle_error(self, *ignored): pass

    options = dict(argument.split("=", 1) for argument in sys.argv[1:])
    Handler.disable_nagle_algorithm = True
    server = TCP(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options["cert"], options["key"])
    if "client" in options:
        context.load_verify_locations(options["client"])
        context.verify_mode = ssl.CERT_REQUIRED
    inner = server.get_request
    def get_request():
        connection, address = inner()
        return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address
    server.get_request = get_request
    print(server.server_address[1])
    server.serve_forever()
    """#
