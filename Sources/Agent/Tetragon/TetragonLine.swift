// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
package import Telemetry

/// What is taken out of one line of Tetragon's JSON (one GetEventsResponse) for searching; the line itself travels as it is. Fields that this
/// version does not know stay in it, and so does an event of a kind that it does not know.
package struct TetragonLine: Hashable, Sendable {
    package var kind: EventKind
    /// When it happened; `nil` when the line does not say so in a way that can be read.
    package var time: EventTime?
    package var attributes = EventAttributes()
    /// Tetragon's name for the process, the same on every way that an event comes.
    package var execID: String?
    /// Events that Tetragon itself left out, in a line that says only this.
    package var leftOut: UInt64?

    /// `nil` when the bytes are not one JSON object with exactly one event in it.
    package init?(_ line: [UInt8]) {
        guard JSONShape.isObjectLine(line), let read = line.withUnsafeBytes(Self.read) else { return nil }
        self = read
    }

    private static func read(_ line: UnsafeRawBufferPointer) -> TetragonLine? {
        var cursor = JSONCursor(line)
        var found: TetragonLine?
        var time: EventTime?
        var events = 0
        let read = cursor.fields { cursor, name in
            if cursor.holds(name, "time") {
                time = cursor.text().flatMap(EventTime.init(rfc3339:))
            } else if cursor.holds(name, "node_name") || cursor.holds(name, "cluster_name") || cursor.holds(name, "node_labels")
                || cursor.holds(name, "aggregation_info")
            {
                return cursor.skip()
            } else {
                events += 1
                guard let kind = EventKind(cursor.value(name)) else { return false }
                var event = TetragonLine(kind: kind)
                defer { found = event }
                return event.read(&cursor)
            }
            return true
        }
        guard read, events == 1, var found else { return nil }
        found.time = time
        return found
    }

    private init(kind: EventKind) { self.kind = kind }

    /// The event's own object.
    private mutating func read(_ cursor: inout JSONCursor) -> Bool {
        var copy = self
        defer { self = copy }
        return cursor.fields { cursor, name in
            if cursor.holds(name, "process") {
                return copy.process(&cursor)
            } else if cursor.holds(name, "policy_name") {
                copy.attributes.policy = cursor.text()
            } else if cursor.holds(name, "action") {
                copy.attributes.verdict = cursor.text()
            } else if cursor.holds(name, "function_name") || cursor.holds(name, "signal") || cursor.holds(name, "type")
                || cursor.holds(name, "event")
            {
                copy.attributes.reason = cursor.text()
            } else if cursor.holds(name, "number_of_dropped_process_events") {
                copy.leftOut = cursor.number()
            } else {
                return cursor.skip()
            }
            return true
        }
    }

    private mutating func process(_ cursor: inout JSONCursor) -> Bool {
        var copy = self
        defer { self = copy }
        return cursor.fields { cursor, name in
            if cursor.holds(name, "binary") {
                copy.attributes.binary = cursor.text()
            } else if cursor.holds(name, "pid") {
                copy.attributes.pid = cursor.number().flatMap { UInt32(exactly: $0) }
            } else if cursor.holds(name, "exec_id") {
                copy.execID = cursor.text()
            } else if cursor.holds(name, "pod") {
                return cursor.fields { cursor, name in
                    if cursor.holds(name, "namespace") {
                        copy.attributes.namespace = cursor.text()
                    } else if cursor.holds(name, "name") {
                        copy.attributes.pod = cursor.text()
                    } else {
                        return cursor.skip()
                    }
                    return true
                }
            } else {
                return cursor.skip()
            }
            return true
        }
    }
}

extension EventTime {
    /// As protobuf writes a timestamp: `2026-08-22T09:14:04.002118307Z` with no to nine digits behind the second.
    init?(rfc3339 text: String) {
        let bytes = Array(text.utf8)
        guard (20...30).contains(bytes.count), bytes.last == UInt8(ascii: "Z"),
            let whole = Timestamp(String(decoding: bytes.prefix(19), as: UTF8.self) + "Z")
        else { return nil }
        var fraction: Int64 = 0
        let digits = bytes[19..<bytes.count - 1]
        if let point = digits.first {
            guard point == UInt8(ascii: "."), digits.count > 1 else { return nil }
            for byte in digits.dropFirst() {
                let digit = byte &- UInt8(ascii: "0")
                guard digit < 10 else { return nil }
                fraction = fraction * 10 + Int64(digit)
            }
            for _ in digits.count - 1..<9 { fraction *= 10 }
        }
        let (nanoseconds, overflow) = whole.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow, nanoseconds <= .max - fraction else { return nil }
        self.init(nanoseconds: nanoseconds + fraction)
    }
}
