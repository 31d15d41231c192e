// SPDX-License-Identifier: Apache-2.0

/// A text in which `*` stands for any characters and `?` for one byte; everything else stands for itself.
package struct TextPattern: Hashable, Sendable, CustomStringConvertible {
    private let bytes: [UInt8]

    /// `nil` for an empty pattern and for one longer than any text that it could match.
    package init?(_ text: String) {
        guard (1...EventLimits.binary).contains(text.utf8.count) else { return nil }
        bytes = Array(text.utf8)
    }

    package var description: String { String(decoding: bytes, as: UTF8.self) }

    /// The whole text when no character of the pattern is special.
    package var literal: [UInt8]? { bytes.contains(where: Self.isSpecial) ? nil : bytes }

    /// What follows the last slash, when no character of it is special: every match ends in it.
    package var literalName: [UInt8]? {
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return literal }
        let name = bytes[(slash + 1)...]
        return name.isEmpty || name.contains(where: Self.isSpecial) ? nil : Array(name)
    }

    /// In time linear in the text for each `*` that has to be tried again, and without recursion.
    package func matches(_ text: UnsafeRawBufferPointer) -> Bool {
        var (position, index) = (0, 0)
        var retry: (position: Int, index: Int)?
        while position < text.count {
            if index < bytes.count, bytes[index] == UInt8(ascii: "*") {
                index += 1
                retry = (position, index)
            } else if index < bytes.count, bytes[index] == UInt8(ascii: "?") || bytes[index] == text[position] {
                position += 1
                index += 1
            } else if let before = retry {
                position = before.position + 1
                index = before.index
                retry = (position, index)
            } else {
                return false
            }
        }
        return bytes[index...].allSatisfy { $0 == UInt8(ascii: "*") }
    }

    package func matches(_ text: String) -> Bool {
        var copy = text
        return copy.withUTF8 { matches(UnsafeRawBufferPointer($0)) }
    }

    private static func isSpecial(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "*") || byte == UInt8(ascii: "?") }
}
