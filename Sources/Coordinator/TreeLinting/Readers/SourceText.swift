// SPDX-License-Identifier: Apache-2.0

/// A line and a column of a file, both from 1; columns count characters as code points.
package struct SourcePlace: Hashable, Comparable, Sendable {
    package let line: Int
    package let column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    package static func < (left: SourcePlace, right: SourcePlace) -> Bool { (left.line, left.column) < (right.line, right.column) }
}

/// Something that a reader could not make sense of, at an offset of the text that it was given.
package struct ReadFault: Hashable, Sendable {
    package let offset: Int
    package let problem: String

    package init(offset: Int, problem: String) {
        self.offset = offset
        self.problem = problem
    }
}

/// The bytes of a file and where its lines begin. Readers keep offsets; the place of one is reckoned only when somebody wants to see it.
package struct SourceText: Sendable {
    package let bytes: [UInt8]
    private let lineStarts: [Int]
    /// How many bytes before each 64th one continue a character, so that a place far into a long line costs no walk through it.
    private let continuations: [Int]

    package init(_ text: String) { self.init(bytes: Array(text.utf8)) }

    package init(bytes: [UInt8]) {
        self.bytes = bytes
        var starts = [0]
        for index in bytes.indices where bytes[index] == 0x0A { starts.append(index + 1) }
        lineStarts = starts
        var (counts, sum) = ([0], 0)
        counts.reserveCapacity(bytes.count / 64 + 1)
        for index in bytes.indices {
            if bytes[index] & 0xC0 == 0x80 { sum += 1 }
            if index & 63 == 63 { counts.append(sum) }
        }
        continuations = counts
    }

    private func continuations(before offset: Int) -> Int {
        continuations[offset >> 6] + bytes[(offset & ~63)..<offset].count { $0 & 0xC0 == 0x80 }
    }

    package var lineCount: Int { lineStarts.count }

    /// The place of an offset; offsets outside of the text are moved to its nearest end.
    package func place(_ offset: Int) -> SourcePlace {
        let at = min(max(0, offset), bytes.count)
        var (low, high) = (0, lineStarts.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if lineStarts[middle] <= at { low = middle } else { high = middle }
        }
        let start = lineStarts[low]
        return SourcePlace(line: low + 1, column: at - start - continuations(before: at) + continuations(before: start) + 1)
    }

    /// The line's bytes without its end, counted from 1; empty for a line that is not there.
    package func line(_ number: Int) -> ArraySlice<UInt8> {
        guard lineStarts.indices.contains(number - 1) else { return [] }
        let start = lineStarts[number - 1]
        var end = number < lineStarts.count ? lineStarts[number] - 1 : bytes.count
        if end > start, bytes[end - 1] == 0x0D { end -= 1 }
        return bytes[start..<end]
    }

    package func lineStart(_ number: Int) -> Int { lineStarts[min(max(0, number - 1), lineStarts.count - 1)] }
}

extension UInt8 {
    static func ascii(_ scalar: Unicode.Scalar) -> UInt8 { UInt8(ascii: scalar) }

    var isLetter: Bool { (97...122).contains(self | 0x20) && self < 0x80 }
    var isDigit: Bool { (48...57).contains(self) }
    var isBlank: Bool { self == 0x20 || self == 0x09 || self == 0x0D }
    /// Part of a name in HCL and in most file formats: letters, digits, `_`, `-`, and whatever is not ASCII.
    var isNamePart: Bool { isLetter || isDigit || self == 0x5F || self == 0x2D || self >= 0x80 }
}

extension Sequence<UInt8> {
    var text: String { String(decoding: Array(self), as: UTF8.self) }
}
