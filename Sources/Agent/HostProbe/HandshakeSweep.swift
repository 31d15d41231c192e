// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
import MeshModel
import MeshSystem
import MeshTrust

/// Begins a TLS handshake with many servers at once and says which certificates they have shown. Nothing is said to them but the name that they
/// have to prove, and whatever they send is bounded in bytes and in time.
///
///     waiting -> connecting -> shaking -> told
///                       \----------\--> told (deadline, or no connection)
struct HandshakeSweep: Sendable {
    static let parallel = 32
    /// Of one server, from the connect to its last byte.
    static let deadline = Duration.seconds(3)

    let targets: [HandshakeTarget]
    let anchors: [String]
    let deadline: Duration

    init(targets: [HandshakeTarget], anchors: [String], deadline: Duration = Self.deadline) {
        self.targets = targets
        self.anchors = Array(anchors.prefix(HandshakeFact.mostAnchors))
        self.deadline = deadline
    }

    /// One fact per target, in their order. Ends early, with what is known, when the caller's task is cancelled.
    func facts() async throws -> [Fact] {
        guard targets.count <= HandshakeFact.mostTargets else {
            throw HostProbeError.tooManyTargets(targets.count, limit: HandshakeFact.mostTargets)
        }
        let stop = StopFlag()
        return try await withTaskCancellationHandler {
            try await OwnThread.run(named: "probe") { run(stop: stop).map(Fact.handshake) }
        } onCancel: {
            stop.raise()
        }
    }

    /// The same on the calling thread, in its network namespace.
    func run(stop: StopFlag = StopFlag()) -> [HandshakeFact] {
        var waiting = targets.indices[...]
        var open: [Talk] = []
        var told: [Int: HandshakeFact] = [:]
        while !(waiting.isEmpty && open.isEmpty), !stop.isRaised {
            while open.count < Self.parallel, let next = waiting.popFirst() {
                let talk = Talk(index: next, target: targets[next], deadline: .now + deadline)
                if let fact = talk.connect(anchors) { told[next] = fact } else { open.append(talk) }
            }
            let ready = Self.wait(for: open)
            var still: [Talk] = []
            for (talk, isReady) in zip(open, ready) {
                let outcome = isReady ? talk.goOn(anchors) : nil
                guard let fact = outcome ?? (talk.isLate ? talk.late() : nil) else {
                    still.append(talk)
                    continue
                }
                talk.hangUp()
                told[talk.index] = fact
            }
            open = still
        }
        for talk in open { talk.hangUp() }
        return targets.indices.map { told[$0] ?? HandshakeFact(target: targets[$0], outcome: .failed, problem: "the probe was stopped") }
    }

    /// At most 100 ms, so that a cancellation is noticed and a deadline is not missed by more.
    private static func wait(for open: [Talk]) -> [Bool] {
        guard !open.isEmpty else { return [] }
        var polled = open.map { pollfd(fd: $0.descriptor, events: Int16($0.isConnecting || $0.hasUnsent ? POLLOUT : POLLIN), revents: 0) }
        let nearest = open.map(\.deadline).min() ?? .now
        let left = min(max((nearest - .now).inMilliseconds + 1, 0), 100)
        guard poll(&polled, nfds_t(polled.count), Int32(left)) > 0 else { return open.map { _ in false } }
        return polled.map { $0.revents != 0 }
    }
}

/// One conversation of a sweep; it lives on the sweep's thread.
private final class Talk {
    let index: Int
    let target: HandshakeTarget
    let deadline: ContinuousClock.Instant
    private let began = ContinuousClock.now
    private(set) var descriptor: Int32 = -1
    private(set) var isConnecting = true
    private var client: HandshakeClient?
    private var unsent: ArraySlice<UInt8> = []
    private var received = 0

    init(index: Int, target: HandshakeTarget, deadline: ContinuousClock.Instant) {
        self.index = index
        self.target = target
        self.deadline = deadline
    }

    var hasUnsent: Bool { !unsent.isEmpty }
    var isLate: Bool { deadline <= .now }

    /// Begins; the fact is there when nothing more is to come of it.
    func connect(_ anchors: [String]) -> HandshakeFact? {
        let bytes = (0..<target.address.bits / 8).reversed().map { UInt8(truncatingIfNeeded: target.address.value >> ($0 * 8)) }
        var done: Int32 = 0
        descriptor = meshgate_connect_begin(target.address.family == .v4 ? AF_INET : AF_INET6, bytes, target.port, &done)
        guard descriptor >= 0 else { return fact(Self.outcome(ConnectSweep.result(descriptor)), problem: nil) }
        return done == 1 ? goOn(anchors) : nil
    }

    /// The socket is ready. The fact is there when the conversation is over.
    func goOn(_ anchors: [String]) -> HandshakeFact? {
        if isConnecting {
            let result = ConnectSweep.result(meshgate_connect_outcome(descriptor))
            guard result == .connected else { return fact(Self.outcome(result), problem: nil) }
            isConnecting = false
            do {
                let client = try HandshakeClient(serverName: target.serverName)
                self.client = client
                unsent = client.begin()[...]
            } catch {
                return fact(.failed, problem: "\(error)")
            }
        }
        guard let client else { return nil }
        if hasUnsent, !send() { return lost("it closes the connection while it is spoken to", anchors) }
        // Reads until there is nothing more at the moment; the client itself bounds how much it takes.
        while client.result == nil {
            var buffer = [UInt8](repeating: 0, count: 16 << 10)
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                received += count
                unsent += client.receive(Array(buffer.prefix(count)))
                if hasUnsent, !send() { return lost("it closes the connection while it is spoken to", anchors) }
            } else if count == 0 {
                client.closed()
            } else if errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR {
                return nil
            } else {
                return lost(words(errno), anchors)
            }
        }
        return client.result.map { judged($0, anchors) }
    }

    /// The time is over.
    func late() -> HandshakeFact {
        guard !isConnecting else { return fact(.timedOut, problem: nil) }
        let limit = (deadline - began).briefly
        return fact(.stalled, problem: received == 0 ? "not a byte within \(limit)" : "\(received) bytes within \(limit), and no end")
    }

    func hangUp() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }

    /// False when the connection is gone.
    private func send() -> Bool {
        while let bytes = unsent.isEmpty ? nil : Array(unsent) {
            let count = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
            if count > 0 {
                unsent = unsent.dropFirst(count)
            } else {
                return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR
            }
        }
        return true
    }

    /// A connection that is reset counts for what was learnt before.
    private func lost(_ why: String, _ anchors: [String]) -> HandshakeFact {
        client?.closed()
        guard let end = client?.result, end.outcome == .shaken else { return fact(.broken, problem: why) }
        return judged(end, anchors)
    }

    private func judged(_ end: HandshakeClient.End, _ anchors: [String]) -> HandshakeFact {
        var fact = self.fact(end.outcome, problem: end.problem)
        fact.version = end.version
        fact.wantsClientCertificate = end.wantsClientCertificate
        guard !end.chain.isEmpty else { return fact }
        do {
            let shown = try ShownChain(end.chain, anchors: anchors, name: target.serverName)
            fact.leaf = shown.leaf
            fact.trusted = shown.trusted
            fact.provesName = shown.provesName
        } catch {
            fact.outcome = .broken
            fact.problem = "\(error)"
        }
        return fact
    }

    private func fact(_ outcome: HandshakeFact.Outcome, problem: String?) -> HandshakeFact {
        HandshakeFact(
            target: target, outcome: outcome, problem: problem, took: TimeSpan(.milliseconds((ContinuousClock.now - began).inMilliseconds)))
    }

    private static func outcome(_ result: ReachFact.Result) -> HandshakeFact.Outcome {
        switch result {
        case .connected, .failed: .failed
        case .refused: .refused
        case .timedOut: .timedOut
        case .unreachable: .unreachable
        }
    }
}
