// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MeshConfig
import MeshModel
import MeshSystem
import Planning
import Rehearsal

/// `meshgate spec`: the file as it is understood.
struct SpecCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spec", abstract: "Print mesh.yaml with every default filled in.",
        discussion: "Example:\n  meshgate spec -f mesh.yaml > expanded.yaml")
    @OptionGroup var mesh: MeshOption
    @OptionGroup var output: OutputOption

    func run() async throws {
        try await reporting {
            let file = try mesh.read()
            Terminal.say(output.output == .json ? try CanonicalJSON.text(file.spec) : renderSpec(file.spec))
        }
    }
}

/// `meshgate plan`: what would be done.
struct PlanCommand: AsyncParsableCommand {
    enum Form: String, ExpressibleByArgument, CaseIterable { case text, json, mermaid, dot }

    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Print the steps, their gates, and what they would destroy.",
        discussion: """
            Examples:
              meshgate plan -f mesh.yaml
              meshgate plan -f mesh.yaml --output json | jq .digest
              meshgate plan -f mesh.yaml --output dot | dot -Tsvg > plan.svg
            """)
    @OptionGroup var mesh: MeshOption
    @Option(name: [.customShort("o"), .long], help: "text, json, mermaid or dot.") var output: Form = .text
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await reporting {
            let plan = try mesh.plan()
            switch output {
            case .text: Terminal.raw(PlanTree(plan).text { Terminal.paint($0, .red) })
            case .json: Terminal.say(try CanonicalJSON.text(plan))
            case .mermaid: Terminal.raw(PlanGraph.mermaid(plan))
            case .dot: Terminal.raw(PlanGraph.dot(plan))
            }
        }
    }
}

/// `meshgate rehearse`: a script of inputs against the pure rooms.
struct RehearseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rehearse", abstract: "Play a script against the plan with a rehearsed world, and print every decision.",
        discussion: """
            Nothing is touched: machines, clusters and tools are values, and the clock jumps.

            Directions, one a line, in the order of time:
            \(Script.directions)
            Example:
              meshgate rehearse -f mesh.yaml killed.script
            """)
    @OptionGroup var mesh: MeshOption
    @Argument(help: "The script.", completion: .file()) var script: String

    func run() async throws {
        try await reporting {
            let plan = try mesh.plan()
            let text = try readText(script)
            do {
                let play = try Script(parsing: text).play(plan)
                Terminal.say(play.transcript.joined(separator: "\n"))
            } catch {
                throw Failure(.badInput, "\(script): \(error)")
            }
        }
    }
}
