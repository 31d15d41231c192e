// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// How one kind of value is written in the file: what is wanted, in words, and how to read it.
struct Form<Value> {
    /// With an example, for messages: `a size such as 128GiB`.
    let wanted: String
    /// `nil` when the scalar is not of this form. `plain` is false for text in quotes.
    let parse: (_ text: String, _ plain: Bool) -> Value?
    /// The words that would be accepted, when they are few.
    var words: [String] = []
}

extension Form where Value == String {
    /// Any text that is not empty.
    static var text: Self {
        Form(wanted: "a text") { text, _ in text.isEmpty ? nil : text }
    }

    /// A name that may be part of other names: labels as `NodeID` has them.
    static var name: Self {
        Form(wanted: "a name of a-z, 0-9 and '-'") { text, _ in NodeID(text)?.text }
    }

    /// An API server's address, and nothing behind the port.
    static var endpoint: Self {
        Form(wanted: "an address such as https://192.168.15.10:6443") { text, _ in
            guard text.hasPrefix("https://"), let colon = text.lastIndex(of: ":") else { return nil }
            let host = text[text.index(text.startIndex, offsetBy: 8)..<max(colon, text.index(text.startIndex, offsetBy: 8))]
            guard let port = decimal(String(text[text.index(after: colon)...])), (1...65535).contains(port), isHost(host) else {
                return nil
            }
            return text
        }
    }
}

extension Form where Value == Int {
    static func integer(_ range: ClosedRange<Int>? = nil, _ what: String = "a whole number") -> Self {
        Form(wanted: range.map { "\(what) from \($0.lowerBound) to \($0.upperBound)" } ?? what) { text, plain in
            guard plain, let number = decimal(text), range?.contains(number) ?? true else { return nil }
            return number
        }
    }

    static var port: Self { integer(1...65535, "a port") }
}

extension Form where Value == Bool {
    static var bool: Self {
        Form(wanted: "true or false") { text, plain in plain ? (text == "true" ? true : text == "false" ? false : nil) : nil }
    }
}

extension Form where Value == ClosedRange<Int> {
    static var portRange: Self {
        Form(wanted: "a port range such as 30000-32767") { text, _ in
            let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { decimal(String($0)) }
            guard ends.count == 2, let low = ends[0], let high = ends[1], low >= 1, low <= high, high <= 65535 else { return nil }
            return low...high
        }
    }
}

extension Form where Value: TextualValue {
    static var value: Self { Form(wanted: Value.form) { text, _ in Value(text) } }
}

extension Form where Value: Identifier {
    static var id: Self { Form(wanted: Value.grammar) { text, _ in Value(text) } }
}

extension Form where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    static var word: Self {
        let words = Value.allCases.map(\.rawValue)
        let listed = words.count < 2 ? words.joined() : words.dropLast().joined(separator: ", ") + " or " + (words.last ?? "")
        return Form(wanted: listed, parse: { text, _ in Value(rawValue: text) }, words: words)
    }
}

/// Plain decimal digits with at most a minus: `0x10`, `1_000` and `010` mean different numbers to different YAML readers, so none of them is taken.
func decimal(_ text: String) -> Int? {
    let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
        digits == "0" || digits.first != "0"
    else { return nil }
    return Int(text)
}

private func isHost(_ text: Substring) -> Bool {
    if text.hasPrefix("["), text.hasSuffix("]") { return IPAddress(String(text.dropFirst().dropLast()))?.family == .v6 }
    return !text.isEmpty && text.utf8.count <= 253
        && text.utf8.allSatisfy { byte in
            let letter = byte | 0x20
            return (97...122).contains(letter) || (48...57).contains(byte) || byte == 45 || byte == 46
        }
}
