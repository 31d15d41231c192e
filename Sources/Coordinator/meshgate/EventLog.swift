// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import MeshModel
import MeshSystem

/// Log lines on standard error: time, level, a lower-case event, then key=value. Control characters never reach the terminal.
struct EventLog: LogHandler {
    let label: String
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    init(label: String, level: Logger.Level) {
        self.label = label
        logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
        let pairs = all.sorted { $0.key < $1.key }.map { " \($0.key)=\(Self.quoted("\($0.value)"))" }.joined()
        let line = "\(SystemClock.now().wall) \(event.level) \(Self.clean("\(event.message)"))\(pairs)\n"
        let bytes = Array(line.utf8)
        // A log that cannot be written is no reason to stop.
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private static func clean(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f || (0x80..<0xa0).contains($0.value) ? " " : $0 }))
    }

    private static func quoted(_ text: String) -> String {
        let cleaned = clean(text)
        return cleaned.contains { $0 == " " || $0 == "\"" || $0 == "=" } ? "\"\(cleaned.replacing("\"", with: "'"))\"" : cleaned
    }
}
