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
    /// What was summed up since `before`, as events of the feed: dropped packets by reason, and each disk's requests.
    func sums(since before: TraceFigures?, at time: EventTime, _ words: KernelWords) -> [TelemetryEvent] {
        var events: [TelemetryEvent] = []
        for drop in drops.prefix(64) {
            let old = before?.drops.first { ($0.reason, $0.etherType, $0.protocol) == (drop.reason, drop.etherType, drop.protocol) }
            let packets = drop.packets &- (old?.packets ?? 0)
            guard packets > 0 else { continue }
            var line = JSONLine()
            line.put("reason", words.reason(drop.reason))
            line.put("transport", KernelWords.transport(drop.protocol, etherType: drop.etherType))
            line.put("packets", packets)
            line.put("bytes", drop.bytes &- (old?.bytes ?? 0))
            events.append(
                TelemetryEvent(
                    time: time, kind: .packetDrops, attributes: EventAttributes(reason: words.reason(drop.reason), verdict: "dropped"),
                    body: EventBody(.json, line.closed)))
        }
        for disk in disks.prefix(256) {
            let old = before?.disks.first { ($0.major, $0.minor, $0.operation) == (disk.major, disk.minor, disk.operation) }
            let recent = disk.since(old)
            guard recent.requests > 0 || recent.errors > 0 else { continue }
            events.append(
                TelemetryEvent(
                    time: time, kind: .blockIO, attributes: EventAttributes(device: words.disk(disk.major, disk.minor)),
                    body: EventBody(.json, recent.json(words).closed)))
        }
        return events
    }
}

extension TraceFigures.DiskCount {
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
