// SPDX-License-Identifier: Apache-2.0

/// Looks at the raw text before any parser does: size, characters that hide, and nesting that only an attack has. Linear, no recursion.
struct TextGuard {
    static let longest = 16 << 20
    static let deepest = 100
    /// Lines and commas together; 255 clusters of 256 nodes have half as many.
    static let mostEntries = 1_000_000

    private let bytes: [UInt8]
    private var place = Place.start
    private var depth = 0
    private var entries = 0
    private var inComment = false
    private var dashes = 0
    private var atLineHead = true
    private var inIndent = true
    /// Columns at which the lines around this one begin, each further right than the one before.
    private var indents: [Int] = []

    /// The first thing that makes the text unreadable, or `nil`.
    static func judge(_ text: String) -> (Place, String)? {
        let size = text.utf8.count
        guard size <= longest else {
            return (.start, "the file has \(size) bytes; a mesh file has at most \(longest >> 20) MiB")
        }
        var guarding = TextGuard(bytes: Array(text.utf8))
        return guarding.scan()
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private mutating func scan() -> (Place, String)? {
        for index in bytes.indices {
            let byte = bytes[index]
            if let problem = hidden(index) {
                return (place, "\(problem) is not accepted; write it as an escape in double quotes if it is really meant")
            }
            if byte == 10 || byte == UInt8(ascii: ",") { entries += 1 }
            if entries > Self.mostEntries { return (place, "the file has more than a million entries; a mesh file has far fewer") }
            if let problem = nesting(byte, before: index == 0 ? UInt8(ascii: "\n") : bytes[index - 1]) { return (place, problem) }
            advance(index)
        }
        return nil
    }

    /// libyaml counts a lone CR as a line end, and CR LF as one.
    private mutating func advance(_ index: Int) {
        let byte = bytes[index]
        let crBeforeLF = byte == 13 && index + 1 < bytes.count && bytes[index + 1] == 10
        if (byte == 10 || byte == 13) && !crBeforeLF {
            place = Place(line: place.line + 1, column: 1)
            (inComment, dashes, atLineHead, inIndent) = (false, 0, true, true)
        } else if byte & 0xC0 != 0x80, !crBeforeLF {
            place.column += 1
        }
    }

    private mutating func nesting(_ byte: UInt8, before: UInt8) -> String? {
        let afterBlank = before == 10 || before == 13 || before == 32
        switch byte {
        case UInt8(ascii: "#") where afterBlank: inComment = true
        case UInt8(ascii: "["), UInt8(ascii: "{"): if !inComment { depth += 1 }
        case UInt8(ascii: "]"), UInt8(ascii: "}"): if !inComment { depth = max(0, depth - 1) }
        case UInt8(ascii: "-"), UInt8(ascii: "?"): if atLineHead { dashes += 1 }
        default: break
        }
        if ![UInt8(ascii: "-"), UInt8(ascii: "?"), 32, 10, 13].contains(byte) { atLineHead = false }
        // A rule of dashes in a comment or a document mark has no blanks between them; only `- - -` nests.
        if before == UInt8(ascii: "-"), byte == UInt8(ascii: "-") { atLineHead = false }
        if inIndent, ![32, 10, 13].contains(byte) { indent() }
        guard depth > Self.deepest || (dashes > Self.deepest && atLineHead) || indents.count > Self.deepest else { return nil }
        return "lists and maps nest more than \(Self.deepest) deep here; a mesh file needs fewer than ten levels"
    }

    /// libyaml would go a thousand levels deep by itself, and take seconds for it.
    private mutating func indent() {
        inIndent = false
        while let last = indents.last, last >= place.column { indents.removeLast() }
        indents.append(place.column)
    }

    /// Control characters, invisible line ends and private-use characters (which the composer needs for itself).
    private func hidden(_ index: Int) -> String? {
        func next(_ offset: Int) -> UInt8 { index + offset < bytes.count ? bytes[index + offset] : 0 }
        switch bytes[index] {
        case 9, 10, 13: return nil
        case 0..<32, 127: return "the control character with code \(bytes[index])"
        case 0xC2 where (0x80...0x9F).contains(next(1)): return "a control character"
        case 0xE2 where next(1) == 0x80 && (next(2) == 0xA8 || next(2) == 0xA9): return "an invisible line separator"
        case 0xEE: return "a private-use character"
        case 0xEF where next(1) <= 0xA3: return "a private-use character"
        case 0xEF where next(1) == 0xBB && next(2) == 0xBF: return "a byte order mark inside the text"
        case 0xEF where next(1) == 0xBF && next(2) >= 0xBE: return "a character that is no character"
        default: return nil
        }
    }
}
