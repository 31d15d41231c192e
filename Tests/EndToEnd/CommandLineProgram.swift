// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import MeshModel
import MeshSystem
import Synchronization
import Testing

/// What is wrong when a test cannot even ask.
struct Trouble: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A directory of its own for one test, short enough for a socket's path. It goes away with the last reference.
final class Place: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/mgt-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Trouble("mkdtemp: \(String(cString: strerror(errno)))") }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit {
        do { try FileManager.default.removeItem(atPath: path) } catch { print("\(path) is left: \(error)") }
    }

    @discardableResult
    func put(_ name: String, _ text: String) throws -> String {
        try text.write(toFile: path + "/" + name, atomically: false, encoding: .utf8)
        return path + "/" + name
    }
}

/// How one of our programs ended.
struct Ending: Sendable {
    let code: Int32
    let output: String
    let errors: String
    var all: String { output + errors }

    init(_ result: CommandResult) {
        code = if case .exited(let code) = result.exit { code } else { -1 }
        output = result.outputText
        errors = result.errorText
    }

    /// Standard output as one JSON object.
    func json() throws -> [String: Any] {
        guard let object = try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any] else { throw Trouble(all) }
        return object
    }
}

/// The built programs, beside the test bundle, each started as a process that inherits nothing.
enum Programs {
    static func path(_ name: String) throws -> String {
        let own = CommandLine.arguments.first.map { URL(fileURLWithPath: $0).deletingLastPathComponent().path } ?? ""
        let real = URL(fileURLWithPath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            .deletingLastPathComponent().path
        for directory in [own, own + "/..", real] where access("\(directory)/\(name)", X_OK) == 0 { return "\(directory)/\(name)" }
        throw Trouble("\(name) is not built beside the tests")
    }

    static func invocation(
        _ name: String, _ arguments: [String], home: String, environment: [String: String] = [:], input: String = "",
        deadline: Duration = .seconds(60)
    ) throws -> Invocation {
        let closed = ["HOME": home, "PATH": "/usr/bin:/bin", "TERM": "xterm-256color"].merging(environment) { $1 }
        return Invocation(
            try path(name), arguments, environment: closed, workingDirectory: home, standardInput: Array(input.utf8), deadline: deadline)
    }

    /// `meshgate` itself.
    static func run(
        _ arguments: [String], home: String, environment: [String: String] = [:], input: String = "", deadline: Duration = .seconds(60)
    ) async throws -> Ending {
        try await run("meshgate", arguments, home: home, environment: environment, input: input, deadline: deadline)
    }

    static func run(
        _ name: String, _ arguments: [String], home: String, environment: [String: String] = [:], input: String = "",
        deadline: Duration = .seconds(60)
    ) async throws -> Ending {
        Ending(
            try await ProcessCommandRunner().run(
                try invocation(name, arguments, home: home, environment: environment, input: input, deadline: deadline)))
    }
}

/// A program that goes on, with what it has said so far. It is ended with the last reference at the latest.
final class Daemon: Sendable {
    private struct Waiter {
        let text: String
        let continuation: CheckedContinuation<String, any Error>
    }
    private struct State {
        var lines: [String] = []
        var waiters: [Waiter] = []
        var isOver = false
    }
    private final class Log: Sendable {
        let state = Mutex(State())

        func add(_ line: String) {
            let found = state.withLock { state in
                state.lines.append(line)
                let found = state.waiters.filter { line.contains($0.text) }
                state.waiters.removeAll { line.contains($0.text) }
                return found
            }
            for waiter in found { waiter.continuation.resume(returning: line) }
        }

        func end() {
            let (left, lines) = state.withLock { state in
                state.isOver = true
                defer { state.waiters = [] }
                return (state.waiters, state.lines)
            }
            let said = lines.joined(separator: "\n")
            for waiter in left { waiter.continuation.resume(throwing: Trouble("never said \(waiter.text):\n" + said)) }
        }
    }

    private let log = Log()
    /// Ends with the program; cancelling it sends TERM.
    private let life: Task<CommandResult, any Error>

    init(_ invocation: Invocation) {
        let log = log
        life = Task {
            defer { log.end() }
            return try await ProcessCommandRunner().run(invocation, onOutput: { log.add($0.text) })
        }
    }

    deinit { life.cancel() }

    var text: String { log.state.withLock { $0.lines.joined(separator: "\n") } }

    /// The first line with `text` in it, said already or later.
    func line(_ text: String) async throws -> String {
        try await withCheckedThrowingContinuation { continuation in
            let answer: Result<String, any Error>? = log.state.withLock { state in
                if let line = state.lines.first(where: { $0.contains(text) }) { return .success(line) }
                if state.isOver { return .failure(Trouble("never said \(text):\n" + state.lines.joined(separator: "\n"))) }
                state.waiters.append(Waiter(text: text, continuation: continuation))
                return nil
            }
            if let answer { continuation.resume(with: answer) }
        }
    }

    func ending() async throws -> Ending { Ending(try await life.value) }
}

/// Asks again until it is so. Each asking takes a process or a request, which paces it.
func eventually(
    _ what: String, within limit: Duration = .seconds(30), _ isSo: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while true {
        if try await isSo() { return }
        if ContinuousClock.now > end { throw Trouble("not within \(limit): \(what)") }
        await Task.yield()
    }
}
