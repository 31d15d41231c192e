// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
package import MeshModel
import MeshSystem
import Synchronization

/// What one call of a tool was and how it ended, for people and for evidence bundles. Redacted before it is written, and bounded.
package struct ToolTranscript: Hashable, Sendable, Codable {
    package var tool: String
    package var arguments: [String]
    package var directory: String
    /// Names of the variables that the tool got; their values are nobody's business.
    package var variables: [String]
    package var step: StepID?
    package var startedAt: Timestamp
    package var milliseconds: Int64
    /// `exit code 0`, `signal 9`, `no end before the deadline`, or why it did not run.
    package var ending: String
    package var output: String
    package var errorOutput: String
    /// Bytes that are not in this transcript: too many, or withheld because they hold secrets by their nature.
    package var omittedBytes: Int
}

/// The transcripts of the newest calls in one directory, oldest first by name. One for each Toolbox; safe to use from anywhere.
final class TranscriptBook: Sendable {
    static let longestStream = 32 << 10
    /// Files kept; the oldest go first.
    static let capacity = 512

    private let directory: String
    private let files: any FileStore
    private let count = Mutex(0)

    init(directory: String, files: any FileStore) {
        self.directory = directory
        self.files = files
    }

    func write(_ transcript: ToolTranscript) throws {
        let number = count.withLock { count in
            count += 1
            return count
        }
        if number == 1 { try files.createDirectory(directory) }
        let time = transcript.startedAt.description.filter { $0 != ":" }
        let tail = String(number % 10_000 + 10_000).dropFirst()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        let bytes = Array(try encoder.encode(transcript))
        try files.write(bytes, to: "\(directory)/\(time)-\(tail)-\(transcript.tool.filter { $0 != "/" }).json")
        if number % 64 == 1 { try prune() }
    }

    private func prune() throws {
        let names = try files.list(directory) ?? []
        for name in names.dropLast(Self.capacity) { try files.remove(directory + "/" + name) }
    }

    /// The beginning and the end of a stream in whole lines, cut before anything is redacted so that no secret is split in two.
    static func bounded(_ bytes: [UInt8]) -> (text: String, omitted: Int) {
        guard bytes.count > longestStream else { return (String(decoding: bytes, as: UTF8.self), 0) }
        let newline = UInt8(ascii: "\n")
        let head = bytes.prefix(longestStream / 2)
        let tail = bytes.suffix(longestStream / 2)
        let first = head.lastIndex(of: newline).map { head[...$0] } ?? []
        let last = tail.firstIndex(of: newline).map { tail[($0 + 1)...] } ?? []
        let omitted = bytes.count - first.count - last.count
        return (String(decoding: first, as: UTF8.self) + "[... \(omitted) bytes ...]\n" + String(decoding: last, as: UTF8.self), omitted)
    }
}
