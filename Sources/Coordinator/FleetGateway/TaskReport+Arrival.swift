// SPDX-License-Identifier: Apache-2.0

import MeshModel
import NIOCore

extension TaskReport {
    /// The same report with the time of its arrival in every clock fact: the fourth of the four timestamps is the coordinator's to write.
    func arrived(at time: Timestamp) -> TaskReport {
        guard probe == .clock, case .facts(let facts) = result else { return self }
        var report = self
        report.result = .facts(
            facts.map { fact in
                guard case .clock(var clock) = fact else { return fact }
                clock.arrived = time
                return .clock(clock)
            })
        return report
    }
}

extension TimeAmount {
    /// Rounded to nanoseconds.
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}

extension NIOBSDSocket.Option {
    /// TCP_USER_TIMEOUT of linux/tcp.h: how long sent bytes may stay unacknowledged, in milliseconds.
    static let tcpUserTimeout = NIOBSDSocket.Option(rawValue: 18)
}
