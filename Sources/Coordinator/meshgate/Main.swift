// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import Glibc
import Lab

/// `meshgate`: the coordinator and its command line in one binary. Called by another name, it plays that tool in the Lab.
@main
struct Main {
    static func main() async {
        // First of all: a lab node's first process must not have threads yet.
        LabHiddenCommand.runIfAsked(CommandLine.arguments)
        let played = await LabStandIns.runIfAsked(
            CommandLine.arguments, environment: ProcessInfo.processInfo.environment, directory: FileManager.default.currentDirectoryPath)
        if let played { exit(played) }
        await Meshgate.main()
    }
}

/// The root of the command line.
struct Meshgate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "meshgate",
        abstract: "Plans a mesh of Kubernetes clusters, and starts each step only on fresh evidence.",
        discussion: """
            Examples:
              meshgate lint -f mesh.yaml                 check the file, every fault with its place
              meshgate plan -f mesh.yaml                 what would be done, behind which gates
              meshgate render talos --out rendered       machine configuration patches, Cilium values, Terraform variables
              meshgate serve                             run the coordinator on this machine
              meshgate node invite wrk-e-1               a one-time token for an agent
              meshgate apply -f mesh.yaml                carry the plan out and follow it
              meshgate explain talos-east/cilium         why a step is held, and what to do
              meshgate verify -f mesh.yaml               look whether everything is still as it was left
              meshgate check net --node wrk-e-1          ask this node now: links, routes, what it reaches
              meshgate feed query --since 10m            what the hosts' eBPF, Tetragon and Hubble saw
              meshgate approve talos-east/wrk-e-1/wipe-vdb --key ~/.ssh/id_ed25519
              meshgate destroy -f mesh.yaml              take it all down again, in the opposite order
              meshgate lab run tour                      everything, on this machine, with stand-in clusters

            Exit codes: 0 done; 1 the answer is no (faults found, run failed, request refused); 2 held, when --wait no was asked;
            64 wrong usage; 65 unreadable input; 69 no coordinator answers; 74 input/output error; 77 not permitted; 78 configuration.

            Options come first, then MESHGATE_* variables, then the context in ~/.config/meshgate/contexts.json.
            """,
        version: Version.text,
        subcommands: [
            InitCommand.self, SpecCommand.self,
            LintCommand.self,
            PlanCommand.self,
            RenderCommand.self,
            ServeCommand.self,
            StatusCommand.self,
            ApplyCommand.self,
            VerifyCommand.self,
            DriftCommand.self,
            CheckCommand.self,
            StopCommand.self,
            ExplainCommand.self,
            NodeCommand.self,
            WipeCommand.self,
            ApproveCommand.self,
            OverrideCommand.self,
            DestroyCommand.self,
            UndoCommand.self,
            EventsCommand.self,
            FeedCommand.self,
            BundleCommand.self,
            ContextCommand.self,
            KubeconfigCommand.self,
            TalosconfigCommand.self,
            SecretsCommand.self,
            RehearseCommand.self,
            LabCommand.self,
        ])
}

/// Which release this is.
enum Version {
    static let text = "0.1.0"
}
