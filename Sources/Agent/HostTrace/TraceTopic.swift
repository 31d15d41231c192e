// SPDX-License-Identifier: Apache-2.0

/// What the tracer can be asked to watch, as words for people and settings.
package enum TraceTopic: String, Hashable, Sendable, CaseIterable, Codable {
    case exec, exit, tcp, retransmit, drop, oom, disk

    /// The programs that it takes, in the order in which they are brought in.
    package var programs: [TraceProgram] {
        switch self {
        case .exec: [.exec]
        case .exit: [.exit]
        case .tcp: [.tcpState]
        case .retransmit: [.tcpRetransmit]
        case .drop: [.packetDrop]
        case .oom: [.oomKill]
        case .disk: [.blockComplete, .blockIssue]
        }
    }
}

/// One program for the kernel; the number is its row in the map of counters.
package enum TraceProgram: Int, Hashable, Sendable, CaseIterable, Codable {
    case exec, exit, tcpState, tcpRetransmit, packetDrop, oomKill, blockIssue, blockComplete

    /// The kernel's tracepoint that it stands at.
    package var tracepoint: String {
        switch self {
        case .exec: "sched_process_exec"
        case .exit: "sched_process_exit"
        case .tcpState: "inet_sock_set_state"
        case .tcpRetransmit: "tcp_retransmit_skb"
        case .packetDrop: "kfree_skb"
        case .oomKill: "mark_victim"
        case .blockIssue: "block_rq_issue"
        case .blockComplete: "block_rq_complete"
        }
    }

    /// The program without which this one tells nothing.
    var helped: TraceProgram? {
        switch self {
        case .blockIssue: .blockComplete
        case .exec, .exit, .tcpState, .tcpRetransmit, .packetDrop, .oomKill, .blockComplete: nil
        }
    }

    /// Its function in bpf/trace.bpf.c.
    var function: String {
        switch self {
        case .exec: "trace_exec"
        case .exit: "trace_exit"
        case .tcpState: "trace_tcp_state"
        case .tcpRetransmit: "trace_tcp_retransmit"
        case .packetDrop: "trace_packet_drop"
        case .oomKill: "trace_oom_kill"
        case .blockIssue: "trace_block_issue"
        case .blockComplete: "trace_block_complete"
        }
    }
}
