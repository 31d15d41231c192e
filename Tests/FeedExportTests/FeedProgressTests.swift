// SPDX-License-Identifier: Apache-2.0

import FeedExport
import Foundation
import MeshModel
import Running
import Testing

@Suite("Progress in the feed")
struct FeedProgressTests {
    let samples: FeedSamples
    let history = MemoryHistory()

    init() throws { samples = try FeedSamples() }

    private func progress(
        _ done: UInt64, of total: UInt64 = 100 << 20, step: StepID? = nil, rate: UInt64? = nil, phase: StepProgress.Phase = .writing
    ) -> FeedProgress {
        FeedProgress(
            step: step ?? samples.wipe, node: samples.node, at: samples.noon.wall,
            progress: StepProgress(phase: phase, done: done, total: total, rate: rate))
    }

    /// A follower that has read all there is, and buffers from now on.
    private func live(_ feed: EventFeed) async throws -> EventSubscription {
        let subscription = try feed.subscribe(after: 0)
        let beating = Task {
            while !Task.isCancelled {
                feed.beat(at: samples.noon.wall)
                await Task.yield()
            }
        }
        defer { beating.cancel() }
        while let item = try await subscription.next() { if case .beat = item { break } }
        beating.cancel()
        await beating.value
        return subscription
    }

    /// What waits for a follower, up to and with the next event, which this publishes; beats are left out.
    private func waiting(_ subscription: EventSubscription, _ feed: EventFeed) async throws -> [FeedItem] {
        let last = samples.alarm(feed.head + 1)
        history.append([last])
        feed.publish([last])
        var items: [FeedItem] = []
        while let item = try await subscription.next() {
            if case .beat = item { continue }
            items.append(item)
            if case .event(let event) = item, event.sequence == last.sequence { break }
        }
        return items
    }

    private func steps(_ items: [FeedItem]) -> [UInt64] {
        items.compactMap { if case .progress(let progress) = $0 { progress.progress.done } else { nil } }
    }

    @Test("as a line it says step, node, phase and bytes, with rate and time left once they are known")
    func line() {
        #expect(
            FeedFormat.ndjson.write(.progress(progress(25 << 20)))
                == #"{"kind":"progress","time":"2026-11-18T11:06:40.000Z","step":"talos-east/wrk-e-1/wipe-vdb","node":"wrk-e-1","#
                + #""phase":"writing","done":26214400,"total":104857600}"# + "\n")
        #expect(
            FeedFormat.ndjson.write(.progress(progress(25 << 20, rate: 5 << 20, phase: .verifying)))
                == #"{"kind":"progress","time":"2026-11-18T11:06:40.000Z","step":"talos-east/wrk-e-1/wipe-vdb","node":"wrk-e-1","#
                + #""phase":"verifying","done":26214400,"total":104857600,"bytesPerSecond":5242880,"secondsLeft":15}"# + "\n")
    }

    @Test("as a server-sent event it has a name and no id: a browser that comes back resumes after the last event of the journal")
    func sse() {
        let item = FeedItem.progress(progress(1))
        let json = FeedFormat.ndjson.write(item).dropLast()
        #expect(FeedFormat.sse.write(item) == "event: progress\ndata: \(json)\n\n")
        #expect(!json.contains("\"seq\""))
    }

    @Test(
        "no number that an agent can send makes anything but one line of JSON",
        arguments: [(0, 0, 0), (.max, .max, .max), (.max, 0, 1), (0, .max, 1), (1, .max, nil)] as [(UInt64, UInt64, UInt64?)])
    func extremes(_ done: UInt64, _ total: UInt64, _ rate: UInt64?) throws {
        let line = FeedFormat.ndjson.write(.progress(progress(done, of: total, rate: rate)))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect((object["done"] as? NSNumber)?.uint64Value == done && (object["total"] as? NSNumber)?.uint64Value == total)
        #expect(line.count { $0 == "\n" } == 1)
        // More done than there is, or no rate: nobody knows how long it will take.
        #expect((object["secondsLeft"] == nil) == (done > total || (rate ?? 0) == 0))
    }

    @Test("a follower that was busy gets the newest of each step only, before the events that came later")
    func newest() async throws {
        let feed = history.feed()
        let subscription = try await live(feed)
        let other = StepID("talos-east", "wrk-e-2", "wipe-vdb")
        feed.tell(progress(1))
        feed.tell(progress(7, step: other))
        feed.tell(progress(2))
        feed.tell(progress(3))
        let items = try await waiting(subscription, feed)
        #expect(steps(items) == [7, 3])
        guard case .event? = items.last, items.count == 3 else { return #expect(Bool(false), "\(items)") }
    }

    @Test("progress waits behind the events that came before it, and costs none of them")
    func order() async throws {
        let feed = history.feed(bufferLimit: 100)
        let subscription = try await live(feed)
        let records = (feed.head + 1...feed.head + 3).map(samples.alarm)
        history.append(records)
        feed.publish(records)
        feed.tell(progress(9))
        let items = try await waiting(subscription, feed)
        let words = items.map { item -> String in
            switch item {
            case .event(let event): "\(event.sequence)"
            case .progress: "progress"
            case .gap: "gap"
            case .beat: "beat"
            }
        }
        #expect(words == ["1", "2", "3", "progress", "4"])
        #expect(feed.figures.lost == 0)
    }

    @Test("a follower that never reads keeps no more than 64 of them")
    func bounded() async throws {
        let feed = history.feed(bufferLimit: 1000)
        let subscription = try await live(feed)
        for index in 0..<500 { feed.tell(progress(UInt64(index), step: StepID("talos-east", "n-\(index)", "wipe-vdb"))) }
        #expect(steps(try await waiting(subscription, feed)) == Array(0..<64))
    }

    @Test("whoever still reads history, or has left, is told no progress")
    func notLive() async throws {
        let feed = history.feed()
        history.append([samples.alarm(1)])
        feed.publish([samples.alarm(1)])
        let reading = try feed.subscribe(after: 0)
        feed.tell(progress(1))
        #expect(steps(try await waiting(reading, feed)) == [])
        let left = try await live(feed)
        left.cancel()
        feed.tell(progress(2))
        #expect(try await left.next() == nil)
    }
}
