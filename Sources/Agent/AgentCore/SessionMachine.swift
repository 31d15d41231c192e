// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// The rules of the agent's one connection: what to do next, when to give up, when to try again. Times are boot milliseconds.
///
///     idle --start--> connecting --secured--> greeting --welcomed--> live
///                       ^   |                    |                    |
///                       |   | closed, late       | closed, late,      | closed,
///                       |   v                    v rejected           v silent
///                       +-- waiting <------------+<-------------------+
///     any --stop--> stopped
package struct SessionMachine: Hashable, Sendable {
    /// What happened.
    package enum Input: Hashable, Sendable {
        case start
        /// The TLS handshake is done and the coordinator was judged.
        case secured
        /// Welcome came and its epoch is obeyed.
        case welcomed(heartbeat: Duration, patience: Duration)
        /// The coordinator sent a reason and will close; or its Welcome is not acceptable.
        case rejected
        /// Any frame came.
        case heard
        /// The connection failed or ended.
        case closed
        /// A deadline may have passed, or a wait may be over.
        case tick
        case stop
    }

    /// What to do about it.
    package enum Output: Hashable, Sendable {
        case connect
        case greet
        /// The session is live: send again what was not acknowledged.
        case resend
        case askForLife
        /// Close the connection; nothing from it counts any more.
        case close(Reason)
        /// Choose a wait and say so with `wait(until:)`. `afterSuccess`: the last session lasted, so begin with a short one.
        case backOff(afterSuccess: Bool)
    }

    /// Why the agent closes on its own accord.
    package enum Reason: Hashable, Sendable, CustomStringConvertible {
        case notConnectedInTime
        case notWelcomedInTime
        case rejected
        case silent
        case stopping

        package var description: String {
            switch self {
            case .notConnectedInTime: "the connection or its TLS handshake took too long"
            case .notWelcomedInTime: "the coordinator did not answer Hello in time"
            case .rejected: "the coordinator refused the session"
            case .silent: "the coordinator gave no sign of life"
            case .stopping: "the agent stops"
            }
        }
    }

    package enum State: Hashable, Sendable {
        case idle
        case connecting(deadline: Int64)
        case greeting(deadline: Int64)
        case live(Live)
        /// `until` is set by `wait(until:)` right after `backOff`.
        case waiting(until: Int64)
        case stopped
    }

    package struct Live: Hashable, Sendable {
        var since: Int64
        var heardAt: Int64
        var askAt: Int64
        var heartbeat: Int64
        var patience: Int64
    }

    package private(set) var state: State = .idle
    private let deadline: Int64

    /// `deadline`: for connecting with its handshake, and again for the greeting.
    package init(deadline: Duration) { self.deadline = max(1, deadline.inMilliseconds) }

    package var isLive: Bool { if case .live = state { true } else { false } }

    /// When `tick` is wanted next; `nil` while only another input can change anything.
    package var nextTick: Int64? {
        switch state {
        case .idle, .stopped: nil
        case .connecting(let deadline), .greeting(let deadline): deadline
        case .live(let live): min(live.askAt, live.heardAt + live.patience)
        case .waiting(let until): until
        }
    }

    /// The answer to `backOff`.
    package mutating func wait(until: Int64) { if case .waiting = state { state = .waiting(until: until) } }

    package mutating func handle(_ input: Input, at now: Int64) -> [Output] {
        if input == .stop { return stop() }
        switch state {
        case .idle: return input == .start ? connect(now) : []
        case .connecting(let deadline): return connecting(input, deadline, now)
        case .greeting(let deadline): return greeting(input, deadline, now)
        case .live(let live): return alive(input, live, now)
        case .waiting(let until): return input == .tick && now >= until ? connect(now) : []
        case .stopped: return []
        }
    }

    private mutating func connecting(_ input: Input, _ deadline: Int64, _ now: Int64) -> [Output] {
        switch input {
        case .secured:
            state = .greeting(deadline: now + self.deadline)
            return [.greet]
        case .closed: return backOff(now, afterSuccess: false)
        case .tick where now >= deadline: return [.close(.notConnectedInTime)] + backOff(now, afterSuccess: false)
        case .rejected: return [.close(.rejected)] + backOff(now, afterSuccess: false)
        case .start, .welcomed, .heard, .tick, .stop: return []
        }
    }

    private mutating func greeting(_ input: Input, _ deadline: Int64, _ now: Int64) -> [Output] {
        switch input {
        case .welcomed(let heartbeat, let patience):
            let interval = max(1, heartbeat.inMilliseconds)
            state = .live(
                Live(since: now, heardAt: now, askAt: now + interval, heartbeat: interval, patience: max(interval, patience.inMilliseconds))
            )
            return [.resend]
        case .closed: return backOff(now, afterSuccess: false)
        case .tick where now >= deadline: return [.close(.notWelcomedInTime)] + backOff(now, afterSuccess: false)
        case .rejected: return [.close(.rejected)] + backOff(now, afterSuccess: false)
        case .start, .secured, .heard, .tick, .stop: return []
        }
    }

    private mutating func alive(_ input: Input, _ live: Live, _ now: Int64) -> [Output] {
        var live = live
        let lasted = now - live.since >= live.patience
        switch input {
        case .heard:
            live.heardAt = now
            state = .live(live)
            return []
        case .closed: return backOff(now, afterSuccess: lasted)
        case .rejected: return [.close(.rejected)] + backOff(now, afterSuccess: lasted)
        case .tick:
            if now - live.heardAt >= live.patience { return [.close(.silent)] + backOff(now, afterSuccess: lasted) }
            guard now >= live.askAt else { return [] }
            live.askAt = now + live.heartbeat
            state = .live(live)
            return [.askForLife]
        case .start, .secured, .welcomed, .stop: return []
        }
    }

    private mutating func connect(_ now: Int64) -> [Output] {
        state = .connecting(deadline: now + deadline)
        return [.connect]
    }

    private mutating func backOff(_ now: Int64, afterSuccess: Bool) -> [Output] {
        state = .waiting(until: now)
        return [.backOff(afterSuccess: afterSuccess)]
    }

    private mutating func stop() -> [Output] {
        defer { state = .stopped }
        switch state {
        case .connecting, .greeting, .live: return [.close(.stopping)]
        case .idle, .waiting, .stopped: return []
        }
    }
}
