// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshModel
package import MeshSystem

/// How often and how long a call that may be repeated is tried.
package struct KubernetesPatience: Sendable {
    /// Of one try, from its start to the last byte of its answer.
    package var deadline: Duration
    /// Tries in all.
    package var attempts: Int
    /// No further try begins after this long.
    package var total: Duration
    /// The shortest and longest mean wait between tries; each is drawn at random below its ceiling, so that many do not return in step.
    package var backoff: Backoff
    package var now: NowSource
    package var pause: @Sendable (Duration) async throws -> Void

    package init(
        deadline: Duration = .seconds(20), attempts: Int = 4, total: Duration = .seconds(45),
        backoff: Backoff = Backoff(base: .milliseconds(250), cap: .seconds(8)),
        now: @escaping NowSource = { SystemClock.now() },
        pause: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.deadline = deadline
        self.attempts = attempts
        self.total = total
        self.backoff = backoff
        self.now = now
        self.pause = pause
    }

    /// 429 and what servers say while they start, stop or are overloaded.
    static func isPassing(_ status: Int) -> Bool { [429, 500, 502, 503, 504].contains(status) }
}

extension HTTPClientError {
    /// True when the next try may find the server well.
    var isPassing: Bool {
        switch self {
        case .unreachable, .timedOut, .brokenOff: true
        case .malformed, .untrusted, .responseTooLarge: false
        }
    }
}

/// The tries of one call.
struct Tries {
    private let patience: KubernetesPatience
    private var backoff: Backoff
    private let began: Moment
    private var done = 0
    private var generator = SystemRandomNumberGenerator()

    init(_ patience: KubernetesPatience) {
        self.patience = patience
        backoff = patience.backoff
        began = patience.now()
    }

    /// Waits for the next try, at least as long as the server asked for; false when there is none.
    mutating func wait(atLeast asked: Duration? = nil) async throws -> Bool {
        done += 1
        guard done < patience.attempts else { return false }
        // Jitter on top: everybody was told the same number of seconds.
        let wait = (asked ?? .zero) + backoff.next(using: &generator)
        guard patience.now().age(of: began) + wait < patience.total else { return false }
        try await patience.pause(wait)
        return true
    }

    /// Something went well in between.
    mutating func reset() {
        self = Tries(patience)
    }
}
