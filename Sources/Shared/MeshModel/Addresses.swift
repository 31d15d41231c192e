// SPDX-License-Identifier: Apache-2.0

/// An IPv4 or IPv6 address without a zone.
package struct IPAddress: TextualValue, Comparable {
    package enum Family: String, Hashable, Sendable, Codable { case v4, v6 }
    package let family: Family
    /// The address as a number; IPv4 uses the low 32 bits.
    package let value: UInt128

    package static var form: String { "an IP address such as 192.168.15.11" }
    package var bits: Int { family == .v4 ? 32 : 128 }

    package init(family: Family, value: UInt128) {
        self.family = family
        self.value = value
    }

    package init?(_ text: String) {
        if let value = Self.parseV4(text) {
            self.init(family: .v4, value: UInt128(value))
        } else if let value = Self.parseV6(text) {
            self.init(family: .v6, value: value)
        } else {
            return nil
        }
    }

    package var description: String {
        if family == .v4 { return (0..<4).reversed().map { String(UInt8(truncatingIfNeeded: value >> ($0 * 8))) }.joined(separator: ".") }
        let groups = (0..<8).reversed().map { UInt16(truncatingIfNeeded: value >> ($0 * 16)) }
        guard let gap = Self.longestZeroRun(groups) else { return groups.map { String($0, radix: 16) }.joined(separator: ":") }
        let left = groups[..<gap.lowerBound].map { String($0, radix: 16) }.joined(separator: ":")
        let right = groups[gap.upperBound...].map { String($0, radix: 16) }.joined(separator: ":")
        return left + "::" + right
    }

    package static func < (left: Self, right: Self) -> Bool {
        left.family == right.family ? left.value < right.value : left.family == .v4
    }

    /// Strict dotted decimal: four parts, no leading zeros (some readers take those for octal).
    private static func parseV4(_ text: some StringProtocol) -> UInt32? {
        // Byte by byte: gates read addresses of facts again at each look.
        var (value, part, digits, dots): (UInt32, UInt32, Int, Int) = (0, 0, 0, 0)
        for byte in text.utf8 {
            if byte == UInt8(ascii: ".") {
                guard digits > 0, dots < 3 else { return nil }
                (value, part, digits, dots) = (value << 8 | part, 0, 0, dots + 1)
            } else {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte), digits == 0 || part > 0 else { return nil }
                (part, digits) = (part * 10 + UInt32(byte - UInt8(ascii: "0")), digits + 1)
                guard part < 256 else { return nil }
            }
        }
        return digits > 0 && dots == 3 ? value << 8 | part : nil
    }

    private static func parseV6(_ text: String) -> UInt128? {
        guard text.utf8.count <= 45, text.contains(":") else { return nil }
        func groups(_ part: Substring, mayEndInV4: Bool = true) -> [UInt16]? {
            if part.isEmpty { return [] }
            var result: [UInt16] = []
            let pieces = part.split(separator: ":", omittingEmptySubsequences: false)
            for (index, piece) in pieces.enumerated() {
                if mayEndInV4, piece.contains("."), index == pieces.count - 1, let v4 = parseV4(piece) {
                    result += [UInt16(v4 >> 16), UInt16(truncatingIfNeeded: v4)]
                } else {
                    guard (1...4).contains(piece.utf8.count), piece.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
                        let group = UInt16(piece, radix: 16)
                    else { return nil }
                    result.append(group)
                }
            }
            return result
        }
        let all: [UInt16]
        if let gap = text.firstRange(of: "::") {
            guard let left = groups(text[..<gap.lowerBound], mayEndInV4: false), let right = groups(text[gap.upperBound...]),
                left.count + right.count <= 7
            else { return nil }
            all = left + Array(repeating: 0, count: 8 - left.count - right.count) + right
        } else {
            guard let exact = groups(text[...]), exact.count == 8 else { return nil }
            all = exact
        }
        return all.reduce(UInt128(0)) { $0 << 16 | UInt128($1) }
    }

    /// RFC 5952: the first longest run of at least two zero groups is shortened.
    private static func longestZeroRun(_ groups: [UInt16]) -> Range<Int>? {
        var best: Range<Int>?
        var start: Int?
        for (index, group) in (groups + [1]).enumerated() {
            if group == 0 {
                start = start ?? index
            } else if let from = start {
                if index - from > max(1, best?.count ?? 1) { best = from..<index }
                start = nil
            }
        }
        return best
    }
}

extension String {
    fileprivate func firstRange(of needle: String) -> Range<Index>? {
        var index = startIndex
        while index < endIndex {
            if self[index...].hasPrefix(needle) { return index..<self.index(index, offsetBy: needle.count) }
            index = self.index(after: index)
        }
        return nil
    }
}

/// A range of addresses in CIDR form. Host bits must be zero: `10.0.0.1/8` is a slip, not a range.
package struct CIDR: TextualValue, Comparable {
    package let base: IPAddress
    package let prefixLength: Int
    package static var form: String { "an address range such as 10.244.0.0/16 (host bits zero)" }

    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let base = IPAddress(String(parts[0])), let length = plainNumber(parts[1]), length <= UInt64(base.bits)
        else { return nil }
        self.init(base: base, prefixLength: Int(length))
        guard base.value & hostMask == 0 else { return nil }
    }

    /// The network that an interface's address lies in: `10.0.0.0/24` of `10.0.0.5/24`.
    package static func ofInterface(_ text: String) -> CIDR? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(String(parts[0])), let length = plainNumber(parts[1]),
            length <= UInt64(address.bits)
        else { return nil }
        let network = CIDR(base: address, prefixLength: Int(length))
        return CIDR(
            base: IPAddress(family: address.family, value: address.value & ~network.hostMask), prefixLength: network.prefixLength)
    }

    private init(base: IPAddress, prefixLength: Int) {
        self.base = base
        self.prefixLength = prefixLength
    }

    private var hostMask: UInt128 {
        let hostBits = base.bits - prefixLength
        return hostBits == 128 ? UInt128.max : (UInt128(1) << hostBits) - 1
    }

    package var description: String { "\(base)/\(prefixLength)" }
    package var last: IPAddress { IPAddress(family: base.family, value: base.value | hostMask) }
    package func contains(_ address: IPAddress) -> Bool {
        address.family == base.family && address.value & ~hostMask == base.value
    }
    package func contains(_ other: CIDR) -> Bool { other.prefixLength >= prefixLength && contains(other.base) }
    /// Two prefixes overlap only when one holds the other.
    package func overlaps(_ other: CIDR) -> Bool { contains(other) || other.contains(self) }
    package static func < (left: Self, right: Self) -> Bool {
        left.base == right.base ? left.prefixLength < right.prefixLength : left.base < right.base
    }
}

/// Addresses in a row: a range in CIDR form, or its first and last address.
package struct AddressBlock: TextualValue {
    package let first: IPAddress
    package let last: IPAddress
    /// Present when it was written as one.
    package let cidr: CIDR?

    package static var form: String { "addresses such as 192.168.15.200-192.168.15.220 or 192.168.15.192/27" }

    package init?(_ text: String) {
        if let cidr = CIDR(text) {
            (first, last, self.cidr) = (cidr.base, cidr.last, cidr)
            return
        }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { IPAddress(String($0)) }
        guard ends.count == 2, let first = ends[0], let last = ends[1], first.family == last.family, first <= last else { return nil }
        (self.first, self.last, cidr) = (first, last, nil)
    }

    package var description: String { cidr?.description ?? "\(first)-\(last)" }
    package func contains(_ address: IPAddress) -> Bool { address.family == first.family && (first...last).contains(address) }
    package func overlaps(_ other: AddressBlock) -> Bool {
        first.family == other.first.family && first <= other.last && other.first <= last
    }
}

extension CIDR {
    package func contains(_ block: AddressBlock) -> Bool { contains(block.first) && contains(block.last) }
}
