// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Gating
import MeshModel
import MeshSystem
import OperatorAPI
import Planning

/// `meshgate status`: where everything stands.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show the coordinator, its nodes and the run.",
        discussion: "Examples:\n  meshgate status\n  meshgate status --output json | jq .run.ending")
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOption

    func run() async throws {
        try await asking(connection) { client in
            let status = try await client.status()
            Terminal.say(output.output == .json ? try CanonicalJSON.text(status) : StatusText(status).text)
        }
    }
}

/// `meshgate apply`: carry the plan out and follow it.
struct ApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Carry the plan out, and follow it until it ends.",
        discussion: """
            Held gates are waited for: the run goes on by itself when they open, and goes on without this command too. The same plan again
            follows the run that is going on; a finished plan changes nothing and says so.

            Examples:
              meshgate apply -f mesh.yaml
              meshgate apply -f mesh.yaml --wait no        start it and return
              meshgate apply -f mesh.yaml --output json    one event per line

            Exit codes: 0 succeeded (or started, with --wait no), 1 failed or refused.
            """)
    @OptionGroup var mesh: MeshOption
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOption
    enum Wait: String, ExpressibleByArgument, CaseIterable { case yes, no }
    @Option(help: "yes follows the run to its end.") var wait: Wait = .yes

    func run() async throws {
        try await asking(connection) { client in
            try await carryOut(try mesh.plan(), through: client, output: output.output, follow: wait == .yes)
        }
    }
}

/// Hands a plan over, and follows its run to the end unless told not to. Anything but success ends with exit code 1.
func carryOut(_ plan: Plan, through client: OperatorClient, output: OutputForm, follow: Bool = true) async throws {
    let reply = try await client.apply(ApplyRequest(plan: plan))
    let printer = RunPrinter(output: output)
    printer.begin(reply)
    guard follow else { return }
    let ending = try await RunFollower(client: client, run: reply.run, printer: printer).follow()
    if ending != "succeeded" { throw Exit.no.code }
}

/// `meshgate stop`: end the run.
struct StopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "End the run: nothing further is started. What is under way ends by itself.",
        discussion: """
            A wipe that was sent to its host is judged there and goes on, or begins when its turn comes, until its warrant ends; \
            those are listed, with what keeps them from beginning.

            Example:
              meshgate stop
            """)
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await asking(connection) { client in
            _ = try await client.stop()
            Terminal.say("the run is stopped; `meshgate apply` starts over and finds what is done")
            // It is stopped, whatever becomes of this look.
            guard let wipes = try? await client.wipes().wipes, let steps = try? await client.status().run?.steps else {
                return Terminal.say("whether wipes were sent before could not be asked: see `meshgate status`")
            }
            if let text = StopText(wipes: wipes, steps: steps).text { Terminal.say(text) }
        }
    }
}

/// What a stop does not stop: wipes that their hosts have already.
struct StopText {
    let wipes: [WipeReply]
    let steps: [StepReply]

    /// `nil` when there are none.
    var text: String? {
        let sent = wipes.compactMap { wipe -> (WipeReply, StepReply)? in
            guard let step = steps.first(where: { $0.id == wipe.step }), ["running", "verifying"].contains(step.state) else { return nil }
            return (wipe, step)
        }
        if sent.isEmpty { return nil }
        var lines = ["not stopped, for the warrant is with the host already:"]
        for (wipe, step) in sent {
            lines.append("  \(wipe.step) (serial \(oneLine(wipe.plannedSerial ?? "none"))): \(Self.stand(of: wipe, step))")
        }
        if sent.contains(where: { !$0.0.throughTalos }) {
            lines.append(
                "`systemctl stop meshgate-wiper` on the host keeps one that waits from beginning, and interrupts one that writes. Otherwise a "
                    + "wipe may begin until its warrant ends")
        }
        return lines.joined(separator: "\n")
    }

    private static func stand(of wipe: WipeReply, _ step: StepReply) -> String {
        if wipe.throughTalos { return "Talos zeroes the disk on \(wipe.node), and goes on to the end" }
        switch step.progress?.phase {
        case .waiting: return "waits on \(wipe.node) until others have ended, and has not begun"
        case .writing, .verifying, .applying: return "goes on on \(wipe.node)" + (step.progress.map { ", \(ProgressText($0).words)" } ?? "")
        case nil: return "was sent to \(wipe.node), and may have begun"
        }
    }
}

/// `meshgate explain STEP`: why it is held.
struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Say why a step is held: which fact is missing, on which node, since when, and what to do.",
        discussion: "Example:\n  meshgate explain mesh/connect")
    @Argument(help: "A step, as `meshgate plan` names it.") var step: String
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOption

    func run() async throws {
        try await asking(connection) { client in
            let reply = try await client.explain(try stepID(step))
            Terminal.say(output.output == .json ? try CanonicalJSON.text(reply) : ExplainText(reply).text)
        }
    }
}

/// `meshgate override`: pass one gate of one step, by name and with a reason.
struct OverrideCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "override", abstract: "Let one gate of one step pass for a while, with a reason that is journaled. Never for a wipe.",
        discussion: "Example:\n  meshgate override talos-west/cilium --gate G-HST-03 --reason 'test bed without NTP' --for 10m")
    @Argument(help: "The step.") var step: String
    @Option(help: "The gate's id, such as G-HST-03.") var gate: String
    @Option(help: "Why. It stays in the journal under your name.") var reason: String
    @Option(name: .customLong("for"), help: "How long it counts.") var life: String = "10m"
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await asking(connection) { client in
            guard let gate = GateID(rawValue: gate) else {
                throw Failure(
                    .usage, "there is no gate \"\(gate)\"; known: \(GateID.allCases.map(\.rawValue).sorted().joined(separator: ", "))")
            }
            guard let life = TimeSpan(life) else { throw Failure(.usage, "--for \"\(life)\" is not \(TimeSpan.form)") }
            _ = try await client.override(OverrideRequest(step: try stepID(step), gate: gate, reason: reason, life: life))
            Terminal.say("gate \(gate.rawValue) of \(step) passes for \(life)")
        }
    }
}

/// `meshgate events`: the feed.
struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Print what happens, one JSON object per line.",
        discussion: "Examples:\n  meshgate events --since 0\n  meshgate events --follow | jq -r .text")
    @Option(help: "From the entry after this number.") var since: UInt64?
    @Flag(help: "Go on until interrupted.") var follow = false
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await asking(connection) { client in
            try await client.events(after: since ?? (follow ? nil : 0), follow: follow) { line in Terminal.say(line) }
        }
    }
}

/// A step of the command line.
func stepID(_ text: String) throws -> StepID {
    guard let id = StepID(text) else { throw Failure(.usage, "\"\(text)\" is not \(StepID.grammar)") }
    return id
}
