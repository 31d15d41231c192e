// SPDX-License-Identifier: Apache-2.0

import MeshModel

extension NodeTask {
    /// The same task with the time of its leaving in a clock's question: whatever it waited for before would count as doubt about the node's clock.
    func leaving(at time: Timestamp) -> NodeTask {
        guard case .probe(.clock) = order else { return self }
        var task = self
        task.order = .probe(.clock(asked: time))
        return task
    }
}
