// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem

/// One of our operations on Helm releases, so that one that was cut off (we were killed, or its deadline passed) can be told from somebody
/// else's that is still going on.
///
/// A mark is on disk from before the tool starts until it has ended by itself. A release left pending is cleared only where our own mark
/// says that we began: then it is ours, and nobody is working on it any more.
struct HelmOperation: Sendable {
    let tools: Toolbox
    let release: String
    let namespace: String

    func run(on clusters: [MeshSpec.Cluster], _ tool: () async throws -> CommandResult) async throws -> CommandResult {
        for cluster in clusters {
            let mark = markPath(cluster)
            if try tools.files.read(mark, limit: 64) != nil {
                try await HelmReleases(client: tools.client(for: cluster)).clearPending(release, in: namespace)
            }
            try tools.files.write([], to: mark)
        }
        let result = try await tool()
        guard case .exited = result.exit else { return result }
        for cluster in clusters { try tools.files.remove(markPath(cluster)) }
        return result
    }

    private func markPath(_ cluster: MeshSpec.Cluster) -> String {
        "\(tools.workDirectory)/begun-\(cluster.name)-\(namespace)-\(release)"
    }
}
