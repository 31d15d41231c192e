// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// How far a wipe is, for people.
struct ProgressText {
    let progress: StepProgress
    init(_ progress: StepProgress) { self.progress = progress }

    /// `writing, 37 %, 412 MiB/s, 2m 5s left`.
    var words: String {
        var parts = [progress.phase.rawValue, "\(progress.percent) %"]
        if let rate = progress.rate { parts.append("\(rate >> 20) MiB/s") }
        if let remaining = progress.remaining { parts.append("\(remaining.briefly) left") }
        return parts.joined(separator: ", ")
    }

    func bar(width: Int) -> String {
        let filled = progress.percent * width / 100
        return String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    }
}
