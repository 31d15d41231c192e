// SPDX-License-Identifier: Apache-2.0

/// Where the fields of one encoded event lie. Reading it checks the whole event and copies nothing, which is what a coordinator needs to
/// index events by the hundred thousand; `TelemetryEvent` is made from it when somebody wants to see one.
package struct EventOutline {
    package var time = EventTime(nanoseconds: 0)
    package var kind = 0..<0
    package var binary = 0..<0
    package var pod = 0..<0
    package var namespace = 0..<0
    package var device = 0..<0
    package var policy = 0..<0
    package var reason = 0..<0
    package var verdict = 0..<0
    package var pid: UInt32?
    var source: Peer?
    var destination: Peer?
    package var isCut = false
    package var statedTime: EventTime?
    var encoding: EventBody.Encoding?
    package var body = 0..<0
    /// The event itself, without the tag and length before it.
    package var whole: Range<Int>

    struct Peer {
        var address = 0..<0
        var port: UInt16 = 0
    }

    /// Reads the event at `range` of `bytes`.
    package init(_ bytes: UnsafeRawBufferPointer, at range: Range<Int>) throws(TelemetryFault) {
        whole = range
        var reader = ProtoReader(bytes, in: range, of: "an event")
        while let field = try reader.next() {
            switch (EventField(rawValue: field.id), field.type) {
            case (.time, .fixed64): time = EventTime(nanoseconds: Int64(bitPattern: field.number))
            case (.statedTime, .fixed64): statedTime = EventTime(nanoseconds: Int64(bitPattern: field.number))
            case (.kind, .block): kind = field.range
            case (.binary, .block): binary = try Self.text(bytes, field.range, "event.binary", EventLimits.binary)
            case (.pod, .block): pod = try Self.text(bytes, field.range, "event.pod")
            case (.namespace, .block): namespace = try Self.text(bytes, field.range, "event.namespace")
            case (.device, .block): device = try Self.text(bytes, field.range, "event.device")
            case (.policy, .block): policy = try Self.text(bytes, field.range, "event.policy")
            case (.reason, .block): reason = try Self.text(bytes, field.range, "event.reason")
            case (.verdict, .block): verdict = try Self.text(bytes, field.range, "event.verdict")
            case (.pid, .varint):
                guard let number = UInt32(exactly: field.number) else { throw .badField("event.pid", problem: "no process id") }
                pid = number
            case (.source, .block): source = try Self.peer(bytes, field.range, "event.source")
            case (.destination, .block): destination = try Self.peer(bytes, field.range, "event.destination")
            case (.isCut, .varint): isCut = field.number != 0
            case (.encoding, .varint):
                guard let number = UInt8(exactly: field.number), let known = EventBody.Encoding(rawValue: number) else {
                    throw .badField("event.encoding", problem: "an encoding that this version does not know")
                }
                encoding = known
            case (.body, .block):
                guard field.range.count <= EventLimits.body else {
                    throw .badField("event.body", problem: "longer than \(EventLimits.body) bytes")
                }
                body = field.range
            case (nil, _): break
            case (.some(let known), _): throw .badField("event.\(known)", problem: "not of its type")
            }
        }
        guard EventKind.isWord(UnsafeRawBufferPointer(rebasing: bytes[kind])) else { throw .badField("event.kind", problem: "not a kind") }
        guard encoding != nil || body.isEmpty else { throw .badField("event.body", problem: "its encoding is missing") }
    }

    private static func text(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ place: String, _ limit: Int = EventLimits.text
    ) throws(TelemetryFault) -> Range<Int> {
        guard range.count <= limit else { throw .badField(place, problem: "\(range.count) bytes, and at most \(limit) are taken") }
        guard EventText.isClean(UnsafeRawBufferPointer(rebasing: bytes[range])) else {
            throw .badField(place, problem: "not UTF-8, or with control characters")
        }
        return range
    }

    private static func peer(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ place: String) throws(TelemetryFault) -> Peer {
        var reader = ProtoReader(bytes, in: range, of: place)
        var peer = Peer()
        while let field = try reader.next() {
            switch (field.id, field.type) {
            case (1, .block): peer.address = try text(bytes, field.range, place + ".address", 64)
            case (2, .varint):
                guard let port = UInt16(exactly: field.number) else { throw .badField(place + ".port", problem: "not a port") }
                peer.port = port
            default: break
            }
        }
        return peer
    }
}

/// Field numbers of TelemetryEvent in telemetry.proto; never reused.
enum EventField: UInt64 {
    case time = 1
    case kind = 2
    case binary = 3
    case pid = 4
    case pod = 5
    case namespace = 6
    case device = 7
    case policy = 8
    case reason = 9
    case verdict = 10
    case source = 11
    case destination = 12
    case isCut = 13
    case encoding = 14
    case body = 15
    case statedTime = 16
}
