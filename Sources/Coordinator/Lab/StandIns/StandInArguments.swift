// SPDX-License-Identifier: Apache-2.0

/// A command line as cobra reads it: words, `--flag value`, `--flag=value`, `-f value`, switches.
struct StandInArguments: Sendable {
    private(set) var words: [String] = []
    private var values: [String: [String]] = [:]

    /// - Parameters:
    ///   - valued: names of flags with a value, `--version` or `-o`.
    ///   - switches: names of flags without one.
    ///   - short: what a short flag stands for: `-o` for `--output`.
    init(_ arguments: [String], valued: Set<String>, switches: Set<String> = [], short: [String: String] = [:]) throws {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("-"), argument.count > 1 else {
                words.append(argument)
                continue
            }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let name = short[parts[0]] ?? parts[0]
            if switches.contains(name) {
                values[name, default: []].append(parts.count > 1 ? parts[1] : "true")
            } else if valued.contains(name) {
                guard let value = parts.count > 1 ? parts[1] : rest.popFirst() else {
                    throw StandInFailure.plain("flag needs an argument: \(argument)")
                }
                values[name, default: []].append(value)
            } else {
                throw Self.unknown(argument)
            }
        }
    }

    static func unknown(_ argument: String) -> StandInFailure {
        argument.hasPrefix("--")
            ? .plain("unknown flag: \(argument)")
            : .plain("unknown shorthand flag: '\(argument.dropFirst().prefix(1))' in \(argument)")
    }

    subscript(flag: String) -> String? { values[flag]?.last }
    func all(_ flag: String) -> [String] { values[flag] ?? [] }
    func has(_ flag: String) -> Bool { values[flag].map { $0.last != "false" } ?? false }

    /// `5m`, `90s`, `1h30m`, or seconds.
    func duration(_ flag: String, default fallback: Duration) -> Duration {
        guard let text = self[flag] else { return fallback }
        var total = 0
        var digits = ""
        for character in text {
            if character.isNumber {
                digits.append(character)
            } else {
                total += (Int(digits) ?? 0) * (character == "h" ? 3600 : character == "m" ? 60 : 1)
                digits = ""
            }
        }
        return .seconds(total + (Int(digits) ?? 0))
    }
}
