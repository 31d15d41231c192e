// SPDX-License-Identifier: Apache-2.0

package import Telemetry

extension TraceEvent {
    /// The kind in one word, as the feed has it.
    package var kind: String {
        switch what {
        case .exec: "process_exec"
        case .exit: "process_exit"
        case .tcp(_, _, to: .synSent): "tcp_connect"
        case .tcp: "tcp_state"
        case .retransmit: "tcp_retransmit"
        case .drop: "packet_drop"
        case .oomKill: "oom_kill"
        case .diskError: "disk_error"
        }
    }

    /// The topic that it belongs to.
    package var topic: TraceTopic {
        switch what {
        case .exec: .exec
        case .exit: .exit
        case .tcp: .tcp
        case .retransmit: .retransmit
        case .drop: .drop
        case .oomKill: .oom
        case .diskError: .disk
        }
    }

    /// Whose doing it was, where that is known.
    package var process: Process? {
        switch what {
        case .exec(let exec): exec.process
        case .exit(let exit): exit.process
        case .tcp(let connection, _, _), .retransmit(let connection): connection.owner
        case .oomKill(let process): process
        case .drop, .diskError: nil
        }
    }

    /// Everything that is known, as one JSON object with numbers and, beside them, the kernel's words. Units are in the names.
    package func json(_ words: KernelWords) -> JSONLine {
        var line = JSONLine()
        switch what {
        case .exec(let exec):
            put(exec.process, into: &line)
            line.put("parent_pid", exec.parent)
            line.put("binary", exec.path)
            line.put("arguments", exec.arguments)
            if exec.argumentsAreCut { line.put("arguments_cut", true) }
            line.put("cgroup_id", exec.cgroup)
            if !exec.cgroupName.isEmpty { line.put("cgroup", exec.cgroupName) }
        case .exit(let exit):
            put(exit.process, into: &line)
            line.put("parent_pid", exit.parent)
            line.put("code", exit.code)
            if exit.signal != 0 { line.put("signal", KernelWords.signal(exit.signal)) }
            line.put("lifetime_us", exit.lifetime.microseconds)
            line.put("cgroup_id", exit.cgroup)
        case .tcp(let connection, let from, let to):
            put(connection, into: &line)
            line.put("from", from.word)
            line.put("to", to.word)
        case .retransmit(let connection): put(connection, into: &line)
        case .drop(let drop):
            put(drop.flow, KernelWords.transport(drop.flow.protocol, etherType: drop.etherType), into: &line)
            line.put("reason", words.reason(drop.reason))
            line.put("reason_number", drop.reason)
            line.put("bytes", drop.length)
            if let interface = words.interface(drop.flow) { line.put("interface", interface) }
        case .oomKill(let process): put(process, into: &line)
        case .diskError(let error):
            line.put("device", words.disk(error.major, error.minor))
            line.put("operation", error.operation.word)
            line.put("status", KernelWords.diskStatus(error.status))
            line.put("sector", error.sector)
            line.put("bytes", error.bytes)
        }
        return line
    }

    private func put(_ process: Process, into line: inout JSONLine) {
        line.put("pid", process.pid)
        line.put("uid", process.uid)
        line.put("name", process.name)
    }

    private func put(_ flow: Flow, _ transport: String, into line: inout JSONLine) {
        line.put("transport", transport)
        if let source = flow.source { line.put("source", "\(source)") }
        if flow.sourcePort != 0 { line.put("source_port", flow.sourcePort) }
        if let destination = flow.destination { line.put("destination", "\(destination)") }
        if flow.destinationPort != 0 { line.put("destination_port", flow.destinationPort) }
        if flow.namespace != 0 { line.put("netns", flow.namespace) }
    }

    private func put(_ connection: Connection, into line: inout JSONLine) {
        put(connection.flow, "tcp", into: &line)
        if let owner = connection.owner { put(owner, into: &line) }
        if let age = connection.age { line.put("age_us", age.microseconds) }
        if connection.error != 0 { line.put("error", KernelWords.error(connection.error)) }
        line.put("retransmits", connection.retransmits)
        line.put("bytes_sent", connection.bytesSent)
        line.put("bytes_received", connection.bytesReceived)
    }
}

extension Duration {
    /// Whole nanoseconds; 292 years are the most.
    package var nanoseconds: Int64 {
        let (product, overflow) = components.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? (components.seconds < 0 ? .min : .max) : product + components.attoseconds / 1_000_000_000
    }
    /// Whole microseconds.
    package var microseconds: Int64 { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }
}
