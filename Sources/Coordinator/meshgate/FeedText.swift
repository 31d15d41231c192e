// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import OperatorAPI
import Telemetry

/// Telemetry for people.
enum FeedText {
    /// What a line of NDJSON says, without its body.
    private struct Line: Decodable {
        var time: String
        var node: String
        var cluster: String?
        var kind: String
        var binary: String?
        var pid: UInt32?
        var pod: String?
        var namespace: String?
        var device: String?
        var policy: String?
        var reason: String?
        var verdict: String?
        var from: String?
        var to: String?
        var cut: Bool?
        var body: Body?

        struct Body: Decodable {
            var arguments: [String]?
            var text: String?

            private enum Key: String, CodingKey { case arguments, argv, args }

            /// Sources write arguments in their own ways; what is neither is left out here.
            init(from decoder: any Decoder) throws {
                guard let container = try? decoder.container(keyedBy: Key.self) else { return }
                for key in [Key.arguments, .argv, .args] {
                    if let list = try? container.decode([String].self, forKey: key) { arguments = list }
                    if let text = try? container.decode(String.self, forKey: key) { self.text = text }
                }
            }

            var words: String? { arguments?.joined(separator: " ") ?? text }
        }
    }

    static func line(_ json: String) -> String {
        guard let line = try? JSONDecoder().decode(Line.self, from: Data(json.utf8)) else { return printable(json) }
        let place = line.cluster.map { "\($0)/\(line.node)" } ?? line.node
        var words = [
            Terminal.paint(shortTime(line.time), .dim), Terminal.paint(printable(place), .cyan),
            Terminal.paint(printable(line.kind), .bold),
        ]
        func add(_ name: String, _ value: String?) {
            guard let value, !value.isEmpty else { return }
            words.append(Terminal.paint(name + "=", .dim) + printable(value))
        }
        if let binary = line.binary { words.append(printable(binary)) }
        if let arguments = line.body?.words { words.append(printable(String(arguments.prefix(200)))) }
        add("pid", line.pid.map(String.init))
        add("pod", line.pod.map { pod in line.namespace.map { "\($0)/\(pod)" } ?? pod })
        if line.pod == nil { add("namespace", line.namespace) }
        add("device", line.device)
        add("policy", line.policy)
        add("from", line.from)
        add("to", line.to)
        add("reason", line.reason)
        add("verdict", line.verdict)
        if line.cut == true { words.append(Terminal.paint("(cut)", .yellow)) }
        return words.joined(separator: " ")
    }

    /// Without the parts of a second that nobody reads.
    private static func shortTime(_ time: String) -> String {
        guard let dot = time.firstIndex(of: ".") else { return printable(time) }
        return printable(String(time[..<dot]) + time[dot...].prefix(4)) + "Z"
    }

    // MARK: books

    static func books(_ books: BooksReply, now: Timestamp) -> String {
        var lines = [row(["NODE", "SOURCE", "PRODUCED", "DELIVERED", "LOST", "PENDING", "WHY"])]
        for line in books.lines {
            let lost = line.lost.values.reduce(UInt64(0), +|)
            let why = line.lost.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            let text = row([
                line.cluster.map { "\($0)/\(line.node)" } ?? line.node.text, line.source, String(line.produced), String(line.delivered),
                String(lost), String(line.pending), why,
            ])
            lines.append(lost > 0 ? Terminal.paint(text, .yellow) : text)
        }
        if books.lines.isEmpty { lines = ["No agent has told of any event yet."] }
        lines.append("")
        for agent in books.agents {
            let age = (now - agent.statedAt)
            var text =
                "\(agent.node): \(counted(Int(clamping: agent.waiting), "batch", "batches")) and \(size(agent.spoolBytes)) in its spool"
            text += ", heard \(max(.zero, age).briefly) ago"
            if agent.failures > 0 { text += ", \(agent.failures) writes refused by its disk" }
            lines.append(agent.failures > 0 || age > .seconds(30) ? Terminal.paint(text, .yellow) : text)
        }
        lines.append(store(books.store))
        return lines.joined(separator: "\n")
    }

    private static func store(_ store: BooksReply.Store) -> String {
        var text = "store: \(store.events) events in \(size(UInt64(clamping: store.bytes)))"
        if let oldest = store.oldest { text += ", the oldest of \(oldest)" }
        if store.correctedTimes > 0 { text += ", \(store.correctedTimes) with a time that was not believable" }
        if store.refusedBatches > 0 { text += ", \(store.refusedBatches) batches refused" }
        if store.damagedBlocks > 0 { text += ", \(store.damagedBlocks) blocks damaged" }
        let setAside = store.damagedSegments ?? 0
        if setAside > 0 { text += ", \(counted(setAside, "damaged file", "damaged files")) set aside" }
        if store.failures > 0 { text += "; \(store.failures) writes failed, the last: \(printable(store.lastFailure ?? "-"))" }
        return store.failures > 0 || store.damagedBlocks > 0 || setAside > 0 ? Terminal.paint(text, .red) : text
    }

    private static func row(_ cells: [String]) -> String {
        let widths = [24, 9, 12, 12, 10, 10]
        let padded = cells.enumerated().map { index, cell in
            guard index < widths.count else { return cell }
            let space = String(repeating: " ", count: max(0, widths[index] - cell.count))
            return index < 2 ? cell + space : space + cell
        }
        return printable(padded.joined(separator: " "))
    }

    private static func size(_ bytes: UInt64) -> String {
        for (name, unit) in [("GiB", UInt64(1 << 30)), ("MiB", 1 << 20), ("KiB", 1 << 10)] where bytes >= unit {
            // Not `bytes * 10`: an agent may state any number.
            return "\(bytes / unit).\(bytes % unit * 10 / unit) \(name)"
        }
        return "\(bytes) B"
    }
}
