// SPDX-License-Identifier: Apache-2.0

/// Reads bash as scripts and runbooks write it: simple commands with their words, where they stand, and what they are redirected to. Runs nothing
/// and expands nothing. Never fails: what is not closed is a fault, and reading goes on at the next line.
package struct ShellReader {
    static let deepest = 24
    static let mostFaults = 20

    let bytes: [UInt8]
    var at: Int
    let end: Int
    var script: ShellScript
    private var nesting: Int

    private var command: ShellCommand
    private var previousPiped = false
    private var cases: [OpenCase] = []
    /// Heredocs whose bodies begin after this line.
    private var pending: [(word: [UInt8], indented: Bool)] = []
    private var inner = 0
    /// Inside of backticks a backtick is an end and no beginning.
    var inBackticks = false

    private struct OpenCase {
        let subject: String
        var readsPatterns: Bool
        var arm: Int?
    }

    package static func read(_ text: String) -> ShellScript { read(SourceText(text)) }

    package static func read(_ source: SourceText) -> ShellScript {
        var reader = ShellReader(source: source)
        reader.list(until: nil)
        reader.script.commands.sort { ($0.offset, $0.nesting) < ($1.offset, $1.nesting) }
        return reader.script
    }

    private init(source: SourceText) {
        (bytes, at, end, nesting) = (source.bytes, 0, source.bytes.count, 0)
        script = ShellScript(source: source)
        command = ShellCommand(offset: 0)
    }

    func peek(_ ahead: Int = 0) -> UInt8? { at + ahead < end ? bytes[at + ahead] : nil }

    mutating func fault(_ problem: String, at offset: Int) {
        guard script.faults.count < Self.mostFaults else { return }
        script.faults.append(ReadFault(offset: offset, problem: problem))
    }

    /// Commands until the end, or until the bracket that closes a substitution. Leaves `at` behind it.
    private mutating func list(until closer: UInt8?) {
        command = ShellCommand(offset: at, nesting: nesting)
        var parens = 0
        while let byte = peek() {
            if let closer, byte == closer, closer == .ascii("`") || parens == 0, !readsPatterns {
                at += 1
                finish(piped: false)
                return
            }
            switch byte {
            case 0x20, 0x09, 0x0D: at += 1
            case .ascii("\\") where isLineEnd(at + 1): continuation()
            case 0x0A:
                at += 1
                finish(piped: false)
                skipHeredocs()
            case .ascii("#"): while let byte = peek(), byte != 0x0A { _ = byte; at += 1 }
            case .ascii(";"): semicolons()
            case .ascii("&") where peek(1) != .ascii(">"):
                at += peek(1) == .ascii("&") ? 2 : 1
                finish(piped: false)
            case .ascii("|"):
                if peek(1) == .ascii("|") {
                    at += 2
                    finish(piped: false)
                } else {
                    at += peek(1) == .ascii("&") ? 2 : 1
                    if !readsPatterns { finish(piped: true) }
                }
            case .ascii("("):
                if peek(1) == .ascii("("), command.words.isEmpty {
                    arithmetic()
                } else {
                    if readsPatterns { at += 1; continue }
                    at += 1
                    parens += 1
                    if command.words.count == 1, peek() == .ascii(")") { command.words = [] } else { finish(piped: false) }
                    inner += 1
                }
            case .ascii(")"):
                at += 1
                if readsPatterns {
                    endPatterns()
                } else {
                    parens = max(0, parens - 1)
                    inner = max(0, inner - 1)
                    finish(piped: false)
                }
            default: part()
            }
        }
        finish(piped: false)
        if closer != nil { fault("this substitution is not closed", at: command.offset) }
    }

    private var readsPatterns: Bool { cases.last?.readsPatterns ?? false }

    private func isLineEnd(_ index: Int) -> Bool {
        index >= end || bytes[index] == 0x0A || (bytes[index] == 0x0D && index + 1 < end && bytes[index + 1] == 0x0A)
    }

    private mutating func semicolons() {
        at += 1
        let double = peek() == .ascii(";") || peek() == .ascii("&")
        while peek() == .ascii(";") || peek() == .ascii("&") { at += 1 }
        finish(piped: false)
        if double, !cases.isEmpty {
            cases[cases.count - 1].readsPatterns = true
            cases[cases.count - 1].arm = nil
        }
    }

    /// `((...))` as a command.
    private mutating func arithmetic() {
        let start = at
        while let byte = peek(), byte != 0x0A {
            at += 1
            if byte == .ascii(")"), peek() == .ascii(")") {
                at += 1
                return
            }
        }
        fault("this \"((\" is not closed", at: start)
    }

    /// A backslash at the end of a line: the next line belongs to this one.
    private mutating func continuation() {
        let start = at
        at += 1
        while let byte = peek(), byte == 0x0D { _ = byte; at += 1 }
        guard peek() == 0x0A else { return }
        at += 1
        judge(continuationAt: start)
    }

    mutating func judge(continuationAt start: Int) {
        var index = at
        while index < end, bytes[index].isBlank { index += 1 }
        if index >= end || bytes[index] == 0x0A {
            script.danglings.append(DanglingBackslash(offset: start, kind: .beforeBlankLine))
        } else if bytes[index] == .ascii("#") {
            script.danglings.append(DanglingBackslash(offset: start, kind: .beforeComment))
        }
    }

    // MARK: - Words and redirections

    private mutating func part() {
        if let sign = redirection() {
            let start = at - sign.utf8.count
            while let byte = peek(), byte == 0x20 || byte == 0x09 { _ = byte; at += 1 }
            if sign.hasSuffix("<<") || sign.hasSuffix("<<-") { return heredoc(indented: sign.hasSuffix("-")) }
            let target = word()
            if command.words.isEmpty, command.assignments.isEmpty, command.redirections.isEmpty { command.offset = start }
            command.redirections.append(ShellRedirection(offset: start, sign: sign, target: target))
            return
        }
        let before = at
        let word = word()
        // No progress would be no end: a byte that begins nothing is left out.
        if at == before {
            at += 1
            return
        }
        if readsPatterns { return pattern(word) }
        if command.words.isEmpty, take(keywordOrAssignment: word) { return }
        if command.words.isEmpty, command.assignments.isEmpty { command.offset = word.offset }
        command.words.append(word)
        if command.words.count == 1, word.text == "[[", !word.isQuoted { condition() }
        if word.text == "in", command.words.count == 3, command.name == "case" { openCase() }
    }

    /// `[[ ... ]]`: its signs are no redirections.
    private mutating func condition() {
        while let byte = peek(), byte != 0x0A {
            if byte.isBlank || byte == .ascii("(") || byte == .ascii(")") || byte == .ascii("<") || byte == .ascii(">") {
                at += 1
            } else if byte == .ascii("&") || byte == .ascii("|") || byte == .ascii(";") {
                at += 1
            } else {
                let before = at
                let word = word()
                if at == before { at += 1 }
                command.words.append(word)
                if word.text == "]]" { return }
            }
        }
    }

    private mutating func redirection() -> String? {
        var index = at
        while index < end, bytes[index].isDigit { index += 1 }
        if index < end, bytes[index] == .ascii("&"), index + 1 < end, bytes[index + 1] == .ascii(">") { index += 1 }
        guard index < end, bytes[index] == .ascii("<") || bytes[index] == .ascii(">") else { return nil }
        let first = bytes[index]
        index += 1
        // `<(...)` is a word.
        if index < end, bytes[index] == .ascii("(") { return nil }
        while index < end, bytes[index] == first || bytes[index] == .ascii("|") || bytes[index] == .ascii("&"),
            index - at < 5
        {
            index += 1
        }
        if bytes[at..<index].suffix(2).elementsEqual("<<".utf8), index < end, bytes[index] == .ascii("-") { index += 1 }
        defer { at = index }
        return bytes[at..<index].text
    }

    private mutating func heredoc(indented: Bool) {
        let word = word()
        pending.append((Array(word.text.utf8), indented))
    }

    private mutating func skipHeredocs() {
        for (word, indented) in pending {
            var found = false
            while at < end, !found {
                var stop = at
                while stop < end, bytes[stop] != 0x0A { stop += 1 }
                var line = bytes[at..<stop]
                if line.last == 0x0D { line = line.dropLast() }
                if indented { line = line.drop { $0 == 0x09 } }
                found = line.elementsEqual(word)
                at = min(stop + 1, end)
            }
            if !found { fault("this heredoc has no line with \"\(word.text)\"", at: end) }
        }
        pending = []
    }

    // MARK: - Structure

    private mutating func take(keywordOrAssignment word: ShellWord) -> Bool {
        if let assignment = assignment(word) {
            if command.assignments.isEmpty { command.offset = word.offset }
            command.assignments.append(assignment)
            return true
        }
        guard !word.isQuoted else { return false }
        switch word.text {
        case "if", "while", "until", "{": inner += 1
        case "fi", "done", "}": inner = max(0, inner - 1)
        case "then", "elif", "else", "do", "!", "time", "function", "coproc": break
        case "esac":
            if !cases.isEmpty { cases.removeLast() }
            inner = max(0, inner - 1)
        default:
            if word.text == "for" || word.text == "select" || word.text == "case" { inner += 1 }
            return false
        }
        return true
    }

    private func assignment(_ word: ShellWord) -> ShellAssignment? {
        let text = word.text.utf8
        guard let equals = text.firstIndex(of: .ascii("=")) else { return nil }
        var name = text[..<equals]
        if name.last == .ascii("+") { name = name.dropLast() }
        if let bracket = name.firstIndex(of: .ascii("[")) { name = name[..<bracket] }
        guard let first = name.first, first.isLetter || first == .ascii("_"),
            name.allSatisfy({ $0.isLetter || $0.isDigit || $0 == .ascii("_") })
        else { return nil }
        let value = String(decoding: text[text.index(after: equals)...], as: UTF8.self)
        return ShellAssignment(
            offset: word.offset, name: String(decoding: name, as: UTF8.self),
            value: ShellWord(offset: word.offset, text: value, isQuoted: word.isQuoted))
    }

    private mutating func openCase() {
        cases.append(OpenCase(subject: command.words[1].text, readsPatterns: true, arm: nil))
        command = ShellCommand(offset: at, nesting: nesting)
        patterns = []
    }

    private var patterns: [ShellWord] = []

    private mutating func pattern(_ word: ShellWord) {
        if word.text == "esac", !word.isQuoted, patterns.isEmpty {
            cases.removeLast()
            inner = max(0, inner - 1)
            return
        }
        patterns.append(word)
    }

    private mutating func endPatterns() {
        guard let last = cases.indices.last else { return }
        script.arms.append(
            ShellArm(offset: patterns.first?.offset ?? at, subject: cases[last].subject, patterns: patterns.map(\.text)))
        patterns = []
        cases[last].readsPatterns = false
        cases[last].arm = script.arms.count - 1
        command = ShellCommand(offset: at, nesting: nesting)
    }

    private mutating func finish(piped: Bool) {
        if readsPatterns { return }
        let isEmpty = command.words.isEmpty && command.assignments.isEmpty && command.redirections.isEmpty
        if !isEmpty {
            command.isPiped = piped
            command.readsPipe = previousPiped
            command.arm = cases.last?.arm
            command.isInner = inner > 0 || nesting > 0
            script.commands.append(command)
            previousPiped = piped
        }
        command = ShellCommand(offset: at, nesting: nesting)
    }

    /// The commands of a substitution are commands of the script, one level further in.
    mutating func substitution(from body: Int, closer: UInt8) {
        guard nesting < Self.deepest else {
            fault("substitutions nest more than \(Self.deepest) deep here", at: at)
            at = end
            return
        }
        let outer = (command, previousPiped, cases, pending, inner, patterns, inBackticks)
        at = body
        nesting += 1
        (previousPiped, cases, pending, patterns, inBackticks) = (false, [], [], [], closer == .ascii("`"))
        list(until: closer)
        nesting -= 1
        (command, previousPiped, cases, pending, inner, patterns, inBackticks) = outer
    }
}
