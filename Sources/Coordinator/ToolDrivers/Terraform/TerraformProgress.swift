// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Synchronization

/// Counts the objects of one apply as Terraform tells of them, line by line. Safe to be told from anywhere.
final class TerraformProgress: Sendable {
    private struct State {
        var done: UInt64 = 0
        /// Begun and not ended, oldest first.
        var underWay: [(name: String, seconds: Int)] = []
    }
    private let state = Mutex(State())
    private let total: UInt64
    private let tell: @Sendable (StepProgress) -> Void

    /// - Parameter total: operations of the plan; a replacement is two.
    init(total: Int, tell: @escaping @Sendable (StepProgress) -> Void) {
        self.total = UInt64(max(0, total))
        self.tell = tell
    }

    func hear(_ text: String) {
        // Most lines of a long apply are others; only these are looked into.
        guard text.contains("\"apply_"), let line = TerraformLine(text), let name = line.resource else { return }
        let news: StepProgress? = state.withLock { state in
            switch line.type {
            case "apply_start": state.underWay.append((name, 0))
            case "apply_progress":
                guard let place = state.underWay.firstIndex(where: { $0.name == name }) else { return nil }
                state.underWay[place].seconds = line.elapsed ?? 0
            case "apply_complete", "apply_errored":
                if let place = state.underWay.firstIndex(where: { $0.name == name }) { state.underWay.remove(at: place) }
                if line.type == "apply_complete" { state.done += 1 }
            default: return nil
            }
            // A provider may do more than the plan had: then the bar is full, and not beyond.
            return StepProgress(
                phase: .applying, done: min(state.done, total), total: total, rate: nil,
                current: state.underWay.first.map { .init(name: $0.name, seconds: $0.seconds) })
        }
        if let news { tell(news) }
    }
}
