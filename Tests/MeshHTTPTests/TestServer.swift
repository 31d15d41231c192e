// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import ServerTesting

/// A small HTTP server in Python that misbehaves on request. It lives as long as `withTestServer` runs.
struct TestServer: Sendable {
    /// Where it listens on 127.0.0.1; 0 for a Unix socket.
    let port: UInt16
    /// The events it reports: `gone /stream` when a client left in the middle.
    let events: AsyncStream<String>

    func url(_ path: String, host: String = "127.0.0.1", scheme: String = "http") -> String { "\(scheme)://\(host):\(port)\(path)" }
}

/// Starts the server with `arguments` (see the script), runs `body`, stops the server.
func withTestServer(_ arguments: [String] = [], _ body: @Sendable (TestServer) async throws -> Void) async throws {
    try await PythonServer.with(script, arguments) { server in
        try await body(TestServer(port: server.port, events: server.events))
    }
}

extension HTTPClientError {
    /// The name of the case.
    var kind: String { Mirror(reflecting: self).children.first?.label ?? "" }
}

private let script = #"""
    import http.server, socket, socketserver, ssl, sys, threading

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def log_message(self, *ignored): pass
        def address_string(self): return "client"

        def answer(self, status, body=b"", headers=()):
            self.send_response(status)
            for name, value in headers: self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD": self.wfile.write(body)

        def chunk(self, data):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

        def serve(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            path, _, query = self.path.partition("?")
            if path == "/echo":
                lines = [self.command + " " + self.path] + sorted(n.lower() + ": " + v for n, v in self.headers.items())
                self.answer(201, "\n".join(lines).encode() + b"\n\n" + body, [("X-Two", " padded  "), ("x-two", "second")])
            elif path == "/big": self.answer(200, b"x" * int(query))
            elif path == "/redirect": self.answer(302, b"elsewhere", [("Location", "/echo")])
            elif path == "/error": self.answer(500, b"sorry")
            elif path == "/silent": self.rfile.read(1)
            elif path == "/cut":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
                self.close_connection = True
            elif path == "/garbage":
                self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
                self.close_connection = True
            elif path == "/early":
                self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n")
                self.answer(200, b"late")
            elif path == "/fathead":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X-Fat: " + b"y" * 60000 + b"\r\n")
                for _ in range(20): self.wfile.write(b"X-Fat: " + b"y" * 60000 + b"\r\n")
                self.wfile.write(b"Content-Length: 0\r\n\r\n")
            elif path in ("/stream", "/flood", "/stall"):
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                try:
                    if path == "/flood":
                        for number in range(int(query)): self.chunk(bytes([number % 251]) * 65536)
                        self.chunk(b"")
                    elif path == "/stall":
                        self.chunk(b"only\n")
                        if not self.connection.recv(1): raise ConnectionError
                    else:
                        pause, number = threading.Event(), 0
                        while True:
                            self.chunk(b"line %d\n" % number)
                            number += 1
                            pause.wait(0.01)
                except OSError:
                    print("gone " + path)
                    self.close_connection = True
            else: self.answer(404)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    class TCP(socketserver.ThreadingTCPServer):
        daemon_threads, request_queue_size = True, 512
        def handle_error(self, *ignored): pass

    class Unix(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    options = dict(argument.split("=", 1) for argument in sys.argv[1:])
    if "unix" in options:
        server = Unix(options["unix"], Handler)
        print(0)
    else:
        Handler.disable_nagle_algorithm = True
        server = TCP(("127.0.0.1", 0), Handler)
        if "cert" in options:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(options["cert"], options["key"])
            if "client" in options:
                context.load_verify_locations(options["client"])
                context.verify_mode = ssl.CERT_REQUIRED
            if "newest" in options: context.maximum_version = getattr(ssl.TLSVersion, options["newest"])
            inner = server.get_request
            def get_request():
                connection, address = inner()
                return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address
            server.get_request = get_request
        print(server.server_address[1])
    server.serve_forever()
    """#
