// SPDX-License-Identifier: Apache-2.0

extension HCLReader {
    private static let operators: Set<UInt8> = Set("+-*/%=!<>&|?:".utf8)

    /// Operands one after another: which operator binds stronger is of no interest to somebody who does not evaluate.
    mutating func expression() throws(Fault) -> HCLExpression {
        try enter(at)
        defer { depth -= 1 }
        try skipSpace()
        let start = at
        var operands = [try operand()]
        // `:` belongs to a condition only after its `?`: in an object it separates key and value.
        var questions = 0
        while true {
            try skipSpace()
            guard let byte = peek(), Self.operators.contains(byte), !startsComment else { break }
            if byte == .ascii("=") {
                guard peek(1) == .ascii("=") else { break }
            } else if byte == .ascii(":") {
                guard questions > 0 else { break }
                questions -= 1
            } else if byte == .ascii("?") {
                questions += 1
            }
            at += 1
            while let next = peek(), next == .ascii("=") || next == .ascii("&") || next == .ascii("|") { at += 1 }
            // After an operator the value may stand on the next line only inside brackets, as in Terraform.
            try skipSpace()
            operands.append(try operand())
        }
        if operands.count == 1 { return operands[0] }
        return HCLExpression(offset: start, kind: .compound(operands))
    }

    private mutating func operand() throws(Fault) -> HCLExpression {
        while let byte = peek(), byte == .ascii("!") || byte == .ascii("-") {
            at += 1
            try skipSpace()
        }
        let start = at
        let term = try term()
        let steps = try steps()
        guard !steps.isEmpty else { return term }
        if case .reference(let reference) = term.kind {
            let whole = HCLReference(root: reference.root, steps: steps, offset: start)
            return HCLExpression(offset: start, kind: .reference(whole))
        }
        var parts = [term]
        for case .index(let value) in steps { parts.append(value) }
        return HCLExpression(offset: start, kind: .compound(parts))
    }

    private mutating func steps() throws(Fault) -> [HCLReference.Step] {
        var steps: [HCLReference.Step] = []
        while true {
            if peek() == .ascii("."), peek(1) != .ascii(".") {
                at += 1
                // In brackets the name may stand on the next line.
                try skipSpace()
                guard let next = peek() else { throw fault("a name was expected here") }
                if next == .ascii("*") {
                    at += 1
                    steps.append(.all)
                } else if next.isDigit {
                    let start = at
                    while let byte = peek(), byte.isDigit { at += 1 }
                    steps.append(.index(HCLExpression(offset: start, kind: .number(bytes[start..<at].text))))
                } else {
                    steps.append(.name(try identifier()))
                }
            } else if peek() == .ascii("[") {
                at += 1
                steps.append(try index())
            } else {
                return steps
            }
        }
    }

    private mutating func index() throws(Fault) -> HCLReference.Step {
        let opened = at - 1
        let outer = ignoresLines
        ignoresLines = true
        defer { ignoresLines = outer }
        try skipSpace()
        if peek() == .ascii("*") {
            at += 1
            try close("]", opened)
            return .all
        }
        let value = try expression()
        try close("]", opened)
        return .index(value)
    }

    private mutating func close(_ bracket: Unicode.Scalar, _ opened: Int) throws(Fault) {
        try skipLines()
        guard peek() == .ascii(bracket) else {
            throw peek() == nil ? fault("this bracket is not closed", at: opened) : fault("\"\(bracket)\" was expected here")
        }
        at += 1
    }

    private mutating func term() throws(Fault) -> HCLExpression {
        let start = at
        guard let byte = peek() else { throw fault("a value was expected here") }
        switch byte {
        case .ascii("\""):
            at += 1
            return HCLExpression(offset: start, kind: .text(try template(until: .quote(start)), body: nil))
        case .ascii("<") where peek(1) == .ascii("<"): return try heredoc()
        case .ascii("["): return try list()
        case .ascii("{"): return try object()
        case .ascii("("):
            at += 1
            let outer = ignoresLines
            ignoresLines = true
            defer { ignoresLines = outer }
            let inner = try expression()
            try close(")", start)
            return inner
        case _ where byte.isDigit: return number()
        default: return try word()
        }
    }

    private mutating func number() -> HCLExpression {
        let start = at
        while let byte = peek(), byte.isDigit || (byte == .ascii(".") && peek(1)?.isDigit == true) { at += 1 }
        if let byte = peek(), byte | 0x20 == .ascii("e"), let next = peek(1), next.isDigit || next == .ascii("-") || next == .ascii("+") {
            at += 2
            while let byte = peek(), byte.isDigit { at += 1 }
        }
        return HCLExpression(offset: start, kind: .number(bytes[start..<at].text))
    }

    private mutating func word() throws(Fault) -> HCLExpression {
        let start = at
        var name = try identifier()
        while peek() == .ascii(":"), peek(1) == .ascii(":") {
            at += 2
            name += "::" + (try identifier())
        }
        if peek() == .ascii("(") {
            return HCLExpression(offset: start, kind: .call(name, try arguments()))
        }
        switch name {
        case "true": return HCLExpression(offset: start, kind: .bool(true))
        case "false": return HCLExpression(offset: start, kind: .bool(false))
        case "null": return HCLExpression(offset: start, kind: .null)
        default: return HCLExpression(offset: start, kind: .reference(HCLReference(root: name, steps: [], offset: start)))
        }
    }

    private mutating func arguments() throws(Fault) -> [HCLExpression] {
        let opened = at
        at += 1
        let outer = ignoresLines
        ignoresLines = true
        defer { ignoresLines = outer }
        return try sequence(closedBy: ")", opened)
    }

    private mutating func sequence(closedBy bracket: Unicode.Scalar, _ opened: Int) throws(Fault) -> [HCLExpression] {
        var items: [HCLExpression] = []
        while true {
            try skipLines()
            guard let byte = peek() else { throw fault("this bracket is not closed", at: opened) }
            if byte == .ascii(bracket) {
                at += 1
                return items
            }
            items.append(try expression())
            try skipLines()
            while peek() == .ascii(".") { at += 1 }  // `list...`
            try skipLines()
            if peek() == .ascii(",") {
                at += 1
            } else if peek() != .ascii(bracket) {
                throw fault("\",\" or \"\(bracket)\" was expected here")
            }
        }
    }

    private mutating func list() throws(Fault) -> HCLExpression {
        let start = at
        at += 1
        let outer = ignoresLines
        ignoresLines = true
        defer { ignoresLines = outer }
        try skipLines()
        if startsFor { return HCLExpression(offset: start, kind: .compound(try loop(closedBy: "]", start))) }
        return HCLExpression(offset: start, kind: .list(try sequence(closedBy: "]", start)))
    }

    private var startsFor: Bool {
        guard bytes[at...].starts(with: "for".utf8), let next = peek(3) else { return false }
        return next.isBlank || next == 0x0A
    }

    /// `for k, v in collection : key => value... if condition`; the parts in order, the loop's own names left out.
    private mutating func loop(closedBy bracket: Unicode.Scalar, _ opened: Int) throws(Fault) -> [HCLExpression] {
        ignoresLines = true
        at += 3
        try skipLines()
        _ = try identifier()
        try skipLines()
        if peek() == .ascii(",") {
            at += 1
            try skipLines()
            _ = try identifier()
            try skipLines()
        }
        guard bytes[at...].starts(with: "in".utf8) else { throw fault("\"in\" was expected here") }
        at += 2
        var parts = [try expression()]
        try skipLines()
        guard peek() == .ascii(":") else { throw fault("\":\" was expected here") }
        at += 1
        parts.append(try expression())
        try skipLines()
        if peek() == .ascii("="), peek(1) == .ascii(">") {
            at += 2
            parts.append(try expression())
            try skipLines()
        }
        while peek() == .ascii(".") { at += 1 }
        try skipLines()
        if bytes[at...].starts(with: "if".utf8) {
            at += 2
            parts.append(try expression())
        }
        try close(bracket, opened)
        return parts
    }

    private mutating func object() throws(Fault) -> HCLExpression {
        let start = at
        at += 1
        try enter(start)
        defer { depth -= 1 }
        let outer = ignoresLines
        defer { ignoresLines = outer }
        try skipLines()
        if startsFor { return HCLExpression(offset: start, kind: .compound(try loop(closedBy: "}", start))) }
        ignoresLines = false
        var items: [HCLItem] = []
        while true {
            try skipLines()
            guard let byte = peek() else { throw fault("this brace is not closed", at: start) }
            if byte == .ascii("}") {
                at += 1
                return HCLExpression(offset: start, kind: .object(items))
            }
            let key = try expression()
            skipBlanks()
            guard peek() == .ascii("=") || peek() == .ascii(":") else { throw fault("\"=\" was expected here, between key and value") }
            at += 1
            skipBlanks()
            items.append(HCLItem(key: key, value: try expression()))
            skipBlanks()
            if let byte = peek(), byte == .ascii(",") {
                at += 1
            } else if let byte = peek(), byte != .ascii("}"), byte != 0x0A, !startsComment {
                throw fault("a line end or \",\" was expected here")
            }
        }
    }
}

// MARK: - Templates

extension HCLReader {
    enum TemplateEnd {
        case quote(Int)
        case offset(Int)
    }

    private mutating func heredoc() throws(Fault) -> HCLExpression {
        let start = at
        at += 2
        if peek() == .ascii("-") { at += 1 }
        let word = try identifier()
        skipBlanks()
        guard peek() == 0x0A else { throw fault("the line of a heredoc ends after its word", at: start) }
        at += 1
        let body = at
        var line = at
        while line < bytes.count {
            var end = line
            while end < bytes.count, bytes[end] != 0x0A { end += 1 }
            let content = bytes[line..<end].drop { $0.isBlank }
            if content.elementsEqual(word.utf8) || (content.last == 0x0D && content.dropLast().elementsEqual(word.utf8)) {
                let parts = try template(until: .offset(line))
                at = end
                return HCLExpression(offset: start, kind: .text(parts, body: body))
            }
            line = end + 1
        }
        throw fault("this heredoc has no line with \"\(word)\"", at: start)
    }

    mutating func template(until end: TemplateEnd) throws(Fault) -> [HCLPart] {
        var parts: [HCLPart] = []
        var text: [UInt8] = []
        func flush(_ text: inout [UInt8], _ parts: inout [HCLPart]) {
            if !text.isEmpty { parts.append(.literal(text.text)) }
            text = []
        }
        while let byte = peek() {
            switch end {
            case .offset(let offset) where at >= offset:
                flush(&text, &parts)
                return parts
            case .quote(let start) where byte == 0x0A: throw fault("this text is not closed", at: start)
            case .quote where byte == .ascii("\""):
                at += 1
                flush(&text, &parts)
                return parts
            case .quote where byte == .ascii("\\"):
                at += 1
                escape(into: &text)
                continue
            default: break
            }
            let opens = byte == .ascii("$") || byte == .ascii("%")
            if opens, peek(1) == byte, peek(2) == .ascii("{") {
                text += [byte, .ascii("{")]
                at += 3
            } else if opens, peek(1) == .ascii("{") {
                flush(&text, &parts)
                if let hole = try hole(directive: byte == .ascii("%")) { parts.append(.hole(hole)) }
            } else {
                text.append(byte)
                at += 1
            }
        }
        if case .quote(let start) = end { throw fault("this text is not closed", at: start) }
        flush(&text, &parts)
        return parts
    }

    private mutating func escape(into text: inout [UInt8]) {
        guard let byte = peek() else { return }
        at += 1
        switch byte {
        case .ascii("n"): text.append(0x0A)
        case .ascii("t"): text.append(0x09)
        case .ascii("r"): text.append(0x0D)
        case .ascii("u"), .ascii("U"):
            let length = byte == .ascii("u") ? 4 : 8
            let digits = bytes[at..<min(at + length, bytes.count)].text
            if let scalar = UInt32(digits, radix: 16).flatMap(Unicode.Scalar.init) {
                text += Array(String(Character(scalar)).utf8)
                at += length
            }
        default: text.append(byte)
        }
    }

    /// `${value}` or `%{ if value }`, with `~` at either end; `nil` for a directive without a value.
    private mutating func hole(directive: Bool) throws(Fault) -> HCLExpression? {
        let start = at
        at += 2
        let outer = ignoresLines
        ignoresLines = true
        defer { ignoresLines = outer }
        if peek() == .ascii("~") { at += 1 }
        try skipLines()
        var value: HCLExpression?
        if directive {
            let word = try identifier()
            if word == "for" {
                while let byte = peek(), byte != .ascii("}"), !bytes[at...].starts(with: " in ".utf8) { _ = byte; at += 1 }
                if peek() == .ascii(" ") { at += 4 }
            }
            if word == "if" || word == "for" { value = try expression() }
        } else {
            value = try expression()
        }
        try skipLines()
        if peek() == .ascii("~") { at += 1 }
        guard peek() == .ascii("}") else { throw fault("this \"${\" is not closed", at: start) }
        at += 1
        return value
    }
}
