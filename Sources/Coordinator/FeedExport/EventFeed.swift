// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import Running
import Synchronization

/// The outward stream: every durable record to every follower, in order, without gap or repetition. Publishing never waits for anybody.
///
///     subscribe(after) ──> catching up (pages from the journal) ──> live (bounded buffer) ──> cut (gap, then the end)
package final class EventFeed: Sendable {
    /// Reads records after a sequence from the journal, at most `limit`.
    package typealias History = @Sendable (_ after: UInt64, _ limit: Int) async throws -> [JournalRecord]

    /// Counts for the metrics page.
    package struct Figures: Hashable, Sendable {
        package var subscribers = 0
        package var published: UInt64 = 0
        /// Events that were not kept for a follower that was too slow.
        package var lost: UInt64 = 0
        /// Followers that were cut for it.
        package var cut: UInt64 = 0
        package init() {}
    }

    /// Why nobody can follow from there.
    package enum FeedError: Error, Hashable, Sendable, CustomStringConvertible {
        case ahead(asked: UInt64, head: UInt64)
        case tooMany(limit: Int)
        case historyMissing(after: UInt64, head: UInt64)
        package var description: String {
            switch self {
            case .ahead(let asked, let head):
                "there is no event \(asked) yet, the last one is \(head); the journal was replaced, or this is another coordinator: "
                    + "start anew since 0"
            case .tooMany(let limit): "\(limit) readers follow the feed already; try again when one has left"
            case .historyMissing(let after, let head): "the journal gave no entries after \(after) although it reaches \(head); see its log"
            }
        }
    }

    private struct State {
        var head: UInt64
        /// Where each run began, to name the run of a step's event.
        var runs: [(sequence: UInt64, run: RunID)] = []
        /// Weak: one whose answer was never begun, or whose reader is gone without a word, gives its place back when it goes.
        var subscribers: [UInt64: Weak] = [:]
        var nextNumber: UInt64 = 0
        var figures = Figures()
    }

    private struct Weak {
        weak var subscription: EventSubscription?
    }

    private let state: Mutex<State>
    private let history: History
    private let bufferLimit: Int
    private let subscriberLimit: Int
    static let page = 500
    private static let longestRunList = 10_000

    /// - Parameters:
    ///   - head: sequence of the last record in the journal.
    ///   - bufferLimit: events kept for one follower that does not read.
    package init(head: UInt64, bufferLimit: Int = 4096, subscriberLimit: Int = 256, history: @escaping History) {
        state = Mutex(State(head: head))
        self.history = history
        self.bufferLimit = bufferLimit
        self.subscriberLimit = subscriberLimit
    }

    package var figures: Figures {
        state.withLock { state in
            var figures = state.figures
            figures.subscribers = state.subscribers.count
            return figures
        }
    }

    package var head: UInt64 { state.withLock { $0.head } }

    /// Told of every record of the replay, so that the runs of old events are known too.
    package func remember(_ record: JournalRecord) {
        guard case .runStarted(let run, _, _) = record.entry else { return }
        state.withLock { Self.remember(run, at: record.sequence, &$0) }
    }

    /// Hands durable records on; called from the run loop, in order.
    package func publish(_ records: [JournalRecord]) {
        guard let last = records.last else { return }
        let (events, subscribers) = state.withLock { state in
            let events = records.map { record in
                if case .runStarted(let run, _, _) = record.entry { Self.remember(run, at: record.sequence, &state) }
                return FeedEvent(record, run: state.runs.last?.run)
            }
            state.head = last.sequence
            state.figures.published += UInt64(records.count)
            return (events, Self.present(state))
        }
        for subscriber in subscribers { note(subscriber.offer(events, limit: bufferLimit)) }
    }

    /// Tells those who follow at this moment how far a step has come.
    package func tell(_ progress: FeedProgress) {
        for subscriber in state.withLock({ Self.present($0) }) { subscriber.tell(progress) }
    }

    /// Lets followers see that the line is alive. Called every few seconds.
    package func beat(at time: Timestamp) {
        let (head, subscribers) = state.withLock { ($0.head, Self.present($0)) }
        for subscriber in subscribers { subscriber.beat(.beat(head: head, at: time)) }
    }

    /// Ends all subscriptions, for a graceful stop.
    package func close() {
        for subscriber in state.withLock({ Self.present($0) }) { subscriber.cancel() }
    }

    /// Follows the feed from the event after `sequence`; `nil` is from now on.
    package func subscribe(after sequence: UInt64? = nil) throws(FeedError) -> EventSubscription {
        let result: Result<EventSubscription, FeedError> = state.withLock { state in
            if let sequence, sequence > state.head { return .failure(.ahead(asked: sequence, head: state.head)) }
            if state.subscribers.count >= subscriberLimit { return .failure(.tooMany(limit: subscriberLimit)) }
            state.nextNumber += 1
            let subscription = EventSubscription(feed: self, number: state.nextNumber, after: sequence ?? state.head)
            state.subscribers[state.nextNumber] = Weak(subscription: subscription)
            return .success(subscription)
        }
        return try result.get()
    }

    /// At most `limit` events after a sequence, from the journal.
    package func events(after sequence: UInt64, limit: Int) async throws -> [FeedEvent] { try await page(after: sequence, limit: limit) }

    // MARK: for subscriptions

    /// One page of events after `cursor`, with the runs they belong to.
    func page(after cursor: UInt64, limit: Int = EventFeed.page) async throws -> [FeedEvent] {
        let records = try await history(cursor, limit)
        let runs = state.withLock { $0.runs }
        return records.map { record in FeedEvent(record, run: runs.last { $0.sequence <= record.sequence }?.run) }
    }

    func remove(_ number: UInt64) { state.withLock { _ = $0.subscribers.removeValue(forKey: number) } }

    private func note(_ loss: EventSubscription.Loss) {
        guard loss.events > 0 else { return }
        state.withLock { state in
            state.figures.lost += loss.events
            if loss.isFirst { state.figures.cut += 1 }
        }
    }

    private static func present(_ state: State) -> [EventSubscription] { state.subscribers.values.compactMap(\.subscription) }

    private static func remember(_ run: RunID, at sequence: UInt64, _ state: inout State) {
        if let last = state.runs.last, last.sequence >= sequence { return }
        state.runs.append((sequence, run))
        if state.runs.count > longestRunList { state.runs.removeFirst(longestRunList / 2) }
    }
}
