// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Gating
import JournalSQLite
import MeshModel
import MeshSystem
import MeshTesting
import MeshTrust
import Planning
import Rehearsal
import Running
import Synchronization
import Testing

/// The real loop on the real journal, with a rehearsed world behind it. The coordinator dies at the Nth append, for every N: before the
/// entries are written, or after they are durable and before anybody heard of it. Then it starts again from the file.
@Suite("A coordinator that dies at every journal append", .serialized)
struct CrashAtEveryAppendTests {
    enum Position: CaseIterable { case beforeWriting, afterWriting }

    @Test("comes back, finishes, and wiped at most once per warrant", arguments: Position.allCases)
    func everywhere(position: Position) async throws {
        let whole = try await Stage(crashAt: nil).play()
        #expect(whole.ending == .succeeded)
        #expect(whole.appends > 10)
        for crash in 1...whole.appends {
            let end = try await Stage(crashAt: (crash, position)).play()
            guard end.crashes == 1 else {
                // What happens at the same time is written in one append or in two, so that the last ones may not be there in every run.
                #expect(end.crashes == 0 && end.appends < crash && crash > whole.appends - 3, "append \(crash) of \(end.appends)")
                continue
            }
            #expect(end.wipes == end.warrantsUsed, "append \(crash): \(end.wipes) wipes with \(end.warrantsUsed) warrants")
            #expect(end.wipes == 1, "append \(crash): wiped \(end.wipes) times")
            #expect(end.ending == .succeeded, "append \(crash): the run has \(end.ending?.rawValue ?? "not ended")")
            // The very first entry is the epoch's own: before it is written, there was no epoch.
            #expect(end.epochs == (crash == 1 && position == .beforeWriting ? 1 : 2), "append \(crash)")
        }
    }

    struct Died: Error {}

    /// A journal that fails once, as a process that is killed would leave it.
    final class FragileJournal: Journal {
        private let inner: SQLiteJournal
        private let left: Mutex<Int?>
        private let position: Position
        let count = Atomic<Int>(0)

        init(_ inner: SQLiteJournal, crashAt: Int?, position: Position) {
            self.inner = inner
            left = Mutex(crashAt)
            self.position = position
        }

        func append(_ entries: [JournalEntry], at: Moment) async throws -> JournalHead {
            count.wrappingAdd(1, ordering: .relaxed)
            let dies = left.withLock { left -> Bool in
                guard let now = left else { return false }
                left = now - 1
                return now == 1
            }
            if dies, position == .beforeWriting { throw Died() }
            let head = try await inner.append(entries, at: at)
            if dies { throw Died() }
            return head
        }

        func replay(_ body: (JournalRecord) throws -> Void) async throws { try await inner.replay(body) }
        func hash(at sequence: UInt64) async throws -> Digest? { try await inner.hash(at: sequence) }
    }

    /// Remembers what it was told to do; the stage does it between two ticks.
    final class PatientHands: Hands {
        struct Job: Sendable {
            var step: Step
            var attempt: Int
            var warrant: WarrantEnvelope?
        }
        private let kept = Mutex<(jobs: [Job], orders: [ProbeOrder])>(([], []))

        func begin(_ step: Step, attempt: Int, warrant: WarrantEnvelope?, context: HandsContext) async {
            kept.withLock { $0.jobs.append(Job(step: step, attempt: attempt, warrant: warrant)) }
        }
        func observe(_ orders: [ProbeOrder], context: HandsContext) async { kept.withLock { $0.orders += orders } }
        func take() -> (jobs: [Job], orders: [ProbeOrder]) {
            kept.withLock { kept in
                defer { kept = ([], []) }
                return kept
            }
        }
    }

    struct Ending {
        var ending: RunEnding?
        var appends = 0
        var crashes = 0
        var wipes = 0
        var warrantsUsed = 0
        var epochs: UInt64 = 0
    }

    /// Time that only moves when the stage moves it.
    final class StageClock: Sendable {
        private let milliseconds = Atomic<Int64>(0)
        var moment: Moment {
            let time = milliseconds.load(ordering: .relaxed)
            return Moment(wall: Timestamp(milliseconds: 1_800_000_000_000 + time), boot: 1_000_000 + time)
        }
        func pass(_ time: Int64) { milliseconds.wrappingAdd(time, ordering: .relaxed) }
    }

    /// One life of a mesh with one dirty disk, through at most one crash.
    final class Stage {
        private var world: RehearsedWorld
        private let plan: Plan
        private let path: String
        private var crashAt: Int?
        private let position: Position
        private let clock = StageClock()
        private let wipe: StepID
        private var reports: [Int: Outcome] = [:]
        private let node: NodeID

        init(crashAt: (Int, Position)?) throws {
            plan = Planner.plan(try SmallMesh.spec(clusters: 1)) { _ in .zero }
            world = RehearsedWorld(spec: plan.spec)
            node = try SmallMesh.need(NodeID("wrk-e-1"))
            wipe = try SmallMesh.need(StepID("east/wrk-e-1/wipe-vdb"))
            world.machines[node]?.contents["wrk-e-1-data"] = "ext4"
            path = FileManager.default.temporaryDirectory.path() + "meshgate-crash-\(try KernelEntropy().hexID())"
            try LinuxFileStore().createDirectory(path)
            self.crashAt = crashAt?.0
            position = crashAt?.1 ?? .beforeWriting
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        private var moment: Moment { clock.moment }

        func play() async throws -> Ending {
            var end = Ending()
            for _ in 0..<3 {
                do {
                    try await life(&end)
                    break
                } catch is Died {
                    end.crashes += 1
                    crashAt = nil
                }
            }
            end.wipes = world.machines[node]?.wipes.values.reduce(0, +) ?? 0
            end.warrantsUsed = world.machines[node]?.usedWarrants.count ?? 0
            return end
        }

        /// From start to the end of the run, or to the crash. Before it returns, nothing of this life is left running.
        private func life(_ end: inout Ending) async throws {
            let journal = FragileJournal(
                try await open(), crashAt: crashAt, position: position)
            var machine = RunMachine()
            try await journal.replay { machine.apply($0.entry, at: $0.at) }
            var head = JournalHead.empty
            try await journal.replay { head = JournalHead(sequence: $0.sequence, hash: .zero) }
            let hands = PatientHands()
            let controller = RunController(
                machine: machine, head: head, journal: journal, hands: hands, now: { [clock] in clock.moment }, seed: { .zero },
                committed: { _ in })
            // Ended by the cancellation below, or by the crash.
            let loop = Task { try await controller.run(boot: RehearsedWorld.coordinatorBoot) }
            do {
                try await direct(controller, hands, after: machine.epoch)
            } catch {
                loop.cancel()
                // The loop's own error tells a crash from a refusal.
                try await loop.value
                throw error
            }
            end.ending = controller.snapshot.run?.ending
            end.epochs = controller.snapshot.epoch.number
            loop.cancel()
            try await loop.value
            end.appends = journal.count.load(ordering: .relaxed)
        }

        /// The life before lets go of the file when the last of its tasks is gone, which is soon but not at once.
        private func open() async throws -> SQLiteJournal {
            for _ in 0..<500 {
                do {
                    return try SQLiteJournal.open(path: path + "/journal.sqlite", digester: sha256)
                } catch JournalError.locked {
                    try await Task.sleep(for: .milliseconds(10))
                }
            }
            return try SQLiteJournal.open(path: path + "/journal.sqlite", digester: sha256)
        }

        private func direct(_ controller: RunController, _ hands: PatientHands, after before: Generation) async throws {
            while controller.snapshot.epoch == before { try await submit(.tick, controller) }
            if controller.snapshot.run == nil {
                try await submit(.apply(run: try SmallMesh.need(RunID("run-1")), plan: plan, by: "test"), controller)
            }
            for _ in 0..<300 where controller.snapshot.run?.isOver != true {
                clock.pass(1000)
                do {
                    try await controller.tick()
                } catch {
                    throw Died()
                }
                let work = hands.take()
                for job in work.jobs {
                    guard let outcome = report(of: job) else { continue }
                    try await submit(
                        .outcome(run: try SmallMesh.need(RunID("run-1")), step: job.step.id, attempt: job.attempt, outcome), controller)
                }
                for order in work.orders {
                    if let evidence = world.answer(order, now: moment) { try await submit(.evidence(evidence), controller) }
                }
                try await approveIfAsked(controller)
            }
        }

        /// The agent's outbox, in short: the same wipe task asked for again is answered with the report there is.
        private func report(of job: PatientHands.Job) -> Outcome? {
            guard job.step.action.mustNotRepeat else { return world.carryOut(job.step, warrant: job.warrant) }
            if let known = reports[job.attempt] { return known }
            let outcome = world.carryOut(job.step, warrant: job.warrant)
            reports[job.attempt] = outcome
            return outcome
        }

        private func approveIfAsked(_ controller: RunController) async throws {
            guard case .held(let verdict, _) = controller.snapshot.run?[wipe]?.status,
                verdict.reasons.contains(where: { $0.code == .needsWarrant }), controller.snapshot.warrants[wipe] == nil,
                case .wipe(let node, let disk, let method, _) = plan.step(wipe)?.action
            else { return }
            let id = try SmallMesh.need(WarrantID(try KernelEntropy().hexID()))
            let terms = WarrantTerms(
                mesh: plan.spec.name, id: id, plan: plan.digest, step: wipe, node: node, nodeKey: .zero,
                boot: RehearsedWorld.bootID(node, 1), store: RehearsedWorld.store,
                disk: .init(
                    kind: .virtio, serial: disk.serial, wwid: nil, sizeInBytes: disk.size.bytes, sectorSize: 512, path: "p", sequence: 1),
                holds: [], fingerprint: .zero, method: method, notBefore: moment.wall, notAfter: moment.wall + .seconds(1800))
            try await submit(
                .warrant(step: wipe, id: id, notAfter: terms.notAfter, envelope: WarrantEnvelope(text: terms.text, signatures: ["s"])),
                controller)
        }

        /// A submission that fails because the coordinator died is the crash; everything else is a fault of the test.
        private func submit(_ input: Input, _ controller: RunController) async throws {
            do {
                try await controller.submit(input)
            } catch let refusal as InputRefusal {
                throw refusal
            } catch {
                throw Died()
            }
        }
    }
}
