// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
import MeshModel
import MeshSystem
import Synchronization
package import Telemetry

/// Where an agent keeps events until its coordinator has them: numbered, packed, on a disk of bounded size.
///
///     sources -> intake (memory) -> writer thread: gzip -> segments (disk) -> link -> acknowledged
///
/// `offer` and `lost` never wait for the disk. Every number that was given out is told to the coordinator, as an event or as a loss with its reason,
/// also after the agent was killed. The writer is one thread of our own, because disks hang.
package final class TelemetrySpool: TelemetryIntake, FeedSpool {
    private let configuration: SpoolConfiguration
    private let intake: Mutex<SpoolIntake>
    private let store: Mutex<SpoolStore>
    private let wakeup: Int32
    private let state = Mutex(State())
    /// Held while batches go from memory to the store, so that they keep their order whoever flushes.
    private let turn = Mutex(())

    private struct State {
        var stopping = false
        var onWritten: @Sendable () -> Void = {}
    }

    /// Opens the spool, or makes it. Nothing is written before `start`.
    package init(_ configuration: SpoolConfiguration) throws {
        self.configuration = configuration
        do {
            let opened = try SpoolStore(configuration)
            intake = Mutex(SpoolIntake(limit: configuration.intakeBytes, header: opened.header))
            store = Mutex(opened)
        } catch {
            throw SpoolError.cannotOpen(directory: configuration.directory, cause: error)
        }
        wakeup = meshgate_wakeup()
        guard wakeup >= 0 else {
            throw SpoolError.cannotOpen(
                directory: configuration.directory, cause: SystemError.failed(doing: "make a wakeup", on: "-", errno: -wakeup))
        }
    }

    deinit { close(wakeup) }

    // MARK: sources

    package func offer(_ events: [TelemetryEvent], from source: TelemetrySource) {
        let encoded = events.map(\.encoded)
        if intake.withLock({ $0.offer(encoded, from: source) }) { meshgate_wake(wakeup) }
    }

    package func lost(_ count: UInt64, _ reason: LossReason, from source: TelemetrySource) {
        if intake.withLock({ $0.lost(count, reason, from: source) }) { meshgate_wake(wakeup) }
    }

    // MARK: writer

    /// Starts the writer; `onWritten` is called on its thread after something new can be sent. Without `start`, `flush` must be called by hand.
    package func start(onWritten: @escaping @Sendable () -> Void = {}) throws {
        state.withLock { $0.onWritten = onWritten }
        try OwnThread.start(named: "spool") { [self] in write() }
    }

    /// Ends the writer after it has written what there is.
    package func stop() {
        state.withLock { $0.stopping = true }
        meshgate_wake(wakeup)
    }

    private func write() {
        var lastSync = ContinuousClock.now
        while true {
            let stopping = state.withLock { $0.stopping }
            if flush() { state.withLock { $0.onWritten }() }
            if stopping || ContinuousClock.now - lastSync >= configuration.syncInterval {
                sync()
                lastSync = .now
            }
            if stopping { break }
            var waiting = pollfd(fd: wakeup, events: Int16(POLLIN), revents: 0)
            if poll(&waiting, 1, Int32(clamping: configuration.flushInterval.inMilliseconds)) > 0 {
                var count: UInt64 = 0
                _ = read(wakeup, &count, 8)
            }
        }
    }

    /// The store is free meanwhile: a disk may take seconds for it, and the link wants to send.
    private func sync() {
        for segment in store.withLock({ $0.takeUnsynced() }) {
            do {
                try segment.sync()
            } catch {
                // What the kernel could not write is found by its checksum when it is read back.
                store.withLock { $0.failed(error) }
            }
        }
    }

    /// Packs what waits in memory and keeps it. True when there was something.
    @discardableResult
    package func flush() -> Bool {
        turn.withLock { _ in
            let batches = intake.withLock { $0.takeAll() }
            for batch in batches {
                let packed = Self.pack(batch)
                store.withLock { $0.keep(packed) }
            }
            return !batches.isEmpty
        }
    }

    /// Level 1: on real events it packs 17 to 1 at 400 MB/s, and higher levels cost twice the time for a fifth of the size.
    static func pack(_ batch: TelemetryBatch) -> TelemetryBatch {
        guard batch.packed.count > 256, let packed = try? Gzip.compress(batch.packed, level: 1), packed.count < batch.packed.count,
            packed.count <= BatchLimits.packedBytes
        else { return batch }
        var copy = batch
        copy.packed = packed
        copy.packing = .gzip
        return copy
    }

    // MARK: link

    /// A new connection: everything that is not acknowledged is sent again.
    package func rewind() { store.withLock { $0.rewind() } }

    /// The next batch to send, or `nil` when all were taken.
    package func takeNext() -> SpooledBatch? { store.withLock { $0.takeNext() } }

    /// The coordinator has made this batch durable.
    package func acknowledge(_ batch: SpooledBatch) { store.withLock { $0.acknowledge(batch) } }

    /// What the coordinator is told of it.
    package var statement: SpoolStatement {
        let status = status
        return SpoolStatement(
            streams: status.streams, spoolBytes: UInt64(clamping: status.diskBytes), waiting: UInt64(clamping: status.waiting),
            failures: status.failures)
    }

    /// How the spool stands now.
    package var status: SpoolStatus {
        let waiting = intake.withLock { $0.bytes }
        return store.withLock { store in
            // Counters that cannot be kept are a refusal, too.
            let problem = store.header.problem
            return SpoolStatus(
                diskBytes: store.diskBytes, memoryBytes: store.queue.memoryBytes, intakeBytes: waiting, waiting: store.queue.waiting,
                failures: store.failures + (problem == nil ? 0 : 1), lastFailure: problem ?? store.lastFailure, tornTails: store.tornTails,
                streams: store.streams)
        }
    }
}
