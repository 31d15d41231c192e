// SPDX-License-Identifier: Apache-2.0

import GRPCStream
import HostTrace
import Testing

@testable import meshgate_agent

@Suite struct StreamSettingsTests {
    private func read(_ text: String) throws -> StreamSettings { try AgentSettings(try SettingsFile.parse(text, path: "f")).streams }
    private func faults(_ text: String) throws -> [String] {
        try #require(throws: AgentSettings.Faults.self) { try AgentSettings(try SettingsFile.parse(text, path: "f")) }.faults
    }

    @Test("unless told otherwise what is on this host is found, and read by the tracer") func usual() throws {
        let settings = try read("")
        #expect(settings.tetragon == .usual && settings.tetragon.isLocal && settings.tetragon.port == nil)
        #expect(settings.hubble == .usual && settings.hubble.isLocal)
        #expect(settings.tetragonMetrics == .tcp(host: "127.0.0.1", port: 2112))
        #expect(settings.hubbleVerdicts == [2, 3, 4])
    }

    @Test("a socket is read by the tracer, a port by run, none by nobody") func places() throws {
        let settings = try read(
            "tetragon = unix:///run/t.sock\nhubble = relay.example:443\nhubble-tls = /etc/hubble\nhubble-verdicts = all")
        #expect(settings.tetragon.isLocal && settings.tetragon.port == nil)
        #expect(!settings.hubble.isLocal && settings.hubble.port == .tcp(host: "relay.example", port: 443))
        #expect(settings.hubbleTrust == GRPCTrust(directory: "/etc/hubble") && settings.hubbleVerdicts.isEmpty)
        let none = try read("tetragon = none\nhubble = none\ntetragon-metrics = none")
        #expect(!none.tetragon.isLocal && none.tetragon.port == nil && none.tetragonMetrics == nil)
        let port = try read(
            "tetragon = localhost:54321\ntetragon-leave-out = parent.pod, process.pod.pod_labels\nhubble-verdicts = dropped")
        #expect(port.tetragonTrust == nil && port.tetragonLeaveOut == ["parent.pod", "process.pod.pod_labels"])
        #expect(port.hubbleVerdicts == [2])
    }

    @Test("nobody else's host is asked without TLS, and every wrong value is named") func refused() throws {
        let said = try faults(
            """
            tetragon = 10.0.0.1:54321
            hubble = nonsense
            tetragon-leave-out = a b;c
            tetragon-metrics = 10.0.0.1:2112
            hubble-verdicts = dropped,lost
            hubble-tls = relative
            """)
        #expect(said.count == 6, "\(said)")
        #expect(said.contains { $0.hasPrefix("f:1: tetragon is \"10.0.0.1:54321\", wanted is tetragon-tls with it") })
        #expect(said.contains { $0.hasPrefix("f:2: hubble is \"nonsense\", wanted is unix:///PATH or HOST:PORT, or none") })
        #expect(said.contains { $0.hasPrefix("f:3: tetragon-leave-out") })
        #expect(said.contains { $0.hasPrefix("f:4: tetragon-metrics is \"10.0.0.1:2112\", wanted is 127.0.0.1:PORT") })
        #expect(said.contains { $0.hasPrefix("f:5: hubble-verdicts") })
        #expect(said.contains { $0.hasPrefix("f:6: hubble-tls") })
        #expect(
            try read("tetragon = 10.0.0.1:54321\ntetragon-tls = /etc/t\ntetragon-server-name = a.tetragon-grpc.cilium.io").tetragonTrust?
                .serverName == "a.tetragon-grpc.cilium.io")
    }

    @Test("what another program says of itself cannot move the cursor, and what is wrong stands out") func text() {
        let status = SourceStatus(
            name: "tetragon", address: "unix:///run/t.sock", isStreaming: false, version: "v1\u{1b}[2J", health: "stopped",
            policies: ["shop/x: enabled"], counts: ["from_log": 7, "from_stream": 0], problems: ["stream: refused"])
        #expect(!status.text.contains("\u{1b}") && status.text.hasPrefix("tetragon NO STREAM from unix:///run/t.sock, version v1"))
        #expect(status.text.contains("\n  policy shop/x: enabled\n  from_log 7\n  PROBLEM stream: refused\n"))
        let none = SourceStatus(name: "hubble", address: nil, isStreaming: false, version: "", counts: [:], problems: [])
        #expect(none.text == "hubble no stream on this host\n")
    }
}
