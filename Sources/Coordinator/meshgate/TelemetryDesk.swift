// SPDX-License-Identifier: Apache-2.0

import FeedExport
import FleetGateway
import Logging
import MeshModel
import MeshSystem
import OperatorAPI
import Planning
import Running
import ServiceLifecycle
import Synchronization
import Telemetry
import TelemetryStore

/// Between agents and the store: says which cluster a node is of, and which words the store's figures have on the admin surface.
final class TelemetryDesk: TelemetryInbox {
    let store: TelemetryStore
    private let controller: RunController
    private let now: NowSource
    private let log: Logger
    private let known = Mutex<(plan: Digest?, clusters: [NodeID: ClusterName])>((nil, [:]))

    init(store: TelemetryStore, controller: RunController, now: @escaping NowSource, log: Logger) {
        self.store = store
        self.controller = controller
        self.now = now
        self.log = log
    }

    /// Of the present plan.
    var clusters: [NodeID: ClusterName] {
        let plan = controller.snapshot.run?.plan
        return known.withLock { known in
            if known.plan != plan?.digest {
                known.plan = plan?.digest
                known.clusters = Dictionary(
                    (plan?.spec.members ?? []).map { ($0.node.name, $0.cluster.name) }, uniquingKeysWith: { first, _ in first })
            }
            return known.clusters
        }
    }

    // MARK: taking in

    func take(_ batches: [TelemetryBatch], of node: NodeID, receivedAt: Moment) async throws -> [String?] {
        let answers: [String?]
        do {
            answers = try await store.append(batches, of: node, in: clusters[node], receivedAt: receivedAt.wall)
        } catch {
            log.error("telemetry was not stored", metadata: ["node": "\(node)", "error": "\(error)"])
            throw error
        }
        for case .some(let why) in answers { log.warning("batch refused", metadata: ["node": "\(node)", "why": "\(why)"]) }
        return answers
    }

    func unreadable(_ fault: TelemetryFault, of node: NodeID) async {
        store.countUnreadable()
        log.warning("batch refused", metadata: ["node": "\(node)", "why": "\(fault)"])
    }

    func stated(_ statement: SpoolStatement, of node: NodeID, at moment: Moment) async {
        store.state(statement, of: node, in: clusters[node], at: moment)
    }

    // MARK: looking

    func events(_ request: TelemetryRequest) -> EventStream {
        let reader = store.events(request.query, newest: request.newest)
        let left = Mutex<[StoredEvent]>([])
        return EventStream(
            next: {
                // Some hundred at a time, so that a slow reader does not make us hold a rendered block.
                if left.withLock({ $0.isEmpty }) {
                    guard let more = try await reader.next() else { return nil }
                    left.withLock { $0 = more.reversed() }
                }
                let some = left.withLock { left in
                    defer { left.removeLast(min(256, left.count)) }
                    return left.suffix(256).reversed() as [StoredEvent]
                }
                return some.map(TelemetryLine.write).joined()
            }, cancel: {})
    }

    var books: BooksReply {
        let (clusters, status) = (clusters, store.status)
        return BooksReply(
            lines: store.books.accounts.sorted { $0.key < $1.key }.map { key, account in
                .init(node: key.node, cluster: clusters[key.node], source: key.source.rawValue, account: account)
            },
            agents: store.statements.sorted { $0.key < $1.key }.map { node, said in
                .init(
                    node: node, statedAt: said.at.wall, spoolBytes: said.statement.spoolBytes, waiting: said.statement.waiting,
                    failures: said.statement.failures)
            },
            store: .init(
                segments: status.segments, bytes: status.bytes, events: status.events,
                oldest: status.oldestReceived.map { Timestamp(milliseconds: $0) }, failures: status.failures,
                lastFailure: status.lastFailure,
                refusedBatches: status.refusedBatches, correctedTimes: status.correctedTimes, damagedBlocks: status.damagedBlocks))
    }

    var metrics: MetricsState.Telemetry {
        let (moment, status) = (now(), store.status)
        return MetricsState.Telemetry(
            books: store.books, clusters: clusters,
            agents: store.statements.mapValues { .init(statement: $0.statement, age: moment.age(of: $0.at)) },
            store: .init(
                bytes: UInt64(clamping: status.bytes), events: status.events, failures: status.failures,
                refusedBatches: status.refusedBatches, correctedTimes: status.correctedTimes, damagedBlocks: status.damagedBlocks))
    }
}

/// Closes the store when the coordinator has stopped listening to agents.
struct TelemetryCloser: Service {
    let store: TelemetryStore

    func run() async throws {
        try? await gracefulShutdown()
        store.close()
    }
}
