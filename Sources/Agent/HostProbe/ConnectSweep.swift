// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
import MeshModel
import MeshSystem
import Synchronization

/// Tries TCP connects to many targets at once and says what became of each. Nothing is sent over a connection.
///
///     waiting -> trying -> connected
///        ^          |  \-> given up (attempts used)
///        +-- pause -+
struct ConnectSweep: Sendable {
    static let targetLimit = 4096
    static let parallel = 64
    /// Between two tries of one target: a refusal comes back at once, and a service that is starting needs a moment.
    static let pause = Duration.milliseconds(100)

    let targets: [ReachTarget]
    let attempts: Int
    let timeout: Duration

    /// `attempts` is held to 1...10 and `timeout` (of one attempt) to 10 ms...30 s, so that a sweep always ends.
    init(targets: [ReachTarget], attempts: Int, timeout: Duration) {
        self.targets = targets
        self.attempts = min(max(attempts, 1), 10)
        self.timeout = min(max(timeout, .milliseconds(10)), .seconds(30))
    }

    /// One fact per target, in their order. Ends early, with what is known, when the caller's task is cancelled.
    func facts() async throws -> [Fact] {
        guard targets.count <= Self.targetLimit else { throw HostProbeError.tooManyTargets(targets.count, limit: Self.targetLimit) }
        let stop = StopFlag()
        return try await withTaskCancellationHandler {
            try await OwnThread.run(named: "probe") { run(stop: stop).map(Fact.reach) }
        } onCancel: {
            stop.raise()
        }
    }

    /// The same on the calling thread, in its network namespace.
    func run(stop: StopFlag = StopFlag()) -> [ReachFact] {
        var waiting = targets.indices.map { Waiting(target: $0, attempt: 1, from: .now) }[...]
        var open: [Trying] = []
        var results: [Int: ReachFact] = [:]

        func settle(_ trying: Trying, _ outcome: ReachFact.Result) {
            let again = outcome != .connected && trying.attempt < attempts && !stop.isRaised
            if again {
                waiting.append(Waiting(target: trying.target, attempt: trying.attempt + 1, from: .now + Self.pause))
            } else {
                let took = outcome == .connected ? ContinuousClock.now - trying.began : nil
                results[trying.target] = ReachFact(
                    target: targets[trying.target], result: outcome, attempts: trying.attempt, roundTrip: took.map(Self.inWholeMilliseconds)
                )
            }
        }

        while !(waiting.isEmpty && open.isEmpty), !stop.isRaised {
            // Waiting targets stand in the order of their times: the pause is the same for all.
            while open.count < Self.parallel, let next = waiting.first, next.from <= .now {
                waiting.removeFirst()
                let (trying, settled) = begin(next)
                if let settled { settle(trying, settled) } else { open.append(trying) }
            }
            let ready = Self.wait(for: open, until: wakeTime(open, waiting))
            var still: [Trying] = []
            for (trying, isReady) in zip(open, ready) {
                guard isReady || trying.deadline <= .now else {
                    still.append(trying)
                    continue
                }
                let outcome = isReady ? Self.result(meshgate_connect_outcome(trying.descriptor)) : .timedOut
                close(trying.descriptor)
                settle(trying, outcome)
            }
            open = still
        }
        for trying in open { close(trying.descriptor) }
        return targets.indices.map { results[$0] ?? ReachFact(target: targets[$0], result: .failed, attempts: 0, roundTrip: nil) }
    }

    private struct Waiting {
        let target: Int
        let attempt: Int
        let from: ContinuousClock.Instant
    }

    private struct Trying {
        let target: Int
        let attempt: Int
        let descriptor: Int32
        let began: ContinuousClock.Instant
        let deadline: ContinuousClock.Instant
    }

    /// Starts an attempt; the second part is there when it was settled at once.
    private func begin(_ next: Waiting) -> (Trying, ReachFact.Result?) {
        let target = targets[next.target]
        let bytes = (0..<target.address.bits / 8).reversed().map { UInt8(truncatingIfNeeded: target.address.value >> ($0 * 8)) }
        let began = ContinuousClock.now
        var done: Int32 = 0
        let descriptor = meshgate_connect_begin(target.address.family == .v4 ? AF_INET : AF_INET6, bytes, target.port, &done)
        let trying = Trying(
            target: next.target, attempt: next.attempt, descriptor: descriptor, began: began, deadline: began + timeout)
        guard descriptor >= 0 else { return (trying, Self.result(descriptor)) }
        guard done == 1 else { return (trying, nil) }
        defer { close(descriptor) }
        return (trying, Self.result(meshgate_connect_outcome(descriptor)))
    }

    /// At most 100 ms ahead, so that a cancellation is noticed.
    private func wakeTime(_ open: [Trying], _ waiting: ArraySlice<Waiting>) -> ContinuousClock.Instant {
        var wake = ContinuousClock.now + .milliseconds(100)
        for trying in open { wake = min(wake, trying.deadline) }
        if open.count < Self.parallel, let next = waiting.first { wake = min(wake, next.from) }
        return wake
    }

    private static func wait(for open: [Trying], until wake: ContinuousClock.Instant) -> [Bool] {
        var polled = open.map { pollfd(fd: $0.descriptor, events: Int16(POLLOUT), revents: 0) }
        let left = inWholeMilliseconds(max(wake - .now, .zero)).duration.inMilliseconds
        // An interruption is the same as nothing ready: the loop comes round again.
        guard poll(&polled, nfds_t(polled.count), Int32(left)) > 0 else { return open.map { _ in false } }
        return polled.map { $0.revents != 0 }
    }

    /// 0 is success; everything else is a negative errno.
    static func result(_ code: Int32) -> ReachFact.Result {
        switch -code {
        case 0: .connected
        case ECONNREFUSED: .refused
        case ETIMEDOUT: .timedOut
        case EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN: .unreachable
        default: .failed
        }
    }

    /// Rounded up, because facts travel in milliseconds and a connect in 0 ms would read as "no time was taken".
    private static func inWholeMilliseconds(_ duration: Duration) -> TimeSpan {
        let exact = duration.inMilliseconds
        return TimeSpan(.milliseconds(duration > .milliseconds(exact) ? exact + 1 : exact))
    }
}

/// Raised once, seen by the sweep's thread.
final class StopFlag: Sendable {
    private let raised = Atomic<Bool>(false)
    var isRaised: Bool { raised.load(ordering: .relaxed) }
    func raise() { raised.store(true, ordering: .relaxed) }
}
