// SPDX-License-Identifier: Apache-2.0

internal import GRPCStream

/// What Tetragon counts about itself (Prometheus text on port 2112): its version, and the losses that its streams never mention.
package struct TetragonMetrics: Hashable, Sendable {
    /// Events that nobody got, by metric: lost in the kernel's ring, in Tetragon's queues, or for a reader that was too slow.
    package static let lossNames = [
        "tetragon_observer_ringbuf_events_lost_total", "tetragon_observer_ringbuf_queue_events_lost_total",
        "tetragon_bpf_missed_events_total", "tetragon_notify_overflowed_events_total",
    ]
    /// Carried along, and no losses of events: the rate limiter's are told in the log itself.
    package static let otherNames = [
        "tetragon_export_ratelimit_events_dropped_total", "tetragon_event_cache_fetch_failures_total",
        "tetragon_data_cache_misses_total", "tetragon_events_missing_process_info_total", "tetragon_events_last_exported_timestamp",
    ]

    /// Each metric's samples added up, whatever their labels. A metric that Tetragon does not have is not there.
    package var values: [String: UInt64] = [:]
    package var version: String?
    /// When this Tetragon began, in seconds since 1970: another one counts from zero again.
    package var start: UInt64?

    /// Reads a page; whatever is not a sample of a wanted metric is left out.
    package init(_ page: [UInt8]) {
        let wanted = Set(Self.lossNames + Self.otherNames)
        for line in page.split(separator: UInt8(ascii: "\n")) where Self.mayBeWanted(line) {
            let nameEnd = line.firstIndex { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: " ") } ?? line.endIndex
            let name = String(decoding: line[..<nameEnd], as: UTF8.self)
            if name == "tetragon_build_info", version == nil { version = Self.label("version", in: line[nameEnd...]) }
            if name == "process_start_time_seconds", start == nil { start = Self.value(line[nameEnd...]) }
            guard wanted.contains(name), let value = Self.value(line[nameEnd...]) else { continue }
            let (sum, overflow) = (values[name] ?? 0).addingReportingOverflow(value)
            values[name] = overflow ? .max : sum
        }
    }

    private static func mayBeWanted(_ line: ArraySlice<UInt8>) -> Bool {
        (line.first == UInt8(ascii: "t") || line.first == UInt8(ascii: "p")) && line.count <= 4096
    }

    /// The number behind the labels; a time may follow it. Labels may hold anything in quotes, braces too.
    private static func value(_ rest: ArraySlice<UInt8>) -> UInt64? {
        var rest = rest
        if rest.first == UInt8(ascii: "{") {
            var isQuoted = false
            var index = rest.startIndex
            while index < rest.endIndex, isQuoted || rest[index] != UInt8(ascii: "}") {
                if isQuoted, rest[index] == UInt8(ascii: "\\") {
                    index += 1
                } else if rest[index] == UInt8(ascii: "\"") {
                    isQuoted.toggle()
                }
                index += 1
            }
            guard index < rest.endIndex else { return nil }
            rest = rest[(index + 1)...]
        }
        guard let word = rest.split(separator: UInt8(ascii: " ")).first, let number = Double(String(decoding: word, as: UTF8.self)),
            number.isFinite, number >= 0, number < 9e18
        else { return nil }
        return UInt64(number)
    }

    private static func label(_ name: String, in rest: ArraySlice<UInt8>) -> String? {
        let wanted = Array((name + "=\"").utf8)
        // Behind a brace or a comma, or it is the end of a longer name.
        let start = rest.indices.dropFirst().first {
            rest[$0...].starts(with: wanted) && (rest[$0 - 1] == UInt8(ascii: "{") || rest[$0 - 1] == UInt8(ascii: ","))
        }
        guard let start else { return nil }
        return String(decoding: rest[(start + wanted.count)...].prefix { $0 != UInt8(ascii: "\"") }.prefix(64), as: UTF8.self)
    }
}
