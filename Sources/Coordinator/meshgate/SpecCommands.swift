// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Linting
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

/// `meshgate lint`: what is wrong with the file before anything is touched.
struct LintCommand: AsyncParsableCommand {
    enum Form: String, ExpressibleByArgument, CaseIterable { case text, json, sarif }

    static let configuration = CommandConfiguration(
        commandName: "lint", abstract: "Check mesh.yaml with every rule that needs the file alone.",
        discussion: """
            Examples:
              meshgate lint -f mesh.yaml
              meshgate lint -f mesh.yaml --output sarif > lint.sarif
              meshgate lint --rules

            Exit codes: 0 no errors (warnings allowed), 1 errors, 64 wrong usage, 65 the file cannot be read.
            """)
    @OptionGroup var mesh: MeshOption
    @Option(name: [.customShort("o"), .long], help: "text, json or sarif.") var output: Form = .text
    @Flag(help: "List the rules and end.") var rules = false

    func run() async throws {
        try await reporting {
            if rules {
                for rule in ruleCatalogue { Terminal.say("\(rule.id)  \(rule.severity)  \(rule.summary)") }
                return
            }
            let file = try mesh.read()
            let findings = lint(file.spec)
            switch output {
            case .text: Terminal.say(text(findings, file))
            case .json: Terminal.say(renderJSON(findings, file: mesh.mesh, place: file.sources.place))
            case .sarif: Terminal.say(renderSARIF(findings, file: mesh.mesh, place: file.sources.place))
            }
            if findings.contains(where: { $0.severity == .error }) { throw Exit.no.code }
        }
    }

    private func text(_ findings: [Finding], _ file: MeshFile) -> String {
        let errors = findings.count { $0.severity == .error }
        let warnings = findings.count { $0.severity == .warning }
        let summary =
            findings.isEmpty
            ? Terminal.paint("\(mesh.mesh): nothing to complain about", .green)
            : "\(counted(errors, "error", "errors")), \(counted(warnings, "warning", "warnings"))"
        return renderText(findings, file: mesh.mesh, place: file.sources.place) + summary
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
