// SPDX-License-Identifier: Apache-2.0

import FeedExport
import Foundation
import Gating
import MeshModel
import Running
import Testing

@Suite("How events are written")
struct FeedFormatTests {
    let samples: FeedSamples

    init() throws { samples = try FeedSamples() }

    @Test("an event is one line of JSON that names the place and says a sentence")
    func line() {
        let record = samples.record(
            7,
            .stepHeld(
                step: samples.wipe,
                verdict: .hold([Reason(.warrant, .node(samples.node), .needsWarrant, "no warrant", remedy: "sign one")])))
        #expect(
            eventJSON(record, run: samples.run)
                == #"{"seq":7,"time":"2026-11-18T11:06:40.000Z","kind":"stepHeld","run":"run-1","step":"talos-east/wrk-e-1/wipe-vdb","#
                + #""node":"wrk-e-1","cluster":"talos-east","reasons":[{"gate":"G-DSK-06","subject":"node wrk-e-1","code":"needsWarrant","#
                + #""detail":"no warrant","remedy":"sign one"}],"#
                + #""text":"talos-east/wrk-e-1/wipe-vdb is held: G-DSK-06 no warrant"}"# + "\n")
    }

    @Test(
        "nothing that a tool printed can end a line, move a cursor or turn the writing",
        arguments: Array(UInt32(0)..<0x300) + [0x2028, 0x202e, 0x2066, 0xfeff])
    func control(_ value: UInt32) throws {
        guard let scalar = Unicode.Scalar(value) else { return }
        let text = "a" + String(Character(scalar)) + "\"\\b"
        let line = eventJSON(samples.record(1, .alarm(subject: .mesh, text: text)))
        #expect(line.unicodeScalars.filter { $0.properties.generalCategory == .control }.count == 1)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(object["text"] as? String == "mesh: " + text)
    }

    @Test("server-sent events carry the sequence as id, so that a browser resumes after the last one it has")
    func sse() {
        let event = FeedEvent(samples.alarm(9), run: nil)
        #expect(FeedFormat.sse.write(.event(event)) == "id: 9\nevent: alarm\ndata: \(event.json)\n\n")
        #expect(!FeedFormat.sse.write(.gap(from: 3, through: 5)).contains("id:"))
        #expect(FeedFormat.sse.write(.beat(head: 9, at: samples.noon.wall)) == ": beat\n\n")
    }

    @Test("a gap says how many events were lost and where to go on")
    func gap() {
        #expect(
            FeedFormat.ndjson.write(.gap(from: 3, through: 5))
                == #"{"kind":"gap","from":3,"through":5,"lost":3,"text":"this reader was too slow; ask again since 2"}"# + "\n")
    }
}
