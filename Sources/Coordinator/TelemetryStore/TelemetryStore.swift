// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import MeshSystem
import Synchronization
package import Telemetry

/// The coordinator's telemetry: every event of every node for as long as there is room, and the books of what became of all that were produced.
///
///     feeds -> unpack, check, sum up (many at once) -> one writer thread: append, sync together, settle the books -> acknowledge
///
/// Whatever is in the store is in the books and the other way round: both come from the same records, also after a crash.
package final class TelemetryStore: Sendable {
    private enum Work: Sendable {
        case batches([PreparedBatch], CheckedContinuation<Void, any Error>)
        case statement(SpoolStatement, NodeID, ClusterName?, Timestamp)
    }

    private struct Queue {
        var work: [Work] = []
        /// Whose statement is among it.
        var stated: Set<NodeID> = []
        var isClosed = false
    }

    /// What an agent last said about itself.
    package struct Statement: Hashable, Sendable {
        package var statement: SpoolStatement
        package var at: Moment
    }

    private struct Figures {
        var failures: UInt64 = 0
        var lastFailure: String?
        var corrected: UInt64 = 0
        var refused: UInt64 = 0
        var damaged: UInt64 = 0
        var statements: [NodeID: Statement] = [:]
    }

    private let configuration: StoreConfiguration
    private let now: NowSource
    private let arrived: @Sendable ([Arrival]) -> Void
    private let files: Mutex<StoreFiles>
    private let queue = Mutex(Queue())
    private let figures = Mutex(Figures())
    private let wakeup: Wakeup
    /// Set once the writer has written its last.
    private let ended: Wakeup

    /// Opens the store, or makes it, and starts its writer, which tells `arrived` of what is new once it is durable. It must not wait.
    package init(
        _ configuration: StoreConfiguration, now: @escaping NowSource, arrived: @escaping @Sendable ([Arrival]) -> Void = { _ in }
    ) throws {
        self.configuration = configuration
        self.now = now
        self.arrived = arrived
        do {
            files = Mutex(try StoreFiles(configuration))
        } catch {
            throw StoreError.cannotOpen(directory: configuration.directory, cause: error)
        }
        do {
            (wakeup, ended) = (try Wakeup(), try Wakeup())
        } catch {
            throw StoreError.cannotOpen(directory: configuration.directory, cause: error)
        }
        // The thread holds the store weakly between its turns, so that a store that nobody uses any more ends it.
        try OwnThread.start(named: "telemetry") { [weak self, wakeup, ended] in
            repeat { wakeup.wait(milliseconds: 60_000) } while self?.work() ?? false
            ended.wake()
        }
    }

    deinit { wakeup.wake() }

    /// Writes what waits and ends; later batches are refused with `StoreError.closed`. Returns when nothing will be written any more, so that
    /// another store may be opened on the directory: two at once would not know what the other acknowledges.
    package func close() {
        let isFirst = queue.withLock { queue in
            defer { queue.isClosed = true }
            return !queue.isClosed
        }
        guard isFirst else { return }
        wakeup.wake()
        // A disk that hangs is not waited for forever.
        for _ in 0..<300 { if ended.wait(milliseconds: 100) { break } }
    }

    // MARK: taking in

    /// Makes the batches of a node durable. One answer for each: `nil`, or why it was refused for good and counted as lost.
    package func append(
        _ batches: [TelemetryBatch], of node: NodeID, in cluster: ClusterName?, receivedAt: Timestamp
    ) async throws -> [String?] {
        let prepared = batches.map { PreparedBatch($0, of: node, in: cluster, receivedAt: receivedAt, configuration) }
        try await withCheckedThrowingContinuation { continuation in enqueue(.batches(prepared, continuation)) }
        figures.withLock { figures in
            for batch in prepared {
                figures.corrected += batch.corrected
                if batch.refusal != nil { figures.refused += 1 }
            }
        }
        return prepared.map(\.refusal)
    }

    /// Something came as a batch that cannot be read; nothing of it can be settled.
    package func countUnreadable() { figures.withLock { $0.refused += 1 } }

    /// Takes what an agent says about its spool. The newest word is the one that counts: however often it is said, one waits for the disk.
    package func state(_ statement: SpoolStatement, of node: NodeID, in cluster: ClusterName?, at moment: Moment) {
        figures.withLock { $0.statements[node] = Statement(statement: statement, at: moment) }
        enqueue(.statement(statement, node, cluster, moment.wall))
    }

    private func enqueue(_ work: Work) {
        let isClosed = queue.withLock { queue in
            guard !queue.isClosed else { return true }
            if case .statement(_, let node, _, _) = work, !queue.stated.insert(node).inserted {
                // Goes to the end: what came between belongs before it.
                queue.work.removeAll { if case .statement(_, node, _, _) = $0 { true } else { false } }
            }
            queue.work.append(work)
            return false
        }
        if !isClosed { return wakeup.wake() }
        if case .batches(_, let continuation) = work { continuation.resume(throwing: StoreError.closed) }
    }

    /// Batches of askers and statements that the writer has not come to.
    var waiting: Int { queue.withLock { $0.work.count } }

    /// One turn of the writer. False when the store is closed and everything is written.
    private func work() -> Bool {
        let (work, isClosed) = queue.withLock { queue in
            defer { (queue.work, queue.stated) = ([], []) }
            return (queue.work, queue.isClosed)
        }
        var together: [PreparedBatch] = []
        var waiting: [CheckedContinuation<Void, any Error>] = []
        func write() {
            guard !waiting.isEmpty else { return }
            let result = attempt { try $0.append(together, now: now().wall) }
            if case .success(let arrivals) = result, !arrivals.isEmpty { arrived(arrivals) }
            for continuation in waiting { continuation.resume(with: result.map { _ in }) }
            (together, waiting) = ([], [])
        }
        for item in work {
            switch item {
            case .batches(let batches, let continuation):
                together += batches
                waiting.append(continuation)
                // What is held in memory and what one failure takes along stay bounded.
                if together.count >= 256 { write() }
            case .statement(let statement, let node, let cluster, let at):
                // Only the node's own batches must be settled before its word; those of others stay together.
                if together.contains(where: { $0.node == node }) { write() }
                if case .success(let arrivals) = attempt({ try $0.state(statement, of: node, in: cluster, now: at) }), !arrivals.isEmpty {
                    arrived(arrivals)
                }
            }
        }
        write()
        _ = attempt { try $0.retain(now().wall) }
        return !isClosed
    }

    private func attempt<Value: Sendable>(_ body: (inout StoreFiles) throws -> Value) -> Result<Value, any Error> {
        do {
            return .success(try files.withLock { try body(&$0) })
        } catch {
            figures.withLock { figures in
                figures.failures += 1
                figures.lastFailure = "\(error)"
            }
            return .failure(StoreError.cannotWrite(cause: error))
        }
    }

    // MARK: looking

    /// The books of every node and source.
    package var books: TelemetryBooks { files.withLock { $0.book }.books }

    /// What each agent last said, by node.
    package var statements: [NodeID: Statement] { figures.withLock { $0.statements } }

    package var status: StoreStatus {
        let (segments, bytes, damagedSegments, setAside) = files.withLock { ($0.segments, $0.bytes, $0.damagedSegments, $0.setAside) }
        return figures.withLock { figures in
            StoreStatus(
                segments: segments.count, bytes: bytes, events: segments.reduce(0) { $0 + $1.events },
                oldestReceived: segments.filter { $0.events > 0 }.map(\.firstReceived).min(), failures: figures.failures,
                lastFailure: figures.lastFailure, correctedTimes: figures.corrected, refusedBatches: figures.refused,
                damagedBlocks: figures.damaged, damagedSegments: damagedSegments, setAside: setAside)
        }
    }

    /// Events in the order of their time, as the store stands now. With `newest`, only that many, from the end, and from no more than
    /// `mostBlocks` blocks, for askers who would rather have less than wait.
    package func events(_ query: TelemetryQuery, newest: Int? = nil, mostBlocks: Int = .max) -> EventReader {
        events(query, newest: newest, mostBlocks: mostBlocks, limits: EventReader.Limits())
    }

    func events(_ query: TelemetryQuery, newest: Int? = nil, mostBlocks: Int = .max, limits: EventReader.Limits) -> EventReader {
        let segments = files.withLock { $0.segments }.filter { $0.mayHold(query) }
        return EventReader(
            segments: segments, query: query, newest: newest, mostBlocks: mostBlocks, limits: limits,
            damaged: { [weak self] in self?.figures.withLock { $0.damaged += 1 } })
    }

    /// Reads events in the order in which they are stored, for as long as the store is open.
    package var arrivals: ArrivalReader {
        ArrivalReader { [weak self] in
            self?.files.withLock { ($0.segments, $0.book.books.total.delivered) } ?? ([], 0)
        }
    }

    /// The place after all that is stored now.
    package var end: StorePosition {
        files.withLock { files in
            StorePosition(
                segment: files.segments.last?.file.number ?? 0, offset: files.segments.last?.length ?? 0,
                before: files.book.books.total.delivered)
        }
    }
}
