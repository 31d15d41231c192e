// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import MeshTrust
import Running

/// Manifests by kubectl's server-side apply: the bytes that were checked, under a field manager of the service's own, without force. Another
/// manager's field is a conflict, and a conflict is another owner.
struct ManifestDriver: Sendable {
    let tools: Toolbox

    func content(of path: String, pinnedTo digest: Digest?) async throws -> [UInt8] {
        try await PinnedSource(tools: tools).bytes(of: path, pinnedTo: digest)
    }

    func install(
        _ service: MeshSpec.Service, _ content: [UInt8], source: String, on cluster: MeshSpec.Cluster, step: StepID, deadline: Duration
    ) async throws -> Outcome {
        let file = "\(tools.workDirectory)/manifest-\(cluster.name)-\(service.name).yaml"
        try tools.files.write(content, to: file)
        var arguments =
            tools.kubectl(cluster) + [
                "apply", "--server-side", "--field-manager", ServiceMark.manager(service.name), "-o", "json", "-f", file,
            ]
        if service.known != nil || service.namespace != nil { arguments += ["--namespace", service.home] }
        // Not followed as progress: a manifest may hold Secrets, and `-o json` prints them.
        let result = try await tools.run("kubectl", arguments, deadline: deadline, outputLimit: JSON.longest)
        try tools.files.remove(file)
        guard case .exited(0) = result.exit else { return Self.outcome(result) }
        let objects = Self.objects(in: result.standardOutput)
        guard !objects.isEmpty else { throw ServiceError.notObjects("what kubectl printed after applying \(source)") }
        // What an earlier version of the manifest made and this one does not have stays ours until it is removed.
        let client = try tools.client(for: cluster)
        let earlier =
            try await ServiceMark.read(service.name, client)?.objects.filter { old in !objects.contains { $0.uid == old.uid } } ?? []
        try await ServiceMark(
            service: service.name, source: source, content: Digest.sha256(content).hex, objects: objects + earlier
        ).write(client)
        return .succeeded("\(objects.count) objects applied")
    }

    /// One object, or a `List` of them.
    static func objects(in output: [UInt8]) -> [ServiceMark.Object] {
        guard let json = JSON.decode(output) else { return [] }
        return (json["kind"]?.string == "List" ? json["items"]?.list ?? [] : [json]).compactMap { ServiceMark.Object($0) }
    }

    /// Standard output holds objects, so that only what kubectl said about a failure is shown.
    private static func outcome(_ result: CommandResult) -> Outcome {
        Outcome(
            CommandResult(exit: result.exit, standardError: result.standardError), command: "kubectl apply", done: "")
    }
}
