// SPDX-License-Identifier: Apache-2.0

/// A YAML value with its place: what the readers see once the text is known to be plain, single and shallow.
struct YAMLTree: Sendable {
    struct Entry: Sendable {
        let key: String
        let place: Place
        let value: YAMLTree
    }
    enum Content: Sendable {
        /// `plain` is false for a text in quotes or a block text: it is never a number, a boolean or nothing.
        case scalar(String, plain: Bool)
        case list([YAMLTree])
        case map([Entry])
    }
    let place: Place
    let content: Content

    /// `key:` with nothing behind it, `~` or `null`.
    var isNull: Bool {
        guard case .scalar(let text, plain: true) = content else { return false }
        return isNullWord(text)
    }

    /// What it is, for messages.
    var kindInWords: String {
        switch content {
        case .scalar(let text, let plain): isNull ? "nothing" : (plain ? quoted(text) : "the text \(quoted(text))")
        case .list: "a list"
        case .map: "a map of keys"
        }
    }

    func entry(_ key: String) -> Entry? {
        guard case .map(let entries) = content else { return nil }
        return entries.first { $0.key == key }
    }
}

/// The words that YAML takes for "nothing".
func isNullWord(_ text: String) -> Bool { ["", "~", "null", "Null", "NULL"].contains(text) }
