// SPDX-License-Identifier: Apache-2.0

internal import CBpf
internal import Glibc
internal import MeshModel

/// Our own eBPF programs in the kernel, as long as this value lives. For one thread at a time.
///
///     programs -> ring (no wake-ups) -> drain, on a timer -> TraceEvent
///         \-> maps (books, drops, disks) -> figures
package final class HostTracer {
    /// How much the ring holds unless somebody says otherwise, in bytes: about 1,800 starts of programs or 8,000 dropped packets.
    package static let ringBytes = 1 << 20
    /// How often the ring should be emptied.
    package static let interval = Duration.milliseconds(40)

    private let loader: ProgramLoader
    private let ring: EventRing
    private let cpus: Int
    /// Records that were none of ours. Anything but zero is a fault of this program.
    package private(set) var unreadable: UInt64 = 0

    /// Loads what `topics` take, for as much of the machine as `scope` says. A program that this kernel refuses is in `refused`, and the others run; throws when nothing can be traced here.
    package convenience init(
        _ topics: Set<TraceTopic>, scope: TraceScope = .host, ringBytes: Int = HostTracer.ringBytes
    ) throws(HostTraceError) {
        try self.init(topics, scope: scope, ringBytes: ringBytes, object: ProgramLoader.object)
    }

    init(_ topics: Set<TraceTopic>, scope: TraceScope = .host, ringBytes: Int, object: [UInt8]) throws(HostTraceError) {
        let programs = TraceTopic.allCases.filter(topics.contains).flatMap(\.programs)
        // A map's values are as many as the kernel counts; with a smaller number they would be written past our room.
        let possible = libbpf_num_possible_cpus()
        guard possible > 0 else { throw .cpus(errno: -possible) }
        cpus = Int(possible)
        loader = try ProgramLoader(programs, scope: scope, ringBytes: ringBytes, object: object)
        // A kernel that takes maps and no program: the right to read it is missing, it has no BTF, or it is locked down.
        if loader.running.isEmpty, let refusal = loader.refused.first(where: { scope.refusal(of: $0.program) == nil }) {
            throw .noBPF(refusal.why)
        }
        ring = try EventRing(map: loader.map("events"))
    }

    package var running: [TraceProgram] { loader.running }
    package var refused: [TraceRefusal] { loader.refused }

    /// Hands over what happened since the last call, at most `most` events. Never waits.
    package func drain(most: Int = 65_536, _ take: (TraceEvent) -> Void) {
        let offset = Self.wallOffset()
        ring.drain(most: most) { bytes in
            if let event = TraceRecord.event(bytes, offset: offset) { take(event) } else { unreadable += 1 }
        }
    }

    /// What was counted since the programs were loaded.
    package func figures() throws(HostTraceError) -> TraceFigures { try TraceFigures(loader, cpus: cpus) }

    /// When this boot began, in nanoseconds since 1970.
    package static func bootTime() -> Int64 { wallOffset() }

    /// Wall time in nanoseconds since 1970.
    static func wallNow() -> Int64 {
        var wall = timespec()
        clock_gettime(CLOCK_REALTIME, &wall)
        return Int64(wall.tv_sec) * 1_000_000_000 + Int64(wall.tv_nsec)
    }

    /// What to add to the boot clock for wall time, in nanoseconds; looked up at each round, as the wall clock is set and slewed.
    static func wallOffset() -> Int64 {
        var wall = timespec()
        var boot = timespec()
        clock_gettime(CLOCK_REALTIME, &wall)
        clock_gettime(CLOCK_BOOTTIME, &boot)
        return Int64(wall.tv_sec - boot.tv_sec) * 1_000_000_000 + Int64(wall.tv_nsec - boot.tv_nsec)
    }
}
