// SPDX-License-Identifier: Apache-2.0

package import Logging
import MeshModel
package import MeshSystem
import Synchronization

/// Sends one stream, at least once and in order. Its only memory is the position of what is done with, which is on disk before the next piece is read.
///
///     read after position ──> send ──> accepted | refused ──> save position ──┐
///          ^                   └─ retry: wait, longer each time, send again   │
///          └───────────────────────────────────────────────────────────────────┘
///
/// A collector that is slow or away makes it wait, and nothing else: whoever produces never hears of it.
package final class ExportLoop: Sendable {
    /// How long a request may be: less for a collector that finds it too large. Many take 4 MiB and no more.
    private struct Budget {
        static let largest = 1 << 20
        static let smallest = 16 << 10
        var bytes = largest
        private var taken = 0

        /// Down to one item. False when it is as small as it gets.
        mutating func shrink() -> Bool {
            guard bytes > 1 else { return false }
            (bytes, taken) = (bytes > Self.smallest ? max(Self.smallest, bytes / 2) : 1, 0)
            return true
        }

        /// Tries more again now and then: a collector's limit may have been raised.
        mutating func grow() {
            taken += 1
            if taken >= 100 { (bytes, taken) = (max(Self.smallest, min(Self.largest, bytes * 2)), 0) }
        }
    }

    private let stream: ExportStream
    private let transport: any OTLPTransport
    private let positions: PositionFile
    private let clock: any Clock<Duration>
    private let firstWait: Duration
    private let longestWait: Duration
    private let log: Logger
    private let state = Mutex(ExportFigures())

    /// - Parameters:
    ///   - firstWait: the longest wait before the first retry; it doubles with each up to `longestWait`.
    package init(
        _ stream: ExportStream, over transport: any OTLPTransport, positions: PositionFile, clock: any Clock<Duration> = ContinuousClock(),
        firstWait: Duration = .seconds(1), longestWait: Duration = .seconds(60), log: Logger
    ) {
        self.stream = stream
        self.transport = transport
        self.positions = positions
        self.clock = clock
        self.firstWait = firstWait
        self.longestWait = longestWait
        self.log = log
    }

    package var name: String { stream.name }
    package var figures: ExportFigures { state.withLock { $0 } }

    /// Until the task is cancelled.
    package func run() async {
        var budget = Budget()
        while !Task.isCancelled {
            let hasMore: Bool
            do {
                hasMore = try await step(&budget)
            } catch is CancellationError {
                return
            } catch {
                // The disk with the position, or the store: what was not done is done again later.
                problem("\(error)")
                hasMore = false
            }
            if case .follow = stream.pace, hasMore { continue }
            let pause: Duration =
                switch stream.pace {
                case .follow(let every), .sample(let every): every
                }
            do { try await clock.sleep(for: pause) } catch { return }
        }
    }

    /// One piece. False when there was none.
    private func step(_ budget: inout Budget) async throws -> Bool {
        let position = try positions.read()
        guard let piece = try await stream.source.next(after: position, bytes: budget.bytes) else {
            state.withLock { $0.waitingSince = nil }
            return false
        }
        state.withLock { $0.waitingSince = piece.oldest }
        guard !piece.message.isEmpty else {
            try settle(piece, position)
            return true
        }
        switch try await deliver(piece) {
        case .accepted(let rejected, let said):
            let refused = min(rejected, piece.items)
            state.withLock { figures in
                figures.sent += piece.items - refused
                if refused > 0 { figures.rejected["partial", default: 0] += refused }
            }
            if refused > 0 || !said.isEmpty {
                log.warning(
                    "the collector took not all of it", metadata: ["stream": "\(name)", "rejected": "\(refused)", "said": "\(said)"])
            }
            budget.grow()
        case .tooLarge(let why):
            // A sample is one whole, whatever the budget.
            if case .follow = stream.pace, piece.items > 1, budget.shrink() { return true }
            reject(piece, "too_large", why)
        case .refused(let why): reject(piece, "refused", why)
        case .retry: state.withLock { $0.lost["superseded", default: 0] += piece.items }
        }
        try settle(piece, position)
        return true
    }

    /// Until the collector has answered for good; a sample only until the next one is due, which is a `retry`.
    private func deliver(_ piece: ExportPiece) async throws -> OTLPReply {
        var backoff = Backoff(base: firstWait, cap: longestWait)
        var generator = SystemRandomNumberGenerator()
        var waited = Duration.zero
        while true {
            let reply = await transport.export(stream.signal, piece.message)
            try Task.checkCancellation()
            guard case .retry(let asked, let why) = reply else {
                if case .accepted = reply { recovered() }
                return reply
            }
            problem(why)
            let wait = max(asked ?? .zero, backoff.next(using: &generator))
            if case .sample(let every) = stream.pace {
                waited += wait
                guard waited < every else { return reply }
            }
            try await clock.sleep(for: wait)
            state.withLock { $0.retries += 1 }
        }
    }

    /// The piece is done with: what was lost on the way to it is counted now, when it cannot be read a second time.
    private func settle(_ piece: ExportPiece, _ position: String?) throws {
        if let next = piece.position, next != position { try positions.write(next) }
        state.withLock { figures in
            for (reason, count) in piece.lost { figures.lost[reason, default: 0] += count }
        }
        for (reason, count) in piece.lost.sorted(by: { $0.key < $1.key }) {
            log.warning("not sent on", metadata: ["stream": "\(name)", "items": "\(count)", "why": "\(reason)"])
        }
    }

    private func reject(_ piece: ExportPiece, _ reason: String, _ why: String) {
        state.withLock { $0.rejected[reason, default: 0] += piece.items }
        problem(why)
    }

    /// Said once for each trouble: a collector that is away for a day is one line.
    private func problem(_ why: String) {
        let isNew = state.withLock { figures in
            defer { (figures.isDelivering, figures.lastProblem) = (false, why) }
            return figures.isDelivering || figures.lastProblem != why
        }
        if isNew { log.warning("cannot send on", metadata: ["stream": "\(name)", "error": "\(why)"]) }
    }

    private func recovered() {
        let was = state.withLock { figures in
            defer { (figures.isDelivering, figures.lastProblem) = (true, nil) }
            return figures.isDelivering
        }
        if !was { log.info("sending on again", metadata: ["stream": "\(name)"]) }
    }
}

/// Where a stream's position is kept.
package struct PositionFile: Sendable {
    private let path: String
    private let files: any FileStore

    package init(path: String, files: any FileStore) {
        self.path = path
        self.files = files
    }

    /// The last position that was written; `nil` at the very first, and for a file that holds no line of ours.
    package func read() throws -> String? {
        guard let bytes = try files.read(path, limit: 4096) else { return nil }
        let text = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        return text.isEmpty ? nil : text
    }

    package func write(_ position: String) throws { try files.write(Array((position + "\n").utf8), to: path) }
}
