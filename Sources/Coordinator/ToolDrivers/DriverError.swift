// SPDX-License-Identifier: Apache-2.0

package import MeshSystem

/// What went wrong between us and an outside tool or API.
package enum DriverError: Error, CustomStringConvertible {
    case noAccess(cluster: String, context: String, have: [String])
    case unusable(context: String, problem: String)
    case unreadable(what: String, where: String)
    case tool(String, CommandResult)

    package var description: String {
        switch self {
        case .noAccess(let cluster, let context, let have):
            "the kubeconfig has no context \"\(context)\" for cluster \(cluster); it has: \(have.isEmpty ? "none" : have.joined(separator: ", "))"
        case .unusable(let context, let problem): "context \(context) of the kubeconfig cannot be used: \(problem)"
        case .unreadable(let what, let place): "\(what) from \(place) is not in the form this version understands"
        case .tool(let command, let result): "`\(command)` ended with \(result.exit): \(result.lastWords)"
        }
    }
}

extension CommandResult {
    /// The last lines a tool wrote, preferring what it calls an error; at most 400 characters.
    var lastWords: String { Self.lastWords(of: errorText + "\n" + outputText) }

    /// The same of one text.
    static func lastWords(of text: String) -> String {
        let lines = text.split(whereSeparator: \.isNewline)
            .map { line in String(line.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7f }) }
            .filter { !$0.isEmpty }
        let error = lines.last { $0.contains("Error") || $0.contains("error") } ?? lines.last ?? "no output"
        return String(error.prefix(400))
    }
}
