// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// One counting of events: each event of a source gets the next number of its stream, lost ones too, from 1 on and never twice.
///
/// A boot begins new streams. So does an agent that has lost its counters: the instance is random and made with them, so numbers that begin
/// again are never taken for ones that were seen before.
package struct TelemetryStream: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let source: TelemetrySource
    package let boot: BootID
    package let instance: UInt64
    package init(source: TelemetrySource, boot: BootID, instance: UInt64) {
        self.source = source
        self.boot = boot
        self.instance = instance
    }
    package var description: String { "\(source)/\(boot)/\(String(instance, radix: 16))" }
    package static func < (left: Self, right: Self) -> Bool {
        (left.source, left.boot, left.instance) < (right.source, right.boot, right.instance)
    }
}
