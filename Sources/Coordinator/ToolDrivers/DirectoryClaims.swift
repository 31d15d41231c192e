// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Which directories a tool of ours works in at this moment, and what was made ready or found out in this process.
final class DirectoryClaims: Sendable {
    private struct State {
        /// And whether it is changed, or only looked at.
        var busy: [String: Bool] = [:]
        var made: Set<String> = []
        var answers: [String: String] = [:]
    }
    private let state = Mutex(State())
    private let turn = Mutex(())

    /// False when somebody else is at work there.
    func claim(_ directory: String, changing: Bool) -> Bool {
        state.withLock { state in
            guard state.busy[directory] == nil else { return false }
            state.busy[directory] = changing
            return true
        }
    }
    /// Whether whoever is at work there changes something, which may take long.
    func isChanged(_ directory: String) -> Bool { state.withLock { $0.busy[directory] == true } }
    func release(_ directory: String) { state.withLock { _ = $0.busy.removeValue(forKey: directory) } }

    /// Does it the first time only; a failure is tried again.
    func once(_ name: String, _ make: () throws -> Void) rethrows {
        if state.withLock({ $0.made.contains(name) }) { return }
        try make()
        state.withLock { _ = $0.made.insert(name) }
    }

    /// One caller at a time in the whole process; for what is short, as others wait.
    func alone<Value: Sendable>(_ body: () throws -> Value) rethrows -> Value { try turn.withLock { _ in try body() } }

    /// What was found out before, by name.
    func answer(_ name: String) -> String? { state.withLock { $0.answers[name] } }
    func remember(_ answer: String, as name: String) { state.withLock { $0.answers[name] = answer } }
}
