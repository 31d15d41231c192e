// SPDX-License-Identifier: Apache-2.0

package import TreeLinting
import Yams

/// Reads every document of a YAML or JSON text of whatever kind, for the lint of trees. Unlike in mesh files, aliases are followed and `<<` merges,
/// within `Aliases`' bounds: what somebody else wrote has to be read as the tools will read it.
@Sendable package func readTreeYAML(_ text: String) -> YAMLReading {
    if let (place, problem) = TextGuard.judge(text) {
        return YAMLReading(documents: [], fault: (SourcePlace(line: place.line, column: place.column), problem))
    }
    let follows = Aliases.mayBeFollowed(in: text)
    var documents: [YAMLNode] = []
    do {
        let parser = try Parser(yaml: follows ? text : hidingAmpersands(text), resolver: .basic, encoding: .utf8)
        var aliases = Aliases()
        while let root = try parser.nextRoot() { documents.append(try aliases.node(root)) }
        return YAMLReading(documents: documents)
    } catch {
        let (place, problem) = explain(error, follows: follows)
        // libyaml puts the end of a text without a last line end on a line that is not there.
        let lines = text.utf8.count { $0 == 10 } + 1
        return YAMLReading(documents: documents, fault: (place.line > lines ? SourcePlace(line: lines, column: 1) : place, problem))
    }
}

/// What keeps aliases from multiplying: few anchors, none that could become a key (Yams hashes keys, and with them all that they stand for), and a
/// bound on what all of them together unfold to.
private struct Aliases {
    static let mostAnchors = 64
    /// Aliases of aliases nest deeper than any text may.
    static let deepest = 200
    static let mostNodes = 200_000

    struct TooMany: Error {
        var place: SourcePlace
    }

    private var nodes = 0

    /// Errs to the safe side: a text that only looks as if an alias were a key is read without following any.
    static func mayBeFollowed(in text: String) -> Bool {
        var anchors = 0
        var last: UInt8 = 10
        var endsAlias = false
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "&"): anchors += 1
            case UInt8(ascii: "*"): endsAlias = true
            case UInt8(ascii: "]"), UInt8(ascii: "}"): endsAlias = true
            case UInt8(ascii: ":") where endsAlias: return false
            case UInt8(ascii: "?") where last == 10 || last == 13 || last == 32 || last == UInt8(ascii: ","): return false
            case 10, 13, UInt8(ascii: ","): endsAlias = false
            default: break
            }
            last = byte
        }
        return anchors <= mostAnchors
    }

    mutating func node(_ yams: Node, depth: Int = 0) throws(TooMany) -> YAMLNode {
        nodes += 1
        guard nodes <= Self.mostNodes, depth <= Self.deepest else { throw TooMany(place: place(yams.mark)) }
        switch yams {
        case .scalar(let scalar):
            return YAMLNode(place: place(yams.mark), content: .scalar(shown(scalar.string), isPlain: scalar.style == .plain))
        case .sequence(let sequence):
            var items: [YAMLNode] = []
            for item in sequence { items.append(try node(item, depth: depth + 1)) }
            return YAMLNode(place: place(yams.mark), content: .list(items))
        case .mapping(let mapping):
            var entries: [YAMLNode.Entry] = []
            var merged: [YAMLNode.Entry] = []
            for (key, item) in mapping {
                guard case .scalar(let name) = key else { continue }
                let value = try node(item, depth: depth + 1)
                if name.string == "<<", name.style == .plain, let others = Self.merges(value) {
                    merged += others
                } else {
                    entries.append(YAMLNode.Entry(key: shown(name.string), place: place(key.mark), value: value))
                }
            }
            // A key of the map itself wins, and of several merged maps the first that has it (https://yaml.org/type/merge.html).
            var known = Set(entries.map(\.key))
            entries += merged.filter { known.insert($0.key).inserted }
            return YAMLNode(place: place(yams.mark), content: .map(entries))
        case .alias: return YAMLNode(place: place(yams.mark), content: .scalar("", isPlain: true))
        }
    }

    /// The entries of a map, or of each map of a list; `nil` for anything else, which then is a key like others.
    private static func merges(_ value: YAMLNode) -> [YAMLNode.Entry]? {
        switch value.content {
        case .map(let entries): return entries
        case .list(let items):
            var entries: [YAMLNode.Entry] = []
            for item in items {
                guard case .map(let some) = item.content else { return nil }
                entries += some
            }
            return entries
        case .scalar: return nil
        }
    }
}

/// Stands for `&`, so that there are no anchors; `TextGuard` has refused a text that has it already.
private let hiddenAmpersand: Unicode.Scalar = "\u{E026}"

private func hidingAmpersands(_ text: String) -> String {
    guard text.utf8.contains(UInt8(ascii: "&")) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars { result.append(scalar == "&" ? hiddenAmpersand : scalar) }
    return String(result)
}

private func shown(_ text: String) -> String {
    guard text.utf8.contains(0xEE) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars { result.append(scalar == hiddenAmpersand ? "&" : scalar) }
    return String(result)
}

private func place(_ mark: Mark?) -> SourcePlace {
    mark.map { SourcePlace(line: $0.line, column: $0.column) } ?? SourcePlace(line: 1, column: 1)
}

private func explain(_ error: any Error, follows: Bool) -> (SourcePlace, String) {
    switch error {
    case let error as Aliases.TooMany:
        return (error.place, "aliases unfold to more than \(Aliases.mostNodes) values, or deeper than \(Aliases.deepest)")
    case YamlError.scanner(_, let problem, let mark, _), YamlError.parser(_, let problem, let mark, _):
        return (place(mark), "not valid YAML: \(problem)")
    case YamlError.composer(_, let problem, let mark, _):
        let alias = problem.contains("alias")
        let unfollowed =
            "aliases (*name) are followed in files with at most \(Aliases.mostAnchors) anchors (&name), and not as keys: this one is not read"
        return (place(mark), alias && !follows ? unfollowed : "not valid YAML: \(problem)")
    case YamlError.duplicatedKeysInMapping(let names, let context):
        return (place(context.mark), "the key \(quoted(shown(names.sorted().first ?? ""))) is written twice in one map")
    case YamlError.reader(let problem, _, _, _): return (SourcePlace(line: 1, column: 1), "not valid YAML: \(problem)")
    default: return (SourcePlace(line: 1, column: 1), "not valid YAML: \(error)")
    }
}
