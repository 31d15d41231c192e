// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Measures one way by datagrams that another node answers: who answers, what is lost, how long it takes, and what size gets through.
/// It decides only; the sending and the clock are the caller's.
///
///     greeting --answer--> counting --all sent, answered or given up--> sizing --both sizes known--> done
///         \--patience over------------------------------------------------------------------------> done
///
/// Sizes are tried many at a time, brief (only the way there) and full (there and back), each up to three times: a hole that swallows
/// silently costs one wait a round, and rounds narrow it down to the byte.
struct PathMeter: Sendable {
    /// One datagram to be sent now.
    struct Shot: Hashable, Sendable {
        var kind: EchoDatagram.Kind
        var size: Int
        var sequence: UInt32
        /// To the port that is used where the planned one is taken.
        var toSubstitute: Bool
    }

    static let patience = Duration.milliseconds(1500)
    private static let greetEvery = Duration.milliseconds(100)
    static let echoes = 100
    private static let echoEvery = Duration.milliseconds(2)
    /// How long a round waits at least and at most; between them it follows the round trip.
    private static let graces = (Duration.milliseconds(150), Duration.milliseconds(500))
    private static let triesPerSize = 3
    /// Sizes that links and tunnels really have; the true one is often one of them, and is then found in the first round.
    private static let usual = [
        9000, 8950, 8900, 4000, 2000, 1500, 1492, 1480, 1470, 1460, 1450, 1440, 1430, 1420, 1400, 1380, 1350, 1300, 1280, 1000, 576,
    ]
    private static let perRound = 8

    private enum Phase { case greeting, counting, sizing, done }

    private struct Size {
        /// The largest that got through, and the smallest that did not.
        var good: Int
        var bad: Int
        var isKnown: Bool { bad - good <= 1 }
        /// Sizes to be tried next.
        func candidates(first: Bool) -> [Int] {
            guard !isKnown else { return [] }
            let inside = good + 1..<bad
            if first { return [bad - 1] + PathMeter.usual.filter { inside.contains($0) && $0 != bad - 1 } }
            let count = min(PathMeter.perRound, inside.count)
            return (1...count).map { good + (bad - good) * $0 / (count + 1) }.filter(inside.contains)
        }
    }

    private struct Try {
        let kind: EchoDatagram.Kind
        let size: Int
        let at: Duration
    }

    private let smallest: Int
    private var phase = Phase.greeting
    private var next: UInt32 = 0
    private var tries: [UInt32: Try] = [:]
    private var greeted: Duration?
    private var substitute = false
    private(set) var seen: IPAddress?
    private var sent = 0
    private var roundTrips: [Duration] = []
    private var lastSent = Duration.zero
    private var there: Size
    private var back: Size
    private var round = 0
    /// How often this round has sent its sizes, and when last: whoever is held up while sending must not take that for a hole.
    private var pass = 0
    private var passed = Duration.zero
    private var brief: [Int] = []
    private var full: [Int] = []

    init(_ target: PathTarget) {
        smallest = PathTarget.headers(target.address.family) + EchoDatagram.headLength
        let size = min(max(target.mtu, PathTarget.sizes.lowerBound), PathTarget.sizes.upperBound)
        there = Size(good: smallest, bad: size + 1)
        back = there
    }

    var isDone: Bool { phase == .done }
    /// Whether the answers come from the substitute port.
    var usesSubstitute: Bool { substitute }

    /// What was found; `nil` when nobody answered.
    func echo(port: UInt16, local: IPAddress) -> PathFact.Echo? {
        guard let seen, !roundTrips.isEmpty else { return nil }
        let sorted = roundTrips.sorted().map(\.inMicroseconds)
        return PathFact.Echo(
            port: port, sent: sent, received: roundTrips.count, median: sorted[sorted.count / 2],
            slowest: sorted[min(sorted.count - 1, sorted.count * 99 / 100)], local: local, seen: seen, there: there.good, back: back.good)
    }

    /// The datagrams that are due, which the caller sends at once.
    mutating func due(at now: Duration) -> [Shot] {
        switch phase {
        case .greeting: return greet(now)
        case .counting: return count(now)
        case .sizing: return trySizes(now)
        case .done: return []
        }
    }

    /// When `due` should be asked next, if no answer comes before.
    func wake(after now: Duration) -> Duration {
        switch phase {
        case .greeting: return (greeted ?? now) + Self.greetEvery
        case .counting: return sent < Self.echoes ? lastSent + Self.echoEvery : lastSent + grace
        case .sizing: return passed + (pass == 0 ? .zero : pass < Self.triesPerSize ? grace / 4 : grace)
        case .done: return now + .seconds(60)
        }
    }

    /// An answer came.
    mutating func answered(_ sequence: UInt32, from seen: IPAddress, bySubstitute: Bool, at now: Duration) {
        guard let shot = tries.removeValue(forKey: sequence) else { return }
        switch phase {
        case .greeting:
            self.seen = seen
            substitute = bySubstitute
            tries.removeAll()
            phase = .counting
            lastSent = now - Self.echoEvery
        case .counting:
            roundTrips.append(now - shot.at)
            if sent == Self.echoes, roundTrips.count == sent { beginSizing(now) }
        case .sizing:
            there.good = max(there.good, shot.size)
            if shot.kind == .full { back.good = max(back.good, shot.size) }
            settle(now)
        case .done: break
        }
    }

    /// The own kernel would not send it in one piece: larger than the link.
    mutating func refused(_ shot: Shot) {
        guard phase == .sizing else { return }
        tries[shot.sequence] = nil
        there.bad = min(there.bad, max(shot.size, there.good + 1))
        back.bad = min(back.bad, max(shot.size, back.good + 1))
        brief.removeAll { $0 >= there.bad }
        full.removeAll { $0 >= back.bad }
    }

    private var grace: Duration {
        let slowest = roundTrips.max() ?? .zero
        return min(max(slowest * 2 + .milliseconds(50), Self.graces.0), Self.graces.1)
    }

    private mutating func shot(_ kind: EchoDatagram.Kind, _ size: Int, _ now: Duration, toSubstitute: Bool) -> Shot {
        next &+= 1
        tries[next] = Try(kind: kind, size: size, at: now)
        return Shot(kind: kind, size: size, sequence: next, toSubstitute: toSubstitute)
    }

    private mutating func greet(_ now: Duration) -> [Shot] {
        if now >= Self.patience {
            phase = .done
            return []
        }
        if let greeted, now < greeted + Self.greetEvery { return [] }
        greeted = now
        return [false, true].map { shot(.full, smallest, now, toSubstitute: $0) }
    }

    private mutating func count(_ now: Duration) -> [Shot] {
        var shots: [Shot] = []
        while sent < Self.echoes, now >= lastSent + Self.echoEvery {
            shots.append(shot(.full, smallest, now, toSubstitute: substitute))
            sent += 1
            lastSent += Self.echoEvery
        }
        if sent == Self.echoes, now >= lastSent + grace {
            beginSizing(now)
            return trySizes(now)
        }
        return shots
    }

    private mutating func beginSizing(_ now: Duration) {
        guard !roundTrips.isEmpty else {
            phase = .done
            return
        }
        phase = .sizing
        beginRound(now)
    }

    private mutating func beginRound(_ now: Duration) {
        tries.removeAll()
        brief = there.candidates(first: round == 0)
        full = back.candidates(first: round == 0)
        round += 1
        (pass, passed) = (0, now)
        if brief.isEmpty, full.isEmpty { phase = .done }
    }

    private mutating func trySizes(_ now: Duration) -> [Shot] {
        guard phase == .sizing else { return [] }
        if pass == Self.triesPerSize, now >= passed + grace {
            // What did not get through in three tries does not; larger ones would not either.
            there.bad = (brief.filter { $0 > there.good } + [there.bad]).min() ?? there.bad
            back.bad = (full.filter { $0 > back.good } + [back.bad]).min() ?? back.bad
            beginRound(now)
            guard phase == .sizing else { return [] }
        }
        guard pass < Self.triesPerSize, pass == 0 || now >= passed + grace / 4 else { return [] }
        (pass, passed) = (pass + 1, now)
        let briefly = brief.filter { $0 > there.good }
        let fully = full.filter { $0 > back.good }
        return briefly.map { shot(.brief, $0, now, toSubstitute: substitute) }
            + fully.map { shot(.full, $0, now, toSubstitute: substitute) }
    }

    /// Ends at once when the largest size has come back, and begins the next round as soon as this one can tell nothing more.
    private mutating func settle(_ now: Duration) {
        if there.isKnown, back.isKnown {
            phase = .done
        } else if !brief.contains(where: { $0 > there.good }), !full.contains(where: { $0 > back.good }) {
            beginRound(now)
        }
    }
}

extension Duration {
    var inMicroseconds: Int { Int(components.seconds) * 1_000_000 + Int(components.attoseconds / 1_000_000_000_000) }
}
