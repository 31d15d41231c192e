// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel

/// What came from somewhere else, where text of several lines (what a tool has said) is to stay on one.
func oneLine(_ text: String) -> String {
    printable(text.split(whereSeparator: { $0.isNewline || $0 == "\t" }).joined(separator: " "))
}

extension Reason {
    /// The gate and what holds it, on one line that is safe to show: names in it come from hosts, clusters and disks.
    var line: String { "\(gate.rawValue) \(oneLine(detail))" }
    /// What to do, as safe to show.
    var advice: String { "→ \(oneLine(remedy))" }
}
