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
        let rows = sorted.prefix(Self.longestList).map { machine -> [Markup] in
            let presence: Markup =
                machine.isConnected ? "<span class=\"badge done\">connected</span>" : "<span class=\"badge failed\">away</span>"
            let ends: Markup = machine.certificateEnds.map(moment) ?? ""
            return [
                presence, "<code>\(machine.name)</code>", "\(machine.cluster?.text ?? "")", "\(machine.address ?? "")",
                "\(machine.agentVersion ?? "")", ends,
            ]
        }
        let table = BoardTable(
            [
                .init(name: "Agent", isPlain: true), .init(name: "Name"), .init(name: "Cluster"), .init(name: "Comes from"),
                .init(name: "Version"), .init(name: "Certificate until"),
            ], heading: 1)
        return part("machines", "Machines", "\(table.markup(rows))\(more(sorted.count - rows.count, "machines"))")
    }

    var disks: Markup {
        guard !board.wipes.isEmpty else {
            return part("disks", "Disks and warrants", "<p class=\"quiet\">This plan wipes no disk.</p>")
        }
        let rows = board.wipes.prefix(Self.longestList).map { wipe -> [Markup] in
            let known = wipe.contents.prefix(8).joined(separator: ", ")
            let contents = known.isEmpty ? wipe.isBlank.map { $0 ? "blank" : "data without a known signature" } ?? "" : known
            return [
                badge(wipe.state), "<code>\(wipe.node)</code>", "\(wipe.disk)", "\(contents)", "\(wipe.method)",
                "\(warrant(wipe))\(reasons(wipe.obstacles))",
            ]
        }
        let table = BoardTable(
            [
                .init(name: "State", isPlain: true), .init(name: "Node"), .init(name: "Disk"), .init(name: "On it"), .init(name: "Method"),
                .init(name: "Warrant"),
            ], heading: 1)
        return part("disks", "Disks and warrants", "\(table.markup(rows))\(more(board.wipes.count - rows.count, "disks"))")
    }

    private func warrant(_ wipe: Board.Wipe) -> Markup {
        switch wipe.warrant {
        case .needed: "<strong>needed</strong>: <code>meshgate approve \(wipe.step)</code>"
        case .handedIn, .notYet, .notNeeded, .spent: "\(wipe.warrant.rawValue)"
        }
    }
}
