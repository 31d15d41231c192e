// SPDX-License-Identifier: Apache-2.0

/// The little DER that certificates of one rigid profile need. Written by hand, because OpenSSL's other way is a text language in
/// which a name could smuggle in a second name.
enum DER {
    static func value(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        var length: [UInt8] = []
        if content.count < 0x80 {
            length = [UInt8(content.count)]
        } else {
            var rest = content.count
            while rest > 0 {
                length.insert(UInt8(rest & 0xff), at: 0)
                rest >>= 8
            }
            length.insert(0x80 | UInt8(length.count), at: 0)
        }
        return [tag] + length + content
    }

    static func sequence(_ parts: [UInt8]...) -> [UInt8] { value(0x30, parts.flatMap { $0 }) }
    static func octets(_ content: [UInt8]) -> [UInt8] { value(0x04, content) }
    static func bits(_ content: [UInt8], unused: UInt8 = 0) -> [UInt8] { value(0x03, [unused] + content) }

    /// A non-negative INTEGER from its big-endian magnitude.
    static func integer(_ magnitude: [UInt8]) -> [UInt8] {
        let trimmed = Array(magnitude.drop { $0 == 0 })
        guard let first = trimmed.first else { return [0x02, 0x01, 0x00] }
        return value(0x02, first & 0x80 == 0 ? trimmed : [0] + trimmed)
    }
}

/// Walks over DER values without understanding them; enough to find the public key before anything costly sees it.
struct DERReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    var tag: UInt8? { rest.first }

    /// The next value of the wanted tag: its content, and the whole of it with tag and length.
    mutating func next(_ tag: UInt8) -> (content: ArraySlice<UInt8>, whole: ArraySlice<UInt8>)? {
        guard rest.count >= 2, rest.first == tag else { return nil }
        var position = rest.startIndex + 2
        var length = Int(rest[rest.startIndex + 1])
        if length >= 0x80 {
            let size = length & 0x7f
            guard (1...3).contains(size), rest.endIndex - position >= size else { return nil }
            length = rest[position..<position + size].reduce(0) { $0 << 8 | Int($1) }
            position += size
        }
        guard rest.endIndex - position >= length else { return nil }
        let end = position + length
        defer { rest = rest[end...] }
        return (rest[position..<end], rest[rest.startIndex..<end])
    }

    /// The SubjectPublicKeyInfo of a PKCS#10 request: version, subject, key.
    static func publicKey(ofRequest der: [UInt8]) -> [UInt8]? { publicKey(in: der, after: [0x02, 0x30]) }

    /// The SubjectPublicKeyInfo of an X.509 v3 certificate: version, serial, algorithm, issuer, validity, subject, key.
    static func publicKey(ofCertificate der: [UInt8]) -> [UInt8]? {
        publicKey(in: der, after: [0xa0, 0x02, 0x30, 0x30, 0x30, 0x30])
    }

    private static func publicKey(in der: [UInt8], after tags: [UInt8]) -> [UInt8]? {
        var outer = DERReader(der[...])
        guard let signed = outer.next(0x30), outer.rest.isEmpty else { return nil }
        var inner = DERReader(signed.content)
        guard let body = inner.next(0x30) else { return nil }
        var reader = DERReader(body.content)
        for tag in tags where reader.next(tag) == nil { return nil }
        return reader.next(0x30).map { Array($0.whole) }
    }
}
