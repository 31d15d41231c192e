// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// One of Meshgate's own events for the log of the machine: as journald takes it, with fields, or as a syslog message of RFC 5424.
package struct SystemLogEntry: Hashable, Sendable {
    /// Longest text of a message and longest other field; what is longer is cut and ends with an ellipsis.
    static let longestText = 4096
    static let longestField = 512

    let priority: Int
    let kind: String
    let time: Timestamp
    let text: String
    /// Names in lower case, in order; none is empty.
    let fields: [(name: String, value: String)]

    package init(_ event: FeedEvent, mesh: String) {
        priority = OTLPSeverity(event).syslog
        kind = event.kind
        time = event.time
        text = Self.cut(event.text, Self.longestText)
        let all: [(String, String?)] = [
            ("mesh", mesh), ("seq", String(event.sequence)), ("kind", event.kind), ("time", event.time.description),
            ("run", event.run?.text),
            ("step", event.step?.text), ("node", event.node?.text), ("cluster", event.cluster?.text),
            ("attempt", event.attempt.map { String($0) }), ("by", event.by),
            ("reasons", event.reasons.isEmpty ? nil : event.reasons.prefix(5).map(\.line).joined(separator: " | ")),
        ]
        fields = all.compactMap { name, value in value.flatMap { $0.isEmpty ? nil : (name, Self.cut($0, Self.longestField)) } }
    }

    package static func == (left: Self, right: Self) -> Bool { left.journald == right.journald }
    package func hash(into hasher: inout Hasher) { hasher.combine(journald) }

    /// journald's native protocol: `NAME=value`, or for a value that may hold line ends its length and its bytes.
    package var journald: [UInt8] {
        var bytes: [UInt8] = []
        func add(_ name: String, _ value: String) {
            bytes += name.utf8
            if value.utf8.allSatisfy({ $0 >= 0x20 }) {
                bytes.append(UInt8(ascii: "="))
            } else {
                bytes.append(UInt8(ascii: "\n"))
                withUnsafeBytes(of: UInt64(value.utf8.count).littleEndian) { bytes.append(contentsOf: $0) }
            }
            bytes += value.utf8
            bytes.append(UInt8(ascii: "\n"))
        }
        add("MESSAGE", text)
        add("PRIORITY", String(priority))
        add("SYSLOG_IDENTIFIER", "meshgate")
        for field in fields { add("MESHGATE_" + field.name.uppercased(), field.value) }
        return bytes
    }

    /// RFC 5424, facility daemon, with the fields as structured data. Control characters become spaces: the message is one line whoever reads it.
    ///
    /// `32473` is the number that RFC 5612 sets aside for those without one of their own.
    package func syslog(host: String, process: Int32) -> [UInt8] {
        let data = fields.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: " ")
        let name = Self.word(host, 255)
        return Array(
            "<\(3 * 8 + priority)>1 \(time) \(name) meshgate \(process) \(Self.word(kind, 32)) [meshgate@32473 \(data)] \(Self.oneLine(text))"
                .utf8)
    }

    private static func cut(_ text: String, _ limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        var kept = String.UnicodeScalarView()
        var size = 3
        for scalar in text.unicodeScalars {
            size += UTF8.width(scalar)
            if size > limit { break }
            kept.append(scalar)
        }
        return String(kept) + "\u{2026}"
    }

    private static func oneLine(_ text: String) -> String {
        String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) ? " " : $0 }))
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in oneLine(text).unicodeScalars {
            if scalar == "\"" || scalar == "\\" || scalar == "]" { result += "\\" }
            result.unicodeScalars.append(scalar)
        }
        return result
    }

    /// Printable ASCII without spaces, or `-`.
    private static func word(_ text: String, _ limit: Int) -> String {
        let kept = String(decoding: text.utf8.filter { $0 > 0x20 && $0 < 0x7f }.prefix(limit), as: UTF8.self)
        return kept.isEmpty ? "-" : kept
    }
}
