// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// The last events, and the form that picks among them. The script adds new ones in front as they happen.
extension BoardPage {
    var events: Markup {
        let options = RecentPast.kinds.map { kind -> Markup in
            let selected: Markup = kind == filter.kind ? " selected" : ""
            return "<option\(selected)>\(kind)</option>"
        }
        let kept = board.events.filter(filter.keeps)
        let items = kept.map { event -> Markup in
            "<li data-kind=\"\(event.kind)\">\(moment(event.time)) <span class=\"kind\">\(event.kind)</span> \(event.text)</li>"
        }
        // Not replaced as a part: it grows by itself, and a form that somebody types into stays.
        return """
            <section id="events" aria-labelledby="events-heading">
            <h2 id="events-heading">Events</h2>
            <form id="filter" method="get" action="/#events">
            <label>Kind <select name="kind"><option value="">all</option>\(options)</select></label>
            <label>Containing <input type="search" name="text" value="\(filter.text)" maxlength="100"></label>
            <button>Filter</button>
            </form>
            <p id="live" class="quiet">As they were when the page was made.</p>
            <ol id="feed" class="feed" tabindex="0" aria-label="Newest events" reversed data-last="\(board.journal)">\(items)</ol>
            </section>
            """
    }
}
