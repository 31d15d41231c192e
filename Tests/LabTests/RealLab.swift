// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Testing

@testable import Lab

/// A lab under a prefix of its own, for tests that need real namespaces.
struct RealLab {
    static let prefix = ownPrefix("t")
    let builder: LabBuilder
    private let runner = ProcessCommandRunner()

    init(_ directory: Scratch, contents: [LabPlan.DiskContent] = [], runner: any CommandRunner = ProcessCommandRunner()) throws {
        let plan = LabPlan(directory: directory.path + "/lab", prefix: Self.prefix, contents: contents)
        builder = try LabBuilder(plan, program: Self.program, runner: runner)
    }

    /// Four letters that no other test run on this machine has at the moment.
    static func ownPrefix(_ first: Character) -> String {
        let letters = Array("abcdefghijklmnopqrstuvwxyz")
        let number = Int(getpid())
        return String([first] + [676, 26, 1].map { letters[number / $0 % 26] })
    }

    /// The meshgate binary lies beside the test program.
    static var program: String {
        let own = LabFiles.link("/proc/self/exe") ?? ""
        return own.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/meshgate"
    }

    static var isBuilt: Bool { access(program, X_OK) == 0 }

    static var isAgentBuilt: Bool { isBuilt && access(program + "-agent", X_OK) == 0 }

    /// Real labs need root, the tools and the built binary; the tests say so by being skipped.
    static var isPossible: Bool { LabPreflight(plan: LabPlan(directory: "/tmp")).findings.isEmpty && isBuilt }

    func node(_ name: String) throws -> LabTopology.Node { try builder.topology.node(name) }

    /// Runs a program inside a node through the binary itself, as a person would.
    func run(in node: String, _ program: String...) async throws -> CommandResult {
        try await runner.run(
            Invocation(
                Self.program, ["lab", "enter", "--prefix", Self.prefix, "--node", node, "--"] + program, environment: LabTools.environment,
                deadline: .seconds(20)))
    }

    /// True when a TCP connection from the node succeeds within a second.
    func connects(from node: String, to address: IPAddress, port: Int) async throws -> Bool {
        try await run(in: node, "timeout", "1", "bash", "-c", "exec 3<>/dev/tcp/\(address)/\(port)").succeeded
    }

    /// Ends whatever is up under the prefix.
    static func down() async throws { try await LabBuilder.down(prefix: prefix) }

    /// Everything on this machine that carries the prefix or lies below the directory.
    static func traces(_ directory: Scratch) -> [String] {
        let namespaces = LabFiles.names(in: "/run/netns").filter { $0.hasPrefix(prefix) }
        let links = LabFiles.names(in: "/sys/class/net").filter { $0.hasPrefix(prefix) }
        let loops = LabLoop.all(below: directory.path).map(\.image)
        let processes = LabFiles.names(in: "/proc").filter { name in
            guard Int32(name) != nil, let line = LabFiles.text("/proc/\(name)/cmdline") else { return false }
            return line.contains("node-services") && line.contains(directory.path)
        }
        return namespaces + links + loops + processes + LabFiles.names(in: directory.path)
            + (LabLedger.current(prefix).map { [$0.labID] } ?? [])
    }
}
