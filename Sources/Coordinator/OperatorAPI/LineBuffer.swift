// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Makes lines of pieces.
final class LineBuffer: Sendable {
    private let bytes = Mutex<[UInt8]>([])

    /// The lines that are complete with `piece`.
    func split(_ piece: [UInt8]) -> [String] {
        bytes.withLock { bytes in
            bytes += piece
            guard let end = bytes.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
            let lines = bytes[..<end].split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
            bytes.removeSubrange(...end)
            return lines
        }
    }

    /// Keeps a piece that is not of lines, such as the body of a refusal.
    func keep(_ piece: [UInt8]) { bytes.withLock { $0 = Array(($0 + piece).prefix(1 << 16)) } }

    var rest: [UInt8] { bytes.withLock { $0 } }
}

/// How far a follower has come.
final class FollowPlace: Sendable {
    private let state: Mutex<(sequence: UInt64, attempt: Int)>

    init(_ sequence: UInt64) { state = Mutex((sequence, 0)) }

    var sequence: UInt64 { state.withLock { $0.sequence } }
    func reached(_ sequence: UInt64) { state.withLock { $0 = (sequence, 0) } }
    func nextAttempt() -> Int {
        state.withLock { state in
            state.attempt += 1
            return state.attempt
        }
    }
}
