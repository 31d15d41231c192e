// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshWire

/// How big orders and answers are.
enum PayloadSize: String {
    case small, large
    /// Targets of the reachability probe: they make the order about 200 B or 1 KiB, and the answer a little more.
    var targets: Int { self == .small ? 4 : 26 }
}

/// The orders and answers of the measurements: reachability of some peers, with a round trip that differs each time, so that every
/// answer is news to the journal.
struct BenchReports: Sendable {
    let boot: BootID
    let targets: [ReachTarget]

    init(size: PayloadSize) throws {
        guard let boot = BootID("4be07bbd-1f4b-4f0c-8d8e-2f6a3b1c9d10") else { throw BenchError.failed("no boot id") }
        self.boot = boot
        targets = (0..<size.targets).compactMap { index in
            guard let node = NodeID("wrk-e-\(index)"), let address = IPAddress("192.168.15.\(20 + index)") else { return nil }
            return ReachTarget(node: node, address: address, port: 32379)
        }
    }

    /// Bytes of one order and of one report on the wire, length included.
    var sizes: (order: Int, report: Int) {
        let order = order(index: 5000, round: 10, at: Moment(wall: Timestamp(seconds: 1_700_000_000), boot: 0))
        return (
            CoordinatorFrame.task(order).framed.count, AgentFrame.report(report(on: order.id, node: order.node, sequence: 10)).framed.count
        )
    }

    func node(_ index: Int) -> NodeID { Self.need(NodeID("agent-\(index)")) }

    func order(index: Int, round: Int, at moment: Moment) -> NodeTask {
        NodeTask(
            id: taskID(index: index, round: round), node: node(index), epoch: Generation(1),
            deadline: moment.wall + .seconds(60), order: .probe(.reach(targets, attempts: 2, timeout: TimeSpan(.milliseconds(1500)))))
    }

    /// Always of the same length, so that `SwarmAnswer` can put it into a frame that is already encoded.
    func taskID(index: Int, round: Int) -> TaskID {
        Self.need(TaskID("probe:1:reach:\(String(1_000_000 + round).dropFirst())-\(String(100_000 + index).dropFirst())"))
    }

    func report(on task: TaskID, node: NodeID, sequence: UInt64) -> TaskReport {
        TaskReport(
            task: task, node: node, bootID: boot, sequence: sequence, age: TimeSpan(.milliseconds(1)), probe: .reach,
            result: .facts(facts(Int(sequence))))
    }

    func evidence(index: Int, round: Int, at moment: Moment) -> Evidence {
        Evidence(
            subject: .node(node(index)), probe: .reach, bootID: boot, takenAt: moment, facts: facts(round),
            task: taskID(index: index, round: round))
    }

    private func facts(_ round: Int) -> [Fact] {
        targets.map {
            .reach(ReachFact(target: $0, result: .connected, attempts: 1, roundTrip: TimeSpan(.milliseconds(Int64(round % 1000)))))
        }
    }

    private static func need<Value>(_ value: Value?) -> Value {
        guard let value else { preconditionFailure("a name of the benchmark is not well formed") }
        return value
    }
}
