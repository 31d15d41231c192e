// SPDX-License-Identifier: Apache-2.0

import FeedTesting
import Foundation
import MeshTesting
import Telemetry
import Testing

@testable import Tetragon

extension Samples {
    /// The same samples as messages of the stream.
    static func messages() throws -> [[UInt8]] { try SampleEvent.samples().map(\.message) }
    /// Both forms, without the line that only tells what was left out.
    static func events() throws -> [SampleEvent] { try SampleEvent.samples().filter { TetragonMessage($0.message)?.leftOut == nil } }
}

@Suite struct TetragonMessageTests {
    @Test("a message of the stream says the same as the line that the log has of it") func same() throws {
        let (messages, lines) = (try Samples.messages(), try Samples.lines())
        #expect(messages.count == lines.count && messages.count == 25)
        for (message, line) in zip(messages, lines) {
            let (fromStream, fromLog) = (try #require(TetragonMessage(message)), try #require(TetragonLine(line)))
            #expect(fromStream.kind == fromLog.kind)
            #expect(fromStream.time == fromLog.time)
            #expect(fromStream.attributes == fromLog.attributes, "\(fromLog.kind)")
            #expect(fromStream.execID == fromLog.execID)
            #expect(fromStream.leftOut == fromLog.leftOut)
            #expect(fromStream.key == fromLog.key)
        }
    }

    @Test("a kind of event that nobody knows passes through, with its process") func unknown() throws {
        var writer = ProtoWriter()
        writer.message(31) { event in event.message(1) { $0.block(5, "/bin/new".utf8) } }
        writer.message(1001) { $0.number(1, 7) }
        writer.block(1005, "a field to come".utf8)
        let message = try #require(TetragonMessage(writer.bytes))
        #expect(message.kind.text == "tetragon_31" && message.attributes.binary == "/bin/new")
        #expect(message.time == EventTime(nanoseconds: 7_000_000_000))
    }

    @Test("actions and other numbers that nobody knows stay numbers") func numbers() throws {
        var writer = ProtoWriter()
        writer.message(9) { event in
            event.number(6, 99)
            event.block(8, "policy".utf8)
        }
        let message = try #require(TetragonMessage(writer.bytes))
        #expect(message.attributes.verdict == "99" && message.attributes.policy == "policy" && message.time == nil)
    }

    @Test("a message without an event, with two, or that is no message is refused") func refused() throws {
        let exec = try Samples.messages()[0]
        #expect(TetragonMessage([]) == nil)
        #expect(TetragonMessage([0xff, 0xff]) == nil)
        #expect(TetragonMessage(exec + exec) == nil)
        #expect(TetragonMessage(Array(exec.dropLast(3))) == nil)
        var onlyTime = ProtoWriter()
        onlyTime.message(1001) { $0.number(1, 7) }
        #expect(TetragonMessage(onlyTime.bytes) == nil)
    }

    @Test(
        "times out of range are none",
        arguments: [(UInt64.max, 0), (1 << 62, 0), (1, 1_000_000_000), (1, UInt64.max)] as [(UInt64, UInt64)])
    func times(seconds: UInt64, nanoseconds: UInt64) throws {
        var writer = ProtoWriter()
        writer.message(1) { _ in }
        writer.message(1001) {
            $0.number(1, seconds)
            $0.number(2, nanoseconds)
        }
        let time = try #require(TetragonMessage(writer.bytes)).time
        #expect(time == (seconds == .max && nanoseconds == 0 ? EventTime(nanoseconds: -1_000_000_000) : nil))
    }

    @Test("damaged messages never crash, and whatever is read of them can be sent on", arguments: 0..<40 as Range<UInt64>)
    func fuzz(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let samples = try Samples.messages()
        for _ in 0..<300 {
            var bytes = try #require(samples.randomElement(using: &random))
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.removeLast(min(bytes.count - 1, Int.random(in: 0...40, using: &random)))
                case 2: bytes.insert(contentsOf: samples[0].prefix(20), at: Int.random(in: bytes.indices, using: &random))
                default: bytes.insert(UInt8.random(in: 0x80...0xff, using: &random), at: Int.random(in: bytes.indices, using: &random))
                }
            }
            guard let read = TetragonMessage(bytes) else { continue }
            let event = TelemetryEvent(
                time: read.time ?? EventTime(nanoseconds: 0), kind: read.kind, attributes: read.attributes,
                body: EventBody(.tetragonMessage, bytes))
            let again = try TelemetryEvent(decoding: event.encoded)
            #expect(again.kind == read.kind && again.body?.bytes == bytes)
        }
    }
}

@Suite struct ToldEventsTests {
    private final class Told {
        private var events: ToldEvents
        init(most: Int) { events = ToldEvents(most: most) }
        func insert(_ key: EventKey, from way: ToldEvents.Way) -> Bool { events.insert(key, from: way) }
    }

    private func key(_ number: Int) -> EventKey {
        EventKey(time: EventTime(nanoseconds: Int64(number)), kind: .processExec, execID: "x", reason: nil)
    }

    @Test("what one way told, the other does not tell, as often as it was told") func once() {
        let told = Told(most: 100)
        #expect(told.insert(key(1), from: .stream))
        #expect(told.insert(key(1), from: .stream), "two that nothing tells apart are two")
        #expect(!told.insert(key(1), from: .log))
        #expect(!told.insert(key(1), from: .log))
        #expect(told.insert(key(1), from: .log), "a third one the stream has not told")
        #expect(!told.insert(key(1), from: .stream))
        #expect(told.insert(key(1), from: .stream))
    }

    @Test("whatever order two ways tell the same events in, each is told once", arguments: 0..<30 as Range<UInt64>)
    func orders(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let told = Told(most: 1000)
        var left = (stream: (0..<200).map { $0 / 2 }, log: (0..<200).map { $0 / 2 })
        var count = 0
        while !left.stream.isEmpty || !left.log.isEmpty {
            if left.log.isEmpty || (!left.stream.isEmpty && Bool.random(using: &random)) {
                let next = left.stream.remove(at: Int.random(in: 0..<min(5, left.stream.count), using: &random))
                if told.insert(key(next), from: .stream) { count += 1 }
            } else {
                let next = left.log.remove(at: Int.random(in: 0..<min(5, left.log.count), using: &random))
                if told.insert(key(next), from: .log) { count += 1 }
            }
        }
        #expect(count == 200)
    }

    @Test("only so many are remembered, the newest") func bounded() {
        let told = Told(most: 10)
        for number in 0..<25 { #expect(told.insert(key(number), from: .stream)) }
        #expect(!told.insert(key(24), from: .log) && !told.insert(key(15), from: .log))
        #expect(told.insert(key(3), from: .log))
    }
}
