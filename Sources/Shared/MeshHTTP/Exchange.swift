// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The mailbox between the curl thread, which fills it, and the one task that waits for the response. Bounded: when it is full the transfer
/// pauses and the server waits.
final class Exchange: Sendable {
    /// Enough that a fast reader never waits for the thread; small enough for thousands of exchanges.
    private static let capacity = 256 << 10

    fileprivate struct State {
        var head: HTTPHead?
        var pending: [UInt8] = []
        var isPaused = false
        var ending: Result<Void, any Error>?
        var reader: CheckedContinuation<Void, Never>?

        var hasNews: Bool { !pending.isEmpty || ending != nil }
    }

    private let state = Mutex(State())

    var id: ObjectIdentifier { ObjectIdentifier(self) }

    // MARK: The curl thread

    /// Whether the transfer waits for the reader.
    var isFull: Bool { state.withLock { $0.isPaused } }

    func begin(_ head: HTTPHead) { state.withLock { $0.head = head } }

    /// False when there is no room now; the same bytes come again after the reader asked to resume.
    func offer(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let (taken, reader) = state.withLock { state in
            guard state.pending.count < Self.capacity else {
                state.isPaused = true
                return (false, nil as CheckedContinuation<Void, Never>?)
            }
            state.pending += bytes
            return (true, state.takeReader())
        }
        reader?.resume()
        return taken
    }

    /// The first ending counts. A failure lets the reader have what arrived before it, a cancellation does not.
    func end(_ ending: Result<Void, any Error>) {
        state.withLock { state in
            guard state.ending == nil else { return nil as CheckedContinuation<Void, Never>? }
            state.ending = ending
            if case .failure(let error) = ending, error is CancellationError { state.pending = [] }
            return state.takeReader()
        }?.resume()
    }

    // MARK: The reader

    /// What has arrived since, with its head; `nil` at a good end. Calls `resume` when the transfer paused for want of room.
    func next(resume: () -> Void) async throws -> (HTTPHead, [UInt8])? {
        while true {
            let (chunk, ending, wasPaused) = state.withLock { state in state.take() }
            if wasPaused { resume() }
            if let chunk { return chunk }
            if let ending {
                try ending.get()
                return nil
            }
            await withCheckedContinuation { continuation in
                let isDue = state.withLock { state in
                    if !state.hasNews { state.reader = continuation }
                    return state.hasNews
                }
                if isDue { continuation.resume() }
            }
        }
    }

    func finishedHead(of request: HTTPRequest) throws -> HTTPHead {
        guard let head = state.withLock({ $0.head }) else {
            throw HTTPClientError.brokenOff(url: request.place, said: "the answer has no head")
        }
        return head
    }
}

extension Exchange.State {
    fileprivate mutating func take() -> (chunk: (HTTPHead, [UInt8])?, ending: Result<Void, any Error>?, wasPaused: Bool) {
        guard let head, !pending.isEmpty else { return (nil, ending, false) }
        defer {
            pending = []
            isPaused = false
        }
        return ((head, pending), nil, isPaused)
    }

    fileprivate mutating func takeReader() -> CheckedContinuation<Void, Never>? {
        defer { reader = nil }
        return reader
    }
}
