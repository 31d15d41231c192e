// SPDX-License-Identifier: Apache-2.0

/// The regular files of a tar archive (ustar, pax and GNU names), in memory. Links and devices are left out; nothing is written anywhere.
package enum TarArchive {
    /// One file of an archive.
    package struct Entry: Hashable, Sendable {
        package let path: String
        package let bytes: [UInt8]
    }

    /// Why an archive was refused.
    package enum Fault: Error, Hashable, Sendable, CustomStringConvertible {
        case notTar
        case truncated(String)
        case tooMany(limit: Int)

        package var description: String {
            switch self {
            case .notTar: "not a tar archive (a header does not add up)"
            case .truncated(let path): "the archive ends within \(path)"
            case .tooMany(let limit): "the archive has more than the allowed \(limit) files"
            }
        }
    }

    private static let block = 512

    /// Reads until the end mark or the end of the bytes.
    package static func read(_ bytes: [UInt8], mostFiles: Int = 10_000) throws(Fault) -> [Entry] {
        var entries: [Entry] = []
        var at = 0
        var longName: String?
        while at + block <= bytes.count {
            let header = bytes[at..<(at + block)]
            if header.allSatisfy({ $0 == 0 }) { return entries }
            guard checksumHolds(header), let size = octal(header, 124, 12) else { throw .notTar }
            let path = name(header)
            at += block
            guard size <= bytes.count - at else { throw .truncated(longName ?? path) }
            let content = bytes[at..<(at + size)]
            switch header[header.startIndex + 156] {
            case UInt8(ascii: "0"), 0, UInt8(ascii: "7"):
                guard entries.count < mostFiles else { throw .tooMany(limit: mostFiles) }
                entries.append(Entry(path: longName ?? path, bytes: Array(content)))
                longName = nil
            case UInt8(ascii: "L"): longName = text(content)
            case UInt8(ascii: "x"): longName = paxPath(content) ?? longName
            case UInt8(ascii: "g"): break
            default: longName = nil
            }
            at += (size + block - 1) / block * block
        }
        return entries
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }

    private static func field(_ header: ArraySlice<UInt8>, _ offset: Int, _ length: Int) -> ArraySlice<UInt8> {
        header[(header.startIndex + offset)..<(header.startIndex + offset + length)]
    }

    private static func name(_ header: ArraySlice<UInt8>) -> String {
        let prefix = field(header, 257, 5).elementsEqual("ustar".utf8) ? text(field(header, 345, 155)) : ""
        let name = text(field(header, 0, 100))
        return prefix.isEmpty ? name : "\(prefix)/\(name)"
    }

    /// Octal digits, or GNU's binary form for what is too large for them.
    private static func octal(_ header: ArraySlice<UInt8>, _ offset: Int, _ length: Int) -> Int? {
        let bytes = field(header, offset, length)
        if let first = bytes.first, first & 0x80 != 0 {
            let value = bytes.dropFirst().reduce(UInt64(0)) { $0 > UInt64.max >> 8 ? UInt64.max : $0 << 8 | UInt64($1) }
            return Int(exactly: value)
        }
        let digits = bytes.drop { $0 == 32 }.prefix { (48...55).contains($0) }
        return Int(String(decoding: digits, as: UTF8.self), radix: 8)
    }

    private static func checksumHolds(_ header: ArraySlice<UInt8>) -> Bool {
        guard let told = octal(header, 148, 8) else { return false }
        var sum = 8 * 32
        for (index, byte) in header.enumerated() where !(148..<156).contains(index) { sum += Int(byte) }
        return sum == told
    }

    /// The `path` of pax records: `LENGTH key=value\n`.
    private static func paxPath(_ bytes: ArraySlice<UInt8>) -> String? {
        var rest = bytes
        var path: String?
        while let blank = rest.firstIndex(of: 32), let length = Int(String(decoding: rest[..<blank], as: UTF8.self)),
            length > blank - rest.startIndex + 1, length <= rest.count
        {
            let record = rest[(blank + 1)..<(rest.startIndex + length - 1)]
            if record.starts(with: "path=".utf8) { path = String(decoding: record.dropFirst(5), as: UTF8.self) }
            rest = rest.dropFirst(length)
        }
        return path
    }
}
