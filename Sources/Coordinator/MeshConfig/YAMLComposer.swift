// SPDX-License-Identifier: Apache-2.0

import Yams

/// Text to `YAMLTree`, on top of Yams.
///
/// Two tricks keep it safe and complete. Every `&` is hidden behind a private-use character (same width, so places hold): without anchors no
/// alias can multiply, whatever the text. And Yams stops at the first doubled key, so that key is given another first character and the text is
/// composed again; the tree then shows both keys under their true name and the doubling is one fault among the others.
struct YAMLComposer {
    private static let hiddenAmpersand: Unicode.Scalar = "\u{E026}"
    private static let firstMark: UInt32 = 0xE100
    /// Each doubled key costs another reading, so a huge file with doubled keys tells of the first only.
    private static let mostDoublings = 16
    private static let mostBytesToRepeat = 4 << 20
    private static let deepest = 64

    private let log: FaultLog
    /// The true first character of a key that was made different.
    private var trueFirst: [Unicode.Scalar: Unicode.Scalar] = [:]

    /// `nil` when the text cannot be read at all; faults in a tree that can be read go to the log.
    static func compose(_ text: String, log: FaultLog) -> YAMLTree? {
        if let (place, problem) = TextGuard.judge(text) {
            log.add(place, problem)
            return nil
        }
        var composer = YAMLComposer(log: log)
        return composer.run(text)
    }

    private init(log: FaultLog) { self.log = log }

    private mutating func run(_ original: String) -> YAMLTree? {
        var text = original.utf8.contains(UInt8(ascii: "&")) ? hidden(original) : original
        while true {
            do {
                guard let node = try Parser(yaml: text, resolver: .basic, encoding: .utf8).singleRoot() else {
                    log.add(.start, "the file is empty; a mesh file starts with \"apiVersion:\"")
                    return nil
                }
                let root = tree(node, depth: 0)
                // What an anchor hid is not there to be read: its absence would be told as further faults.
                return log.contains(aliasRefusal) ? nil : root
            } catch YamlError.duplicatedKeysInMapping(let names, let context) {
                let place = Place(line: context.mark.line, column: context.mark.column)
                guard trueFirst.count < Self.mostDoublings, text.utf8.count < Self.mostBytesToRepeat,
                    rename(at: place, among: names, in: &text)
                else {
                    log.add(place, "the key \(quoted(shown(names.sorted().first ?? ""))) is written twice in one map")
                    return nil
                }
            } catch {
                report(error, in: original)
                return nil
            }
        }
    }

    private func hidden(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { result.append(scalar == "&" ? Self.hiddenAmpersand : scalar) }
        return String(result)
    }

    private mutating func rename(at place: Place, among names: [String], in text: inout String) -> Bool {
        var scalars = text.unicodeScalars
        guard var index = start(of: place, in: scalars) else { return false }
        if scalars[index] == "\"" || scalars[index] == "'" { index = scalars.index(after: index) }
        guard index < scalars.endIndex, names.contains(where: { $0.unicodeScalars.first == scalars[index] }),
            let mark = Unicode.Scalar(Self.firstMark + UInt32(trueFirst.count))
        else { return false }
        trueFirst[mark] = scalars[index]
        scalars.replaceSubrange(index...index, with: CollectionOfOne(mark))
        text = String(scalars)
        return true
    }

    private func start(of place: Place, in scalars: String.UnicodeScalarView) -> String.UnicodeScalarView.Index? {
        var index = scalars.startIndex
        var line = 1
        while line < place.line, index < scalars.endIndex {
            let scalar = scalars[index]
            index = scalars.index(after: index)
            let crBeforeLF = scalar == "\r" && index < scalars.endIndex && scalars[index] == "\n"
            if scalar == "\n" || (scalar == "\r" && !crBeforeLF) { line += 1 }
        }
        return scalars.index(index, offsetBy: place.column - 1, limitedBy: scalars.endIndex).flatMap { $0 < scalars.endIndex ? $0 : nil }
    }
}

// MARK: - Yams' nodes to our tree

extension YAMLComposer {
    private func tree(_ node: Node, depth: Int) -> YAMLTree {
        let place = node.mark.map { Place(line: $0.line, column: $0.column) } ?? .start
        guard depth < Self.deepest else {
            log.add(place, "lists and maps nest more than \(Self.deepest) deep here; a mesh file needs fewer than ten levels")
            return YAMLTree(place: place, content: .list([]))
        }
        switch node {
        case .scalar(let scalar):
            return YAMLTree(place: place, content: scalarContent(scalar, at: place))
        case .sequence(let sequence):
            refuseTag(sequence.tag, at: place)
            return YAMLTree(place: place, content: .list(sequence.map { tree($0, depth: depth + 1) }))
        case .mapping(let mapping):
            refuseTag(mapping.tag, at: place)
            return YAMLTree(place: place, content: .map(entries(mapping, depth: depth)))
        case .alias:
            log.add(place, aliasRefusal)
            return YAMLTree(place: place, content: .list([]))
        }
    }

    private func entries(_ mapping: Node.Mapping, depth: Int) -> [YAMLTree.Entry] {
        var seen: [String: Place] = [:]
        var result: [YAMLTree.Entry] = []
        for (keyNode, valueNode) in mapping {
            let place = keyNode.mark.map { Place(line: $0.line, column: $0.column) } ?? .start
            guard case .scalar(let scalar) = keyNode else {
                log.add(place, "a key must be a plain word, not a list or a map")
                continue
            }
            let key = shown(scalar.string)
            if scalar.style == .plain, scalar.string.unicodeScalars.first == Self.hiddenAmpersand { log.add(place, aliasRefusal) }
            if scalar.style == .plain, key == "<<" { log.add(place, "merge keys (<<) are not accepted; write the keys out") }
            if let first = seen[key] {
                log.add(place, "the key \(quoted(key)) is written twice in one map (first on line \(first.line))")
                continue
            }
            seen[key] = place
            result.append(YAMLTree.Entry(key: key, place: place, value: tree(valueNode, depth: depth + 1)))
        }
        return result
    }

    private func scalarContent(_ scalar: Node.Scalar, at place: Place) -> YAMLTree.Content {
        let plain = scalar.style == .plain
        if plain, scalar.string.unicodeScalars.first == Self.hiddenAmpersand { log.add(place, aliasRefusal) }
        refuseTag(scalar.tag, at: place)
        return .scalar(shown(scalar.string), plain: plain)
    }

    private func refuseTag(_ tag: Tag, at place: Place) {
        guard ![Tag.Name.implicit.rawValue, Tag.Name.str.rawValue].contains(tag.rawValue) else { return }
        log.add(place, "tags such as \(quoted(tag.rawValue)) are not accepted; write the plain value")
    }

    /// The text as the admin wrote it, with both tricks undone.
    private func shown(_ text: String) -> String {
        guard text.utf8.contains(0xEE) else { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { result.append(scalar == Self.hiddenAmpersand ? "&" : trueFirst[scalar] ?? scalar) }
        return String(result)
    }
}

private let aliasRefusal = "anchors (&name) and aliases (*name) are not accepted; write the value out"

// MARK: - What Yams could not read

extension YAMLComposer {
    private func report(_ error: any Error, in text: String) {
        switch error {
        case YamlError.scanner(let context, let problem, let mark, _), YamlError.parser(let context, let problem, let mark, _):
            reportSyntax(context, problem, mark, in: text)
        case YamlError.composer(_, let problem, let mark, _):
            let place = Place(line: mark.line, column: mark.column)
            if problem.contains("another document") {
                log.add(place, "a second document starts here; one file holds one mesh")
            } else {
                log.add(place, problem.contains("alias") ? aliasRefusal : "not valid YAML: \(problem)")
            }
        case YamlError.memory:
            log.add(mostIndented(text), "lists and maps nest too deeply; a mesh file needs fewer than ten levels")
        case YamlError.reader(let problem, _, _, _):
            log.add(.start, "not valid YAML: \(problem)")
        default:
            log.add(.start, "not valid YAML: \(error)")
        }
    }

    private func reportSyntax(_ context: YamlError.Context?, _ problem: String, _ mark: Mark, in text: String) {
        let lines = text.split(maxSplits: mark.line, omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        let line = lines.dropFirst(mark.line - 1).first ?? ""
        // libyaml puts the end of a text without a last line end on a line that is not there.
        let beyond = mark.line > lines.count
        let place = Place(
            line: beyond ? lines.count : mark.line, column: beyond ? (lines.last?.unicodeScalars.count ?? 0) + 1 : mark.column)
        if let anchor = anchor(upTo: place, in: text) {
            log.add(anchor, aliasRefusal)
        } else if line.prefix(while: { $0 == " " || $0 == "\t" }).contains("\t") {
            log.add(place, "a tab cannot indent YAML; use spaces")
        } else {
            let around = context.map { " (\($0.text), begun on line \($0.mark.line))" } ?? ""
            log.add(place, "not valid YAML: \(problem)\(around)")
        }
    }

    /// An anchor in front of a block on the line before makes a parser error further on; the anchor is what the admin should hear of.
    private func anchor(upTo place: Place, in text: String) -> Place? {
        let lines = text.split(maxSplits: place.line, omittingEmptySubsequences: false, whereSeparator: \.isNewline).prefix(place.line)
        for (index, line) in lines.enumerated().suffix(2) {
            let scalars = Array(line.unicodeScalars)
            for column in scalars.indices where scalars[column] == "&" {
                let before = scalars[..<column].last { $0 != " " }
                let blank = column == 0 || scalars[column - 1] == " "
                if blank, before == nil || before == ":" || before == "-" { return Place(line: index + 1, column: column + 1) }
            }
        }
        return nil
    }

    private func mostIndented(_ text: String) -> Place {
        var best = Place.start
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let column = line.prefix { $0 == " " || $0 == "-" }.count + 1
            if column > best.column { best = Place(line: index + 1, column: column) }
        }
        return best
    }
}
