// SPDX-License-Identifier: Apache-2.0

import FeedTesting
import Foundation
import GRPCStream
import Telemetry
import Testing

@testable import Tetragon

/// Numbers from a seed, so that a failure can be played again (SplitMix64).
struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}

/// Lines as Tetragon writes them, one of every kind.
enum Samples {
    static func lines() throws -> [[UInt8]] { try SampleEvent.samples().map(\.line) }
}

@Suite struct TetragonLineTests {
    @Test("every sample is read, with what a general reader of JSON finds at the same places") func samples() throws {
        let lines = try Samples.lines()
        #expect(lines.count == 25)
        for bytes in lines {
            let line = try #require(TetragonLine(bytes), "\(String(decoding: bytes, as: UTF8.self))")
            let object = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
            let around: Set = ["node_name", "time", "aggregation_info", "cluster_name", "node_labels"]
            #expect([line.kind.text] == object.keys.filter { !around.contains($0) })
            let event = try #require(object[line.kind.text] as? [String: Any])
            let process = event["process"] as? [String: Any]
            let pod = process?["pod"] as? [String: Any]
            #expect(line.attributes.binary == process?["binary"] as? String)
            #expect(line.attributes.pid.map(Int.init) == process?["pid"] as? Int)
            #expect(line.execID == process?["exec_id"] as? String)
            #expect(line.attributes.pod == pod?["name"] as? String)
            #expect(line.attributes.namespace == pod?["namespace"] as? String)
            #expect(line.attributes.policy == event["policy_name"] as? String)
            #expect(line.attributes.verdict == event["action"] as? String)
            #expect(line.time?.description.hasPrefix("2026-08-22T09:") == true)
            if line.kind.text == "rate_limit_info" {
                #expect(line.leftOut.map(String.init) == event["number_of_dropped_process_events"] as? String)
            }
        }
    }

    @Test("times have no to nine digits behind the second, and nothing else is a time") func times() {
        for (text, nanoseconds) in [
            ("1970-01-01T00:00:01Z", 1_000_000_000), ("1970-01-01T00:00:00.5Z", 500_000_000), ("1970-01-01T00:00:00.002118307Z", 2_118_307),
            ("1970-01-01T00:00:00.000000001Z", 1),
        ] as [(String, Int64)] { #expect(EventTime(rfc3339: text)?.nanoseconds == nanoseconds) }
        for text in [
            "", "1970-01-01T00:00:01", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00.0000000001Z", "1970-01-01T00:00:00,5Z",
            "1970-13-01T00:00:01Z",
            "9999-12-31T23:59:59Z", "1970-01-01T00:00:00+01:00",
        ] { #expect(EventTime(rfc3339: text) == nil, "\(text)") }
    }

    @Test("escapes are undone, white space and the order of fields do not matter, and unknown kinds and fields pass") func shapes() throws {
        let text =
            #" "#.dropFirst()
            + #"{ "time" : "2026-08-22T09:14:04Z" , "process_new" : { "x":[{"process":{"binary":"no"}}], "process" : {"exec_id":"a\"\\\u00e9\ud83d\ude00\ud800","pid":"77","pod":{"x":{},"name":"p","namespace":"n"},"binary":"\/bin\/sh"}, "policy_name":"q" } }"#
        let line = try #require(TetragonLine(Array(text.utf8)))
        #expect(line.kind.text == "process_new" && line.attributes.binary == "/bin/sh" && line.attributes.pid == 77)
        #expect(line.execID == "a\"\\é😀\u{fffd}")
        #expect(line.attributes.pod == "p" && line.attributes.namespace == "n" && line.attributes.policy == "q")
    }

    @Test("fields of another type are left out, and what is no event is refused") func refused() throws {
        let odd = try #require(
            TetragonLine(
                Array(
                    #"{"process_exec":{"process":{"pid":-1,"binary":{"a":1},"exec_id":null,"pod":{"name":[1]}},"action":7},"time":5}"#.utf8)
            ))
        #expect(odd.attributes == .init() && odd.execID == nil && odd.time == nil)
        for text in [
            "", "{}", "[]", "null", #"{"time":"2026-08-22T09:14:04Z"}"#, #"{"a":{},"b":{}}"#, #"{"a":1}"#, #"{"a":{}"#, #"{"Bad Kind":{}}"#,
            #"{"a":{"process":[]}}"#,
            #"{"a":{}}{}"#, "{\"a\":{\"b\":\"\u{1}\"}}",
        ] { #expect(TetragonLine(Array(text.utf8)) == nil, "\(text)") }
        #expect(TetragonLine(Array(#"{"a":{"#.utf8) + Array(repeating: UInt8(ascii: "["), count: 100_000)) == nil)
    }

    @Test("whatever is done to a line, it is an event or refused") func fuzz() throws {
        var random = Seeded(state: 20_261_128)
        let lines = try Samples.lines()
        var (read, refused) = (0, 0)
        for _ in 0..<4000 {
            var line = lines.randomElement(using: &random) ?? []
            for _ in 0..<Int.random(in: 1...4, using: &random) where !line.isEmpty {
                let index = Int.random(in: 0..<line.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: line[index] = UInt8.random(in: .min ... .max, using: &random)
                case 1: line.removeSubrange(index..<min(line.count, index + Int.random(in: 1...40, using: &random)))
                case 2: line.insert(Array("\"\\{}[]:,u".utf8).randomElement(using: &random) ?? 0, at: index)
                default: line = Array(line.prefix(index))
                }
            }
            if TetragonLine(line) == nil { refused += 1 } else { read += 1 }
            // The walk itself must hold without the check before it.
            line.withUnsafeBytes { bytes in
                var cursor = JSONCursor(bytes)
                _ = cursor.fields { cursor, name in
                    _ = cursor.value(name)
                    return cursor.fields { $0.number() != nil || $1.isEscaped } || cursor.skip()
                }
            }
        }
        #expect(read > 100 && refused > 100)
    }
}

@Suite struct TetragonReaderTests {
    private let now = EventTime(nanoseconds: 1_900_000_000_000_000_000)

    @Test("a line that comes again is told once, and what Tetragon left out is a loss and no event") func once() throws {
        var reader = TetragonReader()
        let lines = try Samples.lines()
        let events = (lines + lines).compactMap { reader.event($0, now: now) }
        #expect(reader.losses.malformed == 0 && reader.losses.old == 0)
        let kinds = Set(events.map(\.kind.text))
        #expect(
            kinds.isSuperset(of: ["process_exec", "process_exit", "process_kprobe", "process_lsm", "process_loader"])
                && !kinds.contains("rate_limit_info"))
        let losses = lines.count - 24
        #expect(reader.losses.rateLimited == 1834, "a loss that is read again is the same loss")
        #expect(events.count == 24 && reader.losses.repeated == 24 + UInt64(losses))
        #expect(events.first?.body?.bytes == lines.first, "the line travels as it is")
    }

    @Test("events from before a time are left out, and lines that are none are counted") func old() throws {
        var reader = TetragonReader(since: now)
        let lines = try Samples.lines()
        #expect(lines.compactMap { reader.event($0, now: now) }.isEmpty && reader.losses.old == 24)
        #expect(reader.event(Array("{\"process_exec\":{}}".utf8), now: now)?.time == now, "without a time it is now")
        for text in ["hello", "{", "{\"process_exec\":{}} x"] { #expect(reader.event(Array(text.utf8), now: now) == nil) }
        #expect(reader.losses.malformed == 3)
        #expect(reader.event(Array(" \r".utf8), now: now) == nil && reader.losses.malformed == 3, "an empty line is nothing")
    }

    @Test("a clock that is set back does not make new events old, once the log was read to its end") func setBack() {
        var reader = TetragonReader(since: now)
        func line(_ year: Int) -> [UInt8] {
            Array(#"{"process_exec":{"process":{"exec_id":"\#(year)"}},"time":"\#(year)-01-01T00:00:00Z"}"#.utf8)
        }
        #expect(reader.event(line(2001), now: now) == nil && reader.losses.old == 1)
        reader.cameToEnd()
        #expect(reader.event(line(2002), now: now) != nil && reader.losses.old == 1)
    }

    @Test("what the log's limit left out is lost, unless the stream was there all the minute that the line speaks of") func leftOut() {
        func left(from: Int?, to: Int?) -> UInt64 {
            var reader = TetragonReader()
            let minute = 1_900_000_000
            func time(_ second: Int) -> EventTime { EventTime(nanoseconds: Int64(minute + second) * 1_000_000_000) }
            reader.streamed = from.map { (time($0), to.map(time)) }
            // 2030-03-17T17:46:40Z is second 0.
            let line = #"{"rate_limit_info":{"number_of_dropped_process_events":"7"},"time":"2030-03-17T17:46:40Z"}"#
            #expect(reader.event(Array(line.utf8), now: time(5)) == nil)
            #expect(reader.losses.rateLimited + reader.losses.leftToStream == 7 && reader.losses.malformed == 0)
            return reader.losses.rateLimited
        }
        #expect(left(from: nil, to: nil) == 7)
        #expect(left(from: -90, to: nil) == 0)
        #expect(left(from: -90, to: 1) == 0, "it broke afterwards")
        #expect(left(from: -90, to: -10) == 7 && left(from: -30, to: nil) == 7, "it was there for a part only")
    }

    @Test("only so many events are remembered") func bounded() {
        var keys = RecentKeys(most: 3)
        #expect([1, 2, 3, 2, 4, 1, 3].map { keys.insert($0) } == [true, true, true, false, true, true, false])
    }
}
