// SPDX-License-Identifier: Apache-2.0

import AgentCore
import MeshModel
import MeshTesting
import Testing

@Suite("Admission")
struct AdmissionTests {
    let outbox = Outbox()

    @Test("an order for this node, of this epoch, in time, is carried out")
    func plain() throws {
        var admission = try admission(epoch: 3)
        #expect(admission.admit(try order("a", epoch: 3), now: at(0).wall, supported: true, outbox: outbox) == .perform)
        #expect(admission.underWay == 1)
    }

    @Test("another node's order is refused and its epoch is not obeyed")
    func otherNode() throws {
        var admission = try admission(epoch: 3)
        let decision = admission.admit(try order("a", node: "west-1", epoch: 9), now: at(0).wall, supported: true, outbox: outbox)
        #expect(code(decision) == .wrongNode)
        #expect(admission.epoch == Generation(3))
    }

    @Test("a higher epoch is obeyed from then on, and a lower one never again")
    func epochs() throws {
        var admission = try admission(epoch: 3)
        #expect(admission.admit(try order("a", epoch: 5), now: at(0).wall, supported: true, outbox: outbox) == .perform)
        #expect(code(admission.admit(try order("b", epoch: 4), now: at(0).wall, supported: true, outbox: outbox)) == .oldEpoch)
        #expect(admission.obey(Generation(4)) == .refused(known: Generation(5)))
        #expect(admission.obey(Generation(5)) == .same)
        #expect(admission.obey(Generation(6)) == .grew)
    }

    @Test("the same order again waits for its answer, and is refused once the answer was acknowledged")
    func duplicates() throws {
        var admission = try admission(epoch: 1)
        var outbox = Outbox()
        let order = try order("a", epoch: 1)
        #expect(admission.admit(order, now: at(0).wall, supported: true, outbox: outbox) == .perform)
        #expect(admission.admit(order, now: at(0).wall, supported: true, outbox: outbox) == .answerComes)
        _ = outbox.add(try report("a"), takenAt: at(0), sizeInBytes: 1)
        admission.finish(order.id)
        #expect(admission.admit(order, now: at(0).wall, supported: true, outbox: outbox) == .answerComes)
        _ = outbox.acknowledge(1)
        #expect(code(admission.admit(order, now: at(0).wall, supported: true, outbox: outbox)) == .duplicate)
    }

    @Test("late, unknown and too many orders are refused with their reasons")
    func reasons() throws {
        var admission = Admission(node: try #require(NodeID("east-1")), epoch: Generation(1), concurrency: 1)
        #expect(code(admission.admit(try order("a", epoch: 1), now: at(61).wall, supported: true, outbox: outbox)) == .deadlinePassed)
        #expect(code(admission.admit(try order("b", epoch: 1), now: at(0).wall, supported: false, outbox: outbox)) == .unsupported)
        #expect(admission.admit(try order("c", epoch: 1), now: at(60).wall, supported: true, outbox: outbox) == .perform)
        #expect(code(admission.admit(try order("d", epoch: 1), now: at(0).wall, supported: true, outbox: outbox)) == .overloaded)
    }

    @Test("no wipe begins while its account might not be kept")
    func wipeNeedsRoom() throws {
        var admission = try admission(epoch: 1)
        var full = Outbox(limits: .init(reports: 2, bytes: 100))
        _ = full.add(try report("w", .failed("x"), probe: nil), takenAt: at(0), sizeInBytes: 1)
        var wipe = try order("a", epoch: 1)
        wipe.order = .wipe(WarrantEnvelope(text: "", signatures: []))
        #expect(code(admission.admit(wipe, now: at(0).wall, supported: true, outbox: full)) == .overloaded)
    }

    @Test("whatever comes in whatever order, the epoch never falls, nothing runs twice and no more than allowed", arguments: 0..<40)
    func walk(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        var admission = Admission(node: try #require(NodeID("east-1")), epoch: Generation(2), concurrency: 3, memory: 1000)
        var running: Set<TaskID> = []
        var performed: Set<TaskID> = []
        for _ in 0..<500 {
            let before = admission.epoch
            if Int.random(in: 0..<3, using: &random) == 0, let id = running.randomElement(using: &random) {
                running.remove(id)
                admission.finish(id)
            } else {
                let order = try order(
                    "t\(Int.random(in: 0..<60, using: &random))", node: Int.random(in: 0..<5, using: &random) == 0 ? "west-1" : "east-1",
                    epoch: UInt64.random(in: 0..<6, using: &random))
                let late = Bool.random(using: &random)
                switch admission.admit(order, now: at(late ? 61 : 0).wall, supported: true, outbox: outbox) {
                case .perform:
                    #expect(!late && order.node.text == "east-1" && order.epoch >= before)
                    #expect(performed.insert(order.id).inserted, "an order ran twice")
                    running.insert(order.id)
                case .answerComes: #expect(running.contains(order.id))
                case .refuse: break
                }
            }
            #expect(admission.epoch >= before)
            #expect(admission.underWay == running.count && running.count <= 3)
        }
    }

    private func admission(epoch: UInt64) throws -> Admission { Admission(node: try #require(NodeID("east-1")), epoch: Generation(epoch)) }

    private func order(_ id: String, node: String = "east-1", epoch: UInt64) throws -> NodeTask {
        NodeTask(
            id: try #require(TaskID(id)), node: try #require(NodeID(node)), epoch: Generation(epoch), deadline: at(60).wall,
            order: .probe(.host))
    }

    private func code(_ decision: Admission.Decision) -> TaskRefusal.Code? {
        if case .refuse(let refusal) = decision { refusal.code } else { nil }
    }
}
