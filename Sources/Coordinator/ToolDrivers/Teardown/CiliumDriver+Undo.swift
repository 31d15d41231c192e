// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Running

extension CiliumDriver {
    /// `--connection-mode` of `cilium clustermesh disconnect`.
    enum DisconnectMode: String {
        /// The first with each of the others, both ways.
        case bidirectional
        /// Each with every other.
        case mesh
    }

    /// `mode` from the first of `clusters`; both ways in any case. Where no release is left there is nothing to disconnect, and the CLI would
    /// fail for want of it.
    func disconnect(_ clusters: [MeshSpec.Cluster], mode: DisconnectMode, step: StepID, deadline: Duration) async throws -> Outcome {
        var there: [MeshSpec.Cluster] = []
        for cluster in clusters where try await isInstalled(cluster) { there.append(cluster) }
        guard let first = there.first, there.count > 1, mode == .mesh || first.name == clusters.first?.name else {
            return .succeeded("nothing to disconnect: Cilium is not installed at both ends")
        }
        let arguments =
            global(first) + [
                "clustermesh", "disconnect", "--destination-context", there.dropFirst().map(\.context).joined(separator: ","),
                "--connection-mode", mode.rawValue,
            ]
        let result = try await operation.run(on: there) {
            try await tools.run("cilium", arguments, step: step, deadline: deadline)
        }
        return Outcome(result, command: "cilium clustermesh disconnect", done: "disconnected")
    }

    func disableClustermesh(_ cluster: MeshSpec.Cluster, step: StepID, deadline: Duration) async throws -> Outcome {
        guard try await isInstalled(cluster) else { return .succeeded("Cilium is not installed") }
        let result = try await operation.run(on: [cluster]) {
            try await tools.run("cilium", global(cluster) + ["clustermesh", "disable"], step: step, deadline: deadline)
        }
        return Outcome(result, command: "cilium clustermesh disable", done: "disabled")
    }

    /// The release that the plan installs, and no other: the chart of this name in this namespace.
    func uninstall(_ cluster: MeshSpec.Cluster, step: StepID, deadline: Duration) async throws -> Outcome {
        guard try await isInstalled(cluster) else { return .succeeded("Cilium is not installed") }
        let result = try await operation.run(on: [cluster]) {
            try await tools.run("cilium", global(cluster) + ["uninstall", "--wait"], step: step, deadline: deadline)
        }
        return Outcome(result, command: "cilium uninstall", done: "uninstalled")
    }

    private func isInstalled(_ cluster: MeshSpec.Cluster) async throws -> Bool {
        try await HelmReleases(client: tools.client(for: cluster)).values(of: "cilium", in: "kube-system") != nil
    }
}
