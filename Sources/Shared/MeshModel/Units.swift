// SPDX-License-Identifier: Apache-2.0

/// A value an admin writes as text. `init?` refuses what it does not understand; `description` is the one canonical form.
package protocol TextualValue: Hashable, Sendable, Codable, CustomStringConvertible {
    init?(_ text: String)
    /// What is wanted, with an example, for messages.
    static var form: String { get }
}

extension TextualValue {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Self(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\"\(text)\" is not \(Self.form)")
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// A size in bytes, written with an IEC unit: `128GiB`.
package struct ByteCount: TextualValue, Comparable {
    package let bytes: UInt64
    package init(bytes: UInt64) { self.bytes = bytes }
    package static func gibibytes(_ count: UInt64) -> ByteCount { ByteCount(bytes: count << 30) }
    package static var form: String { "a size such as 128GiB (B, KiB, MiB, GiB, TiB)" }

    private static let units: [(String, UInt64)] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)]

    package init?(_ text: String) {
        guard let unit = Self.units.first(where: { text.hasSuffix($0.0) }), let count = plainNumber(text.dropLast(unit.0.count)) else {
            return nil
        }
        let (product, overflow) = count.multipliedReportingOverflow(by: unit.1)
        guard !overflow, product <= UInt64(Int64.max) else { return nil }
        bytes = product
    }

    package var description: String {
        for (name, size) in Self.units where bytes >= size && bytes % size == 0 { return "\(bytes / size)\(name)" }
        return "0B"
    }

    package static func < (left: Self, right: Self) -> Bool { left.bytes < right.bytes }
}

/// A length of time as written in a file: `30s`, `10m`, `1h30m`.
package struct TimeSpan: TextualValue, Comparable {
    package let duration: Duration
    package init(_ duration: Duration) { self.duration = duration }
    package static var form: String { "a duration such as 30s, 10m or 1h30m (ms, s, m, h, d)" }

    private static let units: [(String, Int64)] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)]

    package init?(_ text: String) {
        var rest = Substring(text)
        var total: Int64 = 0
        var lastUnit = Int64.max
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(digits.count)
            let letters = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(letters.count)
            guard let count = plainNumber(digits), count <= 1_000_000_000,
                let unit = Self.units.first(where: { $0.0 == letters })?.1, unit < lastUnit
            else { return nil }
            lastUnit = unit
            total += Int64(count) * unit
        }
        duration = .milliseconds(total)
    }

    package var description: String {
        var rest = duration.inMilliseconds
        guard rest > 0 else { return "0s" }
        var text = ""
        for (name, size) in Self.units where rest >= size {
            text += "\(rest / size)\(name)"
            rest %= size
        }
        return text
    }

    package static func < (left: Self, right: Self) -> Bool { left.duration < right.duration }
}

/// A semantic version without build metadata: `1.18.5`, `1.14.0-beta.1`; a leading `v` is accepted and dropped.
package struct SemanticVersion: TextualValue, Comparable {
    package let major: Int
    package let minor: Int
    package let patch: Int
    package let prerelease: String
    package static var form: String { "a version such as 1.18.5" }

    package init(_ major: Int, _ minor: Int, _ patch: Int) {
        self.major = major
        self.minor = minor
        self.patch = patch
        prerelease = ""
    }

    package init?(_ text: String) {
        let bare = text.hasPrefix("v") ? text.dropFirst() : text[...]
        let halves = bare.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let numbers = halves[0].split(separator: ".", omittingEmptySubsequences: false).map(plainNumber)
        guard numbers.count == 3, let major = numbers[0], let minor = numbers[1], let patch = numbers[2],
            max(major, minor, patch) < 1_000_000, halves[0].split(separator: ".").allSatisfy({ $0 == "0" || $0.first != "0" })
        else { return nil }
        if halves.count == 2 {
            guard !halves[1].isEmpty, halves[1].allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-") }) else {
                return nil
            }
        }
        self.major = Int(major)
        self.minor = Int(minor)
        self.patch = Int(patch)
        prerelease = halves.count == 2 ? String(halves[1]) : ""
    }

    package var description: String { "\(major).\(minor).\(patch)" + (prerelease.isEmpty ? "" : "-\(prerelease)") }

    /// A pre-release comes before its release; two pre-releases compare as text.
    package static func < (left: Self, right: Self) -> Bool {
        let (a, b) = ((left.major, left.minor, left.patch), (right.major, right.minor, right.patch))
        if a != b { return a < b }
        if left.prerelease.isEmpty != right.prerelease.isEmpty { return right.prerelease.isEmpty }
        return left.prerelease < right.prerelease
    }
}

/// An Ethernet address, six bytes, canonical in lower case: `bc:24:11:00:15:21`.
package struct MACAddress: TextualValue {
    package let bytes: [UInt8]
    package static var form: String { "a MAC address such as bc:24:11:00:15:21" }
    package init?(_ text: String) {
        let parts = text.lowercased().split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6, parts.allSatisfy({ $0.utf8.count == 2 }), let bytes = decodeHex(parts.joined()) else { return nil }
        self.bytes = bytes
    }
    /// As frames have it: six bytes.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 6 else { return nil }
        self.bytes = Array(bytes)
    }
    package var description: String { bytes.map { encodeHex([$0]) }.joined(separator: ":") }
}

/// Decimal digits only, no sign, no space; `nil` when empty or too large.
func plainNumber(_ text: some StringProtocol) -> UInt64? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
    return UInt64(text)
}
