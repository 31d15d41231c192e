// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import Foundation
import Logging
import MeshModel
import MeshSystem
import MeshTrust
import Synchronization
import Testing
import TrustAuthority

/// A real gateway with a real authority on loopback, in the test's own process; what agents say is kept and can be waited for.
final class TestCoordinator: Sendable {
    let authority: CertificateAuthority
    let tokens: JoinTokens
    let gateway: FleetGateway
    let inbox = Inbox()
    private let service: Task<Void, any Error>

    init(directory: String, mesh: String = "lab") throws {
        let now = SystemClock.now().wall
        let authority = try CertificateAuthority.open(directory: directory, mesh: mesh, files: LinuxFileStore(), now: now)
        let tokens = try JoinTokens(directory: directory, files: LinuxFileStore())
        let key = try PrivateKey.generate()
        let leaf = try authority.issueCoordinator(dnsNames: [], addresses: [], key: key.publicKey, now: now)
        let identity = ServerIdentity(chain: [leaf.der, authority.root.der], privateKeyPEM: try key.pem)
        let gate = PeerGate(
            judge: { chain in
                PeerJudge.judge(
                    chain, roots: [authority.root], as: .agent, mesh: mesh, now: SystemClock.now().wall, isRevoked: { _ in false }
                ).mapError { GateRefusal("\($0)") }.flatMap { peer in
                    guard let node = peer.node else { return .failure(GateRefusal("no node")) }
                    return .success(SessionPeer(node: node, serial: peer.serial, key: peer.key, notAfter: peer.notAfter))
                }
            },
            judgeJoiner: { chain in
                PeerJudge.judgeJoiner(chain, now: SystemClock.now().wall).map(\.digest).mapError { GateRefusal("\($0)") }
            },
            keyOfRequest: { try? CertificateSigningRequest(der: $0).judge().digest }, isRevoked: { _ in false })
        let configuration = FleetGatewayConfiguration(
            host: "127.0.0.1", port: 0, bootID: try SystemClock.bootID(), identity: { identity }, gate: gate, epoch: { Generation(3) },
            headCheck: { _ in .agrees }, now: SystemClock.now)
        self.authority = authority
        self.tokens = tokens
        let gateway = FleetGateway(
            configuration: configuration, inbox: inbox,
            enroller: TestEnroller(enrolment: Enrolment(authority: authority, tokens: tokens), root: authority.root),
            log: Logger(label: "coordinator") { _ in SwiftLogNoOpLogHandler() })
        self.gateway = gateway
        service = Task { try await gateway.run() }
    }

    func address() async throws -> String { try await gateway.boundAddress().description }

    func token(for node: String) throws -> String {
        try tokens.invite(
            try #require(NodeID(node)), life: .seconds(600), by: "test", pin: authority.pin, entropy: KernelEntropy(),
            now: SystemClock.now().wall)
    }

    /// Sends an order and waits for its report.
    func ask(_ node: NodeID, _ order: NodeTask.Order, id: String) async throws -> TaskReport {
        let task = NodeTask(
            id: try #require(TaskID(id)), node: node, epoch: Generation(3), deadline: SystemClock.now().wall + .seconds(60), order: order)
        #expect(await gateway.dispatch(task) == .sent)
        return await inbox.report(of: task.id)
    }

    func stop() async {
        service.cancel()
        _ = await service.result
    }
}

/// Keeps sessions and reports; whoever waits for one is woken by it. The test's time limit ends a wait for what never comes.
actor Inbox: FleetInbox {
    private var opened: [SessionStatus] = []
    private var reports: [TaskID: TaskReport] = [:]
    private var sessionWaiters: [CheckedContinuation<SessionStatus, Never>] = []
    private var reportWaiters: [TaskID: CheckedContinuation<TaskReport, Never>] = [:]
    private(set) var ends: [SessionEnd] = []
    private var endWaiters: [CheckedContinuation<SessionEnd, Never>] = []
    private var count: UInt64 = 0

    func sessionOpened(_ session: SessionStatus) {
        if sessionWaiters.isEmpty { opened.append(session) } else { sessionWaiters.removeFirst().resume(returning: session) }
    }
    func sessionClosed(_ session: SessionStatus, why: SessionEnd) {
        if endWaiters.isEmpty { ends.append(why) } else { endWaiters.removeFirst().resume(returning: why) }
    }
    func reported(_ report: TaskReport, receivedAt: Moment) throws -> JournalHead {
        count += 1
        if let waiter = reportWaiters.removeValue(forKey: report.task) {
            waiter.resume(returning: report)
        } else {
            reports[report.task] = report
        }
        return JournalHead(sequence: count, hash: Digest.sha256([UInt8(truncatingIfNeeded: count)]))
    }
    func alarm(_ alarm: FleetAlarm) {}
    private let told = Mutex<[TaskProgress]>([])
    nonisolated func progressed(_ progress: TaskProgress, of node: NodeID) { told.withLock { $0.append(progress) } }
    var progress: [TaskProgress] { told.withLock { $0 } }

    func session() async -> SessionStatus {
        if !opened.isEmpty { return opened.removeFirst() }
        return await withCheckedContinuation { sessionWaiters.append($0) }
    }
    func end() async -> SessionEnd {
        if !ends.isEmpty { return ends.removeFirst() }
        return await withCheckedContinuation { endWaiters.append($0) }
    }
    func report(of task: TaskID) async -> TaskReport {
        if let report = reports.removeValue(forKey: task) { return report }
        return await withCheckedContinuation { reportWaiters[task] = $0 }
    }
}

private struct TestEnroller: Enroller {
    let enrolment: Enrolment
    let root: Certificate

    func enrol(token: String, node: NodeID, csr: [UInt8], presentedKey: Digest, from: String) async -> Result<
        IssuedIdentity, EnrolmentRefusal
    > {
        do throws(EnrolmentProblem) {
            let leaf = try enrolment.enrol(
                token: token, node: node, request: csr, presentedKey: presentedKey, now: SystemClock.now().wall)
            return .success(IssuedIdentity(chain: [leaf.der], roots: [root.der]))
        } catch {
            return .failure(EnrolmentRefusal(code: error.code, words: "\(error)"))
        }
    }
}
