// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Says once, to whoever looks, that it is time to stop. Set on SIGTERM; a running wipe then finishes its chunk.
package final class StopSignal: Sendable {
    private let flag = Atomic<Bool>(false)
    package init() {}
    package var isSet: Bool { flag.load(ordering: .acquiring) }
    package func set() { flag.store(true, ordering: .releasing) }
}
