// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import MeshConfig
import MeshModel
import MeshSystem
import MeshTrust
import Rendering

/// `meshgate render`: what mesh.yaml says, in the words of another tool.
struct RenderCommand: AsyncParsableCommand {
    enum What: String, ExpressibleByArgument, CaseIterable { case talos, cilium, terraform }

    static let configuration = CommandConfiguration(
        commandName: "render", abstract: "Write mesh.yaml as Talos patches, Cilium values and objects, or Terraform variables.",
        discussion: """
            Examples:
              meshgate render cilium --cluster north
              meshgate render talos --out rendered --coordinator 10.20.0.6:7443 --allowed-signers allowed_signers
              meshgate render terraform --out .

            With --out, a file that is there already and differs stops everything before anything is written, unless --force is given.
            The same mesh.yaml gives the same bytes.

            Exit codes: 0 done, 1 a file would be overwritten, 64 wrong usage, 65 the file cannot be read, 74 a file cannot be written.
            """)
    @Argument(help: "talos, cilium or terraform.") var what: What
    @OptionGroup var mesh: MeshOption
    @Option(help: "This cluster alone.") var cluster: String?
    @Option(help: "This node alone (talos, terraform).") var node: String?
    @Option(help: "Write into this directory instead of to standard output.", completion: .directory) var out: String?
    @Flag(help: "Overwrite files that differ.") var force = false
    @Option(help: "HOST:PORT that agents dial; without it no agent is configured (talos).") var coordinator: String?
    @Option(help: "The allowed_signers file of the wipers (talos).", completion: .file()) var allowedSigners: String?
    @Option(help: "A directory of join tokens, one file for each node, called like it (talos).", completion: .directory)
    var joinTokens: String?
    @OptionGroup var output: OutputOption

    func validate() throws {
        if what == .cilium, node != nil { throw ValidationError("Cilium is configured by cluster; leave --node out") }
        if what != .talos, coordinator != nil || allowedSigners != nil || joinTokens != nil {
            throw ValidationError("--coordinator, --allowed-signers and --join-tokens belong to `render talos`")
        }
        if coordinator == nil, allowedSigners != nil || joinTokens != nil {
            throw ValidationError("without --coordinator no agent is configured; give HOST:PORT")
        }
    }

    func run() async throws {
        try await reporting {
            let spec = try mesh.read().spec
            let files = try render(spec)
            guard let out else { return try show(files) }
            let written = try RenderedTree(root: absolute(out), force: force).write(files)
            for file in written { Terminal.say("\(file.path)  \(file.change.rawValue)") }
        }
    }

    private func render(_ spec: MeshSpec) throws -> [RenderedFile] {
        let chosen = try clusters(spec)
        switch what {
        case .cilium: return chosen.flatMap { CiliumFiles.files(of: $0, spec: spec) }
        case .terraform: return [TerraformVariables(spec).file(of: chosen, node: node.flatMap(NodeID.init))]
        case .talos:
            let patches = TalosPatches(spec, agents: try agents(spec)) { Digest.sha256($0) }
            let talos = chosen.filter { $0.kind == .talos }
            guard !talos.isEmpty else { throw Failure(.badInput, "\(mesh.mesh) has no Talos cluster to render") }
            guard let node else { return talos.flatMap(patches.files) }
            return talos.flatMap { cluster in
                cluster.nodes.filter { $0.name.text == node }.map { patches.file(of: $0, in: cluster) }
            }
        }
    }

    private func clusters(_ spec: MeshSpec) throws -> [MeshSpec.Cluster] {
        var chosen = spec.clusters
        if let cluster {
            chosen = chosen.filter { $0.name.text == cluster }
            guard !chosen.isEmpty else {
                throw Failure(
                    .badInput, "\(mesh.mesh) has no cluster \(cluster); it has \(spec.clusters.map(\.name.text).joined(separator: ", "))")
            }
        }
        if let node, !chosen.contains(where: { $0.nodes.contains { $0.name.text == node } }) {
            throw Failure(.badInput, "\(mesh.mesh) has no node \(node)\(cluster.map { " in cluster \($0)" } ?? "")")
        }
        return chosen
    }

    private func agents(_ spec: MeshSpec) throws -> TalosPatches.AgentSettings? {
        guard let coordinator else { return nil }
        var settings = TalosPatches.AgentSettings(coordinator: coordinator)
        if let allowedSigners {
            let text = try readText(allowedSigners)
            settings.allowedSigners = text.hasSuffix("\n") ? text : text + "\n"
        }
        if let joinTokens {
            for member in spec.members where member.node.hasAgent {
                guard let bytes = try readInput("\(joinTokens)/\(member.node.name)", limit: 4096) else { continue }
                settings.joinTokens[member.node.name] = String(decoding: bytes, as: UTF8.self).trimmingWhitespace()
            }
        }
        return settings
    }

    private func show(_ files: [RenderedFile]) throws {
        if let secret = files.first(where: \.isSecret) {
            throw Failure(.usage, "\(secret.path) holds a join token, which is not shown; give --out")
        }
        switch output.output {
        case .json:
            let list = try files.map { HelmValue.map(["path": .string($0.path), "content": .string(try $0.content())]) }
            Terminal.say(try CanonicalJSON.text(HelmValue.list(list)))
        case .text: Terminal.raw(try files.map { "# \($0.path)\n\(try $0.content())" }.joined(separator: "\n"))
        }
    }
}

extension String {
    fileprivate func trimmingWhitespace() -> String {
        String(trimmingPrefix { $0.isWhitespace }.reversed().trimmingPrefix { $0.isWhitespace }.reversed())
    }
}
