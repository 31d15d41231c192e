// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Telemetry

/// What the two ways of one Tetragon, its stream and its log, know of each other: which events were told, and whose turn it is.
///
/// The stream comes first, as it has what Tetragon's lists keep out of the log. The log has what the stream missed:
///
///     log --caught up, stream accepted--> both, for some seconds --> stream, marking the log's end
///      ^                                                              |
///      `--- from the mark before the break --- broken, or no room <---'
package final class TetragonWays: Sendable {
    /// What is known of Tetragon, for `tracer status`.
    package struct Status: Hashable, Sendable {
        package var address: String?
        package var isStreaming = false
        package var version = ""
        package var health = ""
        package var policies: [TetragonPolicy] = []
        /// Events that were told, by way.
        package var fromStream: UInt64 = 0
        package var fromLog: UInt64 = 0
        /// Events that came on both ways, and were told once.
        package var repeated: UInt64 = 0
        /// How often the stream broke or was left for want of room.
        package var breaks: UInt64 = 0
        /// Why there is no stream; `nil` when there is one or none is wanted.
        package var problem: String?
        /// Why the log is not read.
        package var logProblem: String?
    }

    private struct State {
        var told: ToldEvents
        var inserted: UInt64 = 0
        var mayStream: Bool
        var canRefill = false
        var status = Status()
    }
    private let state: Mutex<State>

    /// `window` events are remembered; the stream may begin at once where no log is read.
    package init(window: Int = 131_072, readsLog: Bool) {
        state = Mutex(State(told: ToldEvents(most: window), mayStream: !readsLog))
        mostSinceMark = UInt64(window / 2)
    }

    /// Events of the stream behind a mark of the log that are surely remembered when the log is read from there.
    let mostSinceMark: UInt64

    package var status: Status { state.withLock { $0.status } }
    func note(_ change: (inout Status) -> Void) { state.withLock { change(&$0.status) } }

    /// Whether the log has nothing that must be read first.
    var mayStream: Bool { state.withLock { $0.mayStream } }
    func permitStream(_ may: Bool) { state.withLock { $0.mayStream = may } }
    /// Whether the log will have what the stream misses from now on.
    var canRefill: Bool { state.withLock { $0.canRefill } }
    func canRefill(_ can: Bool) { state.withLock { $0.canRefill = can } }
    var isStreaming: Bool { state.withLock { $0.status.isStreaming } }
    /// Events of the stream so far.
    var inserted: UInt64 { state.withLock { $0.inserted } }

    /// Counts an event of one way; false when the other way has told it.
    func insert(_ key: EventKey, from way: ToldEvents.Way) -> Bool {
        state.withLock { state in
            if way == .stream { state.inserted &+= 1 }
            guard state.told.insert(key, from: way) else {
                state.status.repeated &+= 1
                return false
            }
            switch way {
            case .stream: state.status.fromStream &+= 1
            case .log: state.status.fromLog &+= 1
            }
            return true
        }
    }
}
