# A collector's HTTP side that answers as it is told: `collector.py DIRECTORY BEHAVIOUR...`, one for each request, the last one for all that follow.
# Prints its port, then one line of JSON for each request, whose unpacked body is in DIRECTORY.
import gzip
import json
import os
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

directory, behaviours = sys.argv[1], sys.argv[2:]
count = 0
# Requests come side by side; a print of two of them would mix their lines.
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        global count
        with lock:
            count += 1
            number = count
        body = self.rfile.read(int(self.headers["Content-Length"]))
        packed = self.headers.get("Content-Encoding") == "gzip"
        with open(f"{directory}/{number}", "wb") as file:
            file.write(gzip.decompress(body) if packed else body)
        behaviour = behaviours[min(number, len(behaviours)) - 1]
        client = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        line = json.dumps(
            {
                "number": number,
                "path": self.path,
                "signal": self.path.rpartition("/")[2],
                "type": self.headers.get("Content-Type"),
                "packed": packed,
                "key": self.headers.get("x-honeycomb-team"),
                "client": bool(client),
                "behaviour": behaviour,
                "taken": behaviour.partition(":")[0] in ("200", "partial"),
            }
        )
        with lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        word, _, argument = behaviour.partition(":")
        if word == "nothing":
            # Closing it alone would leave the line open: the reader and the writer of this handler hold it as well.
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if word == "slow":
            time.sleep(float(argument))
        headers, answer, status = {}, b"", 200
        if word.isdigit():
            status = int(word)
            if argument:
                headers["Retry-After"] = argument
        if word == "partial":
            text = b"no room for more"
            inner = b"\x08" + bytes([int(argument)]) + b"\x12" + bytes([len(text)]) + text
            answer = b"\x0a" + bytes([len(inner)]) + inner
        if word == "garbage":
            answer = b"<html><body>welcome to the hotel's network</body></html>"
        if word == "flood":
            answer = b"\x00" * (4 << 20)
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
certificates = os.environ.get("COLLECTOR_CERTIFICATES")
if certificates:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{certificates}/server.pem", f"{certificates}/server.key")
    context.load_verify_locations(f"{certificates}/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
print(f"listening on {server.server_port}", file=sys.stderr, flush=True)
server.serve_forever()
