// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Times of one fan-out after another: every target gets one order and gives one answer.
final class FanOut: Sendable {
    private struct State {
        var sentAt: [Double]
        var left = 0
        var startedAt = 0.0
        var roundTrips: [Double] = []
        var waiter: CheckedContinuation<Double, Never>?
    }
    private let state: Mutex<State>
    let targets: Int

    init(targets: Int) {
        self.targets = targets
        state = Mutex(State(sentAt: Array(repeating: 0, count: targets)))
    }

    func begin() {
        state.withLock { state in
            state.left = targets
            state.startedAt = Machine.now()
            state.roundTrips.removeAll(keepingCapacity: true)
        }
    }

    func sending(_ index: Int) { state.withLock { $0.sentAt[index] = Machine.now() } }

    func answered(_ index: Int) {
        let done = state.withLock { state -> (CheckedContinuation<Double, Never>, Double)? in
            let now = Machine.now()
            state.roundTrips.append((now - state.sentAt[index]) * 1000)
            state.left -= 1
            guard state.left == 0, let waiter = state.waiter else { return nil }
            state.waiter = nil
            return (waiter, (now - state.startedAt) * 1000)
        }
        done?.0.resume(returning: done?.1 ?? 0)
    }

    /// Waits for the last answer of this round; its wall time and every round trip, in milliseconds.
    func end() async -> (wall: Double, roundTrips: Samples) {
        let wall = await withCheckedContinuation { continuation in
            let over = state.withLock { state -> Double? in
                if state.left == 0 { return (Machine.now() - state.startedAt) * 1000 }
                state.waiter = continuation
                return nil
            }
            if let over { continuation.resume(returning: over) }
        }
        return (wall, Samples(state.withLock { $0.roundTrips }))
    }
}

/// Counts up to a number that somebody waits for.
final class Turnstile: Sendable {
    private let state = Mutex<(count: Int, wanted: Int, waiter: CheckedContinuation<Void, Never>?)>((0, 0, nil))

    func pass() {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.count += 1
            guard state.count == state.wanted else { return nil }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    func wait(for count: Int) async {
        await withCheckedContinuation { continuation in
            let there = state.withLock { state in
                if state.count >= count { return true }
                (state.wanted, state.waiter) = (count, continuation)
                return false
            }
            if there { continuation.resume() }
        }
    }
}

/// What all rounds of one case came to.
struct Rounds {
    var walls: [Double] = []
    var medians: [Double] = []
    var tails: [Double] = []
    mutating func add(_ round: (wall: Double, roundTrips: Samples)) {
        walls.append(round.wall)
        medians.append(round.roundTrips.quantile(0.5))
        tails.append(round.roundTrips.quantile(0.99))
    }
}
