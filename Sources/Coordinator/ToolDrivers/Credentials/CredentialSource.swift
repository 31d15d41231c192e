// SPDX-License-Identifier: Apache-2.0

import MeshModel
package import MeshSystem

/// Where credentials come from. Whatever fails gives an error and never an empty text.
package struct CredentialSource: Sendable {
    private let runner: any CommandRunner
    private let files: any FileStore
    private let environment: [String: String]
    private let searchPath: [String]

    package init(runner: any CommandRunner, files: any FileStore, environment: [String: String], searchPath: [String]) {
        self.runner = runner
        self.files = files
        self.environment = environment
        self.searchPath = searchPath
    }

    /// Every output of a Terraform directory whose name holds `word`, or just those of `names`, in the order of their names. A string, or an
    /// object with `WORD_raw` in it as the Talos provider makes it.
    package func terraform(_ directory: String, word: String, names: [String]) async throws -> [String] {
        let result = try await run("terraform", ["output", "-json"], in: directory)
        guard let outputs = JSON.decode(result.standardOutput), outputs.isMap else {
            throw DriverError.unreadable(what: "`terraform output -json`", where: directory)
        }
        let wanted = names.isEmpty ? outputs.map.keys.filter { $0.contains(word) }.sorted() : names
        guard !wanted.isEmpty else {
            throw DriverError.unreadable(
                what: "an output with \"\(word)\" in its name (there are: \(outputs.map.keys.sorted().joined(separator: ", ").shown))",
                where: directory)
        }
        return try wanted.map { name in
            let value = outputs[name, "value"]
            guard let text = value?.string ?? value?["\(word)_raw"]?.string, !text.isEmpty else {
                throw DriverError.unreadable(what: "output \(name), which is no text and has no \(word)_raw,", where: directory)
            }
            return text
        }
    }

    /// The admin's kubeconfig of a Talos cluster, made by one of its control planes.
    package func talos(context: String?, node: String?, talosconfig: String?, scratch: String) async throws -> String {
        let path = scratch + "/kubeconfig"
        var arguments: [String] = []
        if let talosconfig { arguments += ["--talosconfig", talosconfig] }
        if let context { arguments += ["--context", context] }
        // Of one node: a talosconfig often lists all, and this command refuses more than one (D21).
        if let node { arguments += ["--nodes", node] }
        // Into a file of ours: `--merge` would write into the admin's own, and rename as it likes.
        do {
            _ = try await run("talosctl", arguments + ["kubeconfig", "--force", "--merge=false", path], in: scratch)
            let bytes = try files.read(path, limit: CredentialFile.longest)
            try files.remove(path)
            guard let bytes, !bytes.isEmpty else { throw DriverError.unreadable(what: "the kubeconfig", where: "`talosctl kubeconfig`") }
            return String(decoding: bytes, as: UTF8.self)
        } catch {
            try files.remove(path)
            throw error
        }
    }

    private func run(_ tool: String, _ arguments: [String], in directory: String) async throws -> CommandResult {
        var environment = environment
        environment["PATH"] = searchPath.joined(separator: ":")
        let result = try await runner.run(
            Invocation(
                tool, arguments, searchPath: searchPath, environment: environment, workingDirectory: directory, deadline: .seconds(120),
                outputLimit: CredentialFile.longest))
        guard result.succeeded else {
            // Standard output holds the secrets that this is about.
            throw DriverError.tool(
                tool, CommandResult(exit: result.exit, standardError: result.standardError))
        }
        guard result.droppedBytes == 0 else { throw DriverError.unreadable(what: "more output than fits", where: tool) }
        return result
    }
}
