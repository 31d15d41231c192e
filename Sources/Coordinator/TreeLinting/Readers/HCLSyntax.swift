// SPDX-License-Identifier: Apache-2.0

/// A body of HCL: attributes and blocks in the order of the file. Expressions are kept, never evaluated.
package struct HCLBody: Sendable {
    package var attributes: [HCLAttribute] = []
    package var blocks: [HCLBlock] = []

    /// The attribute of that name; the last one when there are several.
    package func attribute(_ name: String) -> HCLAttribute? { attributes.last { $0.name == name } }

    /// The nested blocks of a type, `dynamic` ones among them by what they make.
    package func blocks(_ type: String) -> [HCLBlock] {
        blocks.compactMap { block in
            if block.type == type { return block }
            guard block.type == "dynamic", block.labels.first == type else { return nil }
            let content = block.body.blocks.first { $0.type == "content" }
            return content.map { HCLBlock(type: type, labels: [], offset: block.offset, end: block.end, body: $0.body) }
        }
    }

    /// Every attribute of this body and of the blocks within it.
    package var allAttributes: [HCLAttribute] { attributes + blocks.flatMap(\.body.allAttributes) }
}

/// `name = value`.
package struct HCLAttribute: Sendable {
    package let name: String
    package let offset: Int
    package let value: HCLExpression
}

/// `type "label" { ... }`.
package struct HCLBlock: Sendable {
    package let type: String
    package let labels: [String]
    package let offset: Int
    package let end: Int
    package let body: HCLBody
}

/// One entry of an object: `key = value` or `key: value`.
package struct HCLItem: Sendable {
    package let key: HCLExpression
    package let value: HCLExpression
    /// The key when it is a plain word or a plain text.
    package var name: String? {
        switch key.kind {
        case .reference(let reference) where reference.steps.isEmpty: reference.root
        default: key.plainText
        }
    }
}

/// `root.name[index].*`.
package struct HCLReference: Sendable {
    package enum Step: Sendable {
        case name(String)
        case index(HCLExpression)
        case all
    }
    package let root: String
    package let steps: [Step]
    package let offset: Int

    /// The leading names, up to the first index: `module.east.kubeconfig` of `module.east.kubeconfig[0].x`.
    package var names: [String] {
        var result = [root]
        for case .name(let name) in steps.prefix(while: { if case .name = $0 { true } else { false } }) { result.append(name) }
        return result
    }

    /// Every name, whatever indices stand between them.
    package var allNames: [String] {
        [root] + steps.compactMap { if case .name(let name) = $0 { name } else { nil } }
    }

    package var path: String { names.joined(separator: ".") }
}

/// A part of a quoted text or heredoc.
package enum HCLPart: Sendable {
    case literal(String)
    case hole(HCLExpression)
}

/// A value as it is written.
package struct HCLExpression: Sendable {
    package indirect enum Kind: Sendable {
        /// `body` is the offset at which a heredoc's first line begins, `nil` for a text in quotes.
        case text([HCLPart], body: Int?)
        case number(String)
        case bool(Bool)
        case null
        case list([HCLExpression])
        case object([HCLItem])
        case reference(HCLReference)
        case call(String, [HCLExpression])
        /// Operators, conditions, loops, and an index into anything but a reference: only the parts matter.
        case compound([HCLExpression])
    }
    package let offset: Int
    package let kind: Kind

    /// The text when nothing in it is computed.
    package var plainText: String? {
        guard case .text(let parts, _) = kind else { return nil }
        var result = ""
        for part in parts {
            guard case .literal(let text) = part else { return nil }
            result += text
        }
        return result
    }

    /// The text with `${...}` where something is computed, or a number or boolean as it is written; `nil` for other values.
    package var textWithHoles: String? {
        switch kind {
        case .text(let parts, _):
            parts.map { part in
                switch part {
                case .literal(let text): text
                case .hole(let value): "${\(value.reference?.path ?? "...")}"
                }
            }.joined()
        case .number(let text): text
        case .bool(let value): String(value)
        default: nil
        }
    }

    package var reference: HCLReference? {
        guard case .reference(let reference) = kind else { return nil }
        return reference
    }

    package var items: [HCLItem] {
        guard case .object(let items) = kind else { return [] }
        return items
    }

    package var elements: [HCLExpression] {
        guard case .list(let elements) = kind else { return [] }
        return elements
    }

    /// This expression and all within it. The reader bounds how deep they nest.
    package func walk(_ visit: (HCLExpression) -> Void) {
        visit(self)
        switch kind {
        case .number, .bool, .null: break
        case .text(let parts, _): for case .hole(let value) in parts { value.walk(visit) }
        case .list(let items), .compound(let items), .call(_, let items): for item in items { item.walk(visit) }
        case .object(let items):
            for item in items {
                item.key.walk(visit)
                item.value.walk(visit)
            }
        case .reference(let reference): for case .index(let value) in reference.steps { value.walk(visit) }
        }
    }

    /// Everything that this expression refers to, words of `for` loops and object keys among it.
    package var references: [HCLReference] {
        var found: [HCLReference] = []
        walk { if let reference = $0.reference { found.append(reference) } }
        return found
    }
}

/// A file of HCL as far as it could be read.
package struct HCLFile: Sendable {
    package let source: SourceText
    package let body: HCLBody
    package let faults: [ReadFault]
}
