// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Something that is sent on piece by piece. Reading changes nothing: the same position gives what comes after it, again if need be.
package protocol ExportSource: Sendable {
    /// What comes after `position`, as one request of about `bytes`; `nil` when there is nothing now.
    /// - Parameter position: as an earlier piece gave it, perhaps before a restart; `nil` at the very first.
    func next(after position: String?, bytes: Int) async throws -> ExportPiece?
}

/// One request, and where to go on once it is done with.
package struct ExportPiece: Sendable {
    /// Empty when there is nothing to send and only the position moves.
    package var message: [UInt8] = []
    /// Records, points or spans in it.
    package var items: UInt64 = 0
    /// One line; `nil` when nothing has to be remembered.
    package var position: String?
    /// Items that were gone before they could be read, by reason.
    package var lost: [String: UInt64] = [:]
    /// When the oldest of them came to be.
    package var oldest: Timestamp?

    package init(position: String?) { self.position = position }
}

/// One flow of items of a kind to the collector.
package struct ExportStream: Sendable {
    /// `telemetry`, `events`, `metrics` or `traces`: a label of metrics, and the name of its position on disk.
    package var name: String
    package var signal: OTLPSignal
    package var source: any ExportSource
    package var pace: Pace

    package enum Pace: Hashable, Sendable {
        /// Everything, in order; when there is nothing more, look again after this long.
        case follow(every: Duration)
        /// A present state, this often. One that could not be sent until the next is due is not worth sending any more.
        case sample(every: Duration)
    }

    package init(name: String, signal: OTLPSignal, source: any ExportSource, pace: Pace) {
        self.name = name
        self.signal = signal
        self.source = source
        self.pace = pace
    }
}

/// How a stream stands, in counts since the start of the process.
package struct ExportFigures: Hashable, Sendable {
    package var sent: UInt64 = 0
    package var rejected: [String: UInt64] = [:]
    package var lost: [String: UInt64] = [:]
    package var retries: UInt64 = 0
    /// When the oldest item came to be that is read and not yet sent.
    package var waitingSince: Timestamp?
    package var isDelivering = true
    /// What the collector or the connection last said against us.
    package var lastProblem: String?
    package init() {}
}
