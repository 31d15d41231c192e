// SPDX-License-Identifier: Apache-2.0

/// Inside of words: quotes, escapes, expansions and substitutions.
extension ShellReader {
    /// One word from here; empty when what stands here begins none.
    mutating func word() -> ShellWord {
        let start = at
        var text: [UInt8] = []
        var quoted = false
        while let byte = peek() {
            switch byte {
            case .ascii("`") where inBackticks:
                return ShellWord(offset: start, text: text.text, isQuoted: quoted)
            case 0x20, 0x09, 0x0D, 0x0A, .ascii(";"), .ascii("&"), .ascii("|"), .ascii(")"):
                return ShellWord(offset: start, text: text.text, isQuoted: quoted)
            case .ascii("("):
                // `<(...)` is a substitution; `NAME=(a b)` and patterns such as `@(a|b)` are texts.
                guard let last = text.last, [UInt8]("=<>@+?*!".utf8).contains(last) else {
                    return ShellWord(offset: start, text: text.text, isQuoted: quoted)
                }
                if last == .ascii("<") || last == .ascii(">") {
                    let opened = at
                    substitution(from: at + 1, closer: .ascii(")"))
                    text += bytes[opened..<at]
                } else {
                    text += balanced(from: at)
                }
            case .ascii("<"), .ascii(">"):
                guard peek(1) == .ascii("("), text.isEmpty else { return ShellWord(offset: start, text: text.text, isQuoted: quoted) }
                text.append(byte)
                at += 1
            case .ascii("'"):
                quoted = true
                text += single()
            case .ascii("\""):
                quoted = true
                text += double()
            case .ascii("\\"):
                let before = at
                if escape(into: &text) { return ShellWord(offset: start, text: text.text, isQuoted: quoted) }
                if at == before { at += 1 }
            case .ascii("$"), .ascii("`"): text += dollar()
            default:
                text.append(byte)
                at += 1
            }
        }
        return ShellWord(offset: start, text: text.text, isQuoted: quoted)
    }

    /// Takes a backslash and what it protects. True when the word ends here, because a line end follows and with it a blank.
    private mutating func escape(into text: inout [UInt8]) -> Bool {
        guard let next = peek(1) else {
            script.danglings.append(DanglingBackslash(offset: at, kind: .beforeBlankLine))
            at += 1
            return false
        }
        if next == 0x0A || (next == 0x0D && peek(2) == 0x0A) {
            let start = at
            at += next == 0x0A ? 2 : 3
            judge(continuationAt: start)
            return false
        }
        if next.isBlank {
            // A blank behind the backslash looks like a continuation and is none.
            var index = at + 1
            while index < end, bytes[index].isBlank { index += 1 }
            if index < end, bytes[index] == 0x0A, text.isEmpty {
                script.danglings.append(DanglingBackslash(offset: at, kind: .blankBehind))
            }
        }
        text.append(next)
        at += 2
        return false
    }

    private mutating func single() -> [UInt8] {
        let start = at
        at += 1
        let body = at
        while let byte = peek(), byte != .ascii("'") { _ = byte; at += 1 }
        guard at < end else {
            fault("this quote is not closed", at: start)
            return toLineEnd(from: body)
        }
        at += 1
        return Array(bytes[body..<(at - 1)])
    }

    /// What is not closed ends with its line, so that one slip does not swallow the rest of the script.
    private mutating func toLineEnd(from body: Int) -> [UInt8] {
        at = body
        while let byte = peek(), byte != 0x0A { _ = byte; at += 1 }
        return Array(bytes[body..<at])
    }

    private mutating func double() -> [UInt8] {
        let start = at
        at += 1
        let body = at
        var text: [UInt8] = []
        while let byte = peek() {
            switch byte {
            case .ascii("`") where inBackticks: return text
            case .ascii("\""):
                at += 1
                return text
            case .ascii("\\"):
                guard let next = peek(1) else { at += 1; continue }
                if [UInt8]("\"\\$`".utf8).contains(next) { text.append(next) } else if next != 0x0A { text += [byte, next] }
                at += 2
            case .ascii("$"), .ascii("`"): text += dollar()
            default:
                text.append(byte)
                at += 1
            }
        }
        fault("this quote is not closed", at: start)
        return toLineEnd(from: body)
    }

    /// `$NAME`, `${...}`, `$(...)`, `$((...))` and backticks.
    private mutating func dollar() -> [UInt8] {
        let start = at
        if peek() == .ascii("`") {
            substitution(from: at + 1, closer: .ascii("`"))
            return Array(bytes[start..<at])
        }
        guard let next = peek(1) else {
            at += 1
            return [.ascii("$")]
        }
        switch next {
        case .ascii("{"):
            at += 1
            return [.ascii("$")] + balanced(from: at)
        case .ascii("("):
            if peek(2) == .ascii("(") {
                at += 1
                return [.ascii("$")] + balanced(from: at)
            }
            substitution(from: at + 2, closer: .ascii(")"))
            return Array(bytes[start..<at])
        case _ where next.isLetter || next == .ascii("_"):
            at += 1
            let name = at
            while let byte = peek(), byte.isLetter || byte.isDigit || byte == .ascii("_") { at += 1 }
            return Array("${".utf8) + bytes[name..<at] + [.ascii("}")]
        case _ where next.isDigit || [UInt8]("@*#?$!-".utf8).contains(next):
            at += 2
            return Array("${".utf8) + [next, .ascii("}")]
        default:
            at += 1
            return [.ascii("$")]
        }
    }

    private func endOfQuote(from opened: Int) -> Int? {
        var index = opened + 1
        while index < end {
            if bytes[index] == bytes[opened] { return index }
            if bytes[opened] == .ascii("\""), bytes[index] == .ascii("\\") { index += 1 }
            index += 1
        }
        return nil
    }

    /// From a bracket to the one that closes it; to the end of the line when there is none. Quotes protect parentheses, but not the braces of `${...}`,
    /// where they may be text.
    private mutating func balanced(from opened: Int) -> [UInt8] {
        let (open, close): (UInt8, UInt8) = bytes[opened] == .ascii("{") ? (.ascii("{"), .ascii("}")) : (.ascii("("), .ascii(")"))
        var depth = 0
        var index = opened
        while index < end {
            let byte = bytes[index]
            if byte == .ascii("\\") {
                index += 1
            } else if open == .ascii("("), byte == .ascii("'") || byte == .ascii("\"") {
                guard let close = endOfQuote(from: index) else { break }
                index = close
            } else if byte == open {
                depth += 1
            } else if byte == close {
                depth -= 1
                if depth == 0 {
                    at = index + 1
                    return Array(bytes[opened..<at])
                }
            }
            index += 1
        }
        fault("this bracket is not closed", at: opened)
        return toLineEnd(from: opened)
    }
}
