// SPDX-License-Identifier: Apache-2.0

package import MeshSystem

/// What went wrong between us and an outside tool or API.
package enum DriverError: Error, CustomStringConvertible {
    case noAccess(cluster: String, context: String, have: [String])
    case kubernetes(method: String, path: String, server: String, status: Int, message: String)
    case unreadable(what: String, where: String)
    case tool(String, CommandResult)

    package var description: String {
        switch self {
        case .noAccess(let cluster, let context, let have):
            "the kubeconfig has no context \"\(context)\" for cluster \(cluster); it has: \(have.isEmpty ? "none" : have.joined(separator: ", "))"
        case .kubernetes(let method, let path, let server, let status, let message):
            "\(method) \(path) at \(server) was answered with \(status): \(message)"
        case .unreadable(let what, let place): "\(what) from \(place) is not in the form this version understands"
        case .tool(let command, let result): "`\(command)` ended with \(result.exit): \(result.lastWords)"
        }
    }
}

extension CommandResult {
    /// The last lines a tool wrote, preferring what it calls an error; at most 400 characters.
    var lastWords: String {
        let lines = (errorText + "\n" + outputText).split(whereSeparator: \.isNewline)
            .map { line in String(line.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7f }) }
            .filter { !$0.isEmpty }
        let error = lines.last { $0.contains("Error") || $0.contains("error") } ?? lines.last ?? "no output"
        return String(error.prefix(400))
    }
}
