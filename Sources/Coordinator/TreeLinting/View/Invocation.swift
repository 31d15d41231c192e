// SPDX-License-Identifier: Apache-2.0

internal import Linting

/// A program that a script or a runbook calls, with wrappers such as `sudo` and `doppler run --` taken off and the script's constants filled in.
struct Invocation {
    struct Argument {
        let text: String
        let spot: Spot
    }
    enum Origin: Equatable {
        case script
        /// A command in a page; only told as a warning, because a page runs nothing.
        case page
    }
    let program: String
    let arguments: [Argument]
    let spot: Spot
    let command: ShellCommand
    let origin: Origin

    /// The severity of what is wrong with a call: a page runs nothing, so it is at most a warning there.
    func atMost(_ severity: Severity) -> Severity { origin == .page && severity == .error ? .warning : severity }

    var words: [String] { arguments.map(\.text) }

    /// The words that are no options, from the front: `["clustermesh", "connect"]`. Values of options with a blank before them may be among them.
    var verbs: [String] { words.prefix { !$0.hasPrefix("-") } }

    func starts(with words: String...) -> Bool { self.words.starts(with: words) }

    /// The values of an option under any of its names: `--context x`, `--context=x`.
    func values(_ names: String...) -> [Argument] {
        var found: [Argument] = []
        for (index, argument) in arguments.enumerated() {
            for name in names {
                if argument.text == name {
                    let next = index + 1 < arguments.count ? arguments[index + 1] : nil
                    if let next { found.append(next) } else { found.append(Argument(text: "", spot: argument.spot)) }
                } else if argument.text.hasPrefix(name + "="), name.hasPrefix("-") {
                    found.append(Argument(text: String(argument.text.dropFirst(name.count + 1)), spot: argument.spot))
                }
            }
        }
        return found
    }

    func has(_ names: String...) -> Bool {
        arguments.contains { argument in names.contains { argument.text == $0 || argument.text.hasPrefix($0 + "=") } }
    }
}

/// A script, or the commands of a page, with what its variables are known to be.
struct Script {
    let path: String
    let shell: ShellScript
    let origin: Invocation.Origin
    /// Moves places of a snippet to where it stands in its page.
    let base: SourcePlace?
    /// Variables that get one plain text and no other.
    let constants: [String: String]

    init(path: String, shell: ShellScript, origin: Invocation.Origin, base: SourcePlace? = nil) {
        self.path = path
        self.shell = shell
        self.origin = origin
        self.base = base
        var values: [String: String?] = [:]
        for assignment in shell.commands.flatMap(\.assignments) + shell.commands.flatMap(exported) {
            values[assignment.name] =
                values[assignment.name] == nil && isPlain(assignment.value.text) ? .some(assignment.value.text) : .some(nil)
        }
        constants = values.compactMapValues { $0 }
    }

    func spot(_ offset: Int) -> Spot {
        let place = shell.source.place(offset)
        guard let base else { return Spot(file: path, place: place) }
        let column = place.line == 1 ? base.column + place.column - 1 : place.column
        return Spot(file: path, place: SourcePlace(line: base.line + place.line - 1, column: column))
    }

    /// With `${NAME}` replaced where NAME is a constant.
    func expand(_ text: String) -> String {
        guard text.utf8.contains(.ascii("$")) else { return text }
        var result = ""
        var rest = text[...]
        while let open = rest.firstRange(of: "${") {
            guard let close = rest[open.upperBound...].firstIndex(of: "}") else { break }
            result += rest[..<open.lowerBound]
            let name = String(rest[open.upperBound..<close])
            result += constants[name] ?? "${\(name)}"
            rest = rest[rest.index(after: close)...]
        }
        return result + rest
    }

    var invocations: [Invocation] {
        shell.commands.compactMap { command in
            var words = command.words[...]
            unwrap(&words)
            guard let first = words.first, !first.text.isEmpty else { return nil }
            return Invocation(
                program: basename(first.text),
                arguments: words.dropFirst().map { Invocation.Argument(text: expand($0.text), spot: spot($0.offset)) },
                spot: spot(first.offset), command: command, origin: origin)
        }
    }

    private func unwrap(_ words: inout ArraySlice<ShellWord>) {
        for _ in 0..<4 {
            guard let first = words.first else { return }
            switch basename(first.text) {
            case "sudo", "nohup", "exec", "command", "time", "env", "nice":
                words = words.dropFirst()
                while let next = words.first, next.text.hasPrefix("-") || next.text.contains("=") { words = words.dropFirst() }
            case "timeout": words = words.dropFirst(2)
            case "doppler", "aws-vault", "op", "chamber", "infisical":
                guard let dashes = words.firstIndex(where: { $0.text == "--" }) else { return }
                words = words[(dashes + 1)...]
            default: return
            }
        }
    }
}

/// `export NAME=value` and its like, which are words of a command and not assignments in front of one.
func exported(_ command: ShellCommand) -> [ShellAssignment] {
    guard ["export", "declare", "local", "readonly", "typeset"].contains(command.name) else { return [] }
    return command.words.dropFirst().compactMap { word in
        guard let equals = word.text.firstIndex(of: "=") else { return nil }
        let value = ShellWord(offset: word.offset, text: String(word.text[word.text.index(after: equals)...]), isQuoted: word.isQuoted)
        return ShellAssignment(offset: word.offset, name: String(word.text[..<equals]), value: value)
    }
}

private func isPlain(_ text: String) -> Bool { !text.utf8.contains { $0 == .ascii("$") || $0 == .ascii("`") } }
