// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshConfig
import MeshHTTP
import MeshModel
import MeshSystem
import MeshTrust
import Testing
import ToolDrivers

@testable import meshgate

@Suite("meshgate kubeconfig and talosconfig", .timeLimit(.minutes(3)))
struct CredentialCommandTests {
    private struct Down: Error {}

    private static func certificate(days: Int) throws -> (certificate: String, key: String) {
        let key = try PrivateKey.generate()
        let now = SystemClock.now().wall
        let made = try Certificate.makeRoot(
            key: key, name: "admin", notBefore: now + .seconds(-40 * 86_400), notAfter: now + .seconds(Int64(days) * 86_400 - 60))
        return (Data(made.pem.utf8).base64EncodedString(), Data(try key.pem.utf8).base64EncodedString())
    }

    private static func config(_ name: String, ca: String, days: Int = 365) throws -> String {
        let pair = try certificate(days: days)
        return """
            apiVersion: v1
            kind: Config
            clusters: [{name: \(name), cluster: {server: "https://127.0.0.1:1", certificate-authority-data: \(Data(ca.utf8).base64EncodedString())}}]
            users: [{name: admin, user: {client-certificate-data: \(pair.certificate), client-key-data: \(pair.key)}}]
            contexts: [{name: \(name), context: {cluster: \(name), user: admin}}]
            current-context: \(name)
            """
    }

    private func desk(_ place: Place) -> KubeconfigDesk {
        KubeconfigDesk(path: place.path + "/kube/config", files: LinuxFileStore(), now: SystemClock.now().wall)
    }

    @Test("a merge asks each server, pins it, writes 0600 and says when certificates end")
    func merge() async throws {
        let place = try Place()
        let desk = desk(place)
        try desk.makeParent()
        var asked: [String] = []
        let rows = try await desk.merge([(try Self.config("east", ca: "A"), "one"), (try Self.config("west", ca: "B", days: 20), "two")]) {
            asked.append($0.context)
            return "uid-of-" + $0.context
        }
        #expect(asked == ["east", "west", "east", "west"], "before it is written, and from what was written")
        #expect(rows.map(\.context) == ["east", "west"])
        #expect(rows.map(\.systemUID) == ["uid-of-east", "uid-of-west"])
        #expect(rows[0].warnings == [])
        #expect(rows[1].warnings.count == 1 && rows[1].warnings[0].hasPrefix("its certificate ends in "))
        #expect(CredentialTools.mode(desk.path) == 0o600)
        #expect(try LinuxFileStore().list(place.path + "/kube") == ["config"])
    }

    @Test("a server that does not answer, or is another cluster than before, changes nothing")
    func refused() async throws {
        let place = try Place()
        let desk = desk(place)
        try desk.makeParent()
        _ = try await desk.merge([(try Self.config("east", ca: "A"), "one")]) { _ in "uid-1" }
        let before = try LinuxFileStore().read(desk.path, limit: 1 << 20)
        await #expect(throws: Down.self) { try await desk.merge([(try Self.config("west", ca: "B"), "two")]) { _ in throw Down() } }
        let error = await #expect(throws: Failure.self) {
            try await desk.merge([(try Self.config("east", ca: "A"), "one")]) { _ in "uid-2" }
        }
        #expect(error?.words.contains("pinned to the cluster with kube-system uid uid-1") == true)
        // Answers at first, and no more when it is asked through the file: the old file is back.
        var calls = 0
        await #expect(throws: Down.self) {
            try await desk.merge([(try Self.config("west", ca: "B"), "two")]) { _ in
                calls += 1
                if calls > 1 { throw Down() }
                return "uid-3"
            }
        }
        #expect(try LinuxFileStore().read(desk.path, limit: 1 << 20) == before)
        #expect(try LinuxFileStore().list(place.path + "/kube") == ["config"])
    }

    @Test("sources that cannot be used leave the file alone", arguments: ["", "contexts: []", "{", "not: [a", "SECRET"])
    func badSources(_ text: String) async throws {
        let place = try Place()
        let desk = desk(place)
        try desk.makeParent()
        _ = try await desk.merge([(try Self.config("east", ca: "A"), "one")]) { _ in "uid-1" }
        let before = try LinuxFileStore().read(desk.path, limit: 1 << 20)
        await #expect(throws: (any Error).self) { try await desk.merge([(text, "bad")]) { _ in "uid-1" } }
        #expect(try LinuxFileStore().read(desk.path, limit: 1 << 20) == before)
    }

    @Test("the real kubectl reads what was merged, and sees every context as it was", .enabled(if: access("/usr/bin/kubectl", X_OK) == 0))
    func kubectl() async throws {
        let place = try Place()
        let desk = desk(place)
        try desk.makeParent()
        let own = """
            apiVersion: v1
            kind: Config
            # a comment that is lost
            preferences: {}
            clusters: [{name: "007", cluster: {server: "https://mine:6443", insecure-skip-tls-verify: true}}]
            users: [{name: me, user: {token: "0123"}}]
            contexts: [{name: east, context: {cluster: "007", user: me, namespace: "true"}}]
            current-context: east
            """
        try LinuxFileStore().write(Array(own.utf8), to: desk.path)
        let rows = try await desk.merge([(try Self.config("east", ca: "A"), "one")]) { _ in "uid-1" }
        #expect(rows.map(\.context) == ["east", "east-2"])
        let result = try await ProcessCommandRunner().run(
            Invocation("/usr/bin/kubectl", ["--kubeconfig", desk.path, "config", "view", "--raw", "-o", "json"], deadline: .seconds(30)))
        #expect(result.succeeded, "\(result.errorText)")
        let text = result.outputText.filter { !$0.isWhitespace }
        #expect(text.contains(#""name":"east","context":{"cluster":"007","user":"me","namespace":"true"}"#))
        #expect(text.contains(#""token":"0123""#))
        #expect(text.contains(#""name":"meshgate.dev/pin""#))
        #expect(text.contains(#""current-context":"east""#))
    }

    @Test("on the command line: from standard input, shown as JSON, expired is exit 1, removed, locked")
    func commandLine() async throws {
        let place = try Place()
        let path = place.path + "/kube/config"
        let source = try place.put("one.yaml", try Self.config("east", ca: "A"))
        let merged = try await Programs.run(["kubeconfig", "--file", path, "--from-file", source, "--offline"], home: place.path)
        #expect(merged.code == 0, "\(merged.all)")
        #expect(merged.output.hasPrefix("east  https://127.0.0.1:1  until "))
        // Nobody answers there.
        let asked = try await Programs.run(["kubeconfig", "--file", path, "--from-file", source], home: place.path)
        #expect(asked.code == 1 && asked.errors.contains("cannot reach"), "\(asked.all)")
        let expired = try place.put("two.yaml", try Self.config("west", ca: "B", days: 0))
        _ = try await Programs.run(["kubeconfig", "--file", path, "--from-file", expired, "--offline"], home: place.path)
        let shown = try await Programs.run(["kubeconfig", "--file", path, "--output", "json"], home: place.path)
        #expect(shown.code == 1)
        let rows = try JSONDecoder().decode([CredentialRow].self, from: Data(shown.output.utf8))
        #expect(rows.map(\.context) == ["east", "west"])
        #expect(rows[1].warnings.contains { $0.hasPrefix("its certificate ended at ") })
        let removed = try await Programs.run(["kubeconfig", "--file", path, "--remove", "west"], home: place.path)
        #expect(removed.code == 0 && !removed.output.contains("west"))
        let again = try await Programs.run(["kubeconfig", "--file", path, "--remove", "west"], home: place.path)
        #expect(again.code == 1 && again.errors.contains("has no context"))
        let both = try await Programs.run(["kubeconfig", "--file", path, "--remove", "east", "--from-file", source], home: place.path)
        #expect(both.code == 64)
        let lock = try place.put("kube/config.lock", "")
        let locked = try await Programs.run(["kubeconfig", "--file", path, "--remove", "east"], home: place.path)
        #expect(locked.code == 1 && locked.errors.contains("remove the lock"))
        try FileManager.default.removeItem(atPath: lock)
        #expect(try LinuxFileStore().list(place.path + "/kube") == ["config"])
    }

    @Test("talosconfigs on the command line")
    func talosCommandLine() async throws {
        let place = try Place()
        let pair = try Self.certificate(days: 10)
        let source = try place.put(
            "talos.yaml",
            "context: east\ncontexts:\n  east:\n    endpoints: [10.0.0.1]\n    ca: QQ==\n    crt: \(pair.certificate)\n    key: \(pair.key)\n"
        )
        let path = place.path + "/talos/config"
        let merged = try await Programs.run(["talosconfig", "--file", path, "--from-file", source, "--output", "json"], home: place.path)
        #expect(merged.code == 0, "\(merged.all)")
        let rows = try JSONDecoder().decode([CredentialRow].self, from: Data(merged.output.utf8))
        #expect(rows.count == 1 && rows[0].warnings.count == 1)
        #expect(CredentialTools.mode(path) == 0o600)
        let removed = try await Programs.run(["talosconfig", "--file", path, "--remove", "east"], home: place.path)
        #expect(removed.code == 0 && removed.output.contains("no contexts"))
    }
}
