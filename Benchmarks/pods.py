# SPDX-License-Identifier: Apache-2.0
"""An API server that holds N pods and changes them one after the other: pods.py N. Prints its port."""

import http.server
import json
import sys
import urllib.parse

COUNT = int(sys.argv[1])


def pod(number, version):
    """About as large as a pod with two containers is."""
    container = {
        "name": "main", "image": "registry.example/app:1.2.3", "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "env": [{"name": f"VARIABLE_{i}", "value": "x" * 40} for i in range(8)],
        "volumeMounts": [{"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True}],
    }
    fields = {f"f:field-{i}": {".": {}, "f:inner": {}} for i in range(30)}
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": f"pod-{number}", "namespace": "default", "uid": f"00000000-0000-4000-8000-{number:012}",
            "resourceVersion": str(version), "labels": {"app": f"app-{number % 50}", "pod-template-hash": "5b8f6c9d7"},
            "managedFields": [{"manager": "kubelet", "operation": "Update", "fieldsV1": fields}],
        },
        "spec": {"nodeName": f"node-{number % 20}", "containers": [container, dict(container, name="side")]},
        "status": {"phase": "Running", "podIP": f"10.0.{number // 250}.{number % 250}", "conditions": [
            {"type": kind, "status": "True"} for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")]},
    }


class Handler(http.server.BaseHTTPRequestHandler):
    """Pages, and a stream of changes that has no end."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Both kinds of question."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if query.get("watch"):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.changes()
            return
        first, limit = int(query.get("continue", "0")), int(query.get("limit", "500"))
        last = min(COUNT, first + limit)
        metadata = {"resourceVersion": "1000"}
        if last < COUNT:
            metadata["continue"] = str(last)
        text = json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": metadata,
                           "items": [pod(number, 1000) for number in range(first, last)]}).encode()
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def changes(self):
        """One line for each, until nobody listens."""
        version = 1000
        try:
            while True:
                version += 1
                line = json.dumps({"type": "MODIFIED", "object": pod(version % COUNT, version)}).encode() + b"\n"
                self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        except OSError:
            self.close_connection = True

    def log_message(self, format, *args):
        """Nobody reads it."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
