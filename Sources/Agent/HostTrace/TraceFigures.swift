// SPDX-License-Identifier: Apache-2.0

internal import CHostTrace
package import Telemetry

/// What the programs counted, since they were loaded.
package struct TraceFigures: Hashable, Sendable {
    package var programs: [TraceProgram: Books]
    package var drops: [DropCount]
    package var disks: [DiskCount]

    /// One program's books: produced = sent + what was lost.
    package struct Books: Hashable, Sendable {
        package var produced: UInt64 = 0
        package var sent: UInt64 = 0
        /// Lost because nobody emptied the ring in time.
        package var ringFull: UInt64 = 0
        /// Not told one by one, because there were too many at once; drops are counted all the same.
        package var limited: UInt64 = 0
        /// Counts or times that found no room in a map.
        package var tableFull: UInt64 = 0

        init(_ counters: [trace_counters] = []) {
            for one in counters {
                produced &+= one.produced
                sent &+= one.sent
                ringFull &+= one.ring_full
                limited &+= one.limited
                tableFull &+= one.table_full
            }
        }
    }

    /// Packets that were dropped for one reason.
    package struct DropCount: Hashable, Sendable {
        package var reason: UInt32
        package var etherType: UInt16
        package var `protocol`: UInt8
        package var packets: UInt64
        package var bytes: UInt64
    }

    /// Requests of one kind to one disk.
    package struct DiskCount: Hashable, Sendable {
        package var major: UInt32
        package var minor: UInt32
        package var operation: DiskOperation
        package var requests: UInt64
        package var bytes: UInt64
        package var errors: UInt64
        package var time: Duration
        /// Slot n counts requests that took at least 2^n and less than 2^(n+1) microseconds; the first also what was faster, the last what was slower.
        package var slots: [UInt64]

        /// The time in which `share` (0 to 1) of the requests were done: the upper end of the slot that it falls into. `nil` without requests.
        package func quantile(_ share: Double) -> Duration? {
            let timed = slots.reduce(0, &+)
            guard timed > 0 else { return nil }
            let wanted = UInt64((Double(timed) * min(max(share, 0), 1)).rounded(.up))
            var seen: UInt64 = 0
            for (slot, count) in slots.enumerated() {
                seen &+= count
                if seen >= max(wanted, 1) { return .microseconds(Int64(1) << Int64(slot + 1)) }
            }
            return nil
        }

        /// The same for programs; times are sums and upper ends in microseconds.
        package func json(_ words: KernelWords) -> JSONLine {
            var line = JSONLine()
            line.put("device", words.disk(major, minor))
            line.put("operation", operation.word)
            line.put("requests", requests)
            line.put("bytes", bytes)
            line.put("errors", errors)
            line.put("time_us", time.microseconds)
            for (name, share) in [("p50_us", 0.5), ("p99_us", 0.99)] {
                if let within = quantile(share) { line.put(name, within.microseconds) }
            }
            return line
        }
    }
}

extension TraceFigures {
    init(_ loader: ProgramLoader, cpus: Int) throws(HostTraceError) {
        let counters = PerCPUMap<UInt32, trace_counters>(loader.map("counters"), "counters", cpus)
        programs = [:]
        for program in loader.running {
            programs[program] = Books(try counters.values(of: UInt32(program.rawValue)) ?? [])
        }
        drops = try PerCPUMap<trace_drop_key, trace_drop_count>(loader.map("drops"), "drops", cpus).entries().map { key, values in
            DropCount(
                reason: key.reason, etherType: key.ether_type, protocol: key.protocol, packets: values.reduce(0) { $0 &+ $1.packets },
                bytes: values.reduce(0) { $0 &+ $1.bytes })
        }.sorted { ($1.packets, $0.reason) < ($0.packets, $1.reason) }
        disks = try PerCPUMap<trace_disk_key, trace_disk_count>(loader.map("disks"), "disks", cpus).entries().map { key, values in
            var slots = [UInt64](repeating: 0, count: Int(TRACE_SLOTS))
            for value in values {
                withUnsafeBytes(of: value.slots) { bytes in
                    for (index, count) in bytes.bindMemory(to: UInt64.self).enumerated() { slots[index] &+= count }
                }
            }
            return DiskCount(
                major: key.major, minor: key.minor, operation: DiskOperation(number: key.operation),
                requests: values.reduce(0) { $0 &+ $1.requests }, bytes: values.reduce(0) { $0 &+ $1.bytes },
                errors: values.reduce(0) { $0 &+ $1.errors },
                time: .nanoseconds(Int64(clamping: values.reduce(0) { $0 &+ $1.nanoseconds })), slots: slots)
        }.sorted { ($0.major, $0.minor, $0.operation.word) < ($1.major, $1.minor, $1.operation.word) }
    }
}
