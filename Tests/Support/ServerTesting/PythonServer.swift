// SPDX-License-Identifier: Apache-2.0

import MeshSystem

/// A server written in Python that lives as long as the body of `with` runs.
package struct PythonServer: Sendable {
    /// The first line that it prints.
    package let port: UInt16
    /// The lines that it prints after that.
    package let events: AsyncStream<String>

    /// Starts `script` with `arguments`, waits for its port, runs `body`, stops it.
    package static func with(
        _ script: String, _ arguments: [String] = [], _ body: @Sendable (PythonServer) async throws -> Void
    ) async throws {
        let (lines, said) = AsyncStream.makeStream(of: String.self)
        let wish = Invocation(
            "python3", ["-u", "-"] + arguments, standardInput: Array(script.utf8), deadline: .seconds(120), grace: .milliseconds(100))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { said.finish() }
                let result = try await ProcessCommandRunner().run(
                    wish, onOutput: { if $0.stream == .standardOutput { said.yield($0.text) } })
                throw SetUpFailure("the server ended by itself: \(result.exit) \(result.errorText)")
            }
            var iterator = lines.makeAsyncIterator()
            guard let port = await iterator.next().flatMap({ UInt16($0) }) else { throw SetUpFailure("the server told no port") }
            try await body(PythonServer(port: port, events: lines))
            group.cancelAll()
            do { try await group.waitForAll() } catch is CancellationError { return }
        }
    }
}
