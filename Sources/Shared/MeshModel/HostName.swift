// SPDX-License-Identifier: Apache-2.0

/// A host that a program is told to talk to: a DNS name of two labels or more in its ASCII form, or an IP address. Never more than that: no
/// scheme, port, path, user or password.
package struct HostName: TextualValue, Comparable {
    /// Lower case, without a final dot; an address as `IPAddress` writes it.
    package let description: String
    /// Present for an address.
    package let address: IPAddress?

    package static var form: String { "a host such as api.example.com, without scheme, port and path" }

    package init?(_ text: String) {
        guard !text.isEmpty, text.utf8.count <= Self.longestText else { return nil }
        let bare = text.hasPrefix("[") && text.hasSuffix("]") ? String(text.dropFirst().dropLast()) : text
        if let address = IPAddress(bare) {
            // A v4 address in v6 clothes is the v4 address.
            self.init(description: address.unmapped.description, address: address.unmapped)
            return
        }
        guard bare == text, let name = Self.canonical(text) else { return nil }
        self.init(description: name, address: nil)
    }

    private init(description: String, address: IPAddress?) {
        self.description = description
        self.address = address
    }

    package static func < (left: Self, right: Self) -> Bool { left.description < right.description }

    /// Whether it lies below the other name.
    package func isBelow(_ other: HostName) -> Bool {
        address == nil && other.address == nil && description.hasSuffix("." + other.description)
    }

    // MARK: names

    /// No name is longer, in any form that makes a name of at most 253 bytes.
    private static let longestText = 1024
    /// UTS 46: these are read as dots.
    private static let dots: Set<Unicode.Scalar> = [".", "\u{3002}", "\u{FF0E}", "\u{FF61}"]

    private static func canonical(_ text: String) -> String? {
        var labels = text.lowercased().unicodeScalars.split(omittingEmptySubsequences: false, whereSeparator: dots.contains)
        if labels.last?.isEmpty == true { labels.removeLast() }
        let ascii = labels.compactMap { Self.ascii(String.UnicodeScalarView($0)) }
        // A last label of digits makes an address, and a wrong one at that.
        guard ascii.count >= 2, ascii.count == labels.count, let last = ascii.last, !last.utf8.allSatisfy(isDigit) else { return nil }
        let name = ascii.joined(separator: ".")
        return name.utf8.count <= 253 ? name : nil
    }

    private static func ascii(_ label: String.UnicodeScalarView) -> String? {
        guard !label.isEmpty, label.count <= 63 else { return nil }
        if label.allSatisfy(\.isASCII) {
            let isPlain = label.allSatisfy { isLetter($0) || isDigit(UInt8($0.value)) || $0 == "-" || $0 == "_" }
            return isPlain && label.first != "-" && label.last != "-" ? String(label) : nil
        }
        // Marks that turn the writing round, joiners, spaces and controls stand in no name, and would fool whoever reads the list.
        let isWord = label.allSatisfy { scalar in
            if scalar.isASCII { return isLetter(scalar) || isDigit(UInt8(scalar.value)) || scalar == "-" }
            switch scalar.properties.generalCategory {
            case .lowercaseLetter, .otherLetter, .modifierLetter, .nonspacingMark, .spacingMark, .decimalNumber: return true
            default: return false
            }
        }
        guard isWord, let tail = Punycode.encode(Array(label)), tail.utf8.count <= 59 else { return nil }
        return "xn--" + tail
    }

    private static func isLetter(_ scalar: Unicode.Scalar) -> Bool { ("a"..."z").contains(scalar) }
    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}

/// Hosts that a service may talk to: one host, or every name below a suffix.
package struct HostPattern: TextualValue {
    package let host: HostName
    /// `*.example.com`: the names below, and not `example.com` itself.
    package let isSuffix: Bool

    package static var form: String { "a host such as api.example.com, \"*.example.com\" or 203.0.113.7, without scheme, port and path" }

    package init?(_ text: String) {
        isSuffix = text.hasPrefix("*.")
        guard let host = HostName(isSuffix ? String(text.dropFirst(2)) : text), !isSuffix || host.address == nil else { return nil }
        self.host = host
    }

    package var description: String { (isSuffix ? "*." : "") + host.description }

    /// Whether the host is one of those that are meant.
    package func covers(_ other: HostName) -> Bool { isSuffix ? other.isBelow(host) : other == host }
}

/// RFC 3492, the way there only: labels of other scripts in the form that DNS has them.
private enum Punycode {
    /// `nil` where the arithmetic would overflow, which no label of 63 scalars reaches.
    static func encode(_ label: [Unicode.Scalar]) -> String? {
        let basic = label.filter(\.isASCII)
        var output = String(String.UnicodeScalarView(basic))
        if !basic.isEmpty { output.append("-") }
        var (code, delta, bias, handled) = (UInt32(128), UInt32(0), UInt32(72), UInt32(basic.count))
        while handled < label.count {
            guard let next = label.map(\.value).filter({ $0 >= code }).min() else { return nil }
            let (step, isTooMuch) = (next - code).multipliedReportingOverflow(by: handled + 1)
            guard !isTooMuch, delta <= .max - step else { return nil }
            delta += step
            code = next
            for scalar in label {
                if scalar.value < code { delta += 1 }
                guard scalar.value == code else { continue }
                output += digits(of: delta, bias)
                bias = adapted(delta, points: handled + 1, isFirst: handled == basic.count)
                delta = 0
                handled += 1
            }
            delta += 1
            code += 1
        }
        return output
    }

    /// A variable-length number, in base 36.
    private static func digits(of number: UInt32, _ bias: UInt32) -> String {
        var (rest, position, text) = (number, UInt32(36), "")
        while true {
            let threshold = position <= bias ? 1 : min(26, position - bias)
            if rest < threshold { return text + digit(rest) }
            text += digit(threshold + (rest - threshold) % (36 - threshold))
            rest = (rest - threshold) / (36 - threshold)
            position += 36
        }
    }

    /// `a` is 0 and `9` is 35.
    private static func digit(_ value: UInt32) -> String { String(Unicode.Scalar(UInt8(value < 26 ? 97 + value : 22 + value))) }

    private static func adapted(_ delta: UInt32, points: UInt32, isFirst: Bool) -> UInt32 {
        var (delta, turns) = (delta / (isFirst ? 700 : 2), UInt32(0))
        delta += delta / points
        while delta > 455 {
            delta /= 35
            turns += 36
        }
        return turns + 36 * delta / (delta + 38)
    }
}

extension IPAddress {
    /// `10.0.0.1` for `::ffff:10.0.0.1`.
    fileprivate var unmapped: IPAddress {
        family == .v6 && value >> 32 == 0xFFFF ? IPAddress(family: .v4, value: value & 0xFFFF_FFFF) : self
    }
}
