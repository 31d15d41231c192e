// SPDX-License-Identifier: Apache-2.0

package import Telemetry

extension TraceEvent {
    /// The event as the feed carries it: what can be searched for, and the whole of it as JSON.
    package func telemetry(_ words: KernelWords) -> TelemetryEvent {
        var attributes = EventAttributes(pid: process?.pid)
        let kind: EventKind
        switch what {
        case .exec(let exec):
            kind = .processExec
            attributes.binary = exec.path
        case .exit(let exit):
            kind = .processExit
            attributes.binary = exit.process.name
            if exit.signal != 0 { attributes.reason = KernelWords.signal(exit.signal) }
        case .tcp(let connection, _, let to):
            kind = to == .synSent ? .tcpConnect : .tcpState
            put(connection, into: &attributes)
            attributes.verdict = to.word
        case .retransmit(let connection):
            kind = .tcpRetransmit
            put(connection, into: &attributes)
        case .drop(let drop):
            kind = .packetDrop
            put(drop.flow, into: &attributes)
            attributes.reason = words.reason(drop.reason)
            attributes.device = words.interface(drop.flow)
            attributes.verdict = "dropped"
        case .oomKill(let process):
            kind = .oomKill
            attributes.binary = process.name
        case .diskError(let error):
            kind = .diskError
            attributes.device = words.disk(error.major, error.minor)
            attributes.reason = KernelWords.diskStatus(error.status)
        }
        return TelemetryEvent(
            time: EventTime(nanoseconds: time), kind: kind, attributes: attributes, body: EventBody(.json, json(words).closed))
    }

    private func put(_ connection: Connection, into attributes: inout EventAttributes) {
        put(connection.flow, into: &attributes)
        attributes.binary = connection.owner?.name
        if connection.error != 0 { attributes.reason = KernelWords.error(connection.error) }
    }

    private func put(_ flow: Flow, into attributes: inout EventAttributes) {
        attributes.source = flow.source.map { EventPeer(address: "\($0)", port: flow.sourcePort) }
        attributes.destination = flow.destination.map { EventPeer(address: "\($0)", port: flow.destinationPort) }
    }
}

extension TraceFigures {
    /// What was summed up since `before`, as events of the feed: dropped packets by reason, and each disk's requests. Where there is too much of it,
    /// what has most of what is new is told, and `left` says how many sums were not.
    func sums(since before: TraceFigures?, at time: EventTime, _ words: KernelWords) -> (events: [TelemetryEvent], left: Int) {
        let (drops, disks) = (drops(since: before), disks(since: before))
        let told =
            drops.prefix(Self.mostDrops).map { $0.event(at: time, words) } + disks.prefix(Self.mostDisks).map { $0.event(at: time, words) }
        return (told, drops.count + disks.count - told.count)
    }

    static let mostDrops = 64
    static let mostDisks = 256

    private func drops(since before: TraceFigures?) -> [DropCount] {
        let old = Dictionary((before?.drops ?? []).map { ($0.key, $0) }) { first, _ in first }
        let recent = drops.map { $0.since(old[$0.key]) }.filter { $0.packets > 0 }
        return recent.sorted { ($1.packets, $0.reason, $0.etherType, $0.protocol) < ($0.packets, $1.reason, $1.etherType, $1.protocol) }
    }

    /// Disks that failed first.
    private func disks(since before: TraceFigures?) -> [DiskCount] {
        let old = Dictionary((before?.disks ?? []).map { ($0.key, $0) }) { first, _ in first }
        let recent = disks.map { $0.since(old[$0.key]) }.filter { $0.requests > 0 || $0.errors > 0 }
        return recent.sorted { ($1.errors, $1.requests, $0.major, $0.minor) < ($0.errors, $0.requests, $1.major, $1.minor) }
    }
}

extension TraceFigures.DropCount {
    struct Key: Hashable {
        var reason: UInt32
        var etherType: UInt16
        var `protocol`: UInt8
    }
    var key: Key { Key(reason: reason, etherType: etherType, protocol: `protocol`) }

    /// What came on top of an earlier count of the same.
    func since(_ old: Self?) -> Self {
        var recent = self
        recent.packets &-= old?.packets ?? 0
        recent.bytes &-= old?.bytes ?? 0
        return recent
    }

    func event(at time: EventTime, _ words: KernelWords) -> TelemetryEvent {
        var line = JSONLine()
        line.put("reason", words.reason(reason))
        line.put("transport", KernelWords.transport(`protocol`, etherType: etherType))
        line.put("packets", packets)
        line.put("bytes", bytes)
        return TelemetryEvent(
            time: time, kind: .packetDrops, attributes: EventAttributes(reason: words.reason(reason), verdict: "dropped"),
            body: EventBody(.json, line.closed))
    }
}

extension TraceFigures.DiskCount {
    struct Key: Hashable {
        var major: UInt32
        var minor: UInt32
        var operation: DiskOperation
    }
    var key: Key { Key(major: major, minor: minor, operation: operation) }

    func event(at time: EventTime, _ words: KernelWords) -> TelemetryEvent {
        TelemetryEvent(
            time: time, kind: .blockIO, attributes: EventAttributes(device: words.disk(major, minor)),
            body: EventBody(.json, json(words).closed))
    }

    /// What came on top of an earlier count of the same.
    func since(_ old: Self?) -> Self {
        guard let old else { return self }
        var recent = self
        recent.requests &-= old.requests
        recent.bytes &-= old.bytes
        recent.errors &-= old.errors
        recent.time -= old.time
        recent.slots = zip(slots, old.slots).map { $0 &- $1 }
        return recent
    }
}
