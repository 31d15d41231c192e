// SPDX-License-Identifier: Apache-2.0

import AgentCore
import MeshModel
import MeshTesting
import Testing

/// A wipe lasts for hours and a question for seconds, so each kind has places of its own.
@Suite("Places of wipes and of questions")
struct AdmissionPlacesTests {
    private let wipe = NodeTask.Order.wipe(WarrantEnvelope(text: "", signatures: []))
    private let question = NodeTask.Order.probe(.host)

    private func admission(questions: Int, wipes: Int) throws -> Admission {
        Admission(node: try #require(NodeID("east-1")), epoch: Generation(1), concurrency: questions, wipes: wipes)
    }

    private func task(_ id: String, _ order: NodeTask.Order) throws -> NodeTask {
        NodeTask(
            id: try #require(TaskID(id)), node: try #require(NodeID("east-1")), epoch: Generation(1), deadline: at(60).wall, order: order)
    }

    private func admit(
        _ id: String, _ order: NodeTask.Order, _ admission: inout Admission, outbox: Outbox = Outbox()
    ) throws -> Admission.Decision { admission.admit(try task(id, order), now: at(0).wall, supported: true, outbox: outbox) }

    private func code(_ decision: Admission.Decision) -> TaskRefusal.Code? {
        if case .refuse(let refusal) = decision { refusal.code } else { nil }
    }

    @Test("as many wipes as are allowed hold up no question, and one more wipe is refused with their number")
    func wipesLeaveQuestions() throws {
        var admission = try admission(questions: 2, wipes: 3)
        for index in 0..<3 { #expect(try admit("w\(index)", wipe, &admission) == .perform) }
        #expect(try admit("w3", wipe, &admission) == .refuse(TaskRefusal(.overloaded, "3 wipes are under way")))
        for index in 0..<2 { #expect(try admit("q\(index)", question, &admission) == .perform) }
        #expect(try admit("q2", question, &admission) == .refuse(TaskRefusal(.overloaded, "2 orders are under way")))
        #expect(admission.underWay == 5)
    }

    @Test("as many questions as are allowed hold up no wipe")
    func questionsLeaveWipes() throws {
        var admission = try admission(questions: 1, wipes: 1)
        #expect(try admit("q", question, &admission) == .perform)
        #expect(try admit("w", wipe, &admission) == .perform)
        #expect(try code(admit("q2", question, &admission)) == .overloaded)
    }

    @Test("who ends makes room for its own kind only, and a refused wipe took no place")
    func room() throws {
        var admission = try admission(questions: 1, wipes: 1)
        #expect(try admit("w", wipe, &admission) == .perform)
        #expect(try admit("q", question, &admission) == .perform)
        #expect(try code(admit("w2", wipe, &admission)) == .overloaded)
        admission.finish(try #require(TaskID("q")))
        #expect(try code(admit("w2", wipe, &admission)) == .overloaded)
        admission.finish(try #require(TaskID("w")))
        #expect(try admit("w2", wipe, &admission) == .perform, "it was refused and not carried out, so it may come again")
        #expect(try admit("q2", question, &admission) == .perform)
        #expect(admission.underWay == 2)
    }

    @Test("arming a wiper takes the place of a question, not of a wipe")
    func arming() throws {
        var admission = try admission(questions: 1, wipes: 1)
        let arm = NodeTask.Order.arm(WarrantEnvelope(text: "", signatures: []))
        #expect(try admit("w", wipe, &admission) == .perform)
        #expect(try admit("a", arm, &admission) == .perform)
        #expect(try code(admit("q", question, &admission)) == .overloaded)
    }

    @Test("an outbox without room for accounts keeps wipes back, and no question")
    func fullOutbox() throws {
        var admission = try admission(questions: 1, wipes: 1)
        var full = Outbox(limits: .init(reports: 2, bytes: 100))
        _ = full.add(try report("w0", .failed("x"), probe: nil), takenAt: at(0), sizeInBytes: 1)
        #expect(try code(admit("w", wipe, &admission, outbox: full)) == .overloaded)
        #expect(try admit("q", question, &admission, outbox: full) == .perform)
        #expect(try admit("w", wipe, &admission) == .perform, "the refused wipe took no place")
    }

    @Test("whatever comes and ends in whatever order, each kind keeps to its own limit and is refused at it alone", arguments: 0..<40)
    func walk(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let (mostQuestions, mostWipes) = (Int.random(in: 1...3, using: &random), Int.random(in: 1...3, using: &random))
        var admission = try admission(questions: mostQuestions, wipes: mostWipes)
        var running: (questions: Set<TaskID>, wipes: Set<TaskID>) = ([], [])
        for index in 0..<400 {
            if Int.random(in: 0..<3, using: &random) == 0, let id = running.questions.union(running.wipes).randomElement(using: &random) {
                admission.finish(id)
                running.questions.remove(id)
                running.wipes.remove(id)
            } else if Bool.random(using: &random) {
                let decision = try admit("w\(index)", wipe, &admission)
                #expect((decision == .perform) == (running.wipes.count < mostWipes))
                if decision == .perform { running.wipes.insert(try #require(TaskID("w\(index)"))) }
            } else {
                let decision = try admit("q\(index)", question, &admission)
                #expect((decision == .perform) == (running.questions.count < mostQuestions))
                if decision == .perform { running.questions.insert(try #require(TaskID("q\(index)"))) }
            }
            #expect(admission.underWay == running.questions.count + running.wipes.count)
        }
    }
}
