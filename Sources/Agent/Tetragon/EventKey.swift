// SPDX-License-Identifier: Apache-2.0

internal import Telemetry

/// What makes an event the same on both of Tetragon's ways, the stream and the log.
struct EventKey: Hashable, Sendable {
    let hash: Int

    init(time: EventTime?, kind: EventKind, execID: String?, reason: String?) {
        var hasher = Hasher()
        hasher.combine(time)
        hasher.combine(kind)
        hasher.combine(execID)
        hasher.combine(reason)
        hash = hasher.finalize()
    }
}

/// Which events were told on which way, so that one which comes on both is told once. Of the same event, as of two that nothing tells
/// apart, each way may have several: told are as many as the way has that has most of them.
struct ToldEvents {
    /// The two ways.
    enum Way: Int, Sendable {
        case stream = 0
        case log = 16
    }

    private let most: Int
    /// How often it came on each way, sixteen bits for each.
    private var counts: [Int: UInt32] = [:]
    private var order: [Int] = []
    private var oldest = 0

    /// Remembers the newest `most` events.
    init(most: Int) { self.most = max(1, most) }

    /// Counts an event of one way; false when the other way has told it.
    mutating func insert(_ key: EventKey, from way: Way) -> Bool {
        let before = counts[key.hash]
        let own = ((before ?? 0) >> UInt32(way.rawValue)) & 0xffff
        let other = ((before ?? 0) >> UInt32(16 - way.rawValue)) & 0xffff
        // More than anybody can tell apart at one instant: the count stays, and they are told.
        guard own < 0xffff else { return true }
        counts[key.hash] = (before ?? 0) + (1 << UInt32(way.rawValue))
        if before == nil { remember(key.hash) }
        return own + 1 > other
    }

    private mutating func remember(_ key: Int) {
        if order.count < most {
            order.append(key)
        } else {
            counts[order[oldest]] = nil
            order[oldest] = key
            oldest = (oldest + 1) % most
        }
    }
}
