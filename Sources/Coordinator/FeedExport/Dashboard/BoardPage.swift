// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel

/// The page for browsers, whole as the server writes it; `BoardScript` only asks for it again and puts new parts in the place of old ones.
package struct BoardPage: Sendable {
    let board: Board
    let filter: BoardFilter
    /// Absent where there is no telemetry to show.
    let feed: FeedView?

    package init(_ board: Board, filter: BoardFilter, feed: FeedView? = nil) {
        self.board = board
        self.filter = filter
        self.feed = feed
    }

    package static let stylesheet = BoardStyle.text
    package static let script = BoardScript.text

    /// More rows than this are counted and not listed: the command line has them all.
    static let longestList = 400

    package var html: String { page.text }

    private var page: Markup {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>\(title)</title>
        <link rel="stylesheet" href="/dashboard.css">
        <script src="/dashboard.js" defer></script>
        <noscript><meta http-equiv="refresh" content="10"></noscript>
        </head>
        <body>
        <a class="skip" href="#main">Skip to the content</a>
        <header>
        <h1>\(board.mesh)</h1>
        <nav aria-label="Parts of this page"><a href="#picture">Mesh</a> <a href="#plan">Plan</a> <a href="#disks">Disks</a> \
        <a href="#machines">Machines</a> <a href="#runs">Runs</a> \(feedLink)<a href="#events">Events</a></nav>
        <p id="note" role="status"></p>
        </header>
        <main id="main">
        \(summary)
        \(obstacles)
        \(picture)
        \(plan)
        \(disks)
        \(machines)
        \(runs)
        \(telemetry)
        \(events)
        </main>
        <footer data-part="footer">meshgate \(board.version) · epoch \(board.epoch) · journal \(board.journal) · as of \(moment(board.taken)). \
        This page changes nothing; <code>meshgate --help</code> does.</footer>
        </body>
        </html>

        """
    }

    private var feedLink: Markup { feed == nil ? "" : "<a href=\"#telemetry\">Telemetry</a> " }

    private var title: String {
        guard let run = board.run else { return "\(board.mesh): no run yet" }
        let held = run.steps.count { !$0.obstacles.isEmpty }
        return "\(board.mesh): \(run.ending ?? (held > 0 ? "\(held) held" : "running"))"
    }

    // MARK: the state in one look

    private var summary: Markup {
        guard let run = board.run else {
            return part(
                "summary", "State",
                "<p>No plan has been carried out yet. <code>meshgate plan -f mesh.yaml</code> shows one, <code>meshgate apply</code> begins it.</p>"
            )
        }
        let over = run.steps.count(where: \.isOver)
        let away = board.machines.count { !$0.isConnected }
        let counts: [Markup] = Board.Step.State.allCases.compactMap { state in
            let count = run.steps.count { $0.state == state }
            guard count > 0 else { return nil }
            return "<li><a href=\"?state=\(state.rawValue)#plan\">\(count) \(badge(state))</a></li>"
        }
        let agents: Markup =
            "<li><a href=\"#machines\">\(board.machines.count - away) of \(board.machines.count) agents connected</a></li>"
        return part(
            "summary", "State",
            """
            <p><strong>\(Self.words(of: run))</strong> <span class="quiet">run \(run.id), started by \(run.by) at \(moment(run.startedAt))</span></p>
            <progress max="\(max(1, run.steps.count))" value="\(over)" aria-label="Steps done">\(over) of \(run.steps.count)</progress>
            <ul class="counts"><li>\(over) of \(run.steps.count) steps done</li>\(counts)\(agents)</ul>
            """)
    }

    private static func words(of run: Board.Run) -> String {
        let what =
            switch run.purpose {
            case "teardown": "The mesh is being taken down"
            case "verify": "The mesh is being verified"
            case "drift": "Drift is being looked for"
            default: "The mesh is being built"
            }
        switch run.ending {
        case "succeeded": return run.purpose == "build" ? "The mesh stands as planned" : "The \(run.purpose) succeeded"
        case let ending?: return "The \(run.purpose) \(ending)"
        case nil: return what
        }
    }

    // MARK: what a person has to know first

    private var obstacles: Markup {
        let steps = (board.run?.steps ?? []).filter { !$0.obstacles.isEmpty || $0.state == .failed }
        guard !steps.isEmpty else { return part("obstacles", "What holds", "<p class=\"quiet\">Nothing: no gate is held.</p>") }
        let items = steps.prefix(40).map { step -> Markup in
            let lost: Markup =
                step.lost.isEmpty ? "" : " <span class=\"quiet\">(it has begun already; its ground has given way since)</span>"
            let failure: Markup = step.state == .failed && !step.detail.isEmpty ? "<p>\(step.detail)</p>" : ""
            return "<li>\(badge(step.state)) <strong>\(step.id)</strong>\(lost)\(failure)\(reasons(step.obstacles))</li>"
        }
        return part("obstacles", "What holds", "<ul class=\"obstacles\">\(items)</ul>\(more(steps.count - items.count, "steps"))")
    }

    // MARK: shared by the parts

    /// A part that the script replaces as a whole when it has changed.
    func part(_ name: String, _ heading: String, _ content: Markup) -> Markup {
        """
        <section id="\(name)" data-part="\(name)" aria-labelledby="\(name)-heading">
        <h2 id="\(name)-heading">\(heading)</h2>
        \(content)
        </section>
        """
    }

    func reasons(_ reasons: [Reason]) -> Markup {
        guard !reasons.isEmpty else { return "" }
        let items = reasons.prefix(6).map { reason -> Markup in
            "<li><code>\(reason.gate.rawValue)</code> \(reason.detail) <span class=\"remedy\">\(reason.remedy)</span></li>"
        }
        return "<ul class=\"reasons\">\(items)</ul>\(more(reasons.count - items.count, "reasons"))"
    }

    func more(_ count: Int, _ what: String) -> Markup {
        count > 0 ? "<p class=\"quiet\">and \(count) more \(what): <code>meshgate status</code> shows all</p>" : ""
    }

    /// The word is there for whoever does not see the colour.
    func badge(_ state: Board.Step.State) -> Markup { "<span class=\"badge \(state.rawValue)\">\(state.rawValue)</span>" }

    /// To the second, with the exact moment for machines.
    func moment(_ time: Timestamp) -> Markup {
        let text = time.description
        return "<time datetime=\"\(text)\">\(text.prefix(10)) \(text.dropFirst(11).prefix(8))Z</time>"
    }
}
