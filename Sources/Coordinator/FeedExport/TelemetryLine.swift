// SPDX-License-Identifier: Apache-2.0

import MeshModel
package import Telemetry

/// One stored event as a line of NDJSON. Node and cluster are what the coordinator knows, never what the event says of itself.
package enum TelemetryLine {
    /// The object, with its newline.
    package static func write(_ stored: StoredEvent) -> String {
        var json = attributes(of: stored)
        if let body = stored.event.body { add(body, to: &json) }
        return json.finished + "\n"
    }

    /// The same without the source's own words, which hold what programs were started with: what may be shown where no secret may be.
    package static func outline(_ stored: StoredEvent) -> String { attributes(of: stored).finished + "\n" }

    private static func attributes(of stored: StoredEvent) -> JSONText {
        let (event, attributes) = (stored.event, stored.event.attributes)
        var json = JSONText()
        json.add("time", event.time.description)
        json.add("node", stored.node.text)
        json.add("cluster", stored.cluster?.text)
        json.add("source", stored.stream.source.rawValue)
        json.add("kind", event.kind.text)
        json.add("binary", attributes.binary)
        json.add("pid", attributes.pid)
        json.add("pod", attributes.pod)
        json.add("namespace", attributes.namespace)
        json.add("device", attributes.device)
        json.add("policy", attributes.policy)
        json.add("reason", attributes.reason)
        json.add("verdict", attributes.verdict)
        json.add("from", attributes.source?.description)
        json.add("to", attributes.destination?.description)
        json.add("boot", stored.stream.boot.text)
        json.add("number", stored.number)
        if event.isCut { json.add("cut", raw: "true") }
        json.add("stated_time", event.statedTime?.description)
        return json
    }

    /// A JSON body stands in the line as it is, once it is known to be one; what only claims to be JSON is a text, and protobuf is base64.
    private static func add(_ body: EventBody, to json: inout JSONText) {
        switch body.encoding {
        case .json where JSONShape.isObjectLine(body.bytes): json.add("body", raw: JSONText.harmless(body.bytes))
        case .json: json.add("body_text", String(decoding: body.bytes, as: UTF8.self))
        case .tetragonMessage: json.add("body_tetragon", base64(body.bytes))
        case .flowMessage: json.add("body_flow", base64(body.bytes))
        }
    }

    static func base64(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let value = group.reduce(0) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for index in 0..<4 {
                text.append(index <= group.count ? alphabet[Int(value >> UInt32(18 - 6 * index) & 63)] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
