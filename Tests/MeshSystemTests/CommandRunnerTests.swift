// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshSystem
import Testing

@Suite("the runner of outside tools")
struct CommandRunnerTests {
    let runner = ProcessCommandRunner()
    let clock = ContinuousClock()

    private func shell(
        _ script: String, deadline: Duration = .seconds(20), grace: Duration = .milliseconds(200), limit: Int = 1 << 20,
        environment: [String: String] = ["PATH": "/usr/bin:/bin"], input: [UInt8] = []
    ) -> Invocation {
        Invocation(
            "/bin/sh", ["-c", script], environment: environment, standardInput: input, deadline: deadline, grace: grace, outputLimit: limit)
    }

    /// Whether the process is gone or a zombie that its parent has not collected yet.
    private func isDead(_ pid: Int32) throws -> Bool {
        guard let stat = try LinuxFileStore().read("/proc/\(pid)/stat", limit: 4096) else { return true }
        return String(decoding: stat, as: UTF8.self).contains(") Z ")
    }

    /// A kill takes effect a moment after it was asked for.
    private func dies(_ pid: Int32) async throws -> Bool {
        let end = clock.now.advanced(by: .seconds(5))
        while clock.now < end {
            if try isDead(pid) { return true }
            await Task.yield()
        }
        return false
    }

    private func pid(_ text: some StringProtocol) throws -> Int32 {
        try #require(Int32(String(text.filter(\.isNumber))))
    }

    @Test("arguments, input, both streams and the exit code pass unchanged")
    func passes() async throws {
        var wish = shell("cat; printf '%s|' \"$@\" >&2; pwd >&2; exit 7", input: Array("in\u{0}put".utf8))
        wish.arguments += ["sh", "a b", "$(id)", ""]
        wish.workingDirectory = "/usr"
        let result = try await runner.run(wish)
        #expect(result.exit == .exited(7))
        #expect(result.standardOutput == Array("in\u{0}put".utf8))
        #expect(result.errorText == "a b|$(id)||/usr\n")
        #expect(result.droppedBytes == 0)
        #expect(!result.succeeded)
    }

    @Test("a tool that is to be interrupted gets one INT, and its grace to finish what it began")
    func interrupted() async throws {
        var wish = shell(
            "trap 'echo stopping; sleep 0.3; echo saved; exit 3' INT; trap 'echo killed; exit 9' TERM; echo up; while :; do sleep 0.05; done",
            deadline: .milliseconds(300), grace: .seconds(20))
        wish.ending = .interrupt
        let result = try await runner.run(wish)
        #expect(result.exit == .timedOut)
        #expect(result.outputText == "up\nstopping\nsaved\n")
        #expect(result.duration < .seconds(15))
    }

    @Test("input that is kept open ends when the tool is to end, and not before")
    func heldInput() async throws {
        var wish = shell(
            "trap '' INT; while read line; do echo got $line; done; echo end", deadline: .milliseconds(300), grace: .seconds(20),
            input: Array("a\n".utf8))
        wish.keepsInputOpen = true
        wish.ending = .interrupt
        let result = try await runner.run(wish)
        #expect(result.exit == .timedOut)
        #expect(result.outputText == "got a\nend\n")
    }

    @Test("the environment holds what was given and nothing else")
    func closedEnvironment() async throws {
        let result = try await runner.run(Invocation("env", environment: ["ONLY": "this=that"], deadline: .seconds(20)))
        #expect(result.outputText == "ONLY=this=that\n")
        #expect(try await runner.run(Invocation("env", deadline: .seconds(20))).standardOutput.isEmpty)
    }

    @Test("no descriptor but 0, 1 and 2 reaches the tool")
    func closedDescriptors() async throws {
        let leak = open("/dev/null", O_RDONLY)
        defer { close(leak) }
        let result = try await runner.run(shell("ls /proc/$$/fd"))
        #expect(result.outputText == "0\n1\n2\n")
    }

    @Test("signals that the parent ignores or blocks are as new for the tool")
    func freshSignals() async throws {
        signal(SIGUSR2, SIG_IGN)
        let result = try await runner.run(Invocation("grep", ["-E", "^Sig(Blk|Ign)", "/proc/self/status"], deadline: .seconds(20)))
        let masks = result.outputText.split(separator: "\n").compactMap { UInt64($0.suffix(16), radix: 16) }
        // Signals 32 and 33 belong to the C library, which lets nobody reset them.
        #expect(masks.map { $0 & ~(3 << 31) } == [0, 0])
    }

    @Test("a tool that dies of a signal is reported so")
    func signalled() async throws {
        #expect(try await runner.run(shell("kill -9 $$")).exit == .signalled(SIGKILL))
    }

    @Test("a tool that hangs is ended at its deadline, and its children too")
    func hangs() async throws {
        let result = try await runner.run(shell("sleep 600 & echo $!; wait", deadline: .milliseconds(400)))
        #expect(result.exit == .timedOut)
        #expect(result.duration < .seconds(60))
        #expect(try await dies(pid(result.outputText)))
    }

    @Test("a tool that ignores TERM is killed after the grace")
    func ignoresTerm() async throws {
        let wish = shell("trap '' TERM; echo ready; while :; do sleep 600; done", deadline: .milliseconds(300), grace: .milliseconds(200))
        let result = try await runner.run(wish)
        #expect(result.exit == .timedOut)
        #expect(result.outputText == "ready\n")
        #expect(result.duration >= .milliseconds(500))
        #expect(result.duration < .seconds(60))
    }

    @Test("a tool that ends well on TERM keeps its last words")
    func endsOnTerm() async throws {
        let wish = shell("trap 'echo saved; exit 0' TERM; sleep 600 & wait", deadline: .milliseconds(300), grace: .seconds(10))
        let result = try await runner.run(wish)
        #expect(result.exit == .timedOut)
        #expect(result.outputText == "saved\n")
    }

    @Test("a grandchild of the same group that keeps the pipe open is killed and not waited for")
    func grandchild() async throws {
        let result = try await runner.run(shell("sleep 600 & echo $!"))
        #expect(result.exit == .exited(0))
        #expect(result.duration < .seconds(60))
        #expect(try await dies(pid(result.outputText)))
    }

    @Test("a grandchild in a session of its own that floods the pipe is not waited for")
    func escapedGrandchild() async throws {
        let result = try await runner.run(shell("setsid sh -c 'echo $$; exec yes' & sleep 0.2", limit: 4096))
        #expect(result.exit == .exited(0))
        #expect(result.duration < .seconds(60))
        let escaped = try pid(result.outputText.prefix { $0 != "\n" })
        #expect(try await dies(escaped), "it gets SIGPIPE")
    }

    @Test("of 100 MB the first and last half of the limit are kept and the rest is counted")
    func flood() async throws {
        let limit = 1 << 16
        let result = try await runner.run(
            shell("echo first; head -c 100000000 /dev/zero; echo last; head -c 1000 /dev/zero >&2", deadline: .seconds(60), limit: limit))
        #expect(result.exit == .exited(0))
        #expect(result.standardOutput.count == limit)
        #expect(result.standardOutput.starts(with: Array("first\n".utf8)))
        #expect(result.standardOutput.suffix(5) == Array("last\n".utf8)[...])
        #expect(result.standardError.count == 1000)
        #expect(result.droppedBytes == 100_000_011 - limit)
    }

    @Test("output that is not UTF-8 is kept as it is and shown with replacement characters")
    func invalidText() async throws {
        let heard = Heard<OutputLine>()
        let result = try await runner.run(shell("printf 'a\\377b\\r\\nno end'"), onOutput: { heard.add($0) })
        #expect(result.standardOutput == [0x61, 0xff, 0x62, 13, 10] + Array("no end".utf8))
        #expect(
            heard.all == [
                OutputLine(stream: .standardOutput, text: "a\u{fffd}b"), OutputLine(stream: .standardOutput, text: "no end"),
            ])
    }

    @Test("lines are told while the tool still runs, and a long line comes in pieces")
    func lines() async throws {
        let heard = Heard<OutputLine>()
        _ = try await runner.run(shell("echo one; echo two >&2; head -c 40000 /dev/zero"), onOutput: { heard.add($0) })
        #expect(heard.all.filter { $0.stream == .standardError }.map(\.text) == ["two"])
        #expect(heard.all.filter { $0.stream == .standardOutput }.map(\.text.utf8.count) == [3, 16384, 16384, 7232])
    }

    @Test("a tool that does not read its input does no harm")
    func unreadInput() async throws {
        let result = try await runner.run(shell("exec <&-; sleep 0.1; echo done", input: [UInt8](repeating: 65, count: 1 << 20)))
        #expect(result.outputText == "done\n")
    }

    @Test("a missing, unfit or malformed tool is named with what was tried")
    func missing() async throws {
        await #expect(throws: SystemError.commandNotFound(name: "no-such-tool", searched: ["/usr/bin", "/bin"])) {
            try await runner.run(Invocation("no-such-tool", searchPath: ["/usr/bin", "/bin"], deadline: .seconds(1)))
        }
        await #expect(throws: SystemError.commandNotFound(name: "/etc/passwd", searched: [])) {
            try await runner.run(Invocation("/etc/passwd", deadline: .seconds(1)))
        }
        let error = await #expect(throws: SystemError.self) {
            try await runner.run(Invocation("sh", workingDirectory: "/no-such-place", deadline: .seconds(1)))
        }
        #expect(error?.description == "cannot start /usr/bin/sh (enter /no-such-place): No such file or directory")
        await #expect(throws: SystemError.self) { try await runner.run(Invocation("bin/sh", deadline: .seconds(1))) }
        await #expect(throws: SystemError.self) { try await runner.run(Invocation("sh", ["a\u{0}b"], deadline: .seconds(1))) }
        await #expect(throws: SystemError.self) { try await runner.run(Invocation("sh", environment: ["A=B": ""], deadline: .seconds(1))) }
    }

    @Test("a script without an interpreter line is refused by the kernel, not run by a shell")
    func noInterpreter() async throws {
        let scratch = try ScratchDirectory()
        try LinuxFileStore().write(Array("echo hello\n".utf8), to: scratch.file("tool"), mode: 0o700)
        await #expect(throws: SystemError.commandNotStarted(path: scratch.file("tool"), doing: "execute it", errno: ENOEXEC)) {
            try await runner.run(Invocation("tool", searchPath: [scratch.path], deadline: .seconds(1)))
        }
    }

    @Test("cancellation ends the whole group")
    func cancellation() async throws {
        let (lines, said) = AsyncStream.makeStream(of: String.self)
        let wish = shell("trap '' TERM; sleep 600 & echo $!; echo $$; wait; wait")
        let running = Task { try await runner.run(wish, onOutput: { said.yield($0.text) }) }
        var pids: [Int32] = []
        for await line in lines {
            pids.append(try pid(line))
            if pids.count == 2 { break }
        }
        running.cancel()
        await #expect(throws: CancellationError.self) { try await running.value }
        for pid in pids { #expect(try await dies(pid)) }
    }

    @Test("what is cancelled before it starts does not start")
    func cancelledBefore() async throws {
        let scratch = try ScratchDirectory()
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let running = Task {
            for await _ in gate {}
            return try await runner.run(Invocation("touch", [scratch.file("made")], deadline: .seconds(5)))
        }
        running.cancel()
        open.finish()
        await #expect(throws: CancellationError.self) { try await running.value }
        #expect(try LinuxFileStore().list(scratch.path) == [])
    }

    @Test("fifty tools at once neither block each other nor leave descriptors behind")
    func many() async throws {
        let began = clock.now
        try await withThrowingTaskGroup { group in
            for _ in 0..<50 { group.addTask { try await runner.run(shell("sleep 0.5; echo ok")).outputText } }
            for try await text in group { #expect(text == "ok\n") }
        }
        #expect(clock.now - began < .seconds(120))
    }
}
