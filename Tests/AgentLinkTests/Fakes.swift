// SPDX-License-Identifier: Apache-2.0

import AgentCore
import AgentLink
import FleetGateway
import MeshModel
import MeshTrust
import Synchronization

/// Remembers everything, numbers the journal, and can be made to wait or to fail.
final class RememberingInbox: FleetInbox {
    struct Memory: Sendable {
        var opened: [SessionStatus] = []
        var closed: [(node: NodeID, why: SessionEnd)] = []
        var asked: [TaskReport] = []
        var recorded: [TaskReport] = []
        var receivedAt: [Moment] = []
        var alarms: [FleetAlarm] = []
        var progress: [(node: NodeID, TaskProgress)] = []
        /// Reports of these nodes wait until the gate opens.
        var held: Set<NodeID> = []
        var failures = 0
    }
    struct DiskFull: Error {}
    let memory = Watched(Memory())

    func sessionOpened(_ session: SessionStatus) async { memory.change { $0.opened.append(session) } }
    func sessionClosed(_ session: SessionStatus, why: SessionEnd) async { memory.change { $0.closed.append((session.node, why)) } }
    func alarm(_ alarm: FleetAlarm) async { memory.change { $0.alarms.append(alarm) } }
    func progressed(_ progress: TaskProgress, of node: NodeID) { memory.change { $0.progress.append((node, progress)) } }

    func reported(_ report: TaskReport, receivedAt: Moment) async throws -> JournalHead {
        memory.change { $0.asked.append(report) }
        await memory.until { !$0.held.contains(report.node) }
        let failed = Mutex(false)
        memory.change { memory in
            if memory.failures > 0 {
                memory.failures -= 1
                failed.withLock { $0 = true }
            } else {
                memory.recorded.append(report)
                memory.receivedAt.append(receivedAt)
            }
        }
        if failed.withLock({ $0 }) { throw DiskFull() }
        return Self.head(UInt64(memory.value.recorded.count))
    }

    static func head(_ sequence: UInt64) -> JournalHead { JournalHead(sequence: sequence, hash: sha256(Array("entry \(sequence)".utf8))) }
}

/// Knows one token, once.
final class OneTokenEnroller: Enroller {
    private let mesh: TestMesh
    private let spent = Mutex(false)
    let askedFor = Watched<[NodeID]>([])

    init(mesh: TestMesh) { self.mesh = mesh }

    func enrol(token: String, node: NodeID, csr: [UInt8], presentedKey: Digest, from: String) async -> Result<
        IssuedIdentity, EnrolmentRefusal
    > {
        askedFor.change { $0.append(node) }
        guard token == "good-token" else {
            return .failure(EnrolmentRefusal(code: "unknownToken", words: "no such token; invite the node again"))
        }
        let isFirst = spent.withLock { spent in
            defer { spent = true }
            return !spent
        }
        guard isFirst else { return .failure(EnrolmentRefusal(code: "spentToken", words: "the token was used before")) }
        do {
            let now = mesh.now.wall
            let certificate = try Certificate.issue(
                for: try CertificateSigningRequest(der: csr).judge(), profile: .agent(mesh: mesh.name, node),
                notBefore: now + .seconds(-60),
                notAfter: now + .seconds(3600), by: mesh.root, key: mesh.rootKey)
            return .success(IssuedIdentity(chain: [certificate.der, mesh.root.der], roots: [mesh.root.der]))
        } catch {
            return .failure(EnrolmentRefusal(code: "failed", words: "\(error)"))
        }
    }
}

/// Answers every probe with its own words, at once or when told.
final class AnsweringHandler: TaskHandler {
    let begun = Watched<[TaskID]>([])
    let held = Watched(false)
    private let answer: @Sendable (NodeTask) -> TaskReport.Result

    init(_ answer: @escaping @Sendable (NodeTask) -> TaskReport.Result = { .facts([.unavailable("\($0.id)")]) }) { self.answer = answer }

    func perform(_ task: NodeTask, progress: @escaping @Sendable (TaskProgress) -> Void) async -> TaskReport.Result {
        begun.change { $0.append(task.id) }
        if case .wipe = task.order { progress(TaskProgress(task: task.id, phase: .writing, done: 1, total: 2)) }
        await held.until { !$0 }
        return answer(task)
    }
}

/// A disk that survives the agent, not the test.
final class MemoryStores: OutboxStore, AgentStateStore {
    private let outbox = Mutex<Outbox?>(nil)
    private let state: Mutex<AgentState?>

    init(state: AgentState? = nil) { self.state = Mutex(state) }
    func load() throws -> Outbox? { outbox.withLock { $0 } }
    func save(_ new: Outbox) throws { outbox.withLock { $0 = new } }
    func load() throws -> AgentState? { state.withLock { $0 } }
    func save(_ new: AgentState) throws { state.withLock { $0 = new } }
    var keptState: AgentState? { state.withLock { $0 } }
    var keptOutbox: Outbox? { outbox.withLock { $0 } }
}
