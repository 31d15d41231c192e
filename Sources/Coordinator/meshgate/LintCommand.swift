// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Linting
import MeshConfig
import TreeLinting

/// `meshgate lint`: what is wrong with the mesh file, or with a tree of Terraform, scripts and runbooks, before anything is touched.
struct LintCommand: AsyncParsableCommand {
    enum Form: String, ExpressibleByArgument, CaseIterable { case text, json, sarif }

    static let configuration = CommandConfiguration(
        commandName: "lint", abstract: "Check mesh.yaml, or a tree of Terraform, scripts and runbooks.",
        discussion: """
            Examples:
              meshgate lint -f mesh.yaml
              meshgate lint -f mesh.yaml --output sarif > lint.sarif
              meshgate lint -f mesh.yaml --chart cilium-1.18.5.tgz
              meshgate lint --tree . --chart cilium-1.18.5.tgz
              meshgate lint --rules

            With --tree nothing is run and no link is followed; .git and .terraform are left out. A chart archive, as `helm pull cilium/cilium
            --version 1.18.5` leaves it, tells which values the chart reads.

            Exit codes: 0 no errors (warnings allowed), 1 errors, 64 wrong usage, 65 the file or directory cannot be read.
            """)
    @OptionGroup var mesh: MeshOption
    @Option(help: "Check the files beneath a directory instead of a mesh file.", completion: .directory) var tree: String?
    @Option(
        help: "With --tree: the archive of a chart that is installed; may be given several times.", completion: .file(extensions: ["tgz"]))
    var chart: [String] = []
    @Option(name: [.customShort("o"), .long], help: "text, json or sarif.") var output: Form = .text
    @Flag(help: "List the rules and end.") var rules = false

    func run() async throws {
        try await reporting {
            if rules {
                for rule in allRules { Terminal.say("\(rule.id)  \(rule.severity)  \(rule.summary)") }
                return
            }
            if let tree { try lintTree(tree) } else { try lintFile() }
        }
    }

    private func lintFile() throws {
        let file = try mesh.read()
        let findings = inOrder(lint(file.spec) + lintValues(file.spec, charts: try chart.map(readChart)))
        switch output {
        case .text:
            Terminal.say(renderText(findings, file: mesh.mesh, place: file.sources.place) + summary(findings.map(\.severity), mesh.mesh))
        case .json: Terminal.say(renderJSON(findings, file: mesh.mesh, place: file.sources.place))
        case .sarif: Terminal.say(renderSARIF(findings, file: mesh.mesh, rules: allRules, place: file.sources.place))
        }
        if findings.contains(where: { $0.severity == .error }) { throw Exit.no.code }
    }

    private func lintTree(_ directory: String) throws {
        let charts = try chart.map(readChart)
        let findings = lint(try TreeFiles.read(directory), charts: charts, yaml: readTreeYAML)
        // A place that can be opened from here: the directory as it was given, and the path within.
        let prefix = directory == "." ? "" : directory.hasSuffix("/") ? directory : directory + "/"
        let located = findings.map { $0.within(prefix) }
        switch output {
        case .text: Terminal.say(renderText(located) + summary(findings.map(\.severity), directory))
        case .json: Terminal.say(renderJSON(findings, tree: directory))
        case .sarif: Terminal.say(renderSARIF(located, rules: treeRules))
        }
        if findings.contains(where: { $0.severity == .error }) { throw Exit.no.code }
    }

    private func summary(_ severities: [Severity], _ what: String) -> String {
        let errors = severities.count { $0 == .error }
        let warnings = severities.count { $0 == .warning }
        return severities.isEmpty
            ? Terminal.paint("\(what): nothing to complain about", .green)
            : "\(counted(errors, "error", "errors")), \(counted(warnings, "warning", "warnings"))"
    }
}

extension LocatedFinding {
    fileprivate func within(_ prefix: String) -> LocatedFinding {
        LocatedFinding(
            rule: rule, severity: severity, file: prefix + file, line: line, column: column, path: path, message: message, fix: fix)
    }
}
