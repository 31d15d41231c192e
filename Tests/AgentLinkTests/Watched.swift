// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A value that tests wait for in place of sleeping: `until` returns at the change that fulfils it.
final class Watched<Value: Sendable>: Sendable {
    private struct State {
        var value: Value
        var next = 0
        var waiting: [Int: (wanted: @Sendable (Value) -> Bool, continuation: CheckedContinuation<Value, Never>)] = [:]
    }
    private let state: Mutex<State>

    init(_ value: Value) { state = Mutex(State(value: value)) }

    var value: Value { state.withLock { $0.value } }

    func change(_ body: @Sendable (inout Value) -> Void) {
        let ready = state.withLock { state in
            body(&state.value)
            let value = state.value
            let fulfilled = state.waiting.filter { $0.value.wanted(value) }
            for key in fulfilled.keys { state.waiting[key] = nil }
            return fulfilled.values.map { ($0.continuation, value) }
        }
        for (continuation, value) in ready { continuation.resume(returning: value) }
    }

    /// The value as soon as it is wanted; also when the test is cancelled by its time limit, so that a wait in vain fails and does not hang.
    @discardableResult
    func until(_ wanted: @escaping @Sendable (Value) -> Bool) async -> Value {
        let key = state.withLock { state in
            state.next += 1
            return state.next
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now = state.withLock { state -> Value? in
                    if wanted(state.value) || Task.isCancelled { return state.value }
                    state.waiting[key] = (wanted, continuation)
                    return nil
                }
                if let now { continuation.resume(returning: now) }
            }
        } onCancel: {
            let late = state.withLock { state in state.waiting.removeValue(forKey: key).map { ($0.continuation, state.value) } }
            if let (continuation, value) = late { continuation.resume(returning: value) }
        }
    }
}
