// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import Logging
import MeshModel
import Synchronization

/// Makes a question about ways or VLANs complete before it is sent: tells the nodes at the other ends to answer, and gives the asking one what makes
/// them. Other questions pass through.
final class EchoDesk: Sendable {
    private let book: EchoBook
    private let dispatch: @Sendable (NodeTask) async -> DispatchOutcome
    private let log: Logger
    private let counter = Atomic<UInt64>(0)
    /// A node's clock may be wrong: that is one of the things to be found out.
    private static let deadline = Duration.seconds(3600)

    init(book: EchoBook = EchoBook(), dispatch: @escaping @Sendable (NodeTask) async -> DispatchOutcome, log: Logger) {
        self.book = book
        self.dispatch = dispatch
        self.log = log
    }

    func completed(_ probe: NodeTask.Probe, epoch: Generation, now: Moment) async -> NodeTask.Probe {
        switch probe {
        case .paths(let targets, _):
            var tokens: [NodeID: Digest] = [:]
            for target in targets {
                tokens[target.node] = await token(of: target.node, epoch, now) {
                    try book.window(at: target, now: now).map { ($0.token, target.node, $0.order.map { .listen($0) }) }
                }
            }
            return .paths(targets, tokens: tokens)
        case .vlans(let targets, _):
            var tokens: [VLANTarget: Digest] = [:]
            for target in targets {
                guard case .node(let node, _) = target.end else { continue }
                tokens[target] = await token(of: node, epoch, now) {
                    try book.window(at: target, now: now).map { ($0.token, $0.node, $0.order.map { .listenFrames($0) }) }
                }
            }
            return .vlans(targets, tokens: tokens)
        case .host, .disks, .links, .reach, .handshakes, .outside, .clock, .kernel, .blankness, .virtualDisks, .hypervisorFiles:
            return probe
        }
    }

    /// `nil` where nobody answers, or nobody can be told to.
    private func token(
        of node: NodeID, _ epoch: Generation, _ now: Moment, _ window: () throws -> (token: Digest, node: NodeID, order: NodeTask.Order?)?
    ) async -> Digest? {
        do {
            guard let (token, node, order) = try window() else { return nil }
            guard let order else { return token }
            let number = counter.wrappingAdd(1, ordering: .relaxed).newValue
            guard let id = ProbeTask(epoch: epoch, purpose: .listen, number: number).id else { return nil }
            let task = NodeTask(id: id, node: node, epoch: epoch, deadline: now.wall + Self.deadline, order: order)
            guard await dispatch(task) == .sent else {
                book.forget(node)
                return nil
            }
            return token
        } catch {
            log.error("no token for a probe", metadata: ["node": "\(node)", "error": "\(error)"])
            return nil
        }
    }

    /// What a node says to having been told. One that does not answer shows as silence to those that ask it; why, is for the log.
    func listened(_ report: TaskReport) {
        let why: String
        switch report.result {
        case .facts, .wiped: return
        case .refused(let refusal): why = "\(refusal)"
        case .failed(let problem): why = problem
        }
        book.forget(report.node)
        log.warning("node does not answer probes", metadata: ["node": "\(report.node)", "why": "\(why)"])
    }
}
