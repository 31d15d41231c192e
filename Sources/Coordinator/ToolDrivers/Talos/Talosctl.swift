// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem

/// `talosctl`, for the machines of one cluster. Its context is called like the cluster, and nodes are named in each call: what a
/// talosconfig lists as `nodes` is often all of them (D21).
struct Talosctl: Sendable {
    let tools: Toolbox
    let cluster: MeshSpec.Cluster

    /// A machine that is down is noticed after its dial timeout of about 20 s; some calls in a row are not worth more than that.
    static let lookDeadline = Duration.seconds(30)

    /// A look that changes nothing.
    func look(_ nodes: [MeshSpec.Node], _ arguments: [String]) async throws -> CommandResult {
        var call = Toolbox.Call()
        call.changes = false
        return try await run(nodes, arguments, step: nil, deadline: Self.lookDeadline, call: call)
    }

    func run(
        _ nodes: [MeshSpec.Node], _ arguments: [String], step: StepID?, deadline: Duration, call: Toolbox.Call = Toolbox.Call()
    ) async throws -> CommandResult {
        let addresses = nodes.map(\.address.description).joined(separator: ",")
        return try await tools.run(
            "talosctl", ["--context", cluster.name.text, "--nodes", addresses] + arguments, step: step, deadline: deadline,
            outputLimit: 16 << 20, call: call)
    }
}

/// What a machine said in place of an answer.
struct TalosSilence: Error, CustomStringConvertible {
    let description: String

    init(_ text: String) { description = text }

    init(_ result: CommandResult) {
        description = result.exit == .timedOut ? "no answer in \(Talosctl.lookDeadline.briefly)" : result.lastWords
    }
}
