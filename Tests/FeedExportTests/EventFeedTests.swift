// SPDX-License-Identifier: Apache-2.0

import FeedExport
import MeshModel
import Running
import Testing

@Suite("The feed of events")
struct EventFeedTests {
    let samples: FeedSamples
    let history = MemoryHistory()

    init() throws { samples = try FeedSamples() }

    private func publish(_ range: ClosedRange<UInt64>, to feed: EventFeed) {
        let records = range.map(samples.alarm)
        history.append(records)
        feed.publish(records)
    }

    private func sequences(_ subscription: EventSubscription, _ count: Int) async throws -> [UInt64] {
        var all: [UInt64] = []
        while all.count < count, let item = try await subscription.next() {
            if case .event(let event) = item { all.append(event.sequence) }
        }
        return all
    }

    @Test("a follower gets history first and then what happens, each event once")
    func historyThenLive() async throws {
        let feed = history.feed()
        publish(1...1200, to: feed)
        let subscription = try feed.subscribe(after: 3)
        #expect(try await sequences(subscription, 1197) == Array(4...1200))
        publish(1201...1203, to: feed)
        #expect(try await sequences(subscription, 3) == [1201, 1202, 1203])
    }

    @Test("without a place a follower hears only what happens from now on")
    func fromNow() async throws {
        let feed = history.feed()
        publish(1...5, to: feed)
        let subscription = try feed.subscribe()
        publish(6...6, to: feed)
        #expect(try await sequences(subscription, 1) == [6])
    }

    @Test("no event is missed or repeated while others are published, whenever the follower joins", arguments: 0..<8)
    func race(seed: Int) async throws {
        let feed = history.feed(bufferLimit: 100_000)
        publish(1...700, to: feed)
        let subscription = try feed.subscribe(after: 0)
        let publisher = Task {
            for first in stride(from: UInt64(701), to: 4000, by: 3) {
                publish(first...first + 2, to: feed)
                if Int(first) % (seed + 2) == 0 { await Task.yield() }
            }
        }
        #expect(try await sequences(subscription, 4000) == Array(1...4000))
        await publisher.value
        #expect(feed.figures.lost == 0)
    }

    @Test("a follower that does not read is cut with a count, and nobody waits for it")
    func slow() async throws {
        let feed = history.feed(bufferLimit: 10)
        let slow = try feed.subscribe(after: 0)
        publish(1...1, to: feed)
        #expect(try await sequences(slow, 1) == [1])
        #expect(try await heardBeat(slow, feed))
        publish(2...6, to: feed)
        publish(7...20, to: feed)
        publish(21...30, to: feed)
        #expect(try await sequences(slow, 10) == Array(2...11))
        #expect(try await slow.next() == .gap(from: 12, through: 30))
        #expect(try await slow.next() == nil)
        #expect(feed.figures.cut == 1 && feed.figures.lost == 19)
        // It asks again after the last event it has.
        let again = try feed.subscribe(after: 11)
        #expect(try await sequences(again, 19) == Array(12...30))
    }

    /// A follower that hears a beat has read all history and buffers from now on.
    private func heardBeat(_ subscription: EventSubscription, _ feed: EventFeed) async throws -> Bool {
        let beating = Task {
            while !Task.isCancelled {
                feed.beat(at: samples.noon.wall)
                await Task.yield()
            }
        }
        defer { beating.cancel() }
        return try await subscription.next() == .beat(head: feed.head, at: samples.noon.wall)
    }

    @Test("a beat shows that the line is alive, but never stands before an event that waits")
    func beat() async throws {
        let feed = history.feed()
        publish(1...1, to: feed)
        let subscription = try feed.subscribe(after: 0)
        #expect(try await sequences(subscription, 1) == [1])
        #expect(try await heardBeat(subscription, feed))
    }

    @Test("whoever asks for events that are not there yet learns that the journal is another one")
    func ahead() throws {
        let feed = history.feed()
        publish(1...3, to: feed)
        #expect(throws: EventFeed.FeedError.ahead(asked: 4, head: 3)) { try feed.subscribe(after: 4) }
    }

    @Test("a follower that nobody holds any more keeps no place")
    func abandoned() async throws {
        let feed = history.feed(subscriberLimit: 2)
        for _ in 0..<10 { _ = try feed.subscribe() }
        #expect(feed.figures.subscribers == 0)
        let held = try feed.subscribe()
        publish(1...1, to: feed)
        #expect(try await sequences(held, 1) == [1])
    }

    @Test("there is an end to how many may follow, and leaving makes room")
    func limit() async throws {
        let feed = history.feed(subscriberLimit: 2)
        let first = try feed.subscribe()
        let second = try feed.subscribe()
        #expect(throws: EventFeed.FeedError.tooMany(limit: 2)) { try feed.subscribe() }
        first.cancel()
        #expect(try await first.next() == nil)
        let third = try feed.subscribe()
        #expect(feed.figures.subscribers == 2)
        feed.close()
        #expect(try await second.next() == nil)
        #expect(try await third.next() == nil)
    }

    @Test("a follower whose task is cancelled leaves")
    func cancelled() async throws {
        let feed = history.feed()
        let subscription = try feed.subscribe()
        let follower = Task { try await subscription.next() }
        follower.cancel()
        #expect(try await follower.value == nil)
        #expect(feed.figures.subscribers == 0)
    }

    @Test("without following, the history ends where the journal does")
    func historyOnly() async throws {
        let feed = history.feed()
        publish(1...3, to: feed)
        let subscription = try feed.subscribe(after: 1)
        var seen: [FeedItem] = []
        while let item = try await subscription.nextOfHistory() { seen.append(item) }
        #expect(seen.count == 2)
        #expect(feed.figures.subscribers == 0)
    }

    @Test("a step's event names the run it belongs to, in history and live")
    func runs() async throws {
        let records = [
            samples.record(1, .runStarted(run: samples.run, plan: try samples.plan(), by: "ada")),
            samples.record(2, .stepStarted(step: samples.connect, attempt: 1)),
        ]
        history.append(records)
        let feed = history.feed()
        for record in records { feed.remember(record) }
        let subscription = try feed.subscribe(after: 1)
        let more = samples.record(3, .stepFinished(step: samples.connect, attempt: 1))
        history.append([more])
        feed.publish([more])
        for _ in 0..<2 {
            guard case .event(let event) = try await subscription.next() else {
                Issue.record("no event")
                return
            }
            #expect(event.run == samples.run)
        }
    }
}
