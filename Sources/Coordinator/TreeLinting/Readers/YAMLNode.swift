// SPDX-License-Identifier: Apache-2.0

/// A YAML value with its place. The text is read elsewhere (see `YAMLReader`); the rules see only this.
package struct YAMLNode: Sendable {
    package struct Entry: Sendable {
        package let key: String
        package let place: SourcePlace
        package let value: YAMLNode

        package init(key: String, place: SourcePlace, value: YAMLNode) {
            self.key = key
            self.place = place
            self.value = value
        }
    }
    package indirect enum Content: Sendable {
        /// `isPlain` is false for a text in quotes or a block.
        case scalar(String, isPlain: Bool)
        case list([YAMLNode])
        case map([Entry])
    }
    package let place: SourcePlace
    package let content: Content

    package init(place: SourcePlace, content: Content) {
        self.place = place
        self.content = content
    }

    package var text: String? {
        guard case .scalar(let text, _) = content else { return nil }
        return text
    }

    package var isPlainText: Bool {
        guard case .scalar(_, let isPlain) = content else { return false }
        return isPlain
    }

    package var isTrue: Bool { isPlainText && ["true", "yes", "on"].contains(text?.lowercased() ?? "") }
    package var isFalse: Bool { isPlainText && ["false", "no", "off"].contains(text?.lowercased() ?? "") }

    package var entries: [Entry] {
        guard case .map(let entries) = content else { return [] }
        return entries
    }

    package var elements: [YAMLNode] {
        guard case .list(let elements) = content else { return [] }
        return elements
    }

    package func entry(_ key: String) -> Entry? { entries.last { $0.key == key } }

    /// The value behind keys, one within the other.
    package subscript(_ keys: String...) -> YAMLNode? {
        var node = self
        for key in keys {
            guard let next = node.entry(key)?.value else { return nil }
            node = next
        }
        return node
    }

    /// This value and all within it.
    package func walk(_ visit: (YAMLNode) -> Void) {
        visit(self)
        for entry in entries { entry.value.walk(visit) }
        for element in elements { element.walk(visit) }
    }
}

/// The documents of a text, and what could not be read.
package struct YAMLReading: Sendable {
    package let documents: [YAMLNode]
    package let fault: (place: SourcePlace, problem: String)?

    package init(documents: [YAMLNode], fault: (place: SourcePlace, problem: String)? = nil) {
        self.documents = documents
        self.fault = fault
    }
}

/// Reads YAML and JSON, all documents of it, aliases followed within bounds. Handed in by whoever has a YAML library.
package typealias YAMLReader = @Sendable (_ text: String) -> YAMLReading
