// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import OperatorAPI

/// A number with its noun.
func counted(_ number: some BinaryInteger, _ one: String, _ many: String) -> String { "\(number) \(number == 1 ? one : many)" }

/// Columns with two spaces between them, as wide as their widest cell.
struct Table {
    var rows: [[String]] = []

    var text: String {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            let end = row.lastIndex { !$0.isEmpty } ?? 0
            return row.prefix(end + 1).enumerated().map { index, cell in
                index == end ? cell : cell + String(repeating: " ", count: widths[index] - cell.count + 2)
            }.joined()
        }.joined(separator: "\n")
    }
}

/// `meshgate status` for people.
struct StatusText {
    let status: StatusReply
    init(_ status: StatusReply) { self.status = status }

    var text: String {
        var lines = [
            "meshgate \(oneLine(status.version)), mesh \(oneLine(status.mesh)), epoch \(status.epoch), since \(status.startedAt)",
            "agents dial \(oneLine(status.agents))" + (status.http.isEmpty ? "" : ", metrics and events at \(oneLine(status.http))"),
            "journal: \(counted(status.journal.sequence, "entry", "entries")), head \(status.journal.hash.short)",
            "", NodesText(status.nodes).text, "",
        ]
        guard let run = status.run else {
            return (lines + ["no run yet; start one with `meshgate apply -f mesh.yaml`"]).joined(separator: "\n")
        }
        lines.append(
            "\(run.id) by \(oneLine(run.by)), \(oneLine(run.ending ?? "going on")), since \(run.startedAt), plan \(run.plan.short)")
        var table = Table()
        for step in run.steps {
            table.rows.append([
                oneLine(step.state), step.id.text,
                step.reasons.first?.line ?? step.progress.map { ProgressText($0).words } ?? oneLine(step.detail),
            ])
        }
        for step in run.steps {
            for reason in step.lost ?? [] { table.rows.append(["lost", step.id.text, reason.line]) }
        }
        // A reason that does not fit is cut on a terminal; `explain` has all of it.
        let columns = Terminal.isInteractive ? Terminal.size.columns : Int.max
        return (lines + table.text.split(separator: "\n").map { Words.fit(String($0), columns) }).joined(separator: "\n")
    }
}

/// Machines as a table.
struct NodesText {
    let nodes: [NodeReply]
    init(_ nodes: [NodeReply]) { self.nodes = nodes }

    var text: String {
        if nodes.isEmpty { return "no nodes yet; `meshgate node invite NODE` makes a token for the first agent" }
        var table = Table(rows: [["NODE", "CLUSTER", "AGENT", "SINCE", "CERTIFICATE ENDS"]])
        for node in nodes {
            table.rows.append([
                node.name.text, node.cluster?.text ?? "-",
                node.connected ? "connected \(oneLine(node.agentVersion ?? ""))" : "not connected",
                node.connectedSince?.description ?? "-", node.certificateEnds?.description ?? "-",
            ])
        }
        return table.text
    }
}

/// `meshgate explain` for people: every gate with its verdict, then what to do.
struct ExplainText {
    let reply: ExplainReply
    init(_ reply: ExplainReply) { self.reply = reply }

    /// A gate over thousands of nodes is not read to its end.
    private static let mostReasons = 10

    var text: String {
        let step = reply.step
        var lines = ["\(step.id): \(oneLine(step.title))", "state: \(oneLine(step.state))" + (step.since.map { " since \($0)" } ?? "")]
        // What is seen is told at the end.
        if !step.detail.isEmpty, reply.seen == nil { lines.append(oneLine(step.detail)) }
        if !reply.waitsFor.isEmpty { lines.append("waits for: " + reply.waitsFor.map(\.text).joined(separator: ", ")) }
        lines += lost("its gates had opened, and this has given way since:", step.lost)
        lines += lost("waits until this is good again:", reply.lostBelow)
        lines += section("gates", reply.gates)
        lines += section("done if", reply.done)
        if let seen = reply.seen { lines += ["", "seen"] + seen.flatMap { Words.paragraph(oneLine($0), indent: 2) } }
        return lines.joined(separator: "\n")
    }

    private func lost(_ title: String, _ reasons: [Reason]?) -> [String] {
        guard let reasons else { return [] }
        return [title]
            + reasons.prefix(Self.mostReasons).flatMap { reason in
                Words.paragraph(reason.line, indent: 2)
                    + Words.paragraph(reason.advice, indent: 4).map { Terminal.paint($0, .cyan) }
            }
    }

    private func section(_ title: String, _ gates: [GateReply]) -> [String] {
        gates.isEmpty ? [] : ["", title] + gates.flatMap(describe)
    }

    private func describe(_ gate: GateReply) -> [String] {
        let word = gate.overridden && gate.verdict != "pass" ? "overridden" : oneLine(gate.verdict)
        let style: Terminal.Style = word == "pass" ? .green : word == "deny" ? .red : .yellow
        var lines = [
            "  " + Terminal.paint(word + String(repeating: " ", count: max(0, 10 - word.count)), style)
                + "  \(gate.gate.rawValue)  \(oneLine(gate.title))"
        ]
        for reason in gate.reasons.prefix(Self.mostReasons) {
            lines += Words.paragraph(oneLine(reason.detail) + (reason.since.map { ", since \($0)" } ?? ""), indent: 14)
            lines += Words.paragraph(reason.advice, indent: 14).map { Terminal.paint($0, .cyan) }
        }
        if gate.reasons.count > Self.mostReasons {
            lines.append("              and \(gate.reasons.count - Self.mostReasons) more; `--output json` lists all")
        }
        return lines
    }
}
