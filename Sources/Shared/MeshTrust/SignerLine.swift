// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// One line of an `allowed_signers` file.
enum SignerLine {
    case nothing
    case threshold(Int)
    case entry(AllowedSigners.Entry)

    init(_ bytes: [UInt8], number: Int) throws(SSHMalformed) {
        guard bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == UInt8(ascii: "\t") }) else {
            throw SSHMalformed("it contains a control character (lines end with LF alone)")
        }
        let line = bytes.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        guard let first = line.first else {
            self = .nothing
            return
        }
        if first == UInt8(ascii: "#") {
            self = try Self.comment(String(decoding: line.dropFirst(), as: UTF8.self))
        } else {
            var fields = SignerFields(line)
            self = .entry(try Self.entry(&fields, number: number))
        }
    }

    private static func comment(_ text: String) throws(SSHMalformed) -> SignerLine {
        let words = text.split(whereSeparator: { $0 == " " || $0 == "\t" })
        // A policy line with a slip in it must not pass for a comment: the threshold would fall to 1 unseen.
        let folded = text.lowercased()
        guard words.first == "meshgate:" || folded.contains("meshgate") && folded.contains("signatures") else { return .nothing }
        guard words.count == 3, words[0] == "meshgate:", words[1] == "signatures",
            let number = (1...AllowedSigners.largestThreshold).first(where: { String($0) == words[2] })
        else { throw SSHMalformed("\"# meshgate: signatures N\" is wanted, with N from 1 to \(AllowedSigners.largestThreshold)") }
        return .threshold(number)
    }

    private static func entry(_ fields: inout SignerFields, number: Int) throws(SSHMalformed) -> AllowedSigners.Entry {
        let principals = try names(unquoted(try fields.next("the principals")), what: "principal")
        var options = SignerOptions()
        var word = try fields.next("the type of the key")
        if word.contains("=") || word.lowercased() == "cert-authority" || word.contains(",") || word.contains("\"") {
            options = try SignerOptions(word)
            word = try fields.next("the type of the key")
        }
        let encoded = try fields.next("the key in base64")
        guard let blob = Base64.decode(encoded.utf8) else { throw SSHMalformed("the key is not base64") }
        let key = try SSHPublicKey(blob: blob)
        guard key.type == word else { throw SSHMalformed("the key is of type \(key.type) and the line says \(word.prefix(64))") }
        return AllowedSigners.Entry(
            line: number, principals: principals, key: key, namespaces: options.namespaces, validAfter: options.validAfter,
            validBefore: options.validBefore)
    }

    /// Names between commas. Patterns are refused: a permission to destroy names people.
    static func names(_ list: String, what: String) throws(SSHMalformed) -> [String] {
        let names = list.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        for name in names {
            guard (1...128).contains(name.utf8.count), name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
                throw SSHMalformed("a \(what) is empty, too long or not printable ASCII")
            }
            guard !name.utf8.contains(where: { "*?!\"\\".utf8.contains($0) }) else {
                throw SSHMalformed("the \(what) \(name) is a pattern; write the names out")
            }
        }
        return names
    }

    static func unquoted(_ text: String) throws(SSHMalformed) -> String {
        guard text.contains("\"") else { return text }
        let inner = text.dropFirst().dropLast()
        guard text.utf8.count >= 2, text.hasPrefix("\""), text.hasSuffix("\""), !inner.contains("\"") else {
            throw SSHMalformed("a quotation mark is out of place")
        }
        return String(inner)
    }
}

/// The words of a line; white space between quotation marks does not part them.
struct SignerFields {
    private var rest: ArraySlice<UInt8>

    init(_ line: ArraySlice<UInt8>) { rest = line }

    mutating func next(_ what: String) throws(SSHMalformed) -> String {
        func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        rest = rest.drop(while: isSpace)
        guard !rest.isEmpty else { throw SSHMalformed("\(what) is missing") }
        var quoted = false
        let word = rest.prefix { byte in
            if byte == UInt8(ascii: "\"") { quoted.toggle() }
            return quoted || !isSpace(byte)
        }
        guard !quoted else { throw SSHMalformed("a quotation mark is not closed") }
        rest = rest.dropFirst(word.count)
        return String(decoding: word, as: UTF8.self)
    }
}

/// The options of a line. Each at most once; those we do not know would restrict the key, so they are refused rather than passed over.
struct SignerOptions {
    private(set) var namespaces: [String]?
    private(set) var validAfter: Timestamp?
    private(set) var validBefore: Timestamp?

    init() {}

    init(_ text: String) throws(SSHMalformed) {
        var quoted = false
        let parts = text.split(omittingEmptySubsequences: false) { character in
            if character == "\"" { quoted.toggle() }
            return character == "," && !quoted
        }
        for part in parts { try take(String(part)) }
        if let validAfter, let validBefore, validAfter >= validBefore { throw SSHMalformed("valid-after is not before valid-before") }
    }

    private mutating func take(_ option: String) throws(SSHMalformed) {
        let pair = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = pair[0].lowercased()
        guard name != "cert-authority" else { throw SSHMalformed("cert-authority is not taken; list the keys themselves") }
        guard pair.count == 2, pair[1].hasPrefix("\"") else {
            throw SSHMalformed("the option \(name.prefix(64)) is not known, or has no quoted value")
        }
        let value = try SignerLine.unquoted(pair[1])
        switch name {
        case "namespaces" where namespaces == nil: namespaces = try SignerLine.names(value, what: "namespace")
        case "valid-after" where validAfter == nil: validAfter = try Self.time(value)
        case "valid-before" where validBefore == nil: validBefore = try Self.time(value)
        case "namespaces", "valid-after", "valid-before": throw SSHMalformed("the option \(name) stands twice")
        default: throw SSHMalformed("the option \(name.prefix(64)) is not known")
        }
    }

    /// `YYYYMMDDZ`, `YYYYMMDDHHMMZ` or `YYYYMMDDHHMMSSZ`. Without the Z it would be in the zone of whichever host reads it.
    private static func time(_ text: String) throws(SSHMalformed) -> Timestamp {
        let malformed = SSHMalformed("\(text.prefix(32)) is not a time in UTC such as 20271231Z or 202712312359Z; the Z is needed")
        guard text.utf8.allSatisfy({ $0 < 0x7f }), text.hasSuffix("Z"), [9, 13, 15].contains(text.count) else { throw malformed }
        let digits = Array(text.dropLast()) + Array("000000".prefix(15 - text.count))
        func part(_ range: Range<Int>) -> String { String(digits[range]) }
        guard let time = Timestamp("\(part(0..<4))-\(part(4..<6))-\(part(6..<8))T\(part(8..<10)):\(part(10..<12)):\(part(12..<14))Z") else {
            throw malformed
        }
        return time
    }
}
