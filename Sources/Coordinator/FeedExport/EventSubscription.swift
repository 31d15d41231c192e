// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Synchronization

/// One follower's place in the feed. One task reads it with `next()`.
package final class EventSubscription: Sendable {
    /// What one offer cost this follower.
    struct Loss {
        var events: UInt64 = 0
        var isFirst = false
    }

    private struct State {
        /// The last event handed over or waiting here.
        var cursor: UInt64
        var isLive = false
        /// Read from the journal, newest first; they come before the buffer.
        var pages: [FeedEvent] = []
        var buffer: [FeedItem] = []
        /// First event that was lost, and the last one so far.
        var lost: ClosedRange<UInt64>?
        var isOver = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let feed: EventFeed
    private let number: UInt64
    private let state: Mutex<State>

    init(feed: EventFeed, number: UInt64, after sequence: UInt64) {
        self.feed = feed
        self.number = number
        state = Mutex(State(cursor: sequence))
    }

    deinit { feed.remove(number) }

    /// The next item, waiting for it; `nil` when the subscription is over (cancelled, closed or cut).
    package func next() async throws -> FeedItem? { try await advance(waits: true) }

    /// As `next()` but without waiting for what has not happened yet: `nil` at the end of the journal.
    package func nextOfHistory() async throws -> FeedItem? { try await advance(waits: false) }

    private func advance(waits: Bool) async throws -> FeedItem? {
        while true {
            switch step() {
            case .item(let item): return item
            case .read(let cursor, let head):
                let events = try await feed.page(after: cursor)
                // A head without its records would make us ask for ever.
                if events.isEmpty, cursor < head { throw EventFeed.FeedError.historyMissing(after: cursor, head: head) }
                state.withLock { Self.take(events, &$0) }
            case .wait where waits: await wait()
            case .wait, .over:
                cancel()
                return nil
            }
        }
    }

    /// Ends the subscription; a waiting `next()` returns `nil`.
    package func cancel() {
        wake { state in
            state.isOver = true
            state.buffer = []
            state.pages = []
            state.lost = nil
        }
        feed.remove(number)
    }

    // MARK: from the feed

    func offer(_ events: [FeedEvent], limit: Int) -> Loss {
        var loss = Loss()
        wake { state in
            guard state.isLive, !state.isOver, let last = events.last else { return }
            if let lost = state.lost {
                state.lost = lost.lowerBound...last.sequence
                loss.events = UInt64(events.count)
                return
            }
            let fresh = events.filter { $0.sequence > state.cursor }
            // A beat is alone in the buffer, and pointless once there are news.
            if !fresh.isEmpty, case .beat = state.buffer.first { state.buffer.removeFirst() }
            let room = max(0, limit - state.buffer.count)
            for event in fresh.prefix(room) {
                state.buffer.append(.event(event))
                state.cursor = event.sequence
            }
            guard fresh.count > room else { return }
            state.lost = fresh[room].sequence...last.sequence
            loss = Loss(events: UInt64(fresh.count - room), isFirst: true)
        }
        return loss
    }

    /// Only the newest of a step is kept, and none while so much waits that the follower has not read. A beat is pointless beside it.
    func tell(_ progress: FeedProgress) {
        wake { state in
            guard state.isLive, !state.isOver, state.lost == nil else { return }
            state.buffer.removeAll { item in
                switch item {
                case .progress(let old): old.step == progress.step
                case .beat: true
                case .event, .gap: false
                }
            }
            if state.buffer.count < Self.mostWaitingForProgress { state.buffer.append(.progress(progress)) }
        }
    }

    private static let mostWaitingForProgress = 64

    func beat(_ item: FeedItem) {
        wake { state in
            if state.isLive, !state.isOver, state.lost == nil, state.buffer.isEmpty { state.buffer.append(item) }
        }
    }

    // MARK: private

    private enum Step {
        case item(FeedItem)
        case read(after: UInt64, upTo: UInt64)
        case wait
        case over
    }

    private func step() -> Step {
        let head = feed.head
        return state.withLock { state in
            if state.isOver { return .over }
            if let event = state.pages.popLast() { return .item(.event(event)) }
            if !state.isLive {
                // Something may be published between the look at `head` and this: one more page closes that gap.
                if state.cursor >= head { state.isLive = true }
                return .read(after: state.cursor, upTo: head)
            }
            if !state.buffer.isEmpty { return .item(state.buffer.removeFirst()) }
            if let lost = state.lost {
                state.isOver = true
                return .item(.gap(from: lost.lowerBound, through: lost.upperBound))
            }
            return .wait
        }
    }

    /// Takes a page in. What the buffer holds already is left to it.
    private static func take(_ events: [FeedEvent], _ state: inout State) {
        guard !state.isOver else { return }
        if state.isLive, events.count >= EventFeed.page {
            // Far behind again before it was live: what was buffered is in the journal too.
            state.isLive = false
            state.buffer = []
            state.lost = nil
            state.cursor = events.last?.sequence ?? state.cursor
            state.pages = events.reversed()
            return
        }
        let buffered = state.buffer.lazy.compactMap { if case .event(let event) = $0 { event.sequence } else { nil } }.first
        let fresh = events.filter { $0.sequence < buffered ?? .max }
        state.cursor = max(state.cursor, fresh.last?.sequence ?? 0)
        state.pages = fresh.reversed()
    }

    private func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if state.isOver || !state.buffer.isEmpty || state.lost != nil { return true }
                    state.waiter = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            cancel()
        }
    }

    private func wake(_ change: (inout State) -> Void) {
        let waiter = state.withLock { state in
            change(&state)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}
