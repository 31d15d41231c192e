// SPDX-License-Identifier: Apache-2.0

/// What happened, as one short word. The known ones are below; a source may tell others, which pass through.
package struct EventKind: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let text: String

    /// `nil` unless it is a lower-case letter followed by at most 39 letters, digits and underscores.
    package init?(_ text: String) {
        guard Self.isWord(text.utf8) else { return nil }
        self.text = text
    }

    private init(known text: String) { self.text = text }

    package var description: String { text }
    package static func < (left: Self, right: Self) -> Bool { left.text < right.text }

    static func isWord(_ bytes: some Collection<UInt8>) -> Bool {
        guard (1...40).contains(bytes.count), let first = bytes.first, isLetter(first) else { return false }
        return bytes.allSatisfy { isLetter($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "_") }
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
}

extension EventKind {
    /// A program was started.
    package static let processExec = EventKind(known: "process_exec")
    /// A process ended.
    package static let processExit = EventKind(known: "process_exit")
    /// A kernel probe of a Tetragon policy fired.
    package static let processKprobe = EventKind(known: "process_kprobe")
    /// A tracepoint of a Tetragon policy fired.
    package static let processTracepoint = EventKind(known: "process_tracepoint")
    /// A user-space probe of a Tetragon policy fired.
    package static let processUprobe = EventKind(known: "process_uprobe")
    /// A hook of the Linux security modules in a Tetragon policy fired.
    package static let processLsm = EventKind(known: "process_lsm")
    /// A process loaded a program or library that Tetragon notes.
    package static let processLoader = EventKind(known: "process_loader")
    /// A TCP connection was opened from here.
    package static let tcpConnect = EventKind(known: "tcp_connect")
    /// A TCP connection changed its state.
    package static let tcpState = EventKind(known: "tcp_state")
    /// A TCP segment was sent again.
    package static let tcpRetransmit = EventKind(known: "tcp_retransmit")
    /// A packet was dropped by the kernel, with its reason.
    package static let packetDrop = EventKind(known: "packet_drop")
    /// Packets dropped for one reason, summed up.
    package static let packetDrops = EventKind(known: "packet_drops")
    /// A flow as Hubble tells it, with its verdict.
    package static let flow = EventKind(known: "flow")
    /// Flows between two clusters, summed up.
    package static let clusterFlows = EventKind(known: "cluster_flows")
    /// Whether Hubble's flows are followed, and since when without a gap.
    package static let hubbleState = EventKind(known: "hubble_state")
    /// The kernel killed a process for want of memory.
    package static let oomKill = EventKind(known: "oom_kill")
    /// How long block I/O took, summed up.
    package static let blockIO = EventKind(known: "block_io")
    /// Block I/O that failed.
    package static let diskError = EventKind(known: "disk_error")
    /// An agent began to tell.
    package static let agentStart = EventKind(known: "agent_start")
    /// Counters of the host at one instant.
    package static let hostFigures = EventKind(known: "host_figures")
    /// Tetragon's version, health and policies.
    package static let tetragonState = EventKind(known: "tetragon_state")
    /// What a source cannot see on this host, and why.
    package static let sourceLimited = EventKind(known: "source_limited")

    /// Every kind that our own sources tell and that we know of others.
    package static let known: [EventKind] = [
        processExec, processExit, processKprobe, processTracepoint, processUprobe, processLsm, processLoader, tcpConnect, tcpState,
        tcpRetransmit, packetDrop, packetDrops, flow, clusterFlows, hubbleState, oomKill, blockIO, diskError, agentStart, hostFigures,
        tetragonState,
        sourceLimited,
    ]
}
