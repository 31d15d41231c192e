// SPDX-License-Identifier: Apache-2.0

import HostTrace
import MeshModel
import Telemetry

/// What a watch saw in all, what it lost, and what it could not watch.
struct TraceSummary {
    var took: Duration
    /// Events that were shown, by kind.
    var counts: [String: Int]
    var figures: TraceFigures
    var refused: [TraceRefusal]

    /// Events that were not shown one by one, by program and reason.
    var losses: [(program: TraceProgram, reason: String, count: UInt64)] {
        figures.programs.sorted { $0.key.rawValue < $1.key.rawValue }.flatMap { program, books in
            [("ring_full", books.ringFull), ("rate_limited", books.limited), ("table_full", books.tableFull)]
                .filter { $0.1 > 0 }.map { (program, $0.0, $0.1) }
        }
    }

    func text(_ words: KernelWords) -> String {
        let all = counts.values.reduce(0, +)
        let parts = counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        var text = "\n\(all) events in \(Self.rounded(took))\(parts.isEmpty ? "" : ": " + parts)\n"
        let drops = merged(words)
        if !drops.isEmpty {
            text += "\n"
            text +=
                TextTable(
                    "DROPPED", "WHAT", "PACKETS", "BYTES",
                    rows: drops.prefix(20).map { ["\($0.reason)", $0.transport, "\($0.packets)", "\($0.bytes)"] }
                ).text
            if drops.count > 20 { text += "and \(drops.count - 20) more reasons\n" }
        }
        if !figures.disks.isEmpty {
            text += "\n"
            text +=
                TextTable(
                    "DISK", "OPERATION", "REQUESTS", "BYTES", "HALF WITHIN", "99% WITHIN", "ERRORS",
                    rows: figures.disks.map {
                        [
                            words.disk($0.major, $0.minor), $0.operation.word, "\($0.requests)", "\($0.bytes)",
                            $0.quantile(0.5).map(TraceTable.brief) ?? "-", $0.quantile(0.99).map(TraceTable.brief) ?? "-", "\($0.errors)",
                        ]
                    }
                ).text
        }
        for loss in losses {
            text += "LOST \(loss.count) events of \(loss.program.tracepoint): \(Self.meaning(loss.reason))\n"
        }
        for refusal in refused { text += "NOT WATCHED \(refusal.program.tracepoint): \(printable(refusal.why))\n" }
        return text
    }

    func json(_ words: KernelWords) -> JSONLine {
        var line = JSONLine()
        line.put("kind", "summary")
        line.put("took_us", took.microseconds)
        var counted = JSONLine()
        for (kind, count) in counts.sorted(by: { $0.key < $1.key }) { counted.put(kind, count) }
        line.put("events", counted)
        line.put(
            "lost",
            losses.map { loss in
                var one = JSONLine()
                one.put("tracepoint", loss.program.tracepoint)
                one.put("reason", loss.reason)
                one.put("count", loss.count)
                return one
            })
        line.put(
            "drops",
            merged(words).map { drop in
                var one = JSONLine()
                one.put("reason", drop.reason)
                one.put("transport", drop.transport)
                one.put("packets", drop.packets)
                one.put("bytes", drop.bytes)
                return one
            })
        line.put("disks", figures.disks.map { $0.json(words) })
        line.put(
            "refused",
            refused.map { refusal in
                var one = JSONLine()
                one.put("tracepoint", refusal.program.tracepoint)
                one.put("why", refusal.why)
                return one
            })
        return line
    }

    /// Drops by the words for them: IPv4 and IPv6 together.
    private func merged(_ words: KernelWords) -> [(reason: String, transport: String, packets: UInt64, bytes: UInt64)] {
        var rows: [(reason: String, transport: String, packets: UInt64, bytes: UInt64)] = []
        for drop in figures.drops {
            let (reason, transport) = (words.reason(drop.reason), KernelWords.transport(drop.protocol, etherType: drop.etherType))
            if let known = rows.firstIndex(where: { $0.reason == reason && $0.transport == transport }) {
                rows[known].packets &+= drop.packets
                rows[known].bytes &+= drop.bytes
            } else {
                rows.append((reason, transport, drop.packets, drop.bytes))
            }
        }
        return rows.sorted { ($1.packets, $0.reason) < ($0.packets, $1.reason) }
    }

    private static func rounded(_ span: Duration) -> String { "\(Double(span.inMilliseconds / 100) / 10) s" }

    private static func meaning(_ reason: String) -> String {
        switch reason {
        case "ring_full": "they came faster than they were read"
        case "rate_limited": "too many at once; the sums above have them"
        default: "a table in the kernel was full; the sums above are too low"
        }
    }
}
