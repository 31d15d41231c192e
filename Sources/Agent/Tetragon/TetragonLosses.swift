// SPDX-License-Identifier: Apache-2.0

internal import GRPCStream

/// Follows Tetragon's counters from one scrape to the next, also over a restart of ours.
package struct TetragonLosses: Hashable, Sendable {
    private struct Before: Hashable {
        var start: UInt64?
        var values: [String: UInt64]
    }
    private var before: Before?
    /// Since the first scrape, by metric.
    private var sums: [String: UInt64] = [:]
    private var told: UInt64 = 0

    package init() {}

    /// What was lost since the last scrape. Another Tetragon counts from zero; the very first scrape only sets the start.
    package mutating func lost(_ now: TetragonMetrics) -> UInt64 {
        defer { before = Before(start: now.start, values: now.values.filter { TetragonMetrics.lossNames.contains($0.key) }) }
        guard let before else { return 0 }
        let isAnother = before.start != nil && now.start != nil && before.start != now.start
        for name in TetragonMetrics.lossNames {
            guard let value = now.values[name] else { continue }
            let old = isAnother ? 0 : before.values[name] ?? 0
            // One that went back began again, whatever the page says of the start.
            sums[name, default: 0] &+= SourceLimits.believable(value >= old ? value - old : value)
        }
        // An event that the kernel could not write is counted there, and once more by the reader when the ring tells it of the hole.
        let kernel = max(sums["tetragon_observer_ringbuf_events_lost_total"] ?? 0, sums["tetragon_bpf_missed_events_total"] ?? 0)
        let total =
            kernel &+ (sums["tetragon_observer_ringbuf_queue_events_lost_total"] ?? 0)
            &+ (sums["tetragon_notify_overflowed_events_total"] ?? 0)
        defer { told = max(told, total) }
        return total > told ? total - told : 0
    }

    // MARK: kept

    /// What the next one of us needs to go on: `1 START TOLD`, and for each counter a line `NAME VALUE SUM`.
    package var text: String {
        guard let before else { return "" }
        var lines = ["1 \(before.start ?? 0) \(told)"]
        for name in TetragonMetrics.lossNames { lines.append("\(name) \(before.values[name] ?? 0) \(sums[name] ?? 0)") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// `nil` for a text that is not one of ours, whole.
    package init?(text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { $0.split(separator: " ") }
        guard lines.count == TetragonMetrics.lossNames.count + 2, lines.last?.isEmpty == true, let first = lines.first, first.count == 3,
            first[0] == "1", let start = UInt64(first[1]), let told = UInt64(first[2])
        else { return nil }
        var values: [String: UInt64] = [:]
        for (name, line) in zip(TetragonMetrics.lossNames, lines.dropFirst()) {
            guard line.count == 3, line[0] == name, let value = UInt64(line[1]), let sum = UInt64(line[2]) else { return nil }
            (values[name], sums[name]) = (value, sum)
        }
        self.told = told
        before = Before(start: start == 0 ? nil : start, values: values)
    }
}
