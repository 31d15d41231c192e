// SPDX-License-Identifier: Apache-2.0

/// How far a step has come, as it is shown to people: computed from what its agent or its tool told, and forgotten when the step is over.
package struct StepProgress: Hashable, Sendable, Codable {
    package enum Phase: String, Hashable, Sendable, Codable, CaseIterable {
        // of a wipe, in bytes
        case waiting, writing, verifying
        /// Of Terraform, in objects.
        case applying

        package init(_ phase: TaskProgress.Phase) {
            switch phase {
            case .waiting: self = .waiting
            case .writing: self = .writing
            case .verifying: self = .verifying
            }
        }
    }

    /// What the step is busy with at the moment.
    package struct Current: Hashable, Sendable, Codable {
        package var name: String
        package var seconds: Int
        package init(name: String, seconds: Int) {
            self.name = name
            self.seconds = seconds
        }
    }

    package var phase: Phase
    /// Bytes written and read back so far, or objects that are ready.
    package var done: UInt64
    package var total: UInt64
    /// Bytes a second, lately; absent at first, and for objects, of which none is like another.
    package var rate: UInt64?
    /// The object that has been under way for longest.
    package var current: Current?
    package init(phase: Phase, done: UInt64, total: UInt64, rate: UInt64?, current: Current? = nil) {
        self.phase = phase
        self.done = done
        self.total = total
        self.rate = rate
        self.current = current
    }

    /// At the present rate.
    package var remaining: Duration? {
        guard let rate, rate > 0, total >= done else { return nil }
        return .seconds(Int64(clamping: (total - done) / rate))
    }

    /// 0 to 100.
    package var percent: Int {
        guard total > 0 else { return 0 }
        // Of many bytes a hundredth is exact enough, and nothing overflows.
        return total < 100_000 ? Int(min(100, min(done, total) * 100 / total)) : Int(min(100, done / (total / 100)))
    }
}
