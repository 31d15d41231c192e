// SPDX-License-Identifier: Apache-2.0

import AgentLink
import Foundation
import HostTrace
import Logging
import MeshModel
import Testing

@testable import meshgate_agent

@Suite struct SettingsTests {
    @Test("a file's lines become settings with their places") func file() throws {
        let text = "# the mesh\ncoordinator = mesh.example.org:7443\r\n\n  node=wrk-e-1  \nlog-level = debug"
        let settings = try SettingsFile.parse(text, path: "/etc/a.conf")
        #expect(
            settings == [
                .coordinator: SettingText(text: "mesh.example.org:7443", place: "/etc/a.conf:2"),
                .node: SettingText(text: "wrk-e-1", place: "/etc/a.conf:4"), .logLevel: SettingText(text: "debug", place: "/etc/a.conf:5"),
            ])
    }

    @Test("every faulty line is named at once, with the nearest known key") func faults() throws {
        let text = "coordinater = a:1\nnode\nnode = a\nnode = b\nstate =\nwhatever-else-it-is = 1\n"
        let faults = try #require(throws: AgentSettings.Faults.self) { try SettingsFile.parse(text, path: "f") }.faults
        #expect(faults.count == 5)
        #expect(faults[0] == "f:1: there is no setting \"coordinater\"; did you mean coordinator?")
        #expect(faults[1] == "f:2: \"node\" is not `key = value`")
        #expect(faults[2] == "f:4: node is already set at f:3")
        #expect(faults[3] == "f:5: state has no value")
        #expect(faults[4].hasPrefix("f:6: there is no setting \"whatever-else-it-is\"; known are coordinator, node"))
    }

    @Test("a tracer looks at the whole host unless the setting says otherwise, in one of two words") func scope() throws {
        func settings(_ text: String?) throws -> AgentSettings {
            try AgentSettings(text.map { [.tracerScope: SettingText(text: $0, place: "f:1")] } ?? [:])
        }
        #expect(try settings(nil).tracerScope == .host && settings("netns").tracerScope == .netns)
        let faults = #expect(throws: AgentSettings.Faults.self) { _ = try settings("cgroup") }
        #expect(faults?.faults == ["f:1: tracer-scope is \"cgroup\", wanted is host or netns"])
    }

    @Test("a flag wins over the environment, and that over the file") func precedence() throws {
        let file = try SettingsFile.parse("node = from-file\nstate = /from-file\nsigners = /from-file\n", path: "f")
        let environment = ["MESHGATE_AGENT_NODE": "from-env", "MESHGATE_AGENT_STATE": "/from-env", "MESHGATE_AGENT_JOIN_TOKEN_FILE": "/t"]
        let settings = try AgentSettings(
            AgentSettings.merge(file: file, environment: { environment[$0] }, flags: [.node: "from-flag"]))
        #expect(settings.node?.text == "from-flag" && settings.state == "/from-env" && settings.signers == "/from-file")
        #expect(settings.joinTokenFile == "/t" && settings.logLevel == .info)
    }

    @Test("wrong values are refused with the place where they were written") func values() throws {
        let texts = AgentSettings.merge(
            file: try SettingsFile.parse("coordinator = nowhere\nstate = relative\n", path: "f"),
            environment: { $0 == "MESHGATE_AGENT_LOG_LEVEL" ? "loud" : nil }, flags: [.node: "Not A Node"])
        let faults = try #require(throws: AgentSettings.Faults.self) { try AgentSettings(texts) }.faults
        #expect(faults.count == 4)
        #expect(faults[0].hasPrefix("f:1: coordinator is \"nowhere\", wanted is HOST:PORT"))
        #expect(faults[1].hasPrefix("--node: node is \"Not A Node\", wanted is a node name"))
        #expect(faults[2] == "f:2: state is \"relative\", wanted is an absolute path")
        #expect(faults[3].hasPrefix("MESHGATE_AGENT_LOG_LEVEL: log-level is \"loud\", wanted is one of trace"))
    }

    @Test(
        "endpoints are a name or an address, and a port",
        arguments: [
            ("mesh.example.org:7443", "mesh.example.org:7443"), ("192.0.2.1:1", "192.0.2.1:1"),
            ("[2001:db8::1]:7443", "[2001:db8::1]:7443"),
            ("a:0", nil), ("a:65536", nil), ("a", nil), (":1", nil), ("[x]:1", nil), ("2001:db8::1:7443", nil), ("-a:1", nil),
            ("a b:1", nil),
        ] as [(String, String?)])
    func endpoints(text: String, wanted: String?) { #expect(Endpoint(text)?.description == wanted) }

    @Test("a join token holds a pin and never shows its secret") func token() throws {
        let secret = String(repeating: "ab", count: 32)
        let pin = String(repeating: "0f", count: 32)
        let token = try #require(JoinToken("mgj1.\(secret).\(pin)"))
        #expect(token.pin.hex == pin && !"\(token)".contains(secret))
        for bad in [
            "", "mgj1", "mgj2.\(secret).\(pin)", "mgj1.\(secret).\(pin)0", "mgj1.short.\(pin)", "mgj1.\(secret)", "mgj1.\(secret).\(pin).x",
        ] {
            #expect(JoinToken(bad) == nil)
        }
        let error = try #require(throws: AgentFailure.self) { try FirstMeeting.token("mgj1.\(secret).zz", from: "--token") }
        #expect(error.code == .configuration && !error.description.contains(secret))
    }

    @Test("a log line is one line, sorted, quoted where needed, and cannot move the cursor") func logLine() {
        let lines = Lines()
        var log = EventLog(level: .info, now: { Timestamp(seconds: 0) }, write: { lines.add($0) })
        log.metadata = ["node": "wrk-e-1"]
        let logger = Logger(label: "t") { [log] _ in log }
        logger.info("session live", metadata: ["why": "a \"b\"\n\u{1b}[2J", "epoch": "7"])
        logger.debug("not shown")
        #expect(lines.all == ["1970-01-01T00:00:00.000Z info session live epoch=7 node=wrk-e-1 why=\"a \\\"b\\\"\u{fffd}\u{fffd}[2J\"\n"])
    }
}

private final class Lines: @unchecked Sendable {
    private let lock = NSLock()
    private var lines: [String] = []
    func add(_ line: String) { lock.withLock { lines.append(line) } }
    var all: [String] { lock.withLock { lines } }
}
