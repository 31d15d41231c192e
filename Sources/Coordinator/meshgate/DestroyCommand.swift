// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Gating
import MeshModel
import MeshSystem
import MeshTrust
import OperatorAPI
import Planning

/// `meshgate destroy`: take the mesh down, or let one cluster leave it.
struct DestroyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "destroy", abstract: "Undo what a plan built, in the opposite order: all of it, or one cluster.",
        discussion: """
            The plan is shown first and asked about. Every step removes only what is this mesh's own, is done when it is seen to be gone,
            and may be repeated; what destroys data waits for a warrant signed by a person. Machines and disks stay as they are, unless
            --machines says otherwise: then Terraform destroys them at the end, exactly those that somebody has signed for.

            Examples:
              meshgate destroy -f mesh.yaml --dry-run
              meshgate destroy -f mesh.yaml
              meshgate destroy -f mesh.yaml --machines --dry-run     the same, with every object that Terraform would destroy
              meshgate destroy -f mesh.yaml --machines               the mesh, and then its machines
              meshgate destroy -f mesh.yaml --machines-only          clusters that are dead anyway
              meshgate destroy -f mesh.yaml --cluster talos-west     west leaves; the others stay connected
              meshgate destroy losses                                what the running teardown waits to destroy
              meshgate approve --all --key ~/.ssh/id_ed25519         sign for it

            Exit codes: 0 all gone (or started, with --wait no), 1 failed, refused or not confirmed.
            """,
        subcommands: [Run.self, Losses.self, Request.self], defaultSubcommand: Run.self)

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "run", abstract: "Show the teardown, ask, and carry it out.",
            discussion: "Example:\n  meshgate destroy -f mesh.yaml --cluster talos-west --dry-run")
        @OptionGroup var mesh: MeshOption
        @Option(help: "Only this cluster leaves the mesh.") var cluster: String?
        @Flag(help: "After everything else let Terraform destroy the machines, once somebody has signed for them.") var machines = false
        @Flag(help: "Destroy the machines and nothing on them first: for clusters that do not answer any more.") var machinesOnly = false
        @OptionGroup var teardown: TeardownOptions
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOption

        func validate() throws {
            guard [machines, machinesOnly, cluster != nil].count(where: \.self) <= 1 else {
                throw ValidationError(
                    "--cluster, --machines and --machines-only exclude each other: Terraform's machines are the whole mesh's")
            }
        }

        func run() async throws {
            try await reporting {
                let spec = try mesh.lintedSpec()
                guard !spec.groundPhases.isEmpty || !(machines || machinesOnly) else {
                    throw Failure(.usage, "\(mesh.mesh) has no `provision` for machines: Meshgate made none, and destroys none")
                }
                guard let cluster else {
                    let scope: Purpose.Scope = machinesOnly ? .machines : machines ? .everything : .mesh
                    return try await teardown.run(spec, scope, word: spec.name, connection, output.output)
                }
                guard let name = spec.clusters.map(\.name).first(where: { $0.text == cluster }) else {
                    let known = spec.clusters.map(\.name.text).joined(separator: ", ")
                    throw Failure(.usage, "\(mesh.mesh) has no cluster \"\(cluster)\"; it has: \(known)")
                }
                try await teardown.run(spec, .cluster(name), word: cluster, connection, output.output)
            }
        }
    }

    struct Losses: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what the run would destroy besides disks, step by step.",
            discussion: "Example:\n  meshgate destroy losses\n  meshgate destroy losses --output json")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOption
        func run() async throws {
            try await asking(connection) { client in
                let reply = try await client.losses()
                switch output.output {
                case .json: Terminal.say(try CanonicalJSON.text(reply))
                case .text where reply.losses.isEmpty: Terminal.say("the run destroys no data")
                case .text: Terminal.say(reply.losses.map { LossText($0).text }.joined(separator: "\n\n"))
                }
            }
        }
    }

    struct Request: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write the text of the warrant for one step of the teardown, to be signed.",
            discussion: """
                Example, where two people must sign:
                  meshgate destroy request talos-east/service-rook-ceph/undo > w.txt
                  ssh-keygen -Y sign -n meshgate-wipe -f KEY w.txt
                  meshgate wipe submit talos-east/service-rook-ceph/undo --warrant w.txt --signature w.txt.sig
                """)
        @Argument(help: "The step.") var step: String
        @OptionGroup var connection: ConnectionOptions
        func run() async throws {
            try await asking(connection) { client in
                let id = try stepID(step)
                let losses = try await client.losses().losses
                guard let loss = losses.first(where: { $0.step == id }) else {
                    let known = losses.map(\.step.text).joined(separator: ", ")
                    throw Failure(.no, "the run has no step \(step) that destroys data; it has: \(known.isEmpty ? "none" : known)")
                }
                Terminal.raw(try WarrantReading.text(of: loss))
            }
        }
    }
}

/// `meshgate undo STEP`: one step of the build, and what stands on it.
struct UndoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "undo", abstract: "Undo one step of the build, after everything that stands on it.",
        discussion: """
            Examples:
              meshgate undo -f mesh.yaml talos-east/service-metrics-server --dry-run
              meshgate undo -f mesh.yaml mesh/connect

            Exit codes as for `meshgate destroy`.
            """)
    @OptionGroup var mesh: MeshOption
    @Argument(help: "A step, as `meshgate plan` names it.") var step: String
    @OptionGroup var teardown: TeardownOptions
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOption

    func run() async throws {
        try await reporting {
            let spec = try mesh.lintedSpec()
            let id = try stepID(step)
            guard try makePlan(spec).step(id) != nil else {
                throw Failure(.usage, "the plan has no step \(step); `meshgate plan -f \(mesh.mesh)` lists them")
            }
            try await teardown.run(spec, .step(id), word: step, connection, output.output)
        }
    }
}

/// What `destroy` and `undo` share: the preview, the question, and the run.
struct TeardownOptions: ParsableArguments {
    @Flag(help: "Show what would be undone, and end.") var dryRun = false
    @Option(help: "The word that is asked for (the mesh, the cluster or the step), instead of typing it.") var confirm: String?
    @Option(help: "yes follows the run to its end.") var wait: ApplyCommand.Wait = .yes

    func run(
        _ spec: MeshSpec, _ scope: Purpose.Scope, word: String, _ connection: ConnectionOptions, _ output: OutputForm
    ) async throws {
        let plan = try Planner.takingDown(spec, scope, hash: sha256, digest: planDigest)
        guard !plan.steps.isEmpty else { throw Failure(.no, "\(word) leaves nothing that could be undone") }
        if dryRun, output == .json { return Terminal.say(try CanonicalJSON.text(plan)) }
        if output == .text {
            Terminal.raw(PlanTree(plan).text { Terminal.paint($0, .red) })
            if plan.steps.contains(where: { $0.terraform != nil }) {
                try await asking(connection) { Terminal.say(Self.text(try await $0.preview(ApplyRequest(plan: plan)))) }
            }
        }
        if dryRun { return }
        try ask(word)
        try await asking(connection) { client in
            try await carryOut(plan, through: client, output: output, follow: wait == .yes)
        }
    }

    /// What Terraform would destroy, object by object.
    static func text(_ preview: LossesReply) -> String {
        preview.losses.filter { $0.objects != nil || $0.destroys.isEmpty }.map { loss in
            guard loss.objects != nil else {
                return "\(loss.step): " + (loss.obstacles.isEmpty ? "Terraform has nothing left to destroy" : "not known yet")
                    + loss.obstacles.map { "\n  \($0.line)" }.joined()
            }
            return
                (["\(loss.step): \(loss.destroys.count) objects of Terraform's"]
                + loss.destroys.map { "  " + Terminal.paint("DESTROYS \(oneLine($0))", .red) }).joined(separator: "\n")
        }.joined(separator: "\n") + "\n"
    }

    private func ask(_ word: String) throws {
        if let confirm {
            guard confirm == word else { throw Failure(.no, "--confirm \"\(confirm)\" is not \(word); nothing was begun") }
            return
        }
        guard Terminal.isInteractive else {
            throw Failure(.no, "nobody can be asked here; confirm with --confirm \(word), or look with --dry-run")
        }
        Terminal.raw("All of this will be undone. Type \(word) to go on: ")
        guard readLine(strippingNewline: true) == word else { throw Failure(.no, "that is not \(word); nothing was begun") }
    }
}

/// One loss for people.
struct LossText {
    let loss: LossReply
    init(_ loss: LossReply) { self.loss = loss }

    var text: String {
        var lines = ["\(loss.step): \(oneLine(loss.title))  [\(oneLine(loss.state))]"]
        lines += loss.destroys.map { "  " + Terminal.paint("DESTROYS \(oneLine($0))", .red) }
        for reason in loss.obstacles { lines.append("  not yet: \(reason.line)") }
        lines.append(
            "  " + (loss.submitted.map { "warrant \($0) is handed in" } ?? "no warrant yet: `meshgate approve \(loss.step) --key KEY`"))
        return lines.joined(separator: "\n")
    }
}
