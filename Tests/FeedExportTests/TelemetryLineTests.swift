// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshModel
import MeshTesting
import Telemetry
import Testing

@testable import FeedExport

@Suite("Lines of telemetry")
struct TelemetryLineTests {
    private func stored(_ change: (inout TelemetryEvent) -> Void) throws -> StoredEvent {
        var event = TelemetryEvent(time: EventTime(nanoseconds: 1_764_000_000_000_000_017), kind: .tcpConnect)
        change(&event)
        return StoredEvent(
            node: try #require(NodeID("wrk-e-1")), cluster: ClusterName("east"),
            stream: TelemetryStream(source: .tracer, boot: try #require(BootID("0f6f2c1e-8a53")), instance: 1), number: 12, event: event)
    }

    private func object(_ line: String) throws -> [String: Any] {
        #expect(line.hasSuffix("}\n") && line.dropLast().allSatisfy { !$0.isNewline })
        return try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }

    @Test("an event is one object with what the coordinator knows")
    func plain() throws {
        let line = TelemetryLine.write(
            try stored {
                $0.attributes = EventAttributes(
                    binary: "/usr/bin/nc", pid: 7, source: EventPeer(address: "fd00::1", port: 9),
                    destination: EventPeer(address: "10.0.0.2"))
                $0.body = .json(#"{"argv":["nc","-l"]}"#)
                $0.statedTime = EventTime(nanoseconds: 0)
                $0.isCut = true
            })
        #expect(
            line
                == #"{"time":"2025-11-24T16:00:00.000000017Z","node":"wrk-e-1","cluster":"east","source":"tracer","kind":"tcp_connect","#
                + #""binary":"/usr/bin/nc","pid":7,"from":"[fd00::1]:9","to":"10.0.0.2","boot":"0f6f2c1e-8a53","number":12,"cut":true,"#
                + #""stated_time":"1970-01-01T00:00:00.000000000Z","body":{"argv":["nc","-l"]}}"# + "\n")
    }

    @Test(
        "a body that is no JSON object on one line cannot break the line or add a field",
        arguments: [#"{"a":1},"node":"mgmt""#, "{\"a\":\n1}", "", "null", "{\"a\":NaN}", "\u{1b}[2J", #"{"a":"#])
    func hostileBody(_ body: String) throws {
        let line = try object(TelemetryLine.write(try stored { $0.body = .json(body) }))
        #expect(line["node"] as? String == "wrk-e-1")
        #expect(line["body"] == nil && line["body_text"] as? String == body)
    }

    @Test("a JSON body moves no cursor and turns no text: what could is escaped, and means the same")
    func harmless() throws {
        let words = "\u{85}\u{9b}2J \u{202e}txt\u{2066} \u{7f} \u{feff}\u{2028} gr\u{fc}n \u{1f9ed}"
        let body = String(decoding: try JSONSerialization.data(withJSONObject: ["a\u{200f}": ["x", words]]), as: UTF8.self)
        let line = TelemetryLine.write(try stored { $0.body = .json(body) })
        for scalar in line.unicodeScalars.dropLast() {
            let value = scalar.value
            #expect(
                !(value < 0x20 || (0x7f..<0xa0).contains(value) || (0x200e...0x200f).contains(value) || (0x2028...0x202e).contains(value)
                    || (0x2066...0x2069).contains(value) || value == 0xfeff), "U+\(String(value, radix: 16))")
        }
        #expect(line.contains("gr\u{fc}n \u{1f9ed}"))
        let read = try #require(try object(line)["body"] as? [String: [String]])
        #expect(read == ["a\u{200f}": ["x", words]])
    }

    @Test("protobuf bodies are base64, as Foundation reads it")
    func base64() throws {
        var random = SplitMix(seed: 5)
        for length in 0..<40 {
            let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(TelemetryLine.base64(bytes) == Data(bytes).base64EncodedString())
        }
        let line = try object(TelemetryLine.write(try stored { $0.body = EventBody(.flowMessage, [0, 255]) }))
        #expect(line["body_flow"] as? String == "AP8=")
    }
}
