// SPDX-License-Identifier: Apache-2.0

/// A link of a page: `[text](target)`.
package struct MarkdownLink: Hashable, Sendable {
    package let text: String
    package let target: String
    package let place: SourcePlace
}

/// A text that is meant as commands: a fenced block, or the code in a line.
package struct MarkdownCode: Hashable, Sendable {
    package let text: String
    /// The word after the fence; `nil` for code in a line.
    package let language: String?
    /// Where its first character stands.
    package let place: SourcePlace
    package let isFenced: Bool
}

/// `3. text` at the beginning of a line.
package struct MarkdownItem: Hashable, Sendable {
    package let number: Int
    package let indent: Int
    package let line: Int
    /// Items with one number belong to one list: headings end a list.
    package let list: Int
}

/// A page of Markdown, as far as lints need it.
package struct MarkdownPage: Sendable {
    package var links: [MarkdownLink] = []
    package var codes: [MarkdownCode] = []
    package var items: [MarkdownItem] = []
}

/// Reads links, commands and numbered steps of Markdown. Never fails: Markdown has no faults.
package struct MarkdownReader {
    private var page = MarkdownPage()
    private var fence: (sign: UInt8, length: Int, language: String, line: Int)?
    private var fenced: [Substring.UTF8View] = []
    private var list = 0

    package static func read(_ text: String) -> MarkdownPage {
        var reader = MarkdownReader()
        for (index, line) in text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            reader.take(line.last == 0x0D ? line.dropLast() : line[...], line: index + 1)
        }
        reader.closeFence()
        return reader.page
    }

    private mutating func take(_ line: Substring.UTF8View, line number: Int) {
        let indent = line.prefix { $0.isBlank }.count
        let rest = line.dropFirst(indent)
        if let open = fence {
            let closes = rest.count >= open.length && trimmed(rest).allSatisfy { $0 == open.sign }
            if closes { closeFence() } else { fenced.append(line) }
            return
        }
        if let sign = rest.first, sign == .ascii("`") || sign == .ascii("~") {
            let length = rest.prefix { $0 == sign }.count
            if length >= 3, !rest.dropFirst(length).contains(.ascii("`")) {
                let language = String(decoding: trimmed(rest.dropFirst(length)).prefix { !$0.isBlank }, as: UTF8.self)
                fence = (sign, length, language, number + 1)
                return
            }
        }
        if rest.first == .ascii("#") { list += 1 }
        let digits = rest.prefix { $0.isDigit }
        let after = rest.dropFirst(digits.count)
        if (1...9).contains(digits.count), let sign = after.first, sign == .ascii(".") || sign == .ascii(")"),
            after.dropFirst().first?.isBlank ?? true, let value = Int(String(decoding: digits, as: UTF8.self))
        {
            page.items.append(MarkdownItem(number: value, indent: indent, line: number, list: list))
        }
        inline(Array(line), line: number)
    }

    private mutating func closeFence() {
        guard let open = fence else { return }
        let text = fenced.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "\n")
        page.codes.append(
            MarkdownCode(text: text, language: open.language, place: SourcePlace(line: open.line, column: 1), isFenced: true))
        (fence, fenced) = (nil, [])
    }

    /// Code spans and links of one line. Brackets are matched with a stack, so a line of nothing but brackets costs its length.
    private mutating func inline(_ line: [UInt8], line number: Int) {
        let source = SourceText(bytes: line)
        func place(_ index: Int) -> SourcePlace { SourcePlace(line: number, column: source.place(index).column) }
        var opened: [Int] = []
        var index = 0
        // The next backtick run of each length from here on; without it a line of ever longer runs would be searched again and again.
        var searchedInVain: Set<Int> = []
        let lastParenthesis = line.lastIndex(of: .ascii(")")) ?? -1
        while index < line.count {
            switch line[index] {
            case .ascii("\\"): index += 2
            case .ascii("`"):
                let length = line[index...].prefix { $0 == .ascii("`") }.count
                guard !searchedInVain.contains(length), let end = closing(line, from: index + length, length) else {
                    searchedInVain.insert(length)
                    index += length
                    continue
                }
                let body = line[(index + length)..<end]
                let lead = body.prefix { $0.isBlank }.count
                page.codes.append(
                    MarkdownCode(
                        text: trimmed(body.text), language: nil, place: place(index + length + lead), isFenced: false))
                index = end + length
            case .ascii("["):
                opened.append(index)
                index += 1
            case .ascii("]"):
                index += 1
                guard let start = opened.popLast(), index < line.count, line[index] == .ascii("("),
                    index < lastParenthesis, let close = line[index...].firstIndex(of: .ascii(")"))
                else { continue }
                let target = line[(index + 1)..<close].prefix { !$0.isBlank }
                page.links.append(
                    MarkdownLink(
                        text: line[(start + 1)..<(index - 1)].text, target: target.text, place: place(start + 1)))
                index = close + 1
            default: index += 1
            }
        }
    }

    private func closing(_ line: [UInt8], from start: Int, _ length: Int) -> Int? {
        var index = start
        while index < line.count {
            guard line[index] == .ascii("`") else {
                index += 1
                continue
            }
            let run = line[index...].prefix { $0 == .ascii("`") }.count
            if run == length { return index }
            index += run
        }
        return nil
    }
}
