// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import MeshHTTP
import MeshSystem
import Testing

/// One real coordinator on loopback with a state directory of its own, and everything to ask it.
final class ServeStage: Sendable {
    let place: Place
    let state: String
    let mesh: String
    let coordinator: Daemon

    /// A mesh of two clusters with contexts that no kubeconfig has; `cilium` tells plans apart.
    static func meshText(name: String = "quay", cilium: String = "1.18.5") -> String {
        func cluster(_ name: String, _ number: Int) -> String {
            """
                - name: \(name)
                  id: \(number)
                  kind: kubernetes
                  context: admin@\(name)
                  endpoint: https://10.20.\(number).10:6443
                  network: \(name)-lan
                  podCIDRs: [10.24\(number).0.0/16]
                  serviceCIDRs: [10.9\(number).0.0/16]
                  cilium:
                    k8sServiceHost: 10.20.\(number).10
                    k8sServicePort: 6443
                    clustermesh: { serviceType: NodePort, nodePort: 3237\(number) }
                  nodes:
                    - name: \(name)-1
                      role: controlPlane
                      address: 10.20.\(number).11
                      interfaces: [ { name: eth0, network: \(name)-lan } ]
                      disks: [ { name: vdb, serial: \(name)-data, size: 128GiB, use: rook-ceph } ]
            """
        }
        return """
            apiVersion: meshgate.dev/v1alpha1
            kind: Mesh
            metadata: { name: \(name) }
            spec:
              versions: { talos: 1.11.3, cilium: \(cilium), gatewayAPI: 1.3.0 }
              networks:
                - { name: east-lan, vlan: 110, cidr: 10.20.1.0/24, gateway: 10.20.1.1, mtu: 1500 }
                - { name: west-lan, vlan: 120, cidr: 10.20.2.0/24, gateway: 10.20.2.1, mtu: 1500 }
              clusters:
            \(cluster("east", 1))
            \(cluster("west", 2))

            """
    }

    /// Starts it, or starts it again on what `place` holds, and waits until it listens everywhere.
    init(_ place: Place? = nil, operators: Bool = false, options: [String] = [], environment: [String: String] = [:]) async throws {
        self.place = try place ?? Place()
        state = self.place.path + "/state"
        mesh = try self.place.put("mesh.yaml", Self.meshText())
        coordinator = Daemon(
            try Programs.invocation(
                "meshgate",
                ["serve", "--state-dir", state, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--mesh", mesh]
                    + (operators ? ["--operators", "127.0.0.1:0"] : []) + options, home: self.place.path, environment: environment,
                deadline: .seconds(60)))
        for listener in ["listening for agents", "listening for the command line", "listening for metrics"]
            + (operators ? ["listening for operators"] : [])
        {
            _ = try await coordinator.line(listener)
        }
    }

    /// The address in a line of the coordinator's log.
    func address(_ listener: String) async throws -> String {
        let line = try await coordinator.line(listener)
        return String(line[(try #require(line.range(of: "address="))).upperBound...])
    }

    /// `meshgate` on the same state directory.
    func ask(_ arguments: String..., environment: [String: String] = [:], input: String = "") async throws -> Ending {
        try await Programs.run(arguments + ["--state-dir", state], home: place.path, environment: environment, input: input)
    }

    /// Of the read-only listener.
    func get(_ path: String, headers: [HTTPHeader] = []) async throws -> HTTPResponse {
        let base = try await address("listening for metrics")
        return try await CurlHTTPClient().send(HTTPRequest(.get, "http://\(base)\(path)", headers: headers))
    }

    func status() async throws -> [String: Any] { try await ask("status", "--output", "json").json() }

    /// Whether `node list` shows the node with a live session.
    func isConnected(_ node: String) async throws -> Bool {
        let nodes = try #require(try await ask("node", "list", "--output", "json").json()["nodes"] as? [[String: Any]])
        return nodes.contains { $0["name"] as? String == node && $0["connected"] as? Bool == true }
    }

    // MARK: agents

    func token(_ node: String, life: String = "15m") async throws -> String {
        let reply = try await ask("node", "invite", node, "--for", life, "--output", "json").json()
        return try #require(reply["token"] as? String)
    }

    func join(_ node: String, token: String, state name: String) async throws -> Ending {
        let file = try place.put("token-\(name)", token + "\n")
        return try await Programs.run(
            "meshgate-agent",
            [
                "join", "--coordinator", try await address("listening for agents"), "--node", node, "--token-file", file, "--state",
                "\(place.path)/\(name)",
            ], home: place.path)
    }

    func agent(state name: String, tracer: String = "no-tracer.sock", environment: [String: String] = [:]) async throws -> Daemon {
        Daemon(
            try Programs.invocation(
                "meshgate-agent",
                [
                    "run", "--coordinator", try await address("listening for agents"), "--state", "\(place.path)/\(name)", "--node-key",
                    "\(place.path)/\(name)-key", "--wiper-socket", "\(place.path)/no-wiper.sock", "--tracer-socket",
                    "\(place.path)/\(tracer)",
                ], home: place.path, environment: environment, deadline: .seconds(120)))
    }

    // MARK: ends

    /// Its process, as its lock names it.
    func process() throws -> Int32 {
        let text = try String(contentsOfFile: state + "/lock", encoding: .utf8)
        return try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)), "the lock says \(text)")
    }

    /// Sends the signal and waits for the end.
    @discardableResult
    func end(_ signal: Int32 = SIGTERM) async throws -> Ending {
        guard kill(try process(), signal) == 0 else { throw Trouble("kill: \(String(cString: strerror(errno)))") }
        return try await coordinator.ending()
    }
}
