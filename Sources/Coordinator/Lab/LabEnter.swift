// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshSystem

/// Runs a program inside a node of the lab, in the foreground: what `ip netns exec` is for a network, for a whole node.
package enum LabEnter {
    /// The hidden command `meshgate lab enter --node NAME [--prefix mgl] -- PROGRAM ARGUMENTS`. Never returns: it ends with the program's
    /// exit code, or with 128 and the signal that ended it.
    package static func exec(_ arguments: [String]) throws -> Never {
        let options = try LabOptions(arguments, known: ["--node", "--prefix"])
        let prefix = options.optional("--prefix") ?? LabPlan.defaultPrefix
        guard let ledger = LabLedger.current(prefix) else { throw LabError.notUp(prefix: prefix) }
        let topology = try LabTopology(try LabPlan.load(LabPaths(ledger.directory)))
        let node = try topology.node(try options.value("--node"))
        guard let program = options.program.first else { throw LabError.usage("the program is missing: enter --node NAME -- PROGRAM") }
        let initProcess = try LabProcesses(paths: LabPaths(ledger.directory), marker: ledger.marker).initProcess(of: node)
        let found = try resolve(program)
        let environment = LabTools.environment.merging(
            ["HOME": "/root", "TERM": getenv("TERM").map { String(cString: $0) } ?? "dumb", ledger.marker.name: ledger.marker.value]
        ) { first, _ in first }
        let code = try LabLauncher.runAttached(
            LabProgram(path: found, arguments: Array(options.program.dropFirst()), environment: environment, log: ""),
            in: .node(initProcess))
        exit(code)
    }

    private static func resolve(_ program: String) throws -> String {
        if program.contains("/") {
            guard let path = realpath(program, nil) else { throw LabError.system(doing: "find a program", on: program, errno: errno) }
            defer { free(path) }
            return String(cString: path)
        }
        let candidates = Invocation.systemPath.map { "\($0)/\(program)" }
        guard let found = candidates.first(where: { access($0, X_OK) == 0 }) else {
            throw LabError.system(doing: "find a program", on: program, errno: ENOENT)
        }
        return found
    }
}
