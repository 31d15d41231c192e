// SPDX-License-Identifier: Apache-2.0

internal import MeshSystem

/// Calls the machine's own tools (`ip`, `nft`, `losetup`, ...), by argument list, with a deadline, and insists that they succeed.
struct LabTools: Sendable {
    let runner: any CommandRunner
    /// Kept small and fixed, so that messages are in English and tools find their neighbours.
    static let environment = ["PATH": Invocation.systemPath.joined(separator: ":"), "LC_ALL": "C"]

    @discardableResult
    func run(_ tool: String, _ arguments: [String], input: String = "", deadline: Duration = .seconds(30)) async throws -> String {
        let result = try await attempt(tool, arguments, input: input, deadline: deadline)
        guard result.succeeded else {
            throw LabError.tool(
                command: ([tool] + arguments).joined(separator: " "), exit: result.exit.description, said: Self.lastWords(of: result))
        }
        return result.outputText
    }

    func attempt(
        _ tool: String, _ arguments: [String], input: String = "", deadline: Duration = .seconds(30)
    ) async throws -> CommandResult {
        try await runner.run(
            Invocation(tool, arguments, environment: Self.environment, standardInput: Array(input.utf8), deadline: deadline))
    }

    /// Many `ip` commands in one process.
    func ip(_ part: LabNetworkScript.Part) async throws {
        let place = part.namespace.map { ["-n", $0] } ?? []
        try await run("ip", place + ["-batch", "-"], input: part.lines.map { $0 + "\n" }.joined())
    }

    static func lastWords(of result: CommandResult) -> String {
        let text = result.standardError.isEmpty ? result.outputText : result.errorText
        return text.split(separator: "\n").suffix(3).joined(separator: "; ")
    }
}
