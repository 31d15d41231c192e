// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import MeshSystem

/// The stand-in tools of a lab: one program that plays whichever tool it is called as. They speak with the stand-in API servers only.
package enum LabStandIns {
    /// A tool that is played.
    package enum Tool: String, Hashable, Sendable, CaseIterable {
        case cilium, kubectl, helm, talosctl, terraform
        case ansiblePlaybook = "ansible-playbook"
    }

    /// The tool that a program of this name plays; `nil` when it is called by its own name.
    package static func toolName(_ argv0: String) -> Tool? {
        argv0.split(separator: "/").last.flatMap { Tool(rawValue: String($0)) }
    }

    /// Plays `tool` to its end and returns its exit code. `write` gets what it prints, in pieces.
    package static func run(
        _ tool: Tool, _ arguments: [String], environment: [String: String], directory: String,
        write: @escaping @Sendable (OutputLine.Stream, String) -> Void
    ) async -> Int32 {
        let call = StandInCall(arguments: arguments, environment: environment, directory: directory, write: write)
        do {
            try await call.delay()
            switch tool {
            case .cilium: try await StandInCilium(call).run()
            case .kubectl: try await StandInKubectl(call).run()
            case .helm: try await StandInHelm(call).run()
            case .talosctl: try await StandInTalosctl(call).run()
            case .terraform: try StandInTerraform(call).run()
            case .ansiblePlaybook: try StandInAnsible(call).run()
            }
            return 0
        } catch let failure as StandInFailure {
            write(.standardError, failure.text)
            return failure.code
        } catch {
            write(.standardError, "Error: \(error)\n")
            return 1
        }
    }

    /// What `main` asks before anything else: plays a tool when called by its name, or an API server for `lab stand-in-api ...` and
    /// `lab stand-in-proxmox ...`, and gives
    /// the exit code; `nil` when the command line is something else.
    package static func runIfAsked(_ commandLine: [String], environment: [String: String], directory: String) async -> Int32? {
        guard let argv0 = commandLine.first else { return nil }
        if let tool = toolName(argv0) {
            return await run(tool, Array(commandLine.dropFirst()), environment: environment, directory: directory) { stream, text in
                print(text, to: stream == .standardOutput ? STDOUT_FILENO : STDERR_FILENO)
            }
        }
        guard commandLine.count > 2, commandLine[1] == "lab", ["stand-in-api", "stand-in-proxmox"].contains(commandLine[2]) else {
            return nil
        }
        do {
            if commandLine[2] == "stand-in-proxmox" {
                let options = try LabOptions(Array(commandLine.dropFirst(3)), known: ["--root", "--identity"])
                try await LabStandInProxmox.run(root: options.value("--root"), directory: options.value("--identity"))
                return 0
            }
            let options = try LabOptions(Array(commandLine.dropFirst(3)), known: ["--world", "--cluster"])
            try await LabStandInAPI.run(cluster: options.value("--cluster"), worldDirectory: options.value("--world"))
            return 0
        } catch {
            print("meshgate: \(error)\n", to: STDERR_FILENO)
            return 1
        }
    }

    private static func print(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            // Nobody listens any more.
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
