// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem

/// The agent's configuration file: one `key = value` a line, `#` begins a comment line. A plain format, so that an agent carries no YAML reader.
enum SettingsFile {
    static let limit = 64 << 10

    /// The settings in the file at `path`; none when it is not there and nobody `named` it.
    static func load(_ path: String, named: Bool, files: some FileStore = LinuxFileStore()) throws -> [SettingKey: SettingText] {
        let bytes: [UInt8]?
        do {
            bytes = try files.read(path, limit: limit)
        } catch {
            throw AgentFailure(.inputOutput, "cannot read the settings: \(error)")
        }
        guard let bytes else {
            if named { throw AgentFailure(.inputOutput, "cannot read the settings: there is no file \(path)") }
            return [:]
        }
        return try parse(String(decoding: bytes, as: UTF8.self), path: path)
    }

    /// Refuses the whole file when one line of it is wrong, and names every such line.
    static func parse(_ text: String, path: String) throws(AgentSettings.Faults) -> [SettingKey: SettingText] {
        var settings: [SettingKey: SettingText] = [:]
        var faults: [String] = []
        for (index, raw) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let place = "\(path):\(index + 1)"
            let line = trimmed(raw)
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard let sign = line.firstIndex(of: "=") else {
                faults.append("\(place): \"\(printable(String(line.prefix(60))))\" is not `key = value`")
                continue
            }
            let name = String(trimmed(line[..<sign]))
            let value = String(trimmed(line[line.index(after: sign)...]))
            guard let key = SettingKey(rawValue: name) else {
                faults.append("\(place): there is no setting \"\(printable(String(name.prefix(60))))\"\(suggestion(for: name))")
                continue
            }
            if let other = settings[key] {
                faults.append("\(place): \(name) is already set at \(other.place)")
            } else if value.isEmpty {
                faults.append("\(place): \(name) has no value")
            } else {
                settings[key] = SettingText(text: value, place: place)
            }
        }
        guard faults.isEmpty else { throw AgentSettings.Faults(faults: faults) }
        return settings
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let blank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        var text = text.drop(while: blank)
        while let last = text.last, blank(last) { text.removeLast() }
        return text
    }

    /// The known key with the fewest edits, when they are few.
    private static func suggestion(for name: String) -> String {
        let near = SettingKey.allCases.map { ($0.rawValue, distance(name, $0.rawValue)) }.min { $0.1 < $1.1 }
        guard let near, near.1 <= 3 else { return "; known are " + SettingKey.allCases.map(\.rawValue).joined(separator: ", ") }
        return "; did you mean \(near.0)?"
    }

    /// Levenshtein's distance; an overlong name is far from everything.
    private static func distance(_ left: String, _ right: String) -> Int {
        guard left.utf8.count <= 40 else { return .max }
        let right = Array(right.utf8)
        var row = Array(0...right.count)
        for (i, byte) in left.utf8.enumerated() {
            var corner = row[0]
            row[0] = i + 1
            for j in right.indices {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, corner + (byte == right[j] ? 0 : 1))
                corner = above
            }
        }
        return row[right.count]
    }
}
