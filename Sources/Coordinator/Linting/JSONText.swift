// SPDX-License-Identifier: Apache-2.0

/// A JSON value with its keys in the order in which they were given, so that the same findings are the same text.
indirect enum JSONText {
    case null
    case integer(Int)
    case string(String)
    case array([JSONText])
    case object([(String, JSONText)])

    /// Indented by two spaces; control characters and everything that ends a line somewhere are escaped.
    var text: String {
        var result = ""
        write(into: &result, indent: 0)
        return result + "\n"
    }

    private func write(into result: inout String, indent: Int) {
        switch self {
        case .null: result += "null"
        case .integer(let value): result += String(value)
        case .string(let value): Self.write(value, into: &result)
        case .array(let items):
            Self.writeBlock("[", "]", items, into: &result, indent: indent) { item, result in item.write(into: &result, indent: indent + 1)
            }
        case .object(let fields):
            Self.writeBlock("{", "}", fields, into: &result, indent: indent) { field, result in
                Self.write(field.0, into: &result)
                result += ": "
                field.1.write(into: &result, indent: indent + 1)
            }
        }
    }

    private static func writeBlock<Item>(
        _ open: String, _ close: String, _ items: [Item], into result: inout String, indent: Int, _ write: (Item, inout String) -> Void
    ) {
        result += open
        for (index, item) in items.enumerated() {
            result += (index == 0 ? "\n" : ",\n") + String(repeating: "  ", count: indent + 1)
            write(item, &result)
        }
        result += (items.isEmpty ? "" : "\n" + String(repeating: "  ", count: indent)) + close
    }

    private static func write(_ text: String, into result: inout String) {
        result += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || scalar.value == 0x2028 || scalar.value == 0x2029:
                let code = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - code.count) + code
            default: result.unicodeScalars.append(scalar)
            }
        }
        result += "\""
    }
}
