// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The ways in which a lab calls the meshgate binary itself. `main` asks here before it parses anything else, because a node's first process
/// must not start threads before it has made its mounts.
package enum LabHiddenCommand {
    /// Carries out `lab node-services ...` and `lab enter ...` and does not return; returns when the arguments are something else.
    package static func runIfAsked(_ commandLine: [String]) {
        guard commandLine.count > 2, commandLine[1] == "lab" else { return }
        let rest = Array(commandLine.dropFirst(3))
        switch commandLine[2] {
        case "node-services": LabNodeServices.run(rest)
        case "enter": end { () throws -> Never in try LabEnter.exec(rest) }
        case "tag-port": end { () throws -> Never in try LabTagPort.run(rest) }
        default: return
        }
    }

    private static func end(_ body: () throws -> Never) -> Never {
        do {
            try body()
        } catch {
            let text = Array("meshgate: \(error)\n".utf8)
            exit(write(STDERR_FILENO, text, text.count) == text.count ? 1 : 2)
        }
    }
}
