// SPDX-License-Identifier: Apache-2.0

/// The frame of every text that a person signs (security.md section 5): a magic line with the form's number, then every field once and in a
/// fixed order, `name: value`, LF line ends; `not-before` and `not-after` come last.
///
/// There is exactly one text for given terms: what a reader accepts is what the writer wrote, to the byte.
enum SignedText {
    static func write(_ magic: String, _ fields: [(String, String)], from notBefore: Timestamp, until notAfter: Timestamp) -> String {
        let all = fields + [("not-before", notBefore.description), ("not-after", notAfter.description)]
        return ([magic] + all.map { "\($0): \($1)" }).map { $0 + "\n" }.joined()
    }
}

/// Reads the fields of a signed text in their order; anything missing, extra or out of place is refused.
struct SignedTextReader {
    private let lines: [String]
    private var position = 0

    /// - Throws: `WarrantTerms.Malformed` for a text that is too long, ends in the middle of a line, or begins with another magic line.
    init(_ text: String, magic: String) throws(WarrantTerms.Malformed) {
        guard text.utf8.count <= WarrantTerms.longestText else {
            throw .init(line: 1, problem: "the text is longer than \(WarrantTerms.longestText) bytes")
        }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.popLast() == "" else { throw .init(line: lines.count + 1, problem: "the last line does not end with a newline") }
        guard lines.first == magic else {
            let kind = magic.prefix { $0 != "/" } + "/"
            throw .init(
                line: 1,
                problem: lines.first?.hasPrefix(kind) ?? false
                    ? "it is of another form than \(magic); use programs of the same version" : "the first line is not \(magic)")
        }
        self.lines = lines
    }

    /// The value of the next field.
    mutating func next<Value>(_ name: String, _ parse: (String) -> Value?) throws(WarrantTerms.Malformed) -> Value {
        let index = position + 1
        guard index < lines.count else { throw .init(line: index + 1, problem: "\"\(name)\" is missing") }
        let line = lines[index]
        guard line.hasPrefix(name + ": ") else { throw .init(line: index + 1, problem: "\"\(name): ...\" is wanted here") }
        guard let value = parse(String(line.dropFirst(name.count + 2))) else {
            throw .init(line: index + 1, problem: "the value of \"\(name)\" is not valid")
        }
        position += 1
        return value
    }

    /// Whether the next field is of that name, for one that may be left out.
    func isNext(_ name: String) -> Bool { position + 1 < lines.count && lines[position + 1].hasPrefix(name + ": ") }

    /// A counted list: `name: 2`, then `name-1` and `name-2`.
    mutating func list(_ name: String, _ counts: ClosedRange<Int>) throws(WarrantTerms.Malformed) -> [String] {
        let count = try next(name) { text in
            SignedTextReader.number(text).flatMap { Int(exactly: $0) }.flatMap { counts.contains($0) ? $0 : nil }
        }
        var items: [String] = []
        for number in 0..<count { items.append(try next("\(name)-\(number + 1)", SignedTextReader.words)) }
        return items
    }

    /// The last two fields.
    mutating func validity() throws(WarrantTerms.Malformed) -> (notBefore: Timestamp, notAfter: Timestamp) {
        let notBefore = try next("not-before") { Timestamp($0) }
        let notAfter = try next("not-after") { Timestamp($0) }
        guard position + 1 == lines.count else { throw .init(line: position + 2, problem: "nothing may follow the last field") }
        guard notBefore < notAfter, notAfter - notBefore <= WarrantTerms.longestValidity else {
            throw .init(line: lines.count, problem: "it is valid for more than an hour, or for no time at all")
        }
        return (notBefore, notAfter)
    }

    /// - Parameter canonical: what the writer makes of the terms that were read.
    static func confirm(_ text: String, is canonical: String) throws(WarrantTerms.Malformed) {
        guard canonical == text else { throw .init(line: 1, problem: "the text is not in canonical form") }
    }

    static func number(_ text: String) -> UInt64? {
        guard text == "0" || !text.hasPrefix("0") else { return nil }
        return plainNumber(text)
    }

    /// Printable ASCII, so that what an admin reads is what is signed.
    static func visible(_ text: String) -> String? {
        (1...200).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f } ? text : nil
    }

    /// The same with blanks inside.
    static func words(_ text: String) -> String? {
        guard (1...200).contains(text.utf8.count), text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) else { return nil }
        return text.hasPrefix(" ") || text.hasSuffix(" ") ? nil : text
    }

    static func optional(_ text: String) -> String?? {
        if text == "-" { return .some(nil) }
        guard let value = visible(text) else { return nil }
        return .some(value)
    }
}
