// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import Logging
import MeshModel
import Synchronization

/// Makes a question about ways complete before it is sent: tells the nodes at the other ends to answer, and gives the asking one what makes
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
        guard case .paths(let targets, _) = probe else { return probe }
        var tokens: [NodeID: Digest] = [:]
        for target in targets {
            do {
                tokens[target.node] = try await token(for: target, epoch: epoch, now: now)
            } catch {
                log.error("no token for a probe", metadata: ["node": "\(target.node)", "error": "\(error)"])
            }
        }
        return .paths(targets, tokens: tokens)
    }

    /// `nil` where nobody answers datagrams, or nobody can be told to.
    private func token(for target: PathTarget, epoch: Generation, now: Moment) async throws -> Digest? {
        guard let (token, order) = try book.window(at: target, now: now) else { return nil }
        guard let order else { return token }
        let number = counter.wrappingAdd(1, ordering: .relaxed).newValue
        guard let id = ProbeTask(epoch: epoch, purpose: .listen, number: number).id else { return nil }
        let task = NodeTask(id: id, node: target.node, epoch: epoch, deadline: now.wall + Self.deadline, order: .listen(order))
        guard await dispatch(task) == .sent else {
            book.forget(target.node)
            return nil
        }
        return token
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
