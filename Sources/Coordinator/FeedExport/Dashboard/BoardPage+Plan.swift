// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Running

/// The plan with its gates, and the runs before it.
extension BoardPage {
    var plan: Markup {
        guard let run = board.run else { return "" }
        let steps = run.steps.filter { filter.state == nil || $0.state == filter.state }
        let choices = [nil] + Board.Step.State.allCases.map(Optional.some)
        let links = choices.map { state -> Markup in
            let current: Markup = state == filter.state ? " aria-current=\"true\"" : ""
            let address = state.map { "?state=\($0.rawValue)#plan" } ?? "?#plan"
            return "<li><a href=\"\(address)\"\(current)>\(state?.rawValue ?? "all")</a></li>"
        }
        let shown = Array(steps.prefix(Self.longestList))
        var places: [String] = []
        for step in shown where places.last != step.place && !places.contains(step.place) { places.append(step.place) }
        let groups = places.map { place in group(place, shown.filter { $0.place == place }) }
        let none: Markup = steps.isEmpty ? "<p class=\"quiet\">No step is \(filter.state?.rawValue ?? "planned").</p>" : ""
        return part(
            "plan", "Plan",
            "<ul class=\"filter\" aria-label=\"Show steps that are\">\(links)</ul>\(groups)\(none)\(more(steps.count - shown.count, "steps"))"
        )
    }

    /// Open while something in it is still to be done, or was asked for.
    private func group(_ place: String, _ steps: [Board.Step]) -> Markup {
        let over = steps.count(where: \.isOver)
        let open: Markup = over < steps.count || filter.state != nil || steps.contains { !$0.lost.isEmpty } ? " open" : ""
        let name = place == "mesh" ? "The mesh as a whole" : place
        return """
            <details id="plan-\(place)"\(open)><summary>\(name) <span class="quiet">\(over) of \(steps.count) done</span></summary>
            \(Self.steps.markup(steps.map(row)))</details>
            """
    }

    private static let steps = BoardTable(
        [.init(name: "State", isPlain: true), .init(name: "Step"), .init(name: "Since")], heading: 1)

    private func row(_ step: Board.Step) -> [Markup] {
        let since: Markup = step.since.map(moment) ?? ""
        let bar: Markup =
            step.progress.map { "<progress max=\"\(max(1, $0.total))\" value=\"\($0.done)\" aria-label=\"Progress\"></progress>" } ?? ""
        let detail: Markup = step.detail.isEmpty ? "" : "<p class=\"quiet\">\(step.detail)</p>"
        return [
            badge(step.lost.isEmpty ? step.state : .held),
            "<code>\(step.id)</code><p>\(step.title)</p>\(bar)\(detail)\(reasons(step.obstacles))", since,
        ]
    }

    var runs: Markup {
        guard !board.runs.isEmpty else { return part("runs", "Runs", "<p class=\"quiet\">None yet.</p>") }
        let rows = board.runs.map { run -> [Markup] in
            let ended: Markup = run.endedAt.map(moment) ?? ""
            let failed = run.failed > 0 ? ", \(run.failed) failed attempts" : ""
            return [
                "<code>\(run.id)</code>", "\(run.purpose)", "\(run.by)", moment(run.startedAt), ended,
                "\(run.ending?.rawValue ?? "going on")", "\(run.changed) of \(run.steps) changed\(failed)",
            ]
        }
        let names = ["Run", "For", "By", "Started", "Ended", "End", "Steps"]
        return part("runs", "Runs", BoardTable(names.map { .init(name: $0) }, heading: 0).markup(rows))
    }
}
