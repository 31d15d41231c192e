// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import MeshHTTP
import MeshSystem
import Testing

@Suite("The coordinator's surfaces", .timeLimit(.minutes(4)))
struct ServeSurfaceTests {
    @Test("status names the real ports of port 0, and an agent and a scraper find them there")
    func ports() async throws {
        let stage = try await ServeStage()
        let status = try await stage.status()
        #expect(status["agents"] as? String == (try await stage.address("listening for agents")))
        #expect(status["http"] as? String == "http://" + (try await stage.address("listening for metrics")))
        #expect(!(try await stage.ask("status").output).contains(":0\n"))
    }

    @Test("a viewer's certificate may look and change nothing; an admin's may; neither works without, or at another mesh")
    func roles() async throws {
        let stage = try await ServeStage(operators: true)
        let home = stage.place.path
        let server = "https://" + (try await stage.address("listening for operators"))
        for (name, role) in [("alice", "viewer"), ("bob", "admin")] {
            let issued = try await stage.ask("context", "issue", name, "--role", role, "--out", "\(home)/\(name)")
            #expect(issued.code == 0, "\(issued.all)")
            #expect(try mode("\(home)/\(name)/\(name).key") == 0o600)
            let added = try await Programs.run(
                [
                    "context", "add", name, "--server", server, "--authority", "\(name)/ca.crt", "--certificate", "\(name)/\(name).crt",
                    "--key", "\(name)/\(name).key",
                ], home: home)
            #expect(added.code == 0, "\(added.all)")
        }
        func ask(_ context: String, _ arguments: String...) async throws -> Ending {
            try await Programs.run(arguments + ["--context", context], home: home)
        }
        #expect(try await ask("bob", "apply", "-f", stage.mesh, "--wait", "no").code == 0)
        for look in [["status"], ["node", "list"], ["explain", "east/nodes"], ["wipe", "plan"], ["events"]] {
            let seen = try await Programs.run(look + ["--context", "alice"], home: home)
            #expect(seen.code == 0 && !seen.output.isEmpty, "\(look): \(seen.all)")
        }
        let changes = [
            ["stop"], ["apply", "-f", stage.mesh, "--wait", "no"], ["node", "invite", "east-1"],
            ["node", "revoke", "east-1", "--reason", "x"],
            ["override", "east/cilium", "--gate", "G-HST-03", "--reason", "x"],
        ]
        for change in changes {
            let refused = try await Programs.run(change + ["--context", "alice"], home: home)
            #expect(refused.code == 77, "\(change): \(refused.all)")
            #expect(refused.errors == "meshgate: alice may look but not change anything; ask an admin\n")
        }
        #expect(try await ask("bob", "stop").code == 0)
        #expect(try await ask("carol", "status").errors.contains("there is no context \"carol\"; known: alice, bob"))

        let other = try await ServeStage(operators: true)
        _ = try await Programs.run(
            [
                "context", "add", "wrong", "--server", "https://" + (try await other.address("listening for operators")), "--authority",
                "bob/ca.crt", "--certificate", "bob/bob.crt", "--key", "bob/bob.key",
            ], home: home)
        let wrong = try await ask("wrong", "status")
        #expect(wrong.code == 69 && wrong.errors.contains("no trusted connection to https://"), "\(wrong.all)")
        await #expect(throws: HTTPClientError.self) {
            let roots = HTTPTLS.Roots.file("\(home)/bob/ca.crt")
            _ = try await CurlHTTPClient().send(HTTPRequest(.get, server + "/v1/status", tls: HTTPTLS(roots: roots)))
        }
    }

    @Test("the plain listener is read-only, answers for its own names only, and is well")
    func readOnly() async throws {
        let stage = try await ServeStage()
        let health = try await stage.get("/healthz")
        #expect(health.status == 200 && health.text.hasPrefix("ok"))
        let base = try await stage.address("listening for metrics")
        for path in ["/v1/stop", "/v1/apply", "/v1/nodes/east-1/invite", "/v1/nodes/east-1/revoke", "/v1/overrides", "/v1/warrants"] {
            let refused = try await CurlHTTPClient().send(HTTPRequest(.post, "http://\(base)\(path)", body: Array("{}".utf8)))
            #expect(refused.status == 403, "\(path): \(refused.status) \(refused.text)")
        }
        #expect(try await stage.get("/v1/status", headers: [HTTPHeader("Host", "evil.example")]).status != 200)
        #expect(try await stage.get("/nothing").status == 404)
    }

    @Test(
        "the dashboard comes alive in a browser, wide and narrow, and breaks none of its own rules",
        .enabled(if: access("/usr/bin/chromium", X_OK) == 0, "package chromium is not installed"), arguments: ["1280,900", "390,844"])
    func dashboard(size: String) async throws {
        let stage = try await ServeStage()
        _ = try await stage.ask("apply", "-f", stage.mesh, "--wait", "no")
        let base = try await stage.address("listening for metrics")
        let seen = try await ProcessCommandRunner().run(
            Invocation(
                "/usr/bin/chromium",
                [
                    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--user-data-dir=\(stage.place.path)/browser-\(size)",
                    "--window-size=\(size)", "--enable-logging=stderr", "--timeout=8000", "--dump-dom", "http://\(base)/",
                ], deadline: .seconds(90)))
        let page = seen.outputText
        #expect(seen.succeeded, "\(seen.errorText.suffix(2000))")
        // What the browser had when the page was loaded: the script has run, and its stream may be open already.
        let followed = ["Live: events appear as they happen.", "Asking for the events that happen now."].contains(where: page.contains)
        #expect(followed, "\(page.suffix(2000))\(seen.errorText.suffix(2000))")
        for part in ["summary", "obstacles", "picture", "plan", "disks", "machines", "runs", "events"] {
            #expect(page.contains("id=\"\(part)\""), "\(part)")
        }
        #expect(page.contains("<p id=\"note\" role=\"status\"></p>"))
        let console = seen.errorText.split(separator: "\n").filter { $0.contains("CONSOLE") }
        #expect(console.isEmpty, "\(console)")
    }

    @Test("metrics pass promtool", .enabled(if: access("/usr/bin/promtool", X_OK) == 0))
    func metrics() async throws {
        let stage = try await ServeStage()
        _ = try await stage.ask("apply", "-f", stage.mesh, "--wait", "no")
        let page = try await stage.get("/metrics")
        let checked = try await ProcessCommandRunner().run(
            Invocation("/usr/bin/promtool", ["check", "metrics"], standardInput: Array(page.text.utf8), deadline: .seconds(20)))
        #expect(checked.succeeded && checked.errorText.isEmpty, "\(checked.outputText)\(checked.errorText)")
        #expect(page.text.contains("meshgate_build_info"))
    }

    @Test("events come as lines or server-sent, each once, in order, and go on after the last one that is known")
    func events() async throws {
        let stage = try await ServeStage()
        for node in ["east-1", "west-1"] {
            #expect(try await stage.join(node, token: try await stage.token(node), state: node).code == 0)
        }
        let lines = try await stage.get("/v1/events").text.split(separator: "\n")
        let numbers = try lines.map { line in
            try #require((try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])?["seq"] as? Int)
        }
        #expect(numbers == Array(1...3), "\(lines)")
        #expect(try await stage.get("/v1/events?since=2").text == lines[2] + "\n")
        #expect(try await stage.ask("events", "--since", "2").output == lines[2] + "\n")
        let sse = try await stage.get("/v1/events", headers: [HTTPHeader("Accept", "text/event-stream"), HTTPHeader("Last-Event-ID", "1")])
        #expect(sse.text.hasPrefix("retry: "), "\(sse.text)")
        #expect(sse.text.split(separator: "\n").filter { $0.hasPrefix("id: ") } == ["id: 2", "id: 3"], "\(sse.text)")
        #expect(sse.text.contains("event: agentEnrolled\ndata: \(lines[1])\n\n"))
        let nonsense = try await stage.get(
            "/v1/events", headers: [HTTPHeader("Accept", "text/event-stream"), HTTPHeader("Last-Event-ID", "x")])
        #expect(nonsense.status == 400 && nonsense.text.contains("?since=NUMBER"), "\(nonsense.text)")
        let future = try await stage.get("/v1/events?since=99")
        #expect(future.status == 400 && future.text.contains("there is no event 99 yet, the last one is 3"), "\(future.text)")
    }

    private func mode(_ path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }
}
