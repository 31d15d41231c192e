// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Telemetry
import Testing

@testable import TelemetrySpool

@Suite("The queue of what waits: nothing that happens for each batch walks over all of them")
struct SpoolQueueTests {
    private let stream: TelemetryStream
    private let other: TelemetryStream

    init() throws {
        let boot = try #require(BootID("0f6f2c1e-8a53"))
        stream = TelemetryStream(source: .tracer, boot: boot, instance: 7)
        other = TelemetryStream(source: .hubble, boot: boot, instance: 7)
    }

    private func entry(_ number: UInt64, in segment: UInt64) -> SpoolQueue.Entry {
        SpoolQueue.Entry(stream: stream, first: number, next: number + 1, place: .disk(segment: segment, offset: Int(number), length: 1))
    }

    @Test("a hundred thousand batches of an absent coordinator cost some steps each: to keep, to give up, to send and to forget")
    func away() {
        let count: UInt64 = 100_000
        var queue = SpoolQueue()
        for number in 1...count {
            queue.append(entry(number, in: number / 1000))
            // A loss that has a batch of its own, between the others.
            queue.append(SpoolQueue.Entry(stream: other, first: number, next: number + 1, place: .gone([.lost(1, .ringFull)])))
        }
        #expect(queue.streams == [stream: count, other: count])
        for segment in 0..<UInt64(50) { queue.giveUp(segment: segment) { _ in [.lost(1, .spoolFull)] } }
        #expect(queue.testament.count == 2)
        queue.rewind()
        var told: UInt64 = 0
        while let entry = queue.takeNext() {
            told += entry.next - entry.first
            _ = queue.acknowledge(entry.stream, through: entry.next - 1)
        }
        #expect(told == 2 * count)
        #expect(queue.waiting == 0 && queue.streams.isEmpty && queue.testament.isEmpty)
        #expect(queue.steps < 20 * count, "\(queue.steps) steps")
    }

    @Test("a disk that refuses for long: what memory gives up becomes one gap, in few steps")
    func unwritable() {
        let count: UInt64 = 50_000
        var queue = SpoolQueue()
        for number in 1...count {
            queue.append(entry(number, in: 1))
        }
        for number in (count + 1)...(2 * count) {
            queue.append(SpoolQueue.Entry(stream: stream, first: number, next: number + 1, place: .memory([1, 2, 3], [.events(1)])))
            while queue.memoryBytes > 300 { #expect(queue.giveUpOldestInMemory { _ in [.lost(1, .spoolUnwritable)] }) }
        }
        #expect(queue.waiting == Int(count) + 1 + 100)
        #expect(queue.testament.first?.runs == [.lost(count - 100, .spoolUnwritable)])
        #expect(queue.testament.dropFirst().allSatisfy { $0.runs == [.lost(1, .agentStopped)] })
        #expect(queue.steps < 20 * count, "\(queue.steps) steps")
    }

    @Test(
        "random walks: every number is told until it is acknowledged, in order, once for each connection",
        arguments: 0..<40 as Range<UInt64>)
    func walk(seed: UInt64) {
        var random = SplitMix(seed: seed)
        var queue = SpoolQueue()
        var next: [TelemetryStream: UInt64] = [stream: 1, other: 1]
        var acknowledged: [TelemetryStream: UInt64] = [:]
        var sent: [SpoolQueue.Entry] = []
        var segment: UInt64 = 1
        for _ in 0..<400 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0...3:
                let stream = Bool.random(using: &random) ? stream : other
                let first = next[stream] ?? 1
                let count = UInt64.random(in: 1...5, using: &random)
                let place: SpoolQueue.Place =
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: .memory([1, 2], [.events(count)])
                    case 1: .gone([.lost(count, .ringFull)])
                    default: .disk(segment: segment, offset: 0, length: 1)
                    }
                queue.append(SpoolQueue.Entry(stream: stream, first: first, next: first + count, place: place))
                next[stream] = first + count
                if Int.random(in: 0..<6, using: &random) == 0 { segment += 1 }
            case 4, 5:
                guard let entry = queue.takeNext() else { continue }
                sent.append(entry)
                if Int.random(in: 0..<8, using: &random) == 0 { queue.giveUpTaken([.lost(entry.next - entry.first, .spoolDamaged)]) }
            case 6, 7:
                guard !sent.isEmpty else { continue }
                let entry = sent.removeFirst()
                acknowledged[entry.stream] = max(acknowledged[entry.stream] ?? 0, entry.next - 1)
                _ = queue.acknowledge(entry.stream, through: entry.next - 1)
            case 8:
                if Bool.random(using: &random) {
                    queue.giveUp(segment: UInt64.random(in: 1...segment, using: &random)) { [.lost($0.next - $0.first, .spoolFull)] }
                } else {
                    _ = queue.giveUpOldestInMemory { [.lost($0.next - $0.first, .spoolUnwritable)] }
                }
            default:
                guard Int.random(in: 0..<4, using: &random) == 0 else { continue }
                queue.rewind()
                sent = []
            }
        }
        queue.rewind()
        var told = acknowledged
        while let entry = queue.takeNext() {
            // Some of it may be acknowledged; nothing is left out.
            #expect(entry.first <= (told[entry.stream] ?? 0) + 1)
            told[entry.stream] = max(told[entry.stream] ?? 0, entry.next - 1)
            _ = queue.acknowledge(entry.stream, through: entry.next - 1)
        }
        #expect(told.allSatisfy { $0.value == (next[$0.key] ?? 1) - 1 })
        #expect(queue.waiting == 0 && queue.memoryBytes == 0 && queue.testament.isEmpty)
    }
}
