// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Wall time in nanoseconds since 1970, as kernels and Tetragon stamp events; the range ends in 2262.
package struct EventTime: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let nanoseconds: Int64
    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
    /// The beginning of the timestamp's millisecond; what lies beyond the range becomes its end.
    package init(_ timestamp: Timestamp) {
        let (product, overflow) = timestamp.milliseconds.multipliedReportingOverflow(by: 1_000_000)
        nanoseconds = overflow ? (timestamp.milliseconds < 0 ? .min : .max) : product
    }
    package static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The millisecond that the instant lies in.
    package var timestamp: Timestamp {
        let (quotient, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000)
        return Timestamp(milliseconds: rest < 0 ? quotient - 1 : quotient)
    }

    /// `2026-11-23T08:40:01.250000017Z`.
    package var description: String {
        let milliseconds = timestamp.milliseconds
        let below = String(nanoseconds &- milliseconds &* 1_000_000)
        return timestamp.description.dropLast() + String(repeating: "0", count: max(0, 6 - below.count)) + below + "Z"
    }
}
