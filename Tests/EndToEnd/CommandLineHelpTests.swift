// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import MeshSystem
import Testing

@Suite("Help, completions and plain output", .timeLimit(.minutes(3)))
struct CommandLineHelpTests {
    /// Every command that does something, as the program itself lists them.
    private static func commands(_ parents: [String] = [], home: String) async throws -> [[String]] {
        let help = try await Programs.run(parents + ["--help"], home: home).output
        guard let start = help.range(of: "SUBCOMMANDS:\n") else { return [parents] }
        let names = help[start.upperBound...].split(separator: "\n", omittingEmptySubsequences: false).prefix { !$0.isEmpty }.compactMap {
            line -> String? in
            guard line.hasPrefix("  "), !line.hasPrefix("   "), let name = line.split(separator: " ").first else { return nil }
            return String(name)
        }
        var all = parents.isEmpty ? [] : [parents]
        for name in names where name != "help" { all += try await commands(parents + [name], home: home) }
        return all
    }

    @Test("every command explains itself with an example, and refuses an option it does not have: exit 64")
    func examples() async throws {
        let place = try Place()
        let commands = try await Self.commands(home: place.path)
        #expect(commands.count > 25, "\(commands)")
        for command in commands {
            let help = try await Programs.run(command + ["--help"], home: place.path)
            #expect(help.code == 0 && help.errors.isEmpty, "\(command)")
            #expect(help.output.contains("Example"), "\(command) shows no example")
            #expect(help.output.contains("meshgate " + command.joined(separator: " ")), "\(command)")
            let wrong = try await Programs.run(command + ["--no-such-option"], home: place.path)
            #expect(wrong.code == 64 && wrong.errors.contains("Usage: meshgate") && wrong.output.isEmpty, "\(command): \(wrong.all)")
        }
        let root = try await Programs.run(["--help"], home: place.path).output
        for code in [
            "0 done", "1 the answer is no", "64 wrong usage", "65 unreadable input", "69 no coordinator", "77 not permitted", "78",
        ] {
            #expect(root.contains(code), "\(code)")
        }
    }

    @Test("completions are made for bash, zsh and fish, by both programs", arguments: ["meshgate", "meshgate-agent"])
    func completions(program: String) async throws {
        let place = try Place()
        for shell in ["bash", "zsh", "fish"] {
            let script = try await Programs.run(program, ["--generate-completion-script", shell], home: place.path)
            #expect(script.code == 0 && script.output.contains(program) && script.output.count > 1000, "\(shell)")
            let path = try place.put("completions.\(shell)", script.output)
            let checker = "/usr/bin/\(shell)"
            guard access(checker, X_OK) == 0 else { continue }
            let checked = try await ProcessCommandRunner().run(Invocation(checker, ["-n", path], deadline: .seconds(20)))
            #expect(checked.succeeded, "\(shell): \(checked.errorText)")
        }
    }

    @Test("who asks where no coordinator is learns how to start one: exit 69", arguments: [["status"], ["node"], ["stop"], ["events"]])
    func nobody(command: [String]) async throws {
        let place = try Place()
        let ending = try await Programs.run(command + ["--state-dir", place.path], home: place.path)
        #expect(ending.code == 69 && ending.output.isEmpty)
        #expect(
            ending.errors
                == "meshgate: no coordinator answers at \(place.path)/meshgate.sock; start one with `meshgate serve`, or name another with --state-dir or --context\n"
        )
    }

    @Test("colour is for terminals that want it: none into a pipe, none with NO_COLOR")
    func colour() async throws {
        let place = try Place()
        let mesh = try place.put("mesh.yaml", ServeStage.meshText())
        let piped = try await Programs.run(["plan", "-f", mesh], home: place.path)
        #expect(piped.code == 0 && piped.output.contains("DESTROYS everything") && !piped.output.contains("\u{1B}"))
        for (environment, wanted) in [([:], true), (["NO_COLOR": "1"], false), (["TERM": "dumb"], false)] as [([String: String], Bool)] {
            let invocation = Invocation(
                "/usr/bin/script", ["-qec", "\(try Programs.path("meshgate")) plan -f \(mesh)", "/dev/null"],
                environment: ["TERM": "xterm", "HOME": place.path, "SHELL": "/bin/sh"].merging(environment) { $1 }, deadline: .seconds(20))
            let shown = Ending(try await ProcessCommandRunner().run(invocation))
            #expect(shown.output.contains("DESTROYS everything"), "\(shown.all)")
            #expect(shown.output.contains("\u{1B}[31m") == wanted, "\(environment)")
        }
    }

    @Test("contexts are added, used and removed, and each command says what holds from now on")
    func contexts() async throws {
        let place = try Place()
        func context(_ arguments: String...) async throws -> Ending {
            try await Programs.run(["context"] + arguments, home: place.path)
        }
        let files = ["--authority", "a", "--certificate", "b", "--key", "c"]
        let added = try await Programs.run(["context", "add", "home", "--server", "https://127.0.0.1:1"] + files, home: place.path)
        #expect(added.output == "context home added; commands ask it from now on\n", "\(added.all)")
        let second = try await Programs.run(["context", "add", "work", "--server", "https://127.0.0.1:2"] + files, home: place.path)
        #expect(second.output.contains("`meshgate context use work` makes it the current one"))
        #expect(try await context("list").output == "* home  https://127.0.0.1:1\n  work  https://127.0.0.1:2\n")
        let lost = try await Programs.run(["status"], home: place.path)
        #expect(lost.code == 78 && lost.errors.contains("context \"home\" names \(place.path)/a, which does not exist"), "\(lost.all)")
        #expect(try await context("use", "local").output == "commands ask the coordinator of this machine\n")
        #expect(try await context("remove", "home").code == 0)
        #expect(try await context("remove", "home").code == 1)
        #expect(try await context("list", "--output", "json").json()["contexts"] as? [String: Any] != nil)
        let plain = try await Programs.run(["context", "add", "x", "--server", "http://127.0.0.1"] + files, home: place.path)
        #expect(plain.code == 64 && plain.errors.contains("--server must start with https://"))
        try place.put(".config/meshgate/contexts.json", "{")
        #expect(try await context("list").code == 78)
    }
}
