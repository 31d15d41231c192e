// SPDX-License-Identifier: Apache-2.0

/// Why bytes are not what OpenSSH writes; for messages.
struct SSHMalformed: Error, Hashable {
    let problem: String
    init(_ problem: String) { self.problem = problem }
}

/// Reads the binary form of OpenSSH (RFC 4251 section 5). Every value has one spelling here, and every length is compared with what
/// is there before anything is copied.
struct SSHReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    mutating func byte() throws(SSHMalformed) -> UInt8 {
        guard let first = rest.popFirst() else { throw SSHMalformed("it ends too early") }
        return first
    }

    mutating func number() throws(SSHMalformed) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 { value = value << 8 | UInt32(try byte()) }
        return value
    }

    mutating func string() throws(SSHMalformed) -> [UInt8] {
        let length = Int(try number())
        guard length <= rest.count else { throw SSHMalformed("a length in it is larger than what follows") }
        defer { rest = rest.dropFirst(length) }
        return Array(rest.prefix(length))
    }

    mutating func text() throws(SSHMalformed) -> String {
        let bytes = try string()
        guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { throw SSHMalformed("a name in it is not printable ASCII") }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The magnitude of a positive mpint in its shortest form, big-endian.
    mutating func magnitude() throws(SSHMalformed) -> [UInt8] {
        let bytes = try string()
        guard let first = bytes.first, first & 0x80 == 0 else { throw SSHMalformed("a number in it is not positive") }
        guard first == 0 else { return bytes }
        guard bytes.count > 1, bytes[1] & 0x80 != 0 else { throw SSHMalformed("a number in it is not in its shortest form") }
        return Array(bytes.dropFirst())
    }

    mutating func fixed(_ bytes: [UInt8]) throws(SSHMalformed) {
        for wanted in bytes {
            guard try byte() == wanted else { throw SSHMalformed("it does not begin with \(String(decoding: bytes, as: UTF8.self))") }
        }
    }

    func end() throws(SSHMalformed) {
        guard rest.isEmpty else { throw SSHMalformed("bytes follow its end") }
    }
}

enum SSHWriter {
    static func number(_ value: UInt32) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
    static func string(_ bytes: [UInt8]) -> [UInt8] { number(UInt32(bytes.count)) + bytes }
    static func string(_ text: String) -> [UInt8] { string(Array(text.utf8)) }
}
