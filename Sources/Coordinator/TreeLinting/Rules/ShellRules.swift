// SPDX-License-Identifier: Apache-2.0

import Linting

/// L-SH-1
func danglingBackslashes(_ view: TreeView) -> [LocatedFinding] {
    view.scripts.flatMap { script in
        script.shell.danglings.map { dangling in
            let message =
                switch dangling.kind {
                case .beforeBlankLine:
                    "a backslash ends this command and nothing follows; the next line that is added here becomes part of it"
                case .beforeComment: "the next line is a comment, so the command ends there and whatever follows is a command of its own"
                case .blankBehind: "a blank behind the backslash ends the command; the next line is a command of its own"
                }
            return finding("L-SH-1", .warning, script.spot(dangling.offset), message)
        }
    }
}

private let changingPrograms: Set<String> = [
    "terraform", "tofu", "kubectl", "helm", "cilium", "talosctl", "doppler", "ansible-playbook", "ansible", "qm", "pvesh", "curl", "wipefs",
    "flux", "vault",
]

/// L-SH-2
func scriptsStopAtErrors(_ view: TreeView) -> [LocatedFinding] {
    view.scripts.compactMap { script in
        let steps = script.invocations.filter { changingPrograms.contains($0.program) && $0.command.nesting == 0 && !$0.command.readsPipe }
        guard steps.count > 1, !stopsAtErrors(script) else { return nil }
        return finding(
            "L-SH-2", .warning, steps[1].spot,
            "this runs even when the command before it failed, and the script then ends as if all went well",
            fix: "set -euo pipefail at the top")
    }
}

private func stopsAtErrors(_ script: Script) -> Bool {
    let first = script.shell.source.line(1).text
    if first.hasPrefix("#!"), first.split(separator: " ").dropFirst().contains(where: { $0.hasPrefix("-") && $0.contains("e") }) {
        return true
    }
    return script.shell.commands.contains { command in
        guard command.name == "set" else { return false }
        let words = command.words.map(\.text)
        return words.contains { $0.hasPrefix("-") && !$0.hasPrefix("--") && $0.contains("e") } || words.contains("errexit")
    }
}

/// L-SH-3
func exportsReachSomebody(_ view: TreeView) -> [LocatedFinding] {
    view.scripts.flatMap { script -> [LocatedFinding] in
        var found: [LocatedFinding] = []
        let outer = script.shell.commands.filter { $0.nesting == 0 && !$0.readsPipe }
        let exports = outer.filter { $0.name == "export" }
        let others = outer.filter { command in !["export", "set", "echo", "printf", ":"].contains(command.name ?? "export") }
        let saysSourced = script.shell.commands.contains { command in
            command.words.contains { $0.text.contains("BASH_SOURCE") } || command.name == "return"
        }
        if let first = exports.first, others.isEmpty, !saysSourced {
            found.append(
                finding(
                    "L-SH-3", .warning, script.spot(first.offset),
                    "what this script exports is gone when it ends, unless it is sourced",
                    fix: "(return 0 2>/dev/null) || { echo \"source me\"; exit 1; }"))
        }
        let cut = script.shell.commands.first { command in
            command.name == "awk" && command.words.contains { $0.text.contains("substr(") && $0.text.contains("length(") }
        }
        if let cut {
            found.append(
                finding(
                    "L-SH-3", .warning, script.spot(cut.offset),
                    "cutting off the first and last character takes quotes from one yq and letters from the other", fix: "yq -r"))
        }
        return found
    }
}

/// L-SH-4
func credentialsReplacedWhole(_ view: TreeView) -> [LocatedFinding] {
    view.scripts.flatMap { script in
        script.shell.commands.compactMap { command -> LocatedFinding? in
            guard !command.words.isEmpty, !["echo", "printf", ":"].contains(command.name),
                let redirection = command.redirections.first(where: { $0.truncates && isCredentialName($0.target.text) })
            else { return nil }
            let target = script.expand(redirection.target.text)
            guard ![".new", ".tmp", ".part"].contains(where: { target.hasSuffix($0) }), !target.hasPrefix("${") else { return nil }
            return finding(
                "L-SH-4", .warning, script.spot(redirection.offset),
                "\"\(target)\" is emptied before the command has succeeded, and can be read by everybody until its mode is set",
                fix: "umask 077, write to a new file, then mv")
        }
    }
}

/// L-ARG-1
func argumentsChecked(_ view: TreeView) -> [LocatedFinding] {
    view.scripts.flatMap { script -> [LocatedFinding] in
        let commands = script.shell.commands
        let (used, checked) = (usedVariables(commands), checkedVariables(commands))
        return commands.flatMap { command -> [LocatedFinding] in
            guard let arm = command.arm else { return [] }
            return command.assignments.compactMap { assignment -> LocatedFinding? in
                let name = assignment.name
                guard ["${2}", "${OPTARG}"].contains(assignment.value.text) || assignment.value.text.hasPrefix("${1#"),
                    used.contains(name), !checked.contains(name)
                else { return nil }
                let option = script.shell.arms[arm].patterns.first ?? ""
                return finding(
                    "L-ARG-1", .warning, script.spot(assignment.offset),
                    "option \(option) is needed and nothing checks that it was given; without it \(name) is empty and the script goes on",
                    fix: ": \"${\(name):?\(option) is needed}\"")
            }
        }
    }
}

/// Names in `${NAME}` and `${NAME:...}`, with what follows the name.
private func expansions(_ text: String) -> [(name: Substring, rest: Substring)] {
    text.split(separator: "${", omittingEmptySubsequences: false).dropFirst().map { part in
        let name = part.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        return (name, part[name.endIndex...])
    }
}

/// Variables on which something depends that is not only printed.
private func usedVariables(_ commands: [ShellCommand]) -> Set<String> {
    var found: Set<String> = []
    for command in commands where command.name != "echo" && command.name != "printf" {
        for word in command.words + command.assignments.map(\.value) {
            for (name, rest) in expansions(word.text) where rest.first == "}" { found.insert(String(name)) }
        }
    }
    return found
}

/// Variables that have a default, before or by `:-` and the like, are demanded by `:?`, or are looked at in a test.
private func checkedVariables(_ commands: [ShellCommand]) -> Set<String> {
    var found: Set<String> = []
    for command in commands {
        if command.arm == nil {
            for assignment in command.assignments where !assignment.value.text.isEmpty { found.insert(assignment.name) }
        }
        let isTest = ["[", "[[", "test"].contains(command.name)
        for word in command.words + command.assignments.map(\.value) {
            for (name, rest) in expansions(word.text) where isTest || (rest.first.map { ":?=-".contains($0) } ?? false) {
                found.insert(String(name))
            }
        }
    }
    return found
}
