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
    /// Whoever looks on.
    let live: LiveTelemetry
    private let recent: RecentTelemetry
    private let flows: FlowWatch
    private let places: PlannedPlaces
    private let now: NowSource
    private let log: Logger

    init(_ configuration: StoreConfiguration, controller: RunController, now: @escaping NowSource, log: Logger) throws {
        let places = PlannedPlaces { controller.snapshot.run?.plan }
        let recent = RecentTelemetry { places.cluster(of: $0) }
        let flows = FlowWatch { places.cluster(of: $0) }
        let live = LiveTelemetry()
        store = try TelemetryStore(configuration, now: now) { arrivals in
            recent.take(arrivals, at: now())
            flows.take(arrivals, at: now())
            let wanted = live.queries
            for arrival in arrivals where wanted.contains(where: arrival.mayHold) { live.publish(arrival.outlines) }
        }
        for damage in store.status.setAside {
            log.error("telemetry set aside", metadata: ["why": "\(damage)"])
        }
        (self.recent, self.flows, self.live, self.places) = (recent, flows, live, places)
        self.now = now
        self.log = log
    }

    /// Of the present plan.
    var clusters: [NodeID: ClusterName] { places.clusters }

    /// How telemetry flows from a node at this moment, as evidence.
    func evidence(of node: NodeID) -> Evidence {
        let moment = now()
        var told = recent.fact(of: node, now: moment)
        told?.hubble = flows.reader(of: node, now: moment)
        let fact = told.map(Fact.telemetry)
        return Evidence(
            subject: .node(node), probe: .telemetry, bootID: nil, takenAt: moment,
            facts: [fact ?? .unavailable("nothing of its telemetry has come since the coordinator began")])
    }

    // MARK: counting Hubble's flows during a test

    /// Readers speak every ten seconds, and what they say is on its way for some.
    private static let patience = Duration.seconds(45)
    private static let look = Duration.milliseconds(250)

    func begin(_ parties: TestFlows.Parties) { flows.begin(parties, at: now()) }

    func end(_ parties: TestFlows.Parties) async throws -> TestFlows {
        let end = now()
        defer { flows.forget(parties) }
        while true {
            let count = flows.count(parties, until: end.wall)
            if count.isWhole || now().age(of: end) > Self.patience { return count.flows }
            try await Task.sleep(for: Self.look)
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
        recent.stated(node, at: moment)
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
                    // Much was searched and nothing found yet: the asker should know that somebody is at it.
                    guard !more.isEmpty else { return "\n" }
                    left.withLock { $0 = more.reversed() }
                }
                let some = left.withLock { left in
                    defer { left.removeLast(min(256, left.count)) }
                    return left.suffix(256).reversed() as [StoredEvent]
                }
                return some.map(TelemetryLine.write).joined()
            }, cancel: { reader.cancel() })
    }

    /// Blocks that are unpacked for one look at the dashboard: some ten thousand events at the least, in a few milliseconds.
    private static let mostBlocks = 64

    /// The newest events for the dashboard, the newest first. Where few of very many fit, it gives up rather than keep the store busy.
    func newest(_ filter: FeedFilter, now: Moment) async throws -> [StoredEvent] {
        let since = EventTime(Timestamp(milliseconds: now.wall.milliseconds - FeedView.span.inMilliseconds))
        let reader = store.events(filter.query(since: since), newest: FeedView.mostEvents, mostBlocks: Self.mostBlocks)
        while let events = try await reader.next() {
            if !events.isEmpty { return events.reversed() }
        }
        return []
    }

    /// How telemetry flows, machine by machine.
    var lines: [FeedView.Line] {
        let (clusters, statements) = (clusters, store.statements)
        var accounts: [NodeID: TelemetryAccount] = [:]
        for (key, account) in store.books.accounts { accounts[key.node, default: TelemetryAccount()].add(account) }
        return Set(accounts.keys).union(statements.keys).sorted().map { node in
            FeedView.Line(
                node: node, cluster: clusters[node], account: accounts[node] ?? TelemetryAccount(), statedAt: statements[node]?.at.wall)
        }
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
                refusedBatches: status.refusedBatches, correctedTimes: status.correctedTimes, damagedBlocks: status.damagedBlocks,
                damagedSegments: status.damagedSegments))
    }

    var metrics: MetricsState.Telemetry {
        let (moment, status) = (now(), store.status)
        return MetricsState.Telemetry(
            books: store.books, clusters: clusters,
            agents: store.statements.mapValues { .init(statement: $0.statement, age: moment.age(of: $0.at)) },
            store: .init(
                bytes: UInt64(clamping: status.bytes), events: status.events, failures: status.failures,
                refusedBatches: status.refusedBatches, correctedTimes: status.correctedTimes, damagedBlocks: status.damagedBlocks,
                damagedSegments: UInt64(status.damagedSegments)))
    }
}

/// Lets those who follow know every few seconds that the line is alive; closes the store, and ends them, when the coordinator stops.
struct TelemetryKeeper: Service {
    let desk: TelemetryDesk

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                // Ends with the coordinator.
                try? await Task.sleep(for: .seconds(5))
                desk.live.beat()
            }
        }
        desk.live.close()
        desk.store.close()
    }
}
