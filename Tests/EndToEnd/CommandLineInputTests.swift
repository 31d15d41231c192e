// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import MeshSystem
import Testing

@Suite("Mesh files at the command line", .timeLimit(.minutes(3)))
struct CommandLineInputTests {
    @Test("lint ends with 0, 1, 64 or 65, and its JSON and SARIF parse")
    func lint() async throws {
        let place = try Place()
        let good = try place.put("good.yaml", ServeStage.meshText())
        let bad = try place.put("bad.yaml", ServeStage.meshText().replacing("10.242.0.0/16", with: "10.241.0.0/16"))
        #expect(try await Programs.run(["lint", "-f", good], home: place.path).code == 0)
        let faulty = try await Programs.run(["lint", "-f", bad], home: place.path)
        #expect(faulty.code == 1 && faulty.output.contains("bad.yaml:") && faulty.output.contains(": error L-"), "\(faulty.all)")
        let json = try await Programs.run(["lint", "-f", bad, "--output", "json"], home: place.path)
        #expect(json.code == 1)
        _ = try JSONSerialization.jsonObject(with: Data(json.output.utf8))
        let sarif = try await Programs.run(["lint", "-f", bad, "--output", "sarif"], home: place.path)
        #expect(try sarif.json()["version"] as? String == "2.1.0")
        #expect(try await Programs.run(["lint", "-f", bad, "--output", "xml"], home: place.path).code == 64)
        let absent = try await Programs.run(["lint", "-f", "none.yaml"], home: place.path)
        #expect(absent.code == 65 && absent.errors.contains("there is no file none.yaml; name one with -f"), "\(absent.all)")
        let refused = try await Programs.run(["plan", "-f", bad], home: place.path)
        #expect(
            refused.code == 1 && refused.output.isEmpty && refused.errors.contains("fix these first; `meshgate lint -f"), "\(refused.all)"
        )
    }

    @Test("plan and spec give the same JSON from any directory, and the expanded spec is the same mesh")
    func plan() async throws {
        let (here, there) = (try Place(), try Place())
        try here.put("mesh.yaml", ServeStage.meshText())
        let one = try await Programs.run(["plan", "--output", "json"], home: here.path)
        let two = try await Programs.run(["plan", "-f", here.path + "/mesh.yaml", "--output", "json"], home: there.path)
        let digest = try #require(try one.json()["digest"] as? String)
        #expect(one.output == two.output && digest.count == 64)
        let expanded = try await Programs.run(["spec"], home: here.path)
        try there.put("mesh.yaml", expanded.output)
        #expect(try await Programs.run(["plan", "--output", "json"], home: there.path).json()["digest"] as? String == digest)
        #expect(try await Programs.run(["plan", "--output", "mermaid"], home: here.path).output.hasPrefix("flowchart"))
        #expect(try await Programs.run(["plan", "--output", "dot"], home: here.path).output.hasPrefix("digraph"))
    }

    @Test("a file is followed through a link; what is no file is refused in a sentence")
    func links() async throws {
        let place = try Place()
        try place.put("mesh.yaml", ServeStage.meshText())
        #expect(symlink("mesh.yaml", place.path + "/link.yaml") == 0 && mkfifo(place.path + "/pipe", 0o600) == 0)
        #expect(try await Programs.run(["lint", "-f", "link.yaml"], home: place.path).code == 0)
        for path in ["pipe", "/", "/dev/zero"] {
            let ending = try await Programs.run(["lint", "-f", path], home: place.path, deadline: .seconds(20))
            #expect(ending.code == 65 && ending.errors.contains("\(path) is not a regular file; name a file"), "\(path): \(ending.all)")
        }
    }

    @Test("every fault at once, each with line and column and what is wanted: exit 65, nothing on standard output")
    func faults() async throws {
        let place = try Place()
        let text = ServeStage.meshText()
            .replacing("podCIDRs: [10.241", with: "podCIDR: [10.241").replacing("size: 128GiB", with: "size: 128Gigs", maxReplacements: 1)
            .replacing("10.20.1.0/24", with: "10.20.1.0/64").replacing("name: west-1", with: "name: east-1")
            .replacing("vlan: 120", with: "vlan: many")
        try place.put("mesh.yaml", text)
        for command in [["lint"], ["plan"], ["spec"], ["apply"], ["lint", "--output", "json"]] {
            let ending = try await Programs.run(command, home: place.path)
            #expect(ending.code == 65 && ending.output.isEmpty, "\(command): \(ending.all)")
            for words in [
                "mesh.yaml:7:", "not \"10.20.1.0/64\"", "\"vlan\"",
                "unknown key \"podCIDR\" in cluster \"east\"; did you mean \"podCIDRs\"?",
                "wants a size such as 128GiB", "the node name \"east-1\" is already taken on line",
            ] {
                #expect(ending.errors.contains(words), "\(words)\n\(ending.errors)")
            }
        }
    }

    @Test(
        "what is no mesh file at all is refused in one place",
        arguments: [
            ("", "1:1: the file is empty"), ("kind: [", ":"), ("a: b\n  c: d\n", "not valid YAML"), ("a: 1\na: 2\n", "written twice"),
            ("a: &x 1\nb: *x\n", "anchors"), ("a: \u{0}\n", "control character"), ("- 1\n- 2\n", ":1:1:"), ("\u{FEFF}\u{FEFF}x", ":1:"),
        ])
    func malformed(text: String, words: String) async throws {
        let place = try Place()
        try place.put("mesh.yaml", text)
        let ending = try await Programs.run(["lint"], home: place.path)
        #expect(ending.code == 65 && ending.errors.hasPrefix("meshgate: mesh.yaml cannot be used:\nmesh.yaml:"), "\(ending.all)")
        #expect(ending.errors.contains(words), "\(ending.errors)")
    }

    @Test("a file that was cut off anywhere is refused or is a whole mesh, and never a crash")
    func truncated() async throws {
        let place = try Place()
        let text = ServeStage.meshText()
        for cut in stride(from: 10, to: text.utf8.count, by: 173) {
            try place.put("mesh.yaml", String(decoding: text.utf8.prefix(cut), as: UTF8.self))
            let ending = try await Programs.run(["lint"], home: place.path)
            #expect([0, 1, 65].contains(ending.code), "cut at \(cut): \(ending.code) \(ending.all)")
            if ending.code == 65 { #expect(ending.errors.contains("mesh.yaml:"), "cut at \(cut): \(ending.errors)") }
        }
    }

    @Test(
        "10 MB of nesting ends within seconds, in bounded memory: exit 65",
        arguments: ["[", "{a: ", "- ", "? ", "[[]", "\"\\", "!!a ", "# ", "- a\n"])
    func nesting(piece: String) async throws {
        let place = try Place()
        try place.put("mesh.yaml", String(repeating: piece, count: 10_000_000 / piece.utf8.count))
        let began = ContinuousClock.now
        // The limit is on the address space, of which a Swift program reserves more than it uses.
        let invocation = Invocation(
            "/bin/sh", ["-c", "ulimit -v 1500000; exec \"$0\" lint", try Programs.path("meshgate")], environment: ["HOME": place.path],
            workingDirectory: place.path, deadline: .seconds(60))
        let ending = Ending(try await ProcessCommandRunner().run(invocation))
        #expect(ending.code == 65, "\(piece): \(ending.code) \(ending.errors.prefix(300))")
        #expect(ending.errors.hasPrefix("meshgate: mesh.yaml cannot be used:\nmesh.yaml:") && ending.errors.utf8.count < 100_000)
        #expect(ContinuousClock.now - began < .seconds(30), "\(piece): \(ContinuousClock.now - began)")
    }

    @Test("indented 10 MB deep, too")
    func indented() async throws {
        let place = try Place()
        let text = (0..<4400).map { String(repeating: " ", count: $0) + "a:\n" }.joined()
        try place.put("mesh.yaml", text)
        let ending = try await Programs.run(["lint"], home: place.path, deadline: .seconds(60))
        #expect(ending.code == 65 && ending.errors.contains("mesh.yaml:101:101: lists and maps nest more than 100 deep"), "\(ending.all)")
    }
}
