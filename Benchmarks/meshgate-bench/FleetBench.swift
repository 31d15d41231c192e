// SPDX-License-Identifier: Apache-2.0

import FeedExport
import FleetGateway
import Glibc
import JournalSQLite
import MeshModel
import MeshSystem
import MeshTrust
import Planning
import Running

/// One fan-out after another through the real gateway: a typed order to every session, a report from each, every report through the one
/// loop into the journal (when there is one), durable before it counts.
struct FleetBench {
    let directory: String
    let sessions: Int
    let rounds: Int
    let size: PayloadSize
    /// Directory for the journal; without one a report counts when the inbox has it.
    let journal: String?

    func run() async throws {
        let mesh = try BenchMesh(directory)
        let fanOut = FanOut(targets: sessions)
        let opened = Turnstile()
        let boot = try SystemClock.bootID()
        let controller = try journal.map { try Self.controller(in: $0) }
        let loop = Task { try await controller?.run(boot: boot) }  // cancelled at the end
        let gateway = try mesh.gateway(
            inbox: BenchInbox(controller: controller, fanOut: fanOut, opened: opened), sessions: sessions)
        let serving = Task { try await gateway.run() }  // cancelled at the end
        let port = try await gateway.boundAddress().port

        let load = Machine.load
        let (start, memory, cpu) = (Machine.now(), Machine.memory("VmRSS"), Machine.cpu())
        let swarm = try Companion(["/proc/self/exe", "agents", directory, "\(port)", "\(sessions)", size.rawValue, "mesh"])
        await opened.wait(for: sessions)
        let (connecting, connectCPU) = (Machine.now() - start, Machine.cpu() - cpu)
        let connected = Machine.memory("VmRSS")
        try await Task.sleep(for: .seconds(1))
        let idle = try await idleCPU()

        let reports = try BenchReports(size: size)
        var result = Rounds()
        let warmUp = sessions < 100 ? 100 : 2
        var (ours, theirs) = (0.0, 0.0)
        for round in 0..<rounds + warmUp {
            if round == warmUp { (ours, theirs) = (Machine.cpu(), Machine.cpu(of: swarm.process)) }
            fanOut.begin()
            let moment = SystemClock.now()
            for index in 0..<sessions {
                fanOut.sending(index)
                let outcome = await gateway.dispatch(reports.order(index: index, round: round, at: moment))
                guard outcome == .sent else { throw BenchError.failed("session \(index): \(outcome)") }
            }
            let times = await fanOut.end()
            if round >= warmUp { result.add(times) }
        }
        let tasks = Double(rounds * sessions)
        ours = (Machine.cpu() - ours) / tasks * 1e6
        theirs = (Machine.cpu(of: swarm.process) - theirs) / tasks * 1e6
        let after = Machine.memory("VmRSS")
        let walls = Samples(result.walls)
        Machine.row(
            journal == nil ? "meshgate, no journal" : "meshgate, journal", "\(reports.sizes.order) / \(reports.sizes.report)",
            "\(sessions)",
            (Double(sessions) / connecting).text(0),
            (connectCPU / Double(sessions) * 1000).text(2),
            "\(((connected - memory) / Double(sessions)).text(0)) / \(((after - memory) / Double(sessions)).text(0))",
            walls.median.text(2), walls.range(1), Samples(result.medians).median.text(2), Samples(result.tails).median.text(2),
            ours.text(0),
            theirs.text(0), idle.text(2), load)
        swarm.stop()
        loop.cancel()
        serving.cancel()
        _ = await serving.result
    }

    private func idleCPU() async throws -> Double {
        guard sessions >= 1000 else { return .nan }
        let (cpu, start) = (Machine.cpu(), Machine.now())
        try await Task.sleep(for: .seconds(5))
        return (Machine.cpu() - cpu) / (Machine.now() - start) * 100
    }

    private static func controller(in directory: String) throws -> RunController {
        let path = directory + "/journal-fleet"
        for end in ["", "-wal", "-shm", ".lock"] { unlink(path + end) }
        let journal = try SQLiteJournal.open(path: path, digester: sha256)
        let feed = EventFeed(head: 0) { try await journal.records(after: $0, limit: $1) }
        return RunController(
            machine: RunMachine(), head: journal.head, journal: journal, hands: NoHands(), now: { SystemClock.now() }, seed: { .zero },
            committed: { feed.publish($0) })
    }
}

/// The way of a report through `meshgate serve`: evidence, the one loop, a durable entry, and only then the acknowledgement.
private struct BenchInbox: FleetInbox {
    let controller: RunController?
    let fanOut: FanOut
    let opened: Turnstile

    func sessionOpened(_ session: SessionStatus) async { opened.pass() }
    func sessionClosed(_ session: SessionStatus, why: SessionEnd) async {}
    func progressed(_ progress: TaskProgress, of node: NodeID) {}
    func alarm(_ alarm: FleetAlarm) async {}

    func reported(_ report: TaskReport, receivedAt: Moment) async throws -> JournalHead {
        guard case .facts(let facts) = report.result, let probe = report.probe, let index = Int(report.node.text.dropFirst(6)) else {
            throw BenchError.failed("not an answer: \(report.result)")
        }
        var head = JournalHead.empty
        if let controller {
            head = try await controller.submit(
                .evidence(
                    Evidence(
                        subject: .node(report.node), probe: probe, bootID: report.bootID,
                        takenAt: receivedAt.advanced(by: .zero - report.age.duration), facts: facts, task: report.task)))
        }
        fanOut.answered(index)
        return head
    }
}

/// Nothing follows from the evidence of a benchmark.
struct NoHands: Hands {
    func begin(_ step: Step, attempt: Int, warrant: WarrantEnvelope?, context: HandsContext) async {}
    func observe(_ orders: [ProbeOrder], context: HandsContext) async {}
}
