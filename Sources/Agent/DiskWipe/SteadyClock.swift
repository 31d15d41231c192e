// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshSystem
internal import Synchronization

/// The wall clock, which whoever serves time to this host can set back, held by the boot clock, which nobody can: time goes on from the latest
/// that was ever shown, at the boot clock's pace. A step forward is believed, for it can only end a warrant.
final class SteadyClock: Sendable {
    private let now: NowSource
    private let latest: Mutex<Moment>

    init(_ now: @escaping NowSource) {
        self.now = now
        latest = Mutex(now())
    }

    /// The time that goes on, and what the clock itself shows.
    var time: (steady: Timestamp, wall: Timestamp) {
        let moment = now()
        return latest.withLock { latest in
            let steady = latest.wall + max(.zero, moment.age(of: latest))
            latest = Moment(wall: max(moment.wall, steady), boot: max(moment.boot, latest.boot))
            return (latest.wall, moment.wall)
        }
    }
}
