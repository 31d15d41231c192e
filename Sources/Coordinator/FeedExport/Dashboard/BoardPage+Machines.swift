// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Machines with their agents, and the disks that are to be wiped.
extension BoardPage {
    var machines: Markup {
        guard !board.machines.isEmpty else {
            return part(
                "machines", "Machines",
                "<p class=\"quiet\">No agent has joined yet: <code>meshgate node invite NAME</code> makes a token.</p>")
        }
        let sorted = board.machines.sorted { ($0.isConnected ? 1 : 0, $0.name) < ($1.isConnected ? 1 : 0, $1.name) }
        let rows = sorted.prefix(Self.longestList).map { machine -> Markup in
            let presence: Markup =
                machine.isConnected ? "<span class=\"badge done\">connected</span>" : "<span class=\"badge failed\">away</span>"
            let ends: Markup = machine.certificateEnds.map(moment) ?? ""
            return """
                <tr><td>\(presence)</td><th scope="row"><code>\(machine.name)</code></th><td>\(machine.cluster?.text ?? "")</td>\
                <td>\(machine.address ?? "")</td><td>\(machine.agentVersion ?? "")</td><td>\(ends)</td></tr>
                """
        }
        return part(
            "machines", "Machines",
            """
            <div class="scroll"><table>
            <thead><tr><th scope="col">Agent</th><th scope="col">Name</th><th scope="col">Cluster</th><th scope="col">Comes from</th>\
            <th scope="col">Version</th><th scope="col">Certificate until</th></tr></thead>
            <tbody>\(rows)</tbody></table></div>\(more(sorted.count - rows.count, "machines"))
            """)
    }

    var disks: Markup {
        guard !board.wipes.isEmpty else {
            return part("disks", "Disks and warrants", "<p class=\"quiet\">This plan wipes no disk.</p>")
        }
        let rows = board.wipes.prefix(Self.longestList).map { wipe -> Markup in
            let known = wipe.contents.prefix(8).joined(separator: ", ")
            let contents = known.isEmpty ? wipe.isBlank.map { $0 ? "blank" : "data without a known signature" } ?? "" : known
            return """
                <tr><td>\(badge(wipe.state))</td><th scope="row"><code>\(wipe.node)</code></th><td>\(wipe.disk)</td><td>\(contents)</td>\
                <td>\(wipe.method)</td><td>\(warrant(wipe))\(reasons(wipe.obstacles))</td></tr>
                """
        }
        return part(
            "disks", "Disks and warrants",
            """
            <div class="scroll"><table>
            <thead><tr><th scope="col">State</th><th scope="col">Node</th><th scope="col">Disk</th><th scope="col">On it</th>\
            <th scope="col">Method</th><th scope="col">Warrant</th></tr></thead>
            <tbody>\(rows)</tbody></table></div>\(more(board.wipes.count - rows.count, "disks"))
            """)
    }

    private func warrant(_ wipe: Board.Wipe) -> Markup {
        switch wipe.warrant {
        case .needed: "<strong>needed</strong>: <code>meshgate approve \(wipe.step)</code>"
        case .handedIn, .notYet, .notNeeded, .spent: "\(wipe.warrant.rawValue)"
        }
    }
}
