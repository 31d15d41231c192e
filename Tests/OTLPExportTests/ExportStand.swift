// SPDX-License-Identifier: Apache-2.0

import Logging
import MeshModel
import MeshSystem
import OTLPExport
import Synchronization

/// Numbers from 1 on, one byte each in a request, position by position, of which retention has taken some away.
final class NumberSource: ExportSource {
    private let state: Mutex<(count: Int, gone: Int)>
    private let bytesEach: Int

    init(_ count: Int, gone: Int = 0, bytesEach: Int = 128 << 10) {
        state = Mutex((count, gone))
        self.bytesEach = bytesEach
    }

    func next(after position: String?, bytes: Int) async throws -> ExportPiece? {
        let (count, gone) = state.withLock { $0 }
        let asked = position.flatMap { Int($0) } ?? 0
        let from = max(asked, gone)
        let through = min(count, from + max(1, bytes / bytesEach))
        guard through > from || from > asked else { return nil }
        var piece = ExportPiece(position: String(through))
        piece.message = (from..<through).map { UInt8($0 + 1) }
        piece.items = UInt64(piece.message.count)
        piece.oldest = Timestamp(seconds: 1)
        if from > asked { piece.lost["retention"] = UInt64(from - asked) }
        return piece
    }
}

/// A page of metrics that is always there.
struct SampleSource: ExportSource {
    func next(after position: String?, bytes: Int) async throws -> ExportPiece? {
        var piece = ExportPiece(position: nil)
        piece.message = [1]
        piece.items = 5
        return piece
    }
}

/// Answers as the script says, then accepts everything, and remembers what it was sent.
final class ScriptedTransport: OTLPTransport {
    private let state: Mutex<(script: [OTLPReply], sent: [[UInt8]])>
    private let otherwise: @Sendable ([UInt8]) -> OTLPReply

    init(
        _ script: [OTLPReply] = [], otherwise: @escaping @Sendable ([UInt8]) -> OTLPReply = { _ in .accepted(rejected: 0, said: "") }
    ) {
        state = Mutex((script, []))
        self.otherwise = otherwise
    }

    var sent: [[UInt8]] { state.withLock { $0.sent } }

    func export(_ signal: OTLPSignal, _ message: [UInt8]) async -> OTLPReply {
        state.withLock { state in
            state.sent.append(message)
            return state.script.isEmpty ? otherwise(message) : state.script.removeFirst()
        }
    }

    func run() async throws {}
}

/// A clock on which every sleep is over at once, and which ends the test's loop after some of them by cancelling whoever sleeps.
final class SleepCounter: Clock, Sendable {
    struct Instant: InstantProtocol {
        var offset: Duration
        func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        func duration(to other: Instant) -> Duration { other.offset - offset }
        static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    private let state: Mutex<(now: Duration, sleeps: [Duration])> = Mutex((.zero, []))
    private let isOver: @Sendable (Duration) -> Bool

    /// - Parameter isOver: told each sleep; true ends the loop.
    init(_ isOver: @escaping @Sendable (Duration) -> Bool) { self.isOver = isOver }

    var sleeps: [Duration] { state.withLock { $0.sleeps } }
    var now: Instant { Instant(offset: state.withLock { $0.now }) }
    var minimumResolution: Duration { .nanoseconds(1) }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        let length = state.withLock { state in
            let length = deadline.offset - state.now
            state.now = deadline.offset
            state.sleeps.append(length)
            return length
        }
        if isOver(length) { throw CancellationError() }
        await Task.yield()
    }
}

/// Files in memory.
final class MemoryFiles: FileStore {
    private let state = Mutex<[String: [UInt8]]>([:])
    func read(_ path: String, limit: Int) throws -> [UInt8]? { state.withLock { $0[path] } }
    func write(_ bytes: [UInt8], to path: String, mode: UInt32) throws { state.withLock { $0[path] = bytes } }
    func createDirectory(_ path: String) throws {}
    func list(_ directory: String) throws -> [String]? { nil }
    func remove(_ path: String) throws { state.withLock { $0[path] = nil } }
}

/// A log that nobody reads.
let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
