// SPDX-License-Identifier: Apache-2.0

internal import CHostTrace
internal import MeshModel

/// Reads what a program wrote into the ring. The layout is that of trace_records.h; what is not of it is refused.
enum TraceRecord {
    /// The event, its time moved by `offset` nanoseconds from the boot clock to the wall clock. `nil` for bytes that are no record.
    static func event(_ bytes: UnsafeRawBufferPointer, offset: Int64) -> TraceEvent? {
        guard bytes.count >= MemoryLayout<trace_header>.size else { return nil }
        let header = bytes.loadUnaligned(as: trace_header.self)
        let what: TraceEvent.What?
        switch trace_kind(header.kind) {
        case TRACE_EXEC: what = exec(bytes)
        case TRACE_EXIT: what = exit(bytes)
        case TRACE_TCP_STATE: what = tcp(bytes)
        case TRACE_TCP_RETRANSMIT: what = load(bytes, trace_tcp.self).map { .retransmit(connection($0)) }
        case TRACE_PACKET_DROP: what = drop(bytes)
        case TRACE_OOM_KILL:
            what = load(bytes, trace_oom.self).map { .oomKill(.init(pid: $0.pid, uid: $0.uid, name: text(of: $0.comm))) }
        case TRACE_DISK_ERROR: what = diskError(bytes)
        default: what = nil
        }
        return what.map { TraceEvent(time: Int64(truncatingIfNeeded: header.time) &+ offset, what: $0) }
    }

    private static func load<Record: BitwiseCopyable>(_ bytes: UnsafeRawBufferPointer, _ type: Record.Type) -> Record? {
        bytes.count >= MemoryLayout<Record>.size ? bytes.loadUnaligned(as: type) : nil
    }

    /// A field's text up to its first zero byte.
    private static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.firstIndex(of: 0) ?? bytes.endIndex)]), as: UTF8.self)
    }
    private static func text<Field: BitwiseCopyable>(of field: Field) -> String { withUnsafeBytes(of: field, text) }

    private static let pathOffset = MemoryLayout<trace_exec>.offset(of: \.path) ?? 0
    private static let cgroupOffset = MemoryLayout<trace_exec>.offset(of: \.cgroup_name) ?? 0
    private static let argumentsOffset = MemoryLayout<trace_exec>.offset(of: \.arguments) ?? 0

    /// Texts are read where they lie: copying the whole record would cost more than all else.
    private static func exec(_ bytes: UnsafeRawBufferPointer) -> TraceEvent.What? {
        guard let record = load(bytes, trace_exec.self) else { return nil }
        func field(_ offset: Int, _ length: Int) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])
        }
        let length = min(Int(record.arguments_length), Int(TRACE_ARGUMENTS))
        var arguments: [String] = []
        var rest = field(argumentsOffset, length)[...]
        while !rest.isEmpty {
            let end = rest.firstIndex(of: 0) ?? rest.endIndex
            arguments.append(String(decoding: UnsafeRawBufferPointer(rebasing: rest[..<end]), as: UTF8.self))
            rest = end == rest.endIndex ? rest[end...] : rest[(end + 1)...]
        }
        return .exec(
            .init(
                process: .init(pid: record.pid, uid: record.uid, name: text(of: record.comm)), parent: record.parent,
                path: text(field(pathOffset, Int(TRACE_PATH))), arguments: arguments,
                argumentsAreCut: record.arguments_total > UInt64(length), cgroup: record.cgroup,
                cgroupName: text(field(cgroupOffset, Int(TRACE_PATH)))))
    }

    private static func exit(_ bytes: UnsafeRawBufferPointer) -> TraceEvent.What? {
        guard let record = load(bytes, trace_exit.self) else { return nil }
        return .exit(
            .init(
                process: .init(pid: record.pid, uid: record.uid, name: text(of: record.comm)), parent: record.parent,
                code: UInt8(truncatingIfNeeded: record.status >> 8), signal: UInt8(record.status & 0x7f),
                lifetime: .nanoseconds(Int64(clamping: record.lifetime)), cgroup: record.cgroup))
    }

    private static func tcp(_ bytes: UnsafeRawBufferPointer) -> TraceEvent.What? {
        guard let record = load(bytes, trace_tcp.self) else { return nil }
        return .tcp(
            connection(record), from: TCPState(rawValue: record.old_state) ?? .unknown, to: TCPState(rawValue: record.new_state) ?? .unknown
        )
    }

    private static func connection(_ record: trace_tcp) -> TraceEvent.Connection {
        .init(
            flow: flow(record.flow),
            owner: record.pid == 0 ? nil : .init(pid: record.pid, uid: record.uid, name: text(of: record.comm)),
            age: record.elapsed == 0 ? nil : .nanoseconds(Int64(clamping: record.elapsed)), error: record.error,
            retransmits: record.retransmits, bytesSent: record.sent, bytesReceived: record.received)
    }

    private static func drop(_ bytes: UnsafeRawBufferPointer) -> TraceEvent.What? {
        guard let record = load(bytes, trace_drop.self) else { return nil }
        return .drop(.init(flow: flow(record.flow), reason: record.reason, length: record.length, etherType: record.ether_type))
    }

    private static func diskError(_ bytes: UnsafeRawBufferPointer) -> TraceEvent.What? {
        guard let record = load(bytes, trace_disk_error.self) else { return nil }
        return .diskError(
            .init(
                major: record.major, minor: record.minor, operation: DiskOperation(number: record.operation), status: record.status,
                sector: record.sector, bytes: record.bytes))
    }

    private static func flow(_ flow: trace_flow) -> TraceEvent.Flow {
        func address<Field: BitwiseCopyable>(_ field: Field) -> IPAddress? {
            withUnsafeBytes(of: field) { bytes in
                switch flow.version {
                case 4: IPAddress(family: .v4, value: UInt128(UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))))
                case 6:
                    IPAddress(
                        family: .v6,
                        value: UInt128(UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))) << 64
                            | UInt128(UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))))
                default: nil
                }
            }
        }
        return TraceEvent.Flow(
            source: address(flow.source), destination: address(flow.destination), sourcePort: flow.source_port,
            destinationPort: flow.destination_port, protocol: flow.protocol, namespace: flow.netns, interface: flow.interface)
    }
}
