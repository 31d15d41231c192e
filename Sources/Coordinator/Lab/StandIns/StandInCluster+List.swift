// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// Lists: selectors by label, and pages.
extension StandInCluster {
    func list(_ collection: StandInPath, _ query: [String: String]) throws -> HelmValue {
        let selector = StandInSelector(query["labelSelector"] ?? "")
        var found = store.list(collection).filter { selector.matches($0.object["metadata", "labels"]?.entries ?? [:]) }
        if let field = query["fieldSelector"], field.hasPrefix("metadata.name=") {
            found = found.filter { $0.path.name == String(field.dropFirst("metadata.name=".count)) }
        }
        if let token = query["continue"], !token.isEmpty {
            guard let last = decodeHex(token).map({ String(decoding: $0, as: UTF8.self) }) else {
                throw StandInRefusal(
                    code: 410, reason: "Expired", message: "The provided continue parameter is too old to display a consistent list result."
                )
            }
            found = found.filter { Self.order($0.path) > last }
        }
        let kind = StandInKinds.kind(collection.resource) ?? found.first?.object["kind"]?.text ?? "Unknown"
        var list: HelmValue = [
            "kind": "\(kind)List", "apiVersion": .string(collection.apiVersion),
            "metadata": ["resourceVersion": .string(store.latestVersion)],
        ]
        if let limit = query["limit"].flatMap({ Int($0) }), limit > 0, found.count > limit {
            list["metadata", "continue"] = .string(encodeHex(Array(Self.order(found[limit - 1].path).utf8)))
            list["metadata", "remainingItemCount"] = .count(found.count - limit)
            found = Array(found.prefix(limit))
        }
        list["items"] = .list(found.map(\.object))
        return list
    }

    /// Sorts as the store's lists do: a namespace ends before every letter.
    private static func order(_ path: StandInPath) -> String { "\(path.namespace ?? "")\u{0}\(path.name ?? "")" }
}

/// A label selector of equalities: `a=b`, `a==b`, `a!=b`, `a`, `!a`.
struct StandInSelector {
    private enum Term {
        case equal(String, String)
        case unequal(String, String)
        case present(String)
        case absent(String)
    }
    private let terms: [Term]

    init(_ text: String) {
        terms = text.split(separator: ",").map { part in
            let words = part.split(separator: "=", omittingEmptySubsequences: true).map(String.init)
            guard let key = words.first else { return .present("") }
            guard words.count > 1 else { return key.hasPrefix("!") ? .absent(String(key.dropFirst())) : .present(key) }
            return key.hasSuffix("!") ? .unequal(String(key.dropLast()), words[1]) : .equal(key, words[1])
        }
    }

    func matches(_ labels: [String: HelmValue]) -> Bool {
        terms.allSatisfy { term in
            switch term {
            case .equal(let key, let value): labels[key]?.text == value
            case .unequal(let key, let value): labels[key]?.text != value
            case .present(let key): labels[key] != nil
            case .absent(let key): labels[key] == nil
            }
        }
    }
}
