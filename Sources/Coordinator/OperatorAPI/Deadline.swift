// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The result of `work`, or 504 after `limit`. Work that does not heed cancellation goes on alone and is no longer waited for.
func answer<Value: Sendable>(within limit: Duration, _ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
    let race = Race<Value>()
    // Ends with the work itself; cancelled when the time is up.
    let worker = Task {
        do { race.finish(.success(try await work())) } catch { race.finish(.failure(error)) }
    }
    // Ends at the deadline, or is cancelled when the work is done.
    let timer = Task {
        try await Task.sleep(for: limit)
        race.finish(
            .failure(
                SurfaceError(
                    504, "timeout", "no answer within \(limit); what was asked may still happen",
                    remedy: "look at `meshgate status` before asking again")))
        worker.cancel()
    }
    defer { timer.cancel() }
    return try await race.value()
}

/// The first result counts.
private final class Race<Value: Sendable>: Sendable {
    private enum State {
        case open
        case waiting(CheckedContinuation<Value, any Error>)
        case finished(Result<Value, any Error>)
    }
    private let state = Mutex(State.open)

    func finish(_ result: Result<Value, any Error>) {
        let waiter: CheckedContinuation<Value, any Error>? = state.withLock { state in
            switch state {
            case .finished: return nil
            case .open:
                state = .finished(result)
                return nil
            case .waiting(let continuation):
                state = .finished(result)
                return continuation
            }
        }
        waiter?.resume(with: result)
    }

    func value() async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let result: Result<Value, any Error>? = state.withLock { state in
                if case .finished(let result) = state { return result }
                state = .waiting(continuation)
                return nil
            }
            if let result { continuation.resume(with: result) }
        }
    }
}
