// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import MeshSystem

/// Which cilium CLI it is. Its own word, asked once for each file that it is.
struct CiliumCommandLine: Sendable {
    let tools: Toolbox

    /// `nil` when there is none, or its answer is in no known form.
    func look() async throws -> CiliumFact.CommandLine? {
        let key = tools.identity(of: "cilium").map { "cilium-cli \($0)" }
        if let key, let known = tools.claims.answer(key) { return Self.read(known) }
        let result: CommandResult
        do {
            var call = Toolbox.Call()
            call.changes = false
            result = try await tools.run("cilium", ["version", "--client"], deadline: .seconds(20), call: call)
        } catch let error as CancellationError {
            throw error
        } catch {
            // That there is none is what the gate tells; all else about the cluster can still be seen.
            return nil
        }
        guard result.succeeded, let answer = Self.read(result.outputText) else { return nil }
        if let key { tools.claims.remember(result.outputText, as: key) }
        return answer
    }

    /// As v0.19.7 writes it; where it was built by hand, nothing stands between the name and `compiled`:
    ///
    ///     cilium-cli: v0.19.7 compiled with go1.26.0 on linux/amd64
    ///     cilium image (default): v1.19.5
    static func read(_ text: String) -> CiliumFact.CommandLine? {
        var answer: CiliumFact.CommandLine?
        for line in text.split(whereSeparator: \.isNewline) {
            if let rest = line.after("cilium-cli:") {
                let word = rest.split(separator: " ").first.map(String.init) ?? ""
                answer = CiliumFact.CommandLine(version: SemanticVersion(word), madeFor: answer?.madeFor)
            } else if let rest = line.after("cilium image (default):"), answer != nil {
                answer?.madeFor = SemanticVersion(rest.filter { !$0.isWhitespace })
            }
        }
        return answer
    }
}

extension Substring {
    fileprivate func after(_ prefix: String) -> Substring? { hasPrefix(prefix) ? dropFirst(prefix.count) : nil }
}

extension Toolbox {
    /// The very file that a name leads to: another one, or one that was replaced, has another identity. `nil` when it is not found.
    func identity(of tool: String) -> String? {
        for directory in searchPath {
            let path = URL(filePath: "\(directory)/\(tool)").resolvingSymlinksInPath().path
            guard FileManager.default.isExecutableFile(atPath: path),
                let facts = try? FileManager.default.attributesOfItem(atPath: path),
                let size = facts[.size] as? UInt64, let changed = facts[.modificationDate] as? Date
            else { continue }
            return "\(path) \(size) \(changed.timeIntervalSince1970)"
        }
        return nil
    }
}
