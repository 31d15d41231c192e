// SPDX-License-Identifier: Apache-2.0

import FeedExport
import FleetGateway
import Gating
import Logging
import MeshModel
import MeshTesting
import MeshTrust
import Planning
import Running
import Synchronization
import Testing

@testable import meshgate

@Suite("Answers that somebody waits for")
struct AnswerDeskTests {
    private let desk = AnswerDesk()

    private func task(_ id: String) throws -> NodeTask {
        NodeTask(
            id: try SmallMesh.need(TaskID(id)), node: try SmallMesh.need(NodeID("wrk-e-1")), epoch: Generation(1),
            deadline: Timestamp(seconds: 0), order: .probe(.host))
    }

    private func report(_ id: String, _ words: String) throws -> TaskReport {
        TaskReport(
            task: try SmallMesh.need(TaskID(id)), node: try SmallMesh.need(NodeID("wrk-e-1")),
            bootID: try SmallMesh.need(BootID("aaaaaaaa")),
            sequence: 1, age: TimeSpan(.zero), probe: .host, result: .failed(words))
    }

    private func words(_ answer: AnswerDesk.Answer) -> String {
        switch answer {
        case .answered(let report): if case .failed(let words) = report.result { words } else { "another answer" }
        case .notConnected: "not connected"
        case .silent: "silent"
        }
    }

    @Test("the report of a task goes to whoever asked it, also when it comes before the asking is over")
    func answered() async throws {
        let report = try report("ask:1", "here")
        let answer = await desk.answer(to: try task("ask:1"), within: .seconds(60)) { _ in
            desk.take(report)
            return true
        }
        #expect(words(answer) == "here")
    }

    @Test("two who wait at once each get their own answer, in whatever order they come")
    func two() async throws {
        let (one, two) = (try report("ask:1", "one"), try report("ask:2", "two"))
        let (first, second) = (try task("ask:1"), try task("ask:2"))
        async let inner = desk.answer(to: first, within: .seconds(60)) { [desk] _ in
            // The second asks and is answered while the first still waits; only then does the first one's answer come.
            let answer = await desk.answer(to: second, within: .seconds(60)) { _ in
                desk.take(two)
                return true
            }
            guard words(answer) == "two" else { return false }
            desk.take(one)
            return true
        }
        #expect(words(await inner) == "one")
    }

    @Test("a task that could not leave is said to be not connected, at once")
    func notConnected() async throws {
        let answer = await desk.answer(to: try task("ask:1"), within: .seconds(3600)) { _ in false }
        #expect(words(answer) == "not connected")
    }

    @Test("silence ends with the patience")
    func silent() async throws {
        #expect(words(await desk.answer(to: try task("ask:1"), within: .zero) { _ in true }) == "silent")
    }

    @Test("the answer to another task, to one that is over, or to one of a run reaches nobody who waits here")
    func others() async throws {
        desk.take(try report("ask:1", "nobody waits yet"))
        let (other, run) = (try report("ask:2", "another"), try report("step:run-1:a/b:1", "of a run"))
        let answer = await desk.answer(to: try task("ask:1"), within: .zero) { _ in
            desk.take(other)
            desk.take(run)
            return true
        }
        #expect(words(answer) == "silent")
        let ofRun = await desk.answer(to: try task("step:run-1:a/b:1"), within: .zero) { _ in
            desk.take(run)
            return true
        }
        #expect(words(ofRun) == "silent", "a run's reports are the run's, whoever asks")
    }
}

@Suite("The seeds of proofs")
struct SeedBookTests {
    private func id(_ number: Int) throws -> TaskID { try SmallMesh.need(TaskID("probe:1:blankness:\(number)")) }
    private func seed(_ number: Int) -> Digest { Digest.sha256(Array("seed \(number)".utf8)) }

    @Test("each task has its own seed, noted before it is sent; of any other nothing is known")
    func own() throws {
        let book = SeedBook()
        #expect(book.seed(of: try id(1)) == nil)
        book.note(seed(1), for: try id(1))
        book.note(seed(2), for: try id(2))
        #expect(try book.seed(of: id(1)) == seed(1) && book.seed(of: id(2)) == seed(2) && book.seed(of: id(3)) == nil)
    }

    @Test("the newest 4096 are remembered, and older ones are forgotten one by one")
    func bounded() throws {
        let book = SeedBook()
        for number in 0..<5000 { book.note(seed(number), for: try id(number)) }
        for number in [0, 903] { #expect(book.seed(of: try id(number)) == nil, "\(number)") }
        for number in [904, 905, 4999] { #expect(book.seed(of: try id(number)) == seed(number), "\(number)") }
    }

    @Test("a task that is noted again has its new seed, and takes no second place")
    func again() throws {
        let book = SeedBook()
        for _ in 0..<5000 { book.note(seed(1), for: try id(1)) }
        book.note(seed(7), for: try id(1))
        for number in 2...4096 { book.note(seed(number), for: try id(number)) }
        #expect(try book.seed(of: id(1)) == seed(7) && book.seed(of: id(4096)) == seed(4096))
    }
}

/// The desk between the fleet and the run, with a journal in memory.
@Suite("What the fleet says")
struct FleetDeskTests {
    private final class MemoryJournal: Journal {
        private let records = Mutex<[JournalRecord]>([])
        func append(_ entries: [JournalEntry], at: Moment) async throws -> JournalHead {
            records.withLock { records in
                for entry in entries { records.append(JournalRecord(sequence: UInt64(records.count + 1), at: at, entry: entry)) }
                return JournalHead(sequence: UInt64(records.count), hash: .zero)
            }
        }
        func replay(_ body: (JournalRecord) throws -> Void) async throws { for record in records.withLock({ $0 }) { try body(record) } }
        func hash(at sequence: UInt64) async throws -> Digest? { .zero }
        var entries: [JournalEntry] { records.withLock { $0.map(\.entry) } }
    }

    /// Does nothing, and remembers which questions it was to ask.
    private final class AskedHands: Hands {
        private let kept = Mutex<[ProbeOrder]>([])
        func begin(_ step: Step, attempt: Int, warrant: WarrantEnvelope?, context: HandsContext) async {}
        func observe(_ orders: [ProbeOrder], context: HandsContext) async { kept.withLock { $0 += orders } }
    }

    private struct Office {
        let journal = MemoryJournal()
        let seeds = SeedBook()
        let released = Mutex2<[EvidenceKey]>([])
        let desk: FleetDesk
        let moment = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 5_000_000)

        init() {
            let controller = RunController(
                machine: RunMachine(), head: .empty, journal: journal, hands: AskedHands(), now: { [moment] in moment }, seed: { .zero },
                committed: { _ in })
            desk = FleetDesk(
                controller: controller, released: { [released] key in released.change { $0.append(key) } }, answers: AnswerDesk(),
                seeds: seeds, echoes: EchoDesk(dispatch: { _ in .sent }, log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }),
                progress: ProgressBoard(), feed: EventFeed(head: 0) { _, _ in [] }, now: { [moment] in moment },
                log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        }

        /// Runs the loop while the body lasts.
        static func with(_ body: (Office) async throws -> Void) async throws {
            let office = Office()
            let boot = try SmallMesh.need(BootID("cccccccc"))
            let loop = Task { try await office.desk.controller.run(boot: boot) }  // cancelled below, whatever the body does
            let result: Result<Void, any Error>
            do { result = .success(try await body(office)) } catch { result = .failure(error) }
            loop.cancel()
            try await loop.value
            try result.get()
        }

        func say(_ facts: [Fact], task: String, probe: ProbeKind = .blankness) async throws {
            let report = TaskReport(
                task: try SmallMesh.need(TaskID(task)), node: try SmallMesh.need(NodeID("wrk-e-1")),
                bootID: try SmallMesh.need(BootID("aaaaaaaa")), sequence: 1, age: TimeSpan(.zero), probe: probe, result: .facts(facts))
            _ = try await desk.reported(report, receivedAt: moment)
        }

        var evidence: [Evidence] { journal.entries.compactMap { if case .evidenceTaken(let evidence) = $0 { evidence } else { nil } } }
        var alarms: [String] { journal.entries.compactMap { if case .alarm(_, let text) = $0 { text } else { nil } } }
    }

    /// A box for a value that closures share.
    private final class Mutex2<Value: Sendable>: Sendable {
        private let mutex: Mutex<Value>
        init(_ value: Value) { mutex = Mutex(value) }
        var value: Value { mutex.withLock { $0 } }
        func change(_ body: (inout Value) -> Void) { mutex.withLock { body(&$0) } }
    }

    private func proof(_ seed: Digest) -> Fact {
        .blankness(
            BlanknessFact(
                disk: DiskIdentity(
                    kind: .virtio, serial: "spare", wwid: nil, sizeInBytes: 12 << 30, sectorSize: 512, path: "0000:00:0a.0", sequence: 3),
                seed: seed, share: 10, strata: [], signatures: []))
    }

    private let seed = Digest.sha256(Array("the seed".utf8))
    private let task = "probe:1:blankness:1"

    @Test("a proof counts when it was made with the seed of its own task")
    func asked() async throws {
        try await Office.with { office in
            office.seeds.note(seed, for: try SmallMesh.need(TaskID(task)))
            try await office.say([proof(seed)], task: task)
            #expect(office.evidence.map(\.facts) == [[proof(seed)]] && office.alarms.isEmpty)
            #expect(office.released.value.map(\.probe) == [.blankness])
        }
    }

    @Test("a proof with another seed, with another task's, or to a task that nobody knows is an alarm and no evidence")
    func notAsked() async throws {
        try await Office.with { office in
            let other = Digest.sha256(Array("another".utf8))
            office.seeds.note(seed, for: try SmallMesh.need(TaskID(task)))
            office.seeds.note(other, for: try SmallMesh.need(TaskID("probe:1:blankness:2")))
            try await office.say([proof(.zero)], task: task)
            try await office.say([proof(other)], task: task)
            try await office.say([proof(seed)], task: "probe:1:blankness:2")
            try await office.say([proof(seed)], task: "probe:1:blankness:3")
            try await office.say([proof(seed), proof(other)], task: task)
            #expect(office.evidence.isEmpty && office.alarms.count == 5)
            #expect(office.alarms.allSatisfy { $0.contains("the agent of wrk-e-1 sent a proof that nobody asked for in this way") })
        }
    }

    @Test("an agent that cannot prove says so, and that is kept; facts of another kind are no answer to it")
    func unavailable() async throws {
        try await Office.with { office in
            office.seeds.note(seed, for: try SmallMesh.need(TaskID(task)))
            try await office.say([.unavailable("the disk is busy")], task: task)
            #expect(office.evidence.map(\.facts) == [[.unavailable("the disk is busy")]] && office.alarms.isEmpty)
            try await office.say([proof(seed), .wiper(WiperFact(store: nil, disarmed: "not armed", challenge: nil))], task: task)
            #expect(office.evidence.count == 1 && office.alarms.count == 1)
        }
    }

    @Test("an agent that does not know a question says nothing about its kind: the id of the task tells, and it counts as no answer")
    func unknownQuestion() async throws {
        try await Office.with { office in
            func refuse(_ task: String) async throws {
                _ = try await office.desk.reported(
                    TaskReport(
                        task: try SmallMesh.need(TaskID(task)), node: try SmallMesh.need(NodeID("wrk-e-1")),
                        bootID: try SmallMesh.need(BootID("aaaaaaaa")), sequence: 1, age: TimeSpan(.zero), probe: nil,
                        result: .refused(TaskRefusal(.unsupported, "upgrade the agent"))), receivedAt: office.moment)
            }
            try await refuse("probe:1:paths:7")
            #expect(office.evidence.map(\.probe) == [.paths])
            #expect(office.evidence.first?.facts == [.unavailable("the agent refused: unsupported: upgrade the agent")])
            // No agent can make evidence of a cluster, nor of a wipe, in this way.
            for task in ["probe:1:cluster:8", "probe:1:wipe:9", "listen:1:10"] { try await refuse(task) }
            #expect(office.evidence.count == 1 && office.alarms.isEmpty)
        }
    }
}
