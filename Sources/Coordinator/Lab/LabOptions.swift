// SPDX-License-Identifier: Apache-2.0

/// The options of a hidden command: `--name value` pairs, then perhaps `--` and a program with its arguments.
struct LabOptions {
    private var values: [String: String] = [:]
    private(set) var program: [String] = []

    init(_ arguments: [String], known: Set<String>) throws {
        var rest = arguments[...]
        while let name = rest.popFirst() {
            if name == "--" {
                program = Array(rest)
                return
            }
            guard known.contains(name), let value = rest.popFirst() else {
                throw LabError.usage("unknown or unfinished option \"\(name)\"; known: \(known.sorted().joined(separator: ", "))")
            }
            values[name] = value
        }
    }

    func value(_ name: String) throws -> String {
        guard let value = values[name] else { throw LabError.usage("the option \(name) is missing") }
        return value
    }

    func optional(_ name: String) -> String? { values[name] }
}
