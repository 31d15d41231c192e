// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel

/// A plan as a tree that a person can read: place by place, in the order of the plan.
package struct PlanTree: Sendable {
    private let plan: Plan

    package init(_ plan: Plan) { self.plan = plan }

    /// - Parameter emphasise: wraps what destroys; the identity function where there is no colour.
    package func text(emphasise: (String) -> String = { $0 }) -> String {
        var lines = [
            "mesh \(plan.spec.name): \(count(plan.spec.clusters.count, "cluster")), "
                + "\(count(plan.spec.members.count, "node")), \(count(plan.steps.count, "step"))",
            "digest \(plan.digest)",
        ]
        for section in sections {
            lines.append("")
            lines.append(section.title)
            for (index, step) in section.steps.enumerated() {
                lines += describe(step, isLast: index == section.steps.count - 1, emphasise: emphasise)
            }
        }
        let destroyed = plan.steps.flatMap(\.destroys)
        lines.append("")
        if destroyed.isEmpty {
            lines.append("Nothing is destroyed.")
        } else {
            lines.append(emphasise("May destroy, each only if needed and only with a signed warrant:"))
            lines += destroyed.map { emphasise("  - \($0)") }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private struct Section {
        var title: String
        var steps: [Step]
    }

    /// The mesh's first steps, each cluster's, and then the mesh's again, as they come in the plan.
    private var sections: [Section] {
        var sections: [Section] = []
        for step in plan.steps {
            let title = self.title(of: step)
            if sections.last?.title == title {
                sections[sections.count - 1].steps.append(step)
            } else {
                sections.append(Section(title: title, steps: [step]))
            }
        }
        return sections
    }

    private func title(of step: Step) -> String {
        let first = step.id.text.split(separator: "/").first.map(String.init) ?? ""
        return plan.spec.clusters.contains { $0.name.text == first }
            ? "cluster \(first)" : first == "connectivity" ? "connectivity" : "mesh"
    }

    private func describe(_ step: Step, isLast: Bool, emphasise: (String) -> String) -> [String] {
        let (branch, stem) = isLast ? ("└─ ", "   ") : ("├─ ", "│  ")
        var lines = ["\(branch)\(step.id)  \(step.title)  [\(step.action.driver)]"]
        if !step.after.isEmpty { lines.append("\(stem)   after    \(step.after.map(\.text).joined(separator: ", "))") }
        if !step.gates.isEmpty { lines.append("\(stem)   gates    \(summary(step.gates))") }
        lines.append("\(stem)   done if  \(summary(step.done))")
        lines += step.destroys.map { emphasise("\(stem)   DESTROYS \($0)") }
        return lines
    }

    /// Each gate once, with how many requirements it has: `G-NET-04 x6`.
    private func summary(_ requirements: [Requirement]) -> String {
        let counts = Dictionary(grouping: requirements, by: \.gate).mapValues(\.count)
        return counts.sorted { $0.key < $1.key }.map { gate, count in
            "\(gate.rawValue) \(gate.title)" + (count > 1 ? " (\(count))" : "")
        }.joined(separator: "; ")
    }

    private func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
}

/// A plan as a graph in another tool's language.
package enum PlanGraph {
    package static func mermaid(_ plan: Plan) -> String {
        let numbers = Dictionary(uniqueKeysWithValues: plan.steps.enumerated().map { ($0.element.id, $0.offset) })
        var lines = ["flowchart TD"]
        for (index, step) in plan.steps.enumerated() {
            let shape = step.destroys.isEmpty ? "[\"\(step.id)\"]" : "{{\"\(step.id)\"}}"
            lines.append("  s\(index)\(shape)")
        }
        for (index, step) in plan.steps.enumerated() {
            lines += step.after.compactMap { numbers[$0].map { "  s\($0) --> s\(index)" } }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    package static func dot(_ plan: Plan) -> String {
        var lines = ["digraph plan {", "  rankdir=LR;", "  node [shape=box, fontname=\"sans-serif\"];"]
        for step in plan.steps {
            let style = step.destroys.isEmpty ? "" : ", color=red, shape=octagon"
            lines.append("  \"\(step.id)\" [label=\"\(step.id)\\n\(step.action.driver)\"\(style)];")
        }
        for step in plan.steps { lines += step.after.map { "  \"\($0)\" -> \"\(step.id)\";" } }
        return (lines + ["}"]).joined(separator: "\n") + "\n"
    }
}
