// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization

/// What happened to the feed and was not looked at yet. Put in from any thread; taken out by the feed's own, which waits here.
final class FeedInbox: Sendable {
    private struct State {
        var events: [FeedLoop.Event] = []
        var isOver = false
    }

    private let state = Mutex(State())
    private let came = DispatchSemaphore(value: 0)

    func yield(_ event: FeedLoop.Event) {
        state.withLock { $0.events.append(event) }
        came.signal()
    }

    /// `next` returns `nil` from now on, whatever is left.
    func finish() {
        state.withLock { $0.isOver = true }
        came.signal()
    }

    /// The next event; blocks until there is one. `nil` when it is over.
    func next() -> FeedLoop.Event? {
        while true {
            came.wait()
            // One signal for each event and one for the end: something is there.
            let (event, isOver) = state.withLock { state in
                (state.isOver || state.events.isEmpty ? nil : state.events.removeFirst(), state.isOver)
            }
            if isOver { return nil }
            if let event { return event }
        }
    }
}
