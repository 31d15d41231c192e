// SPDX-License-Identifier: Apache-2.0

package import MeshSystem

/// What went wrong between us and an outside tool or API.
package enum DriverError: Error, CustomStringConvertible {
    case noAccess(cluster: String, context: String, have: [String])
    case unusable(context: String, problem: String)
    case unreadable(what: String, where: String)
    case tool(String, CommandResult)
    /// A dry run came to a call that would have changed something.
    case dryRun(String)
    /// A tool's output is longer than we read.
    case tooLong(what: String, limit: Int)
    case unsupported(tool: String, found: String, supported: String)
    /// A tool said itself what is wrong.
    case said(String, String)
    /// Somebody holds the lock of Terraform's state.
    case locked(String)
    /// Our own work in the directory is not over.
    case busy(String)

    package var description: String {
        switch self {
        case .noAccess(let cluster, let context, let have):
            "the kubeconfig has no context \"\(context)\" for cluster \(cluster); it has: \(have.isEmpty ? "none" : have.joined(separator: ", "))"
        case .unusable(let context, let problem): "context \(context) of the kubeconfig cannot be used: \(problem)"
        case .unreadable(let what, let place): "\(what) from \(place) is not in the form this version understands"
        case .tool(let command, let result): "`\(command)` ended with \(result.exit): \(result.lastWords)"
        case .dryRun(let command): "dry run: would run `\(command)`"
        case .tooLong(let what, let limit): "\(what) is longer than \(limit) bytes, and was not read"
        case .unsupported(let tool, let found, let supported): "\(tool) \(found) is not supported; \(supported) is"
        case .said(let command, let words): "`\(command)`: \(words)"
        case .locked(let holder):
            "the Terraform state is locked: \(holder); wait for its end. If that person or machine is gone for good, unlock it there by hand"
        case .busy(let directory): "terraform is at work in \(directory); look again when it has ended"
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

extension DriverError {
    /// Whether nothing went wrong, as nothing was to be done.
    var isDryRun: Bool { if case .dryRun = self { true } else { false } }
}
