// SPDX-License-Identifier: Apache-2.0

import FeedExport
import MeshModel
import MeshSystem
import OperatorAPI
import Running
import Synchronization

/// Lays the coordinator's state out as a board for the dashboard. However many look at it, it is laid out once a second.
final class DashboardDesk: Sendable {
    private let backend: CoordinatorBackend
    private let past: RecentPast
    private let telemetry: TelemetryDesk
    private let now: NowSource
    private let last = Mutex<(board: Board, at: Moment)?>(nil)
    /// The newest events by what was asked for.
    private let sights = Mutex<[FeedFilter: (view: FeedView, at: Moment)]>([:])
    private static let lasts = Duration.seconds(1)
    private static let mostSights = 16

    init(backend: CoordinatorBackend, past: RecentPast, telemetry: TelemetryDesk, now: @escaping NowSource) {
        self.backend = backend
        self.past = past
        self.telemetry = telemetry
        self.now = now
    }

    var dashboard: Dashboard {
        Dashboard(
            page: { [self] query in
                let filter = BoardFilter(query: query)
                return BoardPage(try await board(), filter: filter, feed: try await feed(filter.feed)).html
            },
            stylesheet: BoardPage.stylesheet, script: BoardPage.script)
    }

    private func feed(_ filter: FeedFilter) async throws -> FeedView {
        let moment = now()
        func isFresh(_ known: (view: FeedView, at: Moment)) -> Bool { moment.boot - known.at.boot < Self.lasts.inMilliseconds }
        if let known = sights.withLock({ $0[filter] }), isFresh(known) { return known.view }
        let view = FeedView(lines: telemetry.lines, events: try await telemetry.newest(filter, now: moment))
        sights.withLock { sights in
            sights = sights.filter { isFresh($0.value) }
            if sights.count < Self.mostSights { sights[filter] = (view, moment) }
        }
        return view
    }

    private func board() async throws -> Board {
        let moment = now()
        if let last = last.withLock({ $0 }), moment.boot - last.at.boot < Self.lasts.inMilliseconds { return last.board }
        let status = try await backend.status()
        let machine = backend.controller.snapshot
        let wipes = machine.run == nil ? [] : try await backend.wipes().wipes
        let connected = Set(status.nodes.filter(\.connected).map(\.name))
        let board = Board(
            mesh: status.mesh, version: status.version, epoch: status.epoch, journal: status.journal.sequence, taken: moment.wall,
            run: status.run.map(Board.Run.init), picture: MeshPicture(machine: machine, connected: connected, now: moment),
            machines: status.nodes.map(Board.Machine.init), wipes: wipes.map(Board.Wipe.init), runs: past.runs, events: past.events)
        last.withLock { $0 = (board, moment) }
        return board
    }
}

extension Board.Run {
    fileprivate init(_ reply: RunReply) {
        self.init(
            id: reply.id, purpose: reply.purpose ?? "build", by: reply.by, startedAt: reply.startedAt, ending: reply.ending,
            steps: reply.steps.map(Board.Step.init))
    }
}

extension Board.Step {
    fileprivate init(_ reply: StepReply) {
        self.init(
            id: reply.id, title: reply.title, state: .init(rawValue: reply.state) ?? .waiting, since: reply.since, detail: reply.detail,
            reasons: reply.reasons, lost: reply.lost ?? [], progress: reply.progress.map { ($0.done, $0.total) })
    }
}

extension Board.Machine {
    fileprivate init(_ reply: NodeReply) {
        self.init(
            name: reply.name, cluster: reply.cluster, isConnected: reply.connected, address: reply.address,
            agentVersion: reply.agentVersion, certificateEnds: reply.certificateEnds)
    }
}

extension Board.Wipe {
    fileprivate init(_ reply: WipeReply) {
        let state = Board.Step.State(rawValue: reply.state) ?? .waiting
        let found = reply.disk.map { disk in
            "\(disk.name), serial \(disk.identity.serial ?? "none"), \(ByteCount(bytes: disk.identity.sizeInBytes))"
        }
        let warrant: Warrant =
            if state == .done || state == .unchanged || state == .failed {
                reply.submitted == nil ? .notNeeded : .spent
            } else if reply.submitted != nil {
                .handedIn
            } else {
                reply.warrant == nil ? .notYet : .needed
            }
        self.init(
            step: reply.step, node: reply.node, state: state,
            disk: found ?? "serial \(reply.plannedSerial ?? "none") planned, \(reply.plannedSize); not seen yet",
            contents: reply.disk.map { $0.signatures.map(\.words) + ($0.unreadable.map { ["unreadable: \($0)"] } ?? []) } ?? [],
            isBlank: reply.disk?.blank, method: "\(reply.method.rawValue), proven \(reply.verification.rawValue)", warrant: warrant,
            obstacles: reply.obstacles)
    }
}
