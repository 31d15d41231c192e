// SPDX-License-Identifier: Apache-2.0

/// What is believed of numbers that a source tells.
package enum SourceLimits {
    /// A source that says it lost more events than this in one go does not say so truly: at a million a second it would take an hour.
    private static let mostLost: UInt64 = 1 << 32

    /// The count, or the most that is believed: one hostile number must not end all counting.
    package static func believable(_ lost: UInt64) -> UInt64 { min(lost, mostLost) }
}
