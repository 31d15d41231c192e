// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import MeshModel

/// Writes log events to standard error, one line each: time, level, the event in lower case, `key=value` pairs sorted by key.
struct EventLog: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    private let now: @Sendable () -> Timestamp
    private let write: @Sendable (String) -> Void

    init(
        level: Logger.Level, now: @escaping @Sendable () -> Timestamp,
        write: @escaping @Sendable (String) -> Void = EventLog.toStandardError
    ) {
        logLevel = level
        self.now = now
        self.write = write
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var pairs = metadata
        if let provided = metadataProvider?.get() { pairs.merge(provided) { $1 } }
        if let own = event.metadata { pairs.merge(own) { $1 } }
        if let error = event.error { pairs["error"] = "\(error)" }
        let words = pairs.sorted { $0.key < $1.key }.map { " \($0.key)=\(Self.quoted("\($0.value)"))" }.joined()
        write("\(now()) \(event.level) \(printable("\(event.message)"))\(words)\n")
    }

    /// A value with a space, a quote or nothing in it is quoted, so that a line can be taken apart again.
    private static func quoted(_ text: String) -> String {
        let clean = printable(text)
        guard clean.isEmpty || clean.contains(where: { $0 == " " || $0 == "\"" || $0 == "=" }) else { return clean }
        return "\"" + clean.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
    }

    /// One write(2) a line, so that lines of two threads do not mix. A full or closed standard error loses the line; nobody is left to tell.
    static let toStandardError: @Sendable (String) -> Void = { line in
        let bytes = Array(line.utf8)
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            if count > 0 {
                done += count
            } else if errno != EINTR {
                return
            }
        }
    }
}
