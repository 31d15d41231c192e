// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
package import MeshModel
internal import Synchronization
internal import Telemetry

/// What came over the feed in the last minute, node by node: the coordinator's own evidence of how telemetry flows. It forgets with the
/// coordinator, so that after a start nothing is known until something was heard.
///
///     arrivals of the store -> slots of five seconds, a minute of them a node -> TelemetryFact
package final class RecentTelemetry: Sendable {
    /// The cluster that an address belongs to, at the moment of asking.
    package typealias ClusterOf = @Sendable (IPAddress) -> ClusterName?

    private static let slotLength: Int64 = 5_000
    /// Twelve make a minute, and the present one is not over.
    private static let slots: Int64 = 13
    /// Different drops that are kept apart in one slot; of more of them only the reason is kept, and of some hundred reasons that there are more.
    private static let mostDrops = 64
    private static let mostUntold = 256
    /// Events that tell of an earlier time than this, when they come, were spooled: they are history and no news.
    private static let oldestNews = Duration.seconds(60)
    private static let unpackedKinds: [EventKind] = [.hostFigures, .packetDrop, .packetDrops, .tetragonState]

    private struct Slot {
        var number: Int64
        var events: UInt64 = 0
        var lost: [LossReason: UInt64] = [:]
        var drops: [DropKey: UInt64] = [:]
        /// Packets that are in sums or found no room in `drops`, and so may have been between clusters, by reason.
        var untold: [String: UInt64] = [:]
        var segments: UInt64 = 0
        var resent: UInt64 = 0
    }

    private struct DropKey: Hashable {
        var reason: String
        var from: ClusterName
        var to: ClusterName
    }

    private struct Node {
        var since: Moment
        var stated: Moment?
        var traced: Moment?
        var executed: Moment?
        var watched: [String] = []
        var tellsSegments = false
        var tetragon: (heard: Moment, policies: [String: String]?)?
        var tally = DropTally()
        var slots: [Slot] = []
    }

    private let nodes = Mutex<[NodeID: Node]>([:])
    private let clusterOf: ClusterOf

    package init(clusterOf: @escaping ClusterOf) { self.clusterOf = clusterOf }

    /// An agent said how far it has counted.
    package func stated(_ node: NodeID, at moment: Moment) {
        nodes.withLock { $0[node, default: Node(since: moment)].stated = moment }
    }

    /// Takes in what has become durable at `moment`. Only what has drops or figures in it is unpacked.
    package func take(_ arrivals: [Arrival], at moment: Moment) {
        for arrival in arrivals {
            // In the order in which they were told: a sum is of what came before it.
            let news = Self.unpackedKinds.filter { arrival.has($0) ?? true }.flatMap { arrival.events(TelemetryQuery(kind: $0)) }
                .sorted { $0.number < $1.number }
            nodes.withLock { nodes in
                var node = nodes[arrival.node] ?? Node(since: moment)
                var slot = Self.slot(&node, at: moment)
                slot.events = slot.events +| arrival.events
                for (reason, count) in arrival.lost { slot.lost[reason, default: 0] = slot.lost[reason, default: 0] +| count }
                // As old as the oldest event beside it: never fresher than it was.
                if arrival.has(.processExec) == true, let happened = Self.happened(arrival.oldest, arrival, at: moment) {
                    node.executed = Self.newer(node.executed, happened)
                }
                for stored in news { note(stored.event, of: arrival, at: moment, in: &node, &slot) }
                node.slots[node.slots.count - 1] = slot
                nodes[arrival.node] = node
            }
        }
    }

    /// What is known of a node at `now`; `nil` when nothing of it ever came.
    package func fact(of name: NodeID, now: Moment) -> TelemetryFact? {
        guard let node = nodes.withLock({ $0[name] }) else { return nil }
        let first = now.boot / Self.slotLength - Self.slots
        var sum = Slot(number: 0)
        for slot in node.slots where slot.number > first {
            sum.events = sum.events +| slot.events
            sum.lost.merge(slot.lost) { $0 +| $1 }
            sum.drops.merge(slot.drops) { $0 +| $1 }
            sum.untold.merge(slot.untold) { $0 +| $1 }
            sum.segments = sum.segments +| slot.segments
            sum.resent = sum.resent +| slot.resent
        }
        func since(_ moment: Moment?, _ step: Duration = TelemetryFact.step) -> TimeSpan? {
            moment.map { TelemetryFact.rounded(now.age(of: $0), to: step) }
        }
        // A limit that somebody set is kept to: what it leaves out is in sums, or was not wanted.
        sum.lost[.rateLimited] = nil
        let lost = sum.lost.values.reduce(0, +|)
        let listened = min(TelemetryFact.fullWindow.duration, max(.zero, now.age(of: node.since)))
        return TelemetryFact(
            node: name, window: TimeSpan(.milliseconds(listened.inMilliseconds / 10_000 * 10_000)), stated: since(node.stated),
            traced: since(node.traced), watched: node.watched, executed: since(node.executed, TelemetryFact.longStep),
            lost: TelemetryFact.share(lost, of: sum.events +| lost),
            lossReasons: sum.lost.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key.rawValue),
            drops: sum.drops.map { .init(reason: $0.key.reason, from: $0.key.from, to: $0.key.to, packets: $0.value) }.sorted(),
            untold: sum.untold.isEmpty ? nil : sum.untold.keys.sorted(),
            resent: node.tellsSegments ? Self.steps(TelemetryFact.share(sum.resent, of: sum.segments)) : nil,
            tetragon: node.tetragon.map {
                .init(heard: TelemetryFact.rounded(now.age(of: $0.heard), to: TelemetryFact.minute), policies: $0.policies)
            })
    }

    /// In steps of half a percent, rounded up.
    private static func steps(_ share: Int) -> Int { min(1000, (share + 4) / 5 * 5) }

    /// The present slot of a node, which becomes its last; those that are too old go.
    private static func slot(_ node: inout Node, at moment: Moment) -> Slot {
        let number = moment.boot / slotLength
        node.slots.removeAll { $0.number <= number - slots - 1 }
        if let last = node.slots.last, last.number >= number { return last }
        node.slots.append(Slot(number: number))
        return Slot(number: number)
    }

    /// When that was, by its host's clock and never later than its arrival, as a clock that is ahead makes nothing fresher; `nil` for history.
    private static func happened(_ time: EventTime, _ arrival: Arrival, at moment: Moment) -> Moment? {
        let late = max(0, arrival.receivedAt.milliseconds - time.timestamp.milliseconds)
        return .milliseconds(late) <= oldestNews ? moment.advanced(by: .milliseconds(-late)) : nil
    }

    private static func newer(_ old: Moment?, _ new: Moment) -> Moment { old.map { $0.boot > new.boot ? $0 : new } ?? new }

    private func note(_ event: TelemetryEvent, of arrival: Arrival, at moment: Moment, in node: inout Node, _ slot: inout Slot) {
        guard let happened = Self.happened(event.time, arrival, at: moment) else { return }
        switch event.kind {
        case .packetDrop:
            if let reason = event.attributes.reason, node.tally.told(reason, at: event.time), !Self.settle(reason, &node, &slot) {
                node.tally.wasLate(reason)
            }
            guard let reason = event.attributes.reason, let from = cluster(event.attributes.source),
                let to = cluster(event.attributes.destination), from != to
            else { return }
            let key = DropKey(reason: reason, from: from, to: to)
            guard slot.drops[key] != nil || slot.drops.count < Self.mostDrops else { return Self.missed(1, reason, &slot) }
            slot.drops[key, default: 0] = slot.drops[key, default: 0] +| 1
        case .tetragonState where arrival.source == .tetragon:
            guard let word = TetragonWord(event), happened.boot >= node.tetragon?.heard.boot ?? .min else { return }
            node.tetragon = (happened, word.states)
        case .packetDrops:
            guard let reason = event.attributes.reason else { return }
            // A sum that cannot be read may be of any size.
            let packets = event.body.flatMap(Self.packets) ?? .max
            guard let untold = node.tally.summed(reason, packets, at: event.time) else {
                return Self.missed(packets, TelemetryFact.anyReason, &slot)
            }
            Self.missed(untold, reason, &slot)
        case .hostFigures where arrival.source == .host:
            // Figures that cannot be read are no word of a tracer.
            guard let body = event.body, body.encoding == .json,
                let figures = try? JSONDecoder().decode(Figures.self, from: Data(body.bytes))
            else { return }
            if Self.newer(node.traced, happened) == happened { node.watched = figures.tracepoints }
            node.traced = Self.newer(node.traced, happened)
            guard let sent = figures.sent, let resent = figures.resent else { return }
            node.tellsSegments = true
            slot.segments = slot.segments +| sent
            slot.resent = slot.resent +| resent
        default: return
        }
    }

    private static func packets(_ body: EventBody) -> UInt64? {
        guard body.encoding == .json else { return nil }
        return try? JSONDecoder().decode(DropSum.self, from: Data(body.bytes)).packets
    }

    private static func missed(_ packets: UInt64, _ reason: String, _ slot: inout Slot) {
        guard packets > 0 else { return }
        let hasRoom = slot.untold[reason] != nil || slot.untold.count < mostUntold
        slot.untold[hasRoom ? reason : TelemetryFact.anyReason, default: 0] =
            slot.untold[hasRoom ? reason : TelemetryFact.anyReason, default: 0] +| packets
    }

    /// A packet came after the sum that it was missed in. False when none was missed.
    private static func settle(_ reason: String, _ node: inout Node, _ slot: inout Slot) -> Bool {
        func take(_ slot: inout Slot) -> Bool {
            guard let missing = slot.untold[reason] else { return false }
            slot.untold[reason] = missing > 1 ? missing - 1 : nil
            return true
        }
        if take(&slot) { return true }
        // The last one is `slot` as it was.
        for index in node.slots.indices.dropLast().reversed() where take(&node.slots[index]) { return true }
        return false
    }

    private func cluster(_ peer: EventPeer?) -> ClusterName? { (peer?.address).flatMap(IPAddress.init).flatMap(clusterOf) }
}

/// What is looked at of a tracer's `packet_drops`.
private struct DropSum: Decodable {
    var packets: UInt64
}

/// What is looked at of a tracer's `host_figures`; a tracer of an earlier version does not say what it watches.
private struct Figures: Decodable {
    private static let mostTracepoints = 64
    private static let longestTracepoint = 64

    var sent: UInt64?
    var resent: UInt64?
    var watched: [String]?

    private enum CodingKeys: String, CodingKey {
        case sent = "Tcp.OutSegs"
        case resent = "Tcp.RetransSegs"
        case watched
    }

    var tracepoints: [String] {
        (watched ?? []).prefix(Self.mostTracepoints).filter { name in
            (1...Self.longestTracepoint).contains(name.utf8.count)
                && name.utf8.allSatisfy { $0 == 0x5F || (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) }
        }.sorted()
    }
}
