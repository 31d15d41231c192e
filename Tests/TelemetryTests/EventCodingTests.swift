// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Telemetry
import Testing

@Suite("Events keep their content over the wire, and nothing that breaks a rule gets in")
struct EventCodingTests {
    static let full = TelemetryEvent(
        time: EventTime(nanoseconds: 1_764_000_000_123_456_789), kind: .tcpConnect,
        attributes: EventAttributes(
            binary: "/usr/bin/nc", pid: 4242, pod: "web-0", namespace: "shop", device: "eth0", policy: "watch-nc", reason: "NO_SOCKET",
            verdict: "dropped", source: EventPeer(address: "fd00::1", port: 40_000), destination: EventPeer(address: "10.0.0.2", port: 443)),
        body: .json(#"{"a":1}"#))

    @Test("an event comes back as it was")
    func roundTrip() throws {
        #expect(try TelemetryEvent(decoding: Self.full.encoded) == Self.full)
        let bare = TelemetryEvent(time: EventTime(nanoseconds: -5), kind: .oomKill)
        #expect(try TelemetryEvent(decoding: bare.encoded) == bare)
    }

    @Test("what is too long is cut and marked, and never refused: length must not hide an event")
    func cuts() throws {
        var event = Self.full
        event.attributes.binary = "/" + String(repeating: "é", count: 4000)
        event.body = EventBody(.json, [UInt8](repeating: 0x20, count: 1 << 20))
        let back = try TelemetryEvent(decoding: event.encoded)
        #expect(back.isCut)
        #expect(back.body == nil)
        #expect(back.attributes.binary?.utf8.count == 1023)
        #expect(event.encoded.count <= EventLimits.encoded)
    }

    @Test("control characters do not reach anybody's terminal")
    func controls() throws {
        var event = Self.full
        event.attributes.pod = "a\u{1b}[2Jb\u{9b}c\nd\0e\u{7f}"
        #expect(try TelemetryEvent(decoding: event.encoded).attributes.pod == "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}")
    }

    @Test("an event at every limit is below the stated longest one")
    func longest() {
        let wide = String(repeating: "x", count: 5000)
        let event = TelemetryEvent(
            time: EventTime(nanoseconds: .max), kind: .sourceLimited,
            attributes: EventAttributes(
                binary: wide, pid: .max, pod: wide, namespace: wide, device: wide, policy: wide, reason: wide, verdict: wide,
                source: EventPeer(address: wide, port: .max), destination: EventPeer(address: wide, port: .max)),
            body: EventBody(.flowMessage, [UInt8](repeating: 1, count: EventLimits.body)))
        #expect(event.encoded.count <= EventLimits.encoded)
    }

    @Test(
        "a field that breaks its rule is named",
        arguments: [
            ([0x12, 0x02, 0x41, 0x42], "event.kind"), ([0x08, 0x01], "event.time"), ([0x1a, 0x01, 0x1b, 0x12, 0x01, 0x61], "event.binary"),
            ([0x12, 0x01, 0x61, 0x2a, 0x02, 0xff, 0xfe], "event.pod"),
            ([0x12, 0x01, 0x61, 0x20, 0xff, 0xff, 0xff, 0xff, 0x7f], "event.pid"),
            ([0x12, 0x01, 0x61, 0x70, 0x09], "event.encoding"), ([0x12, 0x01, 0x61, 0x7a, 0x01, 0x61], "event.body"),
            ([0x12, 0x01, 0x61, 0x5a, 0x04, 0x10, 0x80, 0x80, 0x04], "event.source"),
        ] as [([UInt8], String)])
    func badFields(_ bytes: [UInt8], _ place: String) {
        #expect {
            try TelemetryEvent(decoding: bytes)
        } throws: {
            "\($0)".contains(place)
        }
    }

    @Test("fields of later versions are passed over")
    func unknownFields() throws {
        let later: [UInt8] = [0x98, 0x06, 0x07, 0xa2, 0x06, 0x01, 0x61, 0xad, 0x06, 1, 2, 3, 4]
        #expect(try TelemetryEvent(decoding: Self.full.encoded + later) == Self.full)
    }

    @Test("twenty thousand damaged events are refused or read, and what is read can be written again")
    func fuzz() throws {
        var random = SplitMix(seed: 6)
        let good = Self.full.encoded
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
                default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: Int.random(in: 0...bytes.count, using: &random))
                }
                if bytes.isEmpty { break }
            }
            guard let event = try? TelemetryEvent(decoding: bytes) else { continue }
            #expect(try TelemetryEvent(decoding: event.encoded) == event)
        }
    }

    @Test("times are written to the nanosecond, before 1970 too")
    func times() {
        #expect("\(EventTime(nanoseconds: 1_250_000_017))" == "1970-01-01T00:00:01.250000017Z")
        #expect("\(EventTime(nanoseconds: -1))" == "1969-12-31T23:59:59.999999999Z")
        #expect("\(EventTime(nanoseconds: .max))".hasPrefix("2262-04-11T23:47:16.854775807Z"))
        #expect(EventTime(Timestamp(milliseconds: .max)).nanoseconds == .max)
        #expect(EventTime(Timestamp(milliseconds: .min)).nanoseconds == .min)
    }

    @Test("a kind is a short word", arguments: ["", "A", "1a", "a-b", "a b", String(repeating: "a", count: 41), "ä"])
    func kinds(_ text: String) {
        #expect(EventKind(text) == nil)
        #expect(EventKind("process_exec") == .processExec)
    }
}
