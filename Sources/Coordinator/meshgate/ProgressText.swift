// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// How far a step is, for people.
struct ProgressText {
    let progress: StepProgress
    init(_ progress: StepProgress) { self.progress = progress }

    /// `writing, 37 %, 412 MiB/s, 2m 5s left`, or `4 of 12 resources, aws_x.y 30s`.
    var words: String {
        if case .applying = progress.phase {
            let current = progress.current.map { ", \(oneLine($0.name)) \(Duration.seconds($0.seconds).briefly)" } ?? ""
            return "\(progress.done) of \(counted(progress.total, "resource", "resources"))\(current)"
        }
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
