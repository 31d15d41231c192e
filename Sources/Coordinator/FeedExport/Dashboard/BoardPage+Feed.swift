// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Telemetry

/// What hosts see: how telemetry flows from each machine, and the newest events. Outlines only, whoever looks: command lines are for those who
/// ask on the command line.
extension BoardPage {
    var telemetry: Markup {
        guard let feed else { return "" }
        return """
            <section id="telemetry" aria-labelledby="telemetry-heading">
            <h2 id="telemetry-heading">What hosts see</h2>
            <p class="quiet">What hosts produced is what arrived, what is on its way and what was lost, to the event.</p>
            \(flows(feed))
            \(feedForm(feed))
            <p id="sights-live" class="quiet" role="status">The newest of the last quarter of an hour, as they were when the page was made.</p>
            \(sights(feed))
            <p class="quiet">Command lines are not shown here: <code>meshgate feed query</code> has all of an event.</p>
            </section>
            """
    }

    private func flows(_ feed: FeedView) -> Markup {
        guard !feed.lines.isEmpty else {
            return """
                <div data-part="flows"><p class="quiet">No machine has sent any telemetry yet. Hosts send what <code>meshgate-tracer</code> sees \
                there.</p></div>
                """
        }
        let rows = feed.lines.prefix(Self.longestList).map { line -> [Markup] in
            let account = line.account
            let reasons = account.lost.filter { $0.value > 0 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            // What a limit left out is no fault.
            let mood = reasons.contains { $0.key != .rateLimited } ? "failed" : "quiet"
            let words = reasons.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            let lost: Markup =
                reasons.isEmpty ? "none" : "<strong class=\"\(mood)\">\(account.lostInAll)</strong> <span class=\"quiet\">\(words)</span>"
            let stated: Markup = line.statedAt.map { "\(moment($0))" } ?? "<span class=\"held\">never</span>"
            return [
                "<a href=\"?node=\(line.node)#telemetry\">\(line.node)</a>", "\(line.cluster?.text ?? "-")", "\(account.delivered)",
                "\(account.pending)", lost, stated,
            ]
        }
        let table = BoardTable(
            [
                .init(name: "Machine"), .init(name: "Cluster"), .init(name: "Arrived", isNumber: true),
                .init(name: "On the way", isNumber: true), .init(name: "Lost"), .init(name: "Its agent's last word"),
            ], heading: 0)
        return "<div data-part=\"flows\">\(table.markup(rows))\(more(feed.lines.count - rows.count, "machines"))</div>"
    }

    private func feedForm(_ feed: FeedView) -> Markup {
        func choice(_ name: FeedFilter.Name, _ label: String, _ words: [String]) -> Markup {
            let chosen = filter.feed.text(name)
            let options = words.map { word -> Markup in
                let selected: Markup = word == chosen ? " selected" : ""
                return "<option\(selected)>\(word)</option>"
            }
            return "<label>\(label) <select name=\"\(name.rawValue)\"><option value=\"\">all</option>\(options)</select></label>"
        }
        func field(_ name: FeedFilter.Name, _ label: String) -> Markup {
            """
            <label>\(label) <input type="search" name="\(name.rawValue)" value="\(filter.feed.text(name))" maxlength="100" size="14"></label>
            """
        }
        let clusters = Set(feed.lines.compactMap(\.cluster?.text)).sorted()
        return """
            <form id="sift" method="get" action="/#telemetry">
            \(choice(.cluster, "Cluster", clusters))
            \(choice(.node, "Machine", feed.lines.map(\.node.text)))
            \(choice(.what, "Kind", EventKind.known.map(\.text).sorted()))
            \(field(.program, "Program"))
            \(field(.reason, "Reason"))
            <button>Filter</button>
            </form>
            """
    }

    private func sights(_ feed: FeedView) -> Markup {
        let items = feed.events.map { stored -> Markup in
            let (event, attributes) = (stored.event, stored.event.attributes)
            let ends = [attributes.source, attributes.destination].compactMap(\.self).map(\.description).joined(separator: " \u{2192} ")
            let details = [ends.isEmpty ? nil : ends, attributes.device, attributes.reason, attributes.verdict].compactMap(\.self)
            let program: Markup = attributes.binary.map { "<span class=\"program\">\($0)</span> " } ?? ""
            return """
                <li>\(instant(event.time)) <span class="kind \(Self.mood(event.kind))">\(event.kind)</span> <strong>\(stored.node)</strong> \
                \(program)<span class="quiet">\(details.joined(separator: " \u{00B7} "))</span></li>
                """
        }
        return "<ol id=\"sights\" class=\"feed\" tabindex=\"0\" aria-label=\"Newest events of hosts\">\(items)</ol>"
    }

    /// To the millisecond, as events of hosts come in crowds.
    private func instant(_ time: EventTime) -> Markup {
        let text = time.timestamp.description
        return "<time datetime=\"\(text)\">\(text.dropFirst(11))</time>"
    }

    static func mood(_ kind: EventKind) -> String {
        switch kind {
        case .oomKill, .diskError: "failed"
        case .packetDrop, .packetDrops, .tcpRetransmit, .sourceLimited: "held"
        default: ""
        }
    }
}
