// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// The mesh as a picture: clusters with their nodes, and the ways between them; the same in words below it.
extension BoardPage {
    /// With more clusters than this lines only cover each other; the table tells then.
    private static let mostDrawn = 8

    var picture: Markup {
        let picture = board.picture
        guard !picture.clusters.isEmpty else { return part("picture", "Mesh", "<p class=\"quiet\">Known once there is a plan.</p>") }
        let drawing: Markup =
            picture.clusters.count <= Self.mostDrawn ? "<div class=\"scroll\">\(MeshDrawing(picture).svg)</div>\(Self.key)" : ""
        return part("picture", "Mesh", "\(drawing)\(ways)")
    }

    private static let key: Markup = """
        <ul class="key" aria-hidden="true"><li><svg viewBox="0 0 14 14"><circle class="node good" cx="7" cy="7" r="5"/></svg> agent connected</li>\
        <li><svg viewBox="0 0 14 14"><circle class="node bad" cx="7" cy="7" r="5"/></svg> agent away</li>\
        <li><svg viewBox="0 0 34 14"><path class="way good" d="M0 7H34"/></svg> ways measured and good</li>\
        <li><svg viewBox="0 0 34 14"><path class="way bad" d="M0 7H34"/></svg> something is wrong</li>\
        <li><svg viewBox="0 0 34 14"><path class="way unknown" d="M0 7H34"/></svg> not measured</li></ul>
        """

    private var ways: Markup {
        let picture = board.picture
        guard !picture.ways.isEmpty else { return "" }
        let rows = picture.ways.prefix(Self.longestList).map { way -> [Markup] in
            let size = way.narrowest.map { seen in way.needed.map { "\(seen) of \($0) B" } ?? "\(seen) B" } ?? ""
            return [
                "<span class=\"badge \(Self.badge(way.state))\">\(Self.word(way.state))</span>", "\(way.from) → \(way.to)",
                "\(way.good) of \(way.planned)", "\(size)", "\(way.roundTrip.map(milliseconds) ?? "")",
                reasons(way.problem.map { [$0] } ?? []),
            ]
        }
        let table = BoardTable(
            [
                .init(name: "State", isPlain: true), .init(name: "Way"), .init(name: "Good"), .init(name: "Carries"),
                .init(name: "Round trip"), .init(name: "Problem", isPlain: true),
            ], heading: 1)
        let bad = picture.ways.contains { $0.state == .bad }
        let open: Markup = bad ? " open" : ""
        return """
            <details id="ways"\(open)><summary>Ways between nodes, by cluster</summary>
            \(table.markup(rows))\(more(picture.ways.count - rows.count, "pairs of clusters"))</details>
            """
    }

    private static func word(_ state: MeshPicture.State) -> String {
        switch state {
        case .good: "good"
        case .bad: "bad"
        case .unknown: "not measured"
        }
    }

    private static func badge(_ state: MeshPicture.State) -> String {
        switch state {
        case .good: "done"
        case .bad: "failed"
        case .unknown: "waiting"
        }
    }
}

/// Of so many microseconds, in milliseconds with two places.
func milliseconds(_ microseconds: Int) -> String {
    let hundredths = (microseconds + 5) / 10
    return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) ms"
}
