// SPDX-License-Identifier: Apache-2.0

/// How long to wait before the next try: a random length between zero and a ceiling that doubles up to `cap` (full jitter), so that a
/// thousand agents that lost the same coordinator do not return in step.
package struct Backoff: Hashable, Sendable {
    package let base: Duration
    package let cap: Duration
    /// Tries since the last success.
    package private(set) var attempt = 0

    package init(base: Duration = .milliseconds(500), cap: Duration = .seconds(30)) {
        precondition(base > .zero && cap >= base, "a backoff needs 0 < base <= cap")
        self.base = base
        self.cap = cap
    }

    /// The longest that the next wait can be.
    package var ceiling: Duration {
        var ceiling = base
        var left = attempt
        while left > 0, ceiling < cap {
            ceiling = ceiling * 2
            left -= 1
        }
        return min(ceiling, cap)
    }

    /// The next wait, whole milliseconds between zero and `ceiling`; counts the try.
    package mutating func next(using generator: inout some RandomNumberGenerator) -> Duration {
        let wait = Duration.milliseconds(Int64.random(in: 0...max(1, milliseconds(ceiling)), using: &generator))
        attempt += 1
        return wait
    }

    /// Start again from `base`, after a success that lasted.
    package mutating func reset() { attempt = 0 }

    private func milliseconds(_ duration: Duration) -> Int64 {
        duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000
    }
}
