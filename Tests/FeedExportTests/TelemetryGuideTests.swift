// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshModel
import Telemetry
import Testing

@testable import FeedExport

/// docs/guide/telemetry.md names what events have, and nothing that they do not have.
@Suite("The guide's tables of telemetry")
struct TelemetryGuideTests {
    /// The words in backquotes in the first column of the table whose heading begins so.
    private func column(_ heading: String) throws -> [String] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "docs/guide/telemetry.md"), encoding: .utf8)
        let lines = text.components(separatedBy: "\n")
        let start = try #require(lines.firstIndex { $0.hasPrefix("| \(heading) |") })
        return lines[(start + 2)...].prefix { $0.hasPrefix("|") }.flatMap { row in
            row.components(separatedBy: "|")[1].components(separatedBy: "`").enumerated().compactMap {
                $0.offset % 2 == 1 ? $0.element : nil
            }
        }
    }

    @Test("every kind, once") func kinds() throws {
        #expect(try column("kind").sorted() == EventKind.known.map(\.text).sorted())
    }

    @Test("every field, once") func fields() throws {
        var event = TelemetryEvent(time: EventTime(nanoseconds: 1), kind: .flow)
        let peer = EventPeer(address: "10.0.0.1", port: 1)
        event.attributes = EventAttributes(
            binary: "/a", pid: 1, pod: "p", namespace: "n", device: "d", policy: "y", reason: "r", verdict: "v", source: peer,
            destination: peer)
        event.isCut = true
        event.statedTime = EventTime(nanoseconds: 0)
        var names: Set<String> = []
        let bodies = [
            EventBody(.json, Array("{}".utf8)), EventBody(.json, [1]), EventBody(.tetragonMessage, [1]), EventBody(.flowMessage, [1]),
        ]
        for body in bodies {
            event.body = body
            let stored = StoredEvent(
                node: try #require(NodeID("a")), cluster: ClusterName("b"),
                stream: TelemetryStream(source: .host, boot: try #require(BootID("0f6f2c1e-8a53")), instance: 1), number: 1, event: event)
            let object = try JSONSerialization.jsonObject(with: Data(TelemetryLine.write(stored).utf8)) as? [String: Any]
            names.formUnion(try #require(object).keys)
        }
        // The forms of a body share a row.
        let told = try column("field") + ["body_text", "body_tetragon", "body_flow"]
        #expect(told.sorted() == names.sorted())
    }

    @Test("every reason of a loss but the one for reasons of later versions") func losses() throws {
        #expect(try Set(column("reason")).union(["other"]) == Set(LossReason.allCases.map(\.rawValue)))
    }
}
