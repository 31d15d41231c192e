// SPDX-License-Identifier: Apache-2.0

import HostTrace
import MeshModel

/// Of dropped packets that are alike (reason, ends, interface; the sender's port aside) a person wants to see the first, and how many there
/// were: each is shown once a second at most, and the others are counted.
struct DropFolder {
    /// What to write.
    enum Line: Equatable {
        case event(TraceEvent)
        /// So many more, alike to this one.
        case more(Int, TraceEvent)
    }

    private struct Key: Hashable {
        var reason: UInt32
        var etherType: UInt16
        var flow: TraceEvent.Flow
    }

    private struct Open {
        var first: TraceEvent
        var left: Int
    }

    private static let second: Int64 = 1_000_000_000
    /// Kinds of drops that are folded at one time; others are shown one by one.
    private static let mostOpen = 256

    private var open: [Key: Open] = [:]

    /// The lines for the events of one round, which may be none; `now` is wall time in nanoseconds.
    mutating func lines(_ events: [TraceEvent], now: Int64) -> [Line] {
        var lines = closed { now - $0.first.time >= Self.second }
        for event in events {
            guard case .drop(let drop) = event.what else {
                lines.append(.event(event))
                continue
            }
            let key = Self.key(drop)
            if let known = open[key] {
                if event.time - known.first.time < Self.second {
                    open[key]?.left += 1
                    continue
                }
                if known.left > 0 { lines.append(.more(known.left, known.first)) }
            }
            lines.append(.event(event))
            if open[key] != nil || open.count < Self.mostOpen { open[key] = Open(first: event, left: 0) }
        }
        return lines
    }

    /// What was not told yet.
    mutating func rest() -> [Line] { closed { _ in true } }

    private mutating func closed(_ isDue: (Open) -> Bool) -> [Line] {
        let due = open.filter { isDue($0.value) }
        for key in due.keys { open[key] = nil }
        return due.values.filter { $0.left > 0 }.sorted { $0.first.time < $1.first.time }.map { .more($0.left, $0.first) }
    }

    private static func key(_ drop: TraceEvent.Drop) -> Key {
        var flow = drop.flow
        flow.sourcePort = 0
        return Key(reason: drop.reason, etherType: drop.etherType, flow: flow)
    }
}
