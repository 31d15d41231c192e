// SPDX-License-Identifier: Apache-2.0

/// Reads HCL2 as Terraform writes it: structure only. Never fails: what cannot be read is a fault with its place, and reading goes on at the next
/// block that begins in the first column.
package struct HCLReader {
    /// Deeper than any real file, and far from what would exhaust the stack of a small thread.
    static let deepest = 64
    static let mostFaults = 20

    let bytes: [UInt8]
    var at = 0
    var depth = 0
    /// Inside parentheses, lists and `${}` a line end is just a blank.
    var ignoresLines = false
    private var faults: [ReadFault] = []

    package static func read(_ text: String) -> HCLFile { read(SourceText(text)) }

    package static func read(_ source: SourceText) -> HCLFile {
        var reader = HCLReader(bytes: source.bytes)
        let body = reader.topLevel()
        return HCLFile(source: source, body: body, faults: reader.faults)
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    struct Fault: Error { let fault: ReadFault }

    func fault(_ problem: String, at offset: Int? = nil) -> Fault { Fault(fault: ReadFault(offset: offset ?? at, problem: problem)) }

    private mutating func topLevel() -> HCLBody {
        var body = HCLBody()
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
        while true {
            let start = at
            do throws(Fault) {
                guard try item(into: &body, opened: nil) else { return body }
            } catch {
                faults.append(error.fault)
                // A file with that many faults is not HCL; going on would cost a search to its end for each further one.
                guard faults.count < Self.mostFaults else { return body }
                (depth, ignoresLines) = (0, false)
                recover(from: max(start, error.fault.offset))
            }
        }
    }

    /// On to the next line that looks like the beginning of a top-level block or attribute.
    private mutating func recover(from offset: Int) {
        at = min(offset, bytes.count)
        while at < bytes.count {
            while at < bytes.count, bytes[at] != 0x0A { at += 1 }
            at += 1
            guard at < bytes.count else { break }
            if bytes[at].isLetter || bytes[at] == .ascii("_") { return }
        }
        at = bytes.count
    }

    /// Reads one attribute or block; false at the end of the body.
    private mutating func item(into body: inout HCLBody, opened: Int?) throws(Fault) -> Bool {
        try skipLines()
        guard let byte = peek() else {
            if let opened { throw fault("this block is not closed", at: opened) }
            return false
        }
        if byte == .ascii("}") {
            guard opened != nil else {
                at += 1
                throw fault("this brace closes nothing", at: at - 1)
            }
            at += 1
            return false
        }
        let start = at
        // A quoted attribute name is not HCL, but JSON-minded people write it.
        let name = try byte == .ascii("\"") ? label() : identifier()
        skipBlanks()
        if peek() == .ascii("="), peek(1) != .ascii("=") {
            at += 1
            let value = try expression()
            body.attributes.append(HCLAttribute(name: name, offset: start, value: value))
            try endOfItem()
            return true
        }
        body.blocks.append(try block(name, start))
        return true
    }

    private mutating func block(_ type: String, _ start: Int) throws(Fault) -> HCLBlock {
        var labels: [String] = []
        while let byte = peek(), byte != .ascii("{") {
            labels.append(try byte == .ascii("\"") ? label() : identifier())
            skipBlanks()
        }
        guard peek() == .ascii("{") else { throw fault("a block begins with \"{\", an attribute with \"=\"") }
        let opened = at
        at += 1
        try enter(opened)
        defer { depth -= 1 }
        var body = HCLBody()
        while try item(into: &body, opened: opened) {}
        return HCLBlock(type: type, labels: labels, offset: start, end: at - 1, body: body)
    }

    /// After an attribute comes a line end, or the brace of a block in one line.
    private mutating func endOfItem() throws(Fault) {
        skipBlanks()
        guard let byte = peek(), byte != 0x0A, byte != .ascii("}"), !startsComment else { return }
        if byte == .ascii(",") {
            at += 1
            return
        }
        throw fault("a line end was expected here")
    }

    mutating func enter(_ offset: Int) throws(Fault) {
        depth += 1
        guard depth <= Self.deepest else { throw fault("this nests more than \(Self.deepest) deep", at: offset) }
    }
}

// MARK: - Characters

extension HCLReader {
    func peek(_ ahead: Int = 0) -> UInt8? { at + ahead < bytes.count ? bytes[at + ahead] : nil }

    var startsComment: Bool {
        peek() == .ascii("#") || (peek() == .ascii("/") && (peek(1) == .ascii("/") || peek(1) == .ascii("*")))
    }

    /// Blanks and comments of this line.
    mutating func skipBlanks() {
        while let byte = peek() {
            if byte.isBlank {
                at += 1
            } else if byte == .ascii("/"), peek(1) == .ascii("*"), let end = endOfBlockComment() {
                at = end
            } else {
                return
            }
        }
    }

    /// Blanks, comments, and line ends where they mean nothing.
    mutating func skipSpace() throws(Fault) {
        if ignoresLines { try skipLines() } else { skipBlanks() }
    }

    mutating func skipLines() throws(Fault) {
        while let byte = peek() {
            if byte.isBlank || byte == 0x0A {
                at += 1
            } else if byte == .ascii("#") || (byte == .ascii("/") && peek(1) == .ascii("/")) {
                while let byte = peek(), byte != 0x0A { _ = byte; at += 1 }
            } else if byte == .ascii("/"), peek(1) == .ascii("*") {
                guard let end = endOfBlockComment() else {
                    let start = at
                    at = bytes.count
                    throw fault("this comment is not closed", at: start)
                }
                at = end
            } else {
                return
            }
        }
    }

    private func endOfBlockComment() -> Int? {
        var index = at + 2
        while index + 1 < bytes.count {
            if bytes[index] == .ascii("*"), bytes[index + 1] == .ascii("/") { return index + 2 }
            index += 1
        }
        return nil
    }

    mutating func identifier() throws(Fault) -> String {
        guard let byte = peek(), byte.isLetter || byte == .ascii("_") || byte >= 0x80 else { throw fault("a name was expected here") }
        let start = at
        while let byte = peek(), byte.isNamePart { at += 1 }
        return bytes[start..<at].text
    }

    /// A text in quotes without anything computed.
    mutating func label() throws(Fault) -> String {
        let start = at
        at += 1
        var result: [UInt8] = []
        while let byte = peek(), byte != 0x0A {
            at += 1
            if byte == .ascii("\"") { return result.text }
            if byte == .ascii("\\"), let next = peek(), next != 0x0A {
                result.append(next)
                at += 1
            } else {
                result.append(byte)
            }
        }
        throw fault("this text is not closed", at: start)
    }
}
