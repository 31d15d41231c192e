// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import OperatorAPI

/// `meshgate check` for people: a line for each node with its verdict and facts, and below it what does not pass and what to do.
struct CheckText {
    let replies: [CheckReply]
    let hasPlan: Bool
    /// Names of the links that the plan speaks of, by node.
    let plannedLinks: [NodeID: Set<String>]

    init(_ replies: [CheckReply], hasPlan: Bool, plannedLinks: [NodeID: Set<String>] = [:]) {
        self.replies = replies
        self.hasPlan = hasPlan
        self.plannedLinks = plannedLinks
    }

    /// A node with hundreds of links is not read to its end.
    private static let mostLines = 24

    var text: String {
        let sections = replies.map(section)
        return (sections.flatMap { $0 + [""] } + [summary]).joined(separator: "\n")
    }

    private var summary: String {
        // A node is as good as its worst answer.
        let nodes = Dictionary(grouping: replies, by: \.node).values
        let good = nodes.count { $0.allSatisfy(\.isGood) }
        let silent = nodes.count { $0.contains { !$0.answered } }
        let held = nodes.count - good - silent
        var words = "\(counted(nodes.count, "node", "nodes")): \(good) \(hasPlan ? "as planned" : "answered")"
        if held > 0 { words += ", \(held) not" }
        if silent > 0 { words += ", \(silent) silent" }
        if !hasPlan { words += "; there is no plan to compare with, name one with -f" }
        return Terminal.paint(words, held + silent > 0 ? .red : .green)
    }

    private func section(_ reply: CheckReply) -> [String] {
        let passed = reply.gates.filter { $0.verdict == "pass" }.map(\.gate.rawValue)
        var lines = [head(reply) + (passed.isEmpty ? "" : Terminal.paint("  passes " + passed.joined(separator: " "), .dim))]
        for gate in reply.gates where gate.verdict != "pass" { lines += describe(gate) }
        let facts = CheckFacts(reply.evidence)
        lines += facts.lines(reply.topic, most: Self.mostLines).map { "  " + printable($0) }
        for note in facts.notes(plannedLinks: plannedLinks[reply.node] ?? []) {
            lines += Words.paragraph("note: \(printable(note))", indent: 2).map { Terminal.paint($0, .yellow) }
        }
        for why in problems(reply) { lines += Words.paragraph("not answered: \(printable(why))", indent: 2) }
        return lines
    }

    private func head(_ reply: CheckReply) -> String {
        let verdict: (String, Terminal.Style) =
            !reply.answered
            ? ("SILENT", .red) : reply.isGood ? (hasPlan && !reply.gates.isEmpty ? "as planned" : "answered", .green) : ("HELD", .yellow)
        let about = replies.contains { $0.topic != reply.topic } ? "  \(reply.topic.rawValue)" : ""
        return Terminal.paint(reply.node.text, .bold) + about + "  " + Terminal.paint(verdict.0, verdict.1) + "  "
            + Terminal.paint("in \(reply.took)", .dim)
    }

    /// What no gate says already.
    private func problems(_ reply: CheckReply) -> [String] {
        let told = reply.gates.flatMap(\.reasons).map(\.detail)
        var seen: Set<String> = []
        return reply.evidence.flatMap(\.facts).compactMap { fact in
            guard case .unavailable(let why) = fact, !told.contains(where: { $0.contains(why) }), seen.insert(why).inserted else {
                return nil
            }
            return why
        }
    }

    private func describe(_ gate: CheckedGate) -> [String] {
        var lines: [String] = []
        for reason in gate.reasons {
            lines += Words.paragraph("\(gate.gate.rawValue) \(gate.verdict): \(printable(reason.detail))", indent: 2).map {
                Terminal.paint($0, gate.verdict == "deny" ? .red : .yellow)
            }
            lines += Words.paragraph("→ \(printable(reason.remedy))", indent: 4).map { Terminal.paint($0, .cyan) }
        }
        if !gate.steps.isEmpty {
            let names = gate.steps.prefix(4).map(\.text).joined(separator: ", ") + (gate.steps.count > 4 ? ", ..." : "")
            lines.append(Terminal.paint("    \(gate.steps.count == 1 ? "waits for it" : "wait for it"): \(names)", .dim))
        }
        return lines
    }
}
