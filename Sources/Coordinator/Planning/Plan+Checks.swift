// SPDX-License-Identifier: Apache-2.0

package import Gating
package import MeshModel

/// Something that a plan requires of a node, and the steps that wait for it.
package struct PlannedCheck: Hashable, Sendable, Codable {
    package var requirement: Requirement
    package var steps: [StepID]
    package init(requirement: Requirement, steps: [StepID]) {
        self.requirement = requirement
        self.steps = steps
    }
}

extension Plan {
    /// What the plan requires of each node under one topic, in the order of its steps, each requirement once.
    package func checks(_ topic: CheckTopic) -> [NodeID: [PlannedCheck]] {
        var order: [NodeID: [Requirement]] = [:]
        var steps: [Requirement: [StepID]] = [:]
        for step in self.steps {
            for requirement in step.gates + step.done {
                guard let node = topic.node(of: requirement), steps[requirement]?.last != step.id else { continue }
                if steps[requirement] == nil { order[node, default: []].append(requirement) }
                steps[requirement, default: []].append(step.id)
            }
        }
        return order.mapValues { $0.map { PlannedCheck(requirement: $0, steps: steps[$0] ?? []) } }
    }
}
