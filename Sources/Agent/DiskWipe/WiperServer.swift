// SPDX-License-Identifier: Apache-2.0

internal import LocalLink
package import MeshModel
package import MeshSystem
internal import Synchronization

/// The wiper process's service: listens on a Unix socket, asks the kernel who connected, and answers one request a connection. Every
/// connection has a thread of its own, because disks block. A wipe goes on when the one who asked goes away.
package final class WiperServer: Sendable {
    /// Told of each event worth a log line: refused peers, begun and ended wipes.
    package typealias Log = @Sendable (_ event: String, _ details: [String: String]) -> Void

    static let role = "wiper"

    private let configuration: WiperConfiguration
    private let store: ReplayStore
    private let wiper: Wiper
    private let now: NowSource
    private let log: Log
    private let server: LocalServer<WiperResponse>
    private let live = Mutex(Live())
    private let turns: WipeTurns
    private var stopSignal: StopSignal { server.stopSignal }

    private struct Live {
        /// Texts of the warrants that are being carried out. Two warrants for one disk are kept apart by its exclusive open.
        var wipes: Set<String> = []
        var asksHypervisor = false
    }

    private static let mostConnections = 32
    private static let mostChecks = 64
    private static let requestPatience = Duration.seconds(10)

    /// Opens the replay store and the socket. Nothing is answered before `run`.
    package init(
        configuration: WiperConfiguration, boot: BootID, now: @escaping NowSource = SystemClock.now, log: @escaping Log = { _, _ in }
    ) throws {
        self.configuration = configuration
        self.log = log
        self.now = now
        store = try ReplayStore(directory: configuration.storeDirectory, now: now)
        wiper = Wiper(configuration: configuration, store: store, boot: boot, now: now)
        turns = WipeTurns(configuration.manners.atOnce)
        server = try LocalServer(
            .init(
                role: Self.role, path: configuration.socketPath, group: configuration.socketGroup,
                allowedUsers: configuration.allowedUsers, mostConnections: Self.mostConnections),
            whenBusy: .busy("the wiper is busy with \(Self.mostConnections) requests; ask again later"), log: log)
    }

    /// What this wiper would say to a `status` request.
    package var status: WiperStatus {
        let claims = store.fates.map { WiperStatus.Claim(warrant: $0.key, fate: $0.value) }
        let sorted = claims.sorted { ($0.fate == .done ? 1 : 0, $0.warrant) < ($1.fate == .done ? 1 : 0, $1.warrant) }
        let problem = store.disarmed(at: now().wall)
        return WiperStatus(
            store: problem == nil ? store.mark : nil, disarmedBecause: configuration.unfitBecause ?? problem,
            claims: Array(sorted.prefix(200)))
    }

    /// Serves until `stop` or cancellation, then returns when the last running wipe has finished its chunk and recorded its end.
    package func run() async throws {
        let status = status
        if let problem = status.disarmedBecause { log("wiper disarmed", ["problem": problem]) }
        for claim in status.claims where claim.fate != .done {
            log("warrant ended badly", ["warrant": claim.warrant.text, "fate": claim.fate.description])
        }
        try await server.run(serve)
    }

    /// Ends `run`. A wipe in progress finishes its chunk and is recorded as interrupted.
    package func stop() { server.stop() }

    @Sendable private func serve(_ socket: LocalSocket) {
        do {
            guard let request = try socket.receive(WiperRequest.self, patience: Self.requestPatience) else { return }
            switch request {
            case .inventory: try send(try configuration.inventory.disks().map(Fact.disk) + [.wiper(fact)], to: socket)
            case .blankness(let checks, let seed): try send(blankness(checks, seed, socket), to: socket)
            case .virtualDisks(let serials):
                let facts = try oneAtATime { try HypervisorWitness(root: $0).disks(lookingInto: Set(serials)).map(Fact.virtualDisk) }
                try send(facts, to: socket)
            case .hypervisorFiles(let selector):
                let fact = try oneAtATime { try HypervisorFiles(root: $0, devroot: configuration.devroot).look(for: selector) }
                try send([.hypervisorFiles(fact)], to: socket)
            case .status: try socket.send(WiperResponse.status(status))
            case .wipe(let envelope, let node): try socket.send(WiperResponse.result(wipe(envelope, node, socket)))
            case .arm(let envelope, let node): try socket.send(WiperResponse.result(arm(envelope, node)))
            }
        } catch {
            log("request failed", ["problem": "\(error)"])
            // The peer may be gone; then there is nobody to tell.
            try? socket.send(WiperResponse.failed("\(error)"))
        }
    }

    /// One fact at a time, because a frame is limited and the number of disks is not.
    private func send(_ facts: [Fact], to socket: LocalSocket) throws {
        var rest = facts[...]
        repeat {
            let part = rest.prefix(1)
            rest = rest.dropFirst(part.count)
            try socket.send(WiperResponse.facts(part.map(Self.shortened), more: !rest.isEmpty))
        } while !rest.isEmpty
    }

    /// Keeps one disk within a frame: the first users say what matters. Findings are bounded where they are made.
    private static func shortened(_ fact: Fact) -> Fact {
        guard case .disk(var disk) = fact else { return fact }
        disk.users = disk.users.prefix(64).map { plainWords($0, limit: 200) }
        return .disk(disk)
    }

    private var fact: WiperFact {
        let problem = store.disarmed(at: now().wall)
        return WiperFact(
            store: configuration.unfitBecause == nil && problem == nil ? store.mark : nil, disarmed: configuration.unfitBecause ?? problem,
            challenge: problem == nil ? nil : store.challenge)
    }

    /// One at a time: a storage or a cluster file system that hangs must not take every thread with it.
    private func oneAtATime<Answer>(_ look: (_ root: String) throws -> Answer) throws -> Answer {
        guard
            live.withLock({ live in
                defer { live.asksHypervisor = true }
                return !live.asksHypervisor
            })
        else {
            throw DiskWipeError.hypervisor(path: configuration.hypervisorRoot, problem: "the question before this one has no answer yet")
        }
        defer { live.withLock { $0.asksHypervisor = false } }
        return try look(configuration.hypervisorRoot)
    }

    private func blankness(_ checks: [BlanknessCheck], _ seed: Digest, _ socket: LocalSocket) -> [Fact] {
        let report = ProgressReport(socket)
        let proof = BlanknessProof(
            inventory: configuration.inventory, witness: HypervisorWitness(root: configuration.hypervisorRoot),
            manners: configuration.manners,
            stop: stopSignal
        ) { report.say(.verifying, $0, $1) }
        return checks.prefix(Self.mostChecks).map { .blankness(proof.take($0, seed: seed)) }
    }

    private func arm(_ envelope: WarrantEnvelope, _ node: NodeID) -> TaskReport.Result {
        guard node == configuration.node else {
            return .refused(TaskRefusal(.wrongNode, "the order is for node \(node), this is \(configuration.node)"))
        }
        do throws(Refused) {
            try wiper.arm(envelope)
            log("wiper armed", ["store": store.mark?.id.text ?? "-"])
            return .facts([.wiper(fact)])
        } catch {
            log("arming refused", ["reason": error.refusal.description])
            return .refused(error.refusal)
        }
    }

    private func wipe(_ envelope: WarrantEnvelope, _ node: NodeID, _ socket: LocalSocket) -> TaskReport.Result {
        guard node == configuration.node else {
            return .refused(TaskRefusal(.wrongNode, "the order is for node \(node), this is \(configuration.node)"))
        }
        guard live.withLock({ $0.wipes.insert(envelope.text).inserted }) else {
            return .refused(TaskRefusal(.busy, "this warrant is being carried out right now"))
        }
        defer { live.withLock { _ = $0.wipes.remove(envelope.text) } }
        let report = ProgressReport(socket)
        // Waiting comes before judging: a warrant that expires in the queue is refused. Whoever has gone away meanwhile gets nothing begun.
        guard turns.take(isWanted: { report.isHeard(.waiting) }) else {
            return .refused(TaskRefusal(.stopping, "whoever handed the warrant in has gone; nothing was begun"))
        }
        let result = wiper.wipe(envelope, stop: stopSignal) { report.say($0, $1, $2) }
        turns.giveBack()
        switch result {
        case .refused(let refusal): log("wipe refused", ["reason": refusal.description])
        case .wiped(let wiped):
            log(
                "wipe ended",
                [
                    "warrant": wiped.warrant.text, "ending": wiped.ending.rawValue, "bytes": String(wiped.bytesWritten),
                    "problem": wiped.problem ?? "-",
                ])
        case .failed, .facts: break
        }
        return shortened(result)
    }

    private func shortened(_ result: TaskReport.Result) -> TaskReport.Result {
        guard case .wiped(var report) = result else { return result }
        report.areas = Array(report.areas.prefix(1024))
        return .wiped(report)
    }
}

/// Tells the one who asked how far the wipe is, at most twice a second, and no more once it has gone away.
private final class ProgressReport: Sendable {
    private let socket: LocalSocket
    private let next = Mutex<ContinuousClock.Instant?>(.now)
    init(_ socket: LocalSocket) { self.socket = socket }

    /// Says so at once; false when the one who asked has gone away.
    func isHeard(_ phase: TaskProgress.Phase) -> Bool {
        (try? socket.send(WiperResponse.progress(phase, bytes: 0, total: 0), patience: .milliseconds(200))) != nil
    }

    func say(_ phase: TaskProgress.Phase, _ bytes: UInt64, _ total: UInt64) {
        let now = ContinuousClock.now
        let due = next.withLock { next in
            guard let time = next, now >= time else { return false }
            next = now + .milliseconds(500)
            return true
        }
        guard due else { return }
        do {
            try socket.send(WiperResponse.progress(phase, bytes: bytes, total: total), patience: .milliseconds(200))
        } catch {
            next.withLock { $0 = nil }
        }
    }
}
