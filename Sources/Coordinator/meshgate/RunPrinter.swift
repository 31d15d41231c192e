// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Gating
import MeshModel
import MeshSystem
import OperatorAPI
import Synchronization

/// Shows a run as it goes: a tree with bars that is redrawn on a terminal, a line per change elsewhere, JSON lines for programs.
final class RunPrinter: Sendable {
    private let output: OutputForm
    private let state = Mutex(State())

    private struct State {
        var shown: [StepID: String] = [:]
        var lines = 0
    }

    init(output: OutputForm) { self.output = output }

    private var redraws: Bool { output == .text && Terminal.isInteractive }

    func begin(_ reply: ApplyReply) {
        switch output {
        case .json: emit(Line(event: "begin", run: reply.run, following: reply.following))
        case .text: Terminal.say(reply.following ? "following \(reply.run), which is going on" : "\(reply.run) started")
        }
    }

    func note(_ text: String) {
        switch output {
        case .json: emit(Line(event: "note", text: text))
        case .text:
            state.withLock { $0.lines = 0 }
            Terminal.say(Terminal.paint(oneLine(text), .yellow))
        }
    }

    /// After a restart a step may be held as before and yet anew: its warrant was used up by the attempt that was cut off.
    func showOpenAgain() {
        state.withLock { state in state.shown = state.shown.filter { $0.value.hasPrefix("done") || $0.value.hasPrefix("unchanged") } }
    }

    func show(_ run: RunReply) {
        if redraws { return redraw(run) }
        let changes = state.withLock { state -> [StepReply] in
            run.steps.filter { step in
                // Answers that are on their way are no news of a run that only looks.
                if run.onlyLooks, step.state == "held", output == .text { return false }
                let key =
                    step.state + (step.progress.map { "\($0.phase)\($0.percent / 10)" + ($0.current?.name ?? "") } ?? "")
                    + (step.reasons + (step.lost ?? [])).map { $0.gate.rawValue + $0.code.rawValue + "\($0.subject)" }.joined()
                if state.shown[step.id] == key || (state.shown[step.id] == nil && step.state == "waiting") { return false }
                state.shown[step.id] = key
                return true
            }
        }
        for step in changes {
            switch output {
            case .json:
                emit(
                    Line(
                        event: "step", run: run.id, step: step.id, state: step.state, title: step.title, reasons: step.reasons,
                        detail: step.detail, progress: step.progress, lost: step.lost))
            case .text: Terminal.say(text(step))
            }
        }
    }

    func end(_ run: RunReply) {
        let seconds = run.endedAt.map { ($0 - run.startedAt).briefly } ?? ""
        switch output {
        case .json: emit(Line(event: "end", run: run.id, ending: run.ending, changed: run.changed))
        case .text:
            let failed = run.steps.filter { $0.state == "failed" }
            let verb = run.onlyLooks ? "is not as planned" : "failed"
            for step in failed { Terminal.say(Terminal.paint("\(step.id) \(verb): \(oneLine(step.detail))", .red)) }
            switch (run.ending, run.changed) {
            case ("succeeded", _) where run.onlyLooks:
                Terminal.say(Terminal.paint("as planned: \(counted(run.steps.count, "step", "steps")) looked over in \(seconds)", .green))
            case ("failed", _) where run.onlyLooks:
                Terminal.say(
                    Terminal.paint(
                        "\(failed.count) of \(counted(run.steps.count, "step", "steps")) not as planned; `meshgate apply` brings back what it can",
                        .red))
            case ("succeeded", 0): Terminal.say(Terminal.paint("nothing to do: every step was already true; nothing was changed", .green))
            case ("succeeded", let changed):
                Terminal.say(Terminal.paint("done in \(seconds): \(changed) of \(run.steps.count) steps changed something", .green))
            default: Terminal.say(Terminal.paint("the run has \(oneLine(run.ending ?? "ended")) after \(seconds)", .red))
            }
        }
    }

    // MARK: lines

    func text(_ step: StepReply) -> String {
        var line = "\(mark(step.state)) \(step.id): \(oneLine(step.state))"
        if !step.detail.isEmpty { line += " (\(oneLine(step.detail)))" }
        if let progress = step.progress { line += ", \(ProgressText(progress).words)" }
        for reason in step.reasons.prefix(3) { line += "\n    \(reason.line)" }
        for reason in (step.lost ?? []).prefix(3) {
            line += Terminal.paint("\n    ground lost: \(reason.line)", .yellow)
        }
        if step.reasons.count > 3 { line += "\n    and \(step.reasons.count - 3) more; `meshgate explain \(step.id)`" }
        return line
    }

    private func mark(_ state: String) -> String {
        switch state {
        case "done": Terminal.paint("✓", .green)
        case "unchanged": Terminal.paint("=", .dim)
        case "running", "verifying": Terminal.paint("▸", .cyan)
        case "held": Terminal.paint("‖", .yellow)
        case "failed": Terminal.paint("✗", .red)
        default: "·"
        }
    }

    // MARK: the live tree

    private func redraw(_ run: RunReply) {
        let (columns, rows) = Terminal.size
        let lines = tree(run, columns: columns, rows: rows - 2)
        state.withLock { state in
            var text = state.lines > 0 ? "\u{1B}[\(state.lines)A" : ""
            for line in lines { text += "\u{1B}[2K" + line + "\n" }
            if state.lines > lines.count {
                text += String(repeating: "\u{1B}[2K\n", count: state.lines - lines.count) + "\u{1B}[\(state.lines - lines.count)A"
            }
            state.lines = lines.count
            Terminal.raw(text)
        }
    }

    func tree(_ run: RunReply, columns: Int, rows: Int) -> [String] {
        var order: [String] = []
        var groups: [String: [StepReply]] = [:]
        for step in run.steps {
            let name = String(step.id.text.split(separator: "/")[0])
            if groups[name] == nil { order.append(name) }
            groups[name, default: []].append(step)
        }
        let width = order.map(\.count).max() ?? 0
        var lines: [String] = []
        for name in order {
            let steps = groups[name] ?? []
            let over = steps.count { ["done", "unchanged"].contains($0.state) }
            let bar = Self.bar(over, of: steps.count, width: 20)
            lines.append(Terminal.paint(name + String(repeating: " ", count: width - name.count), .bold) + " \(bar) \(over)/\(steps.count)")
            for step in steps where ["running", "verifying", "held", "failed"].contains(step.state) || step.lost != nil {
                let short = step.id.text.dropFirst(name.count + 1)
                let reason =
                    (step.lost?.first.map { ": ground lost: \($0.line)" }) ?? step.reasons.first.map { ": \($0.line)" }
                    ?? (step.detail.isEmpty ? "" : ": \(oneLine(step.detail))")
                let progress = step.progress.map { " " + ProgressText($0).bar(width: 12) + " " + ProgressText($0).words } ?? ""
                let text = Words.wrap("\(short) \(oneLine(step.state))\(progress)\(reason)", columns: max(20, columns - 5), lines: 3)
                lines.append("  \(mark(step.lost == nil ? step.state : "held")) " + text[0])
                lines += text.dropFirst().map { "      " + $0 }
            }
        }
        return lines.count > rows ? Array(lines.prefix(max(1, rows - 1))) + ["… \(lines.count - rows + 1) more lines"] : lines
    }

    private static func bar(_ done: Int, of total: Int, width: Int) -> String {
        let filled = total == 0 ? 0 : done * width / total
        return Terminal.paint(String(repeating: "█", count: filled), .green) + String(repeating: "░", count: width - filled)
    }

    // MARK: JSON lines

    private struct Line: Encodable {
        var event: String
        var run: RunID?
        var following: Bool?
        var step: StepID?
        var state: String?
        var title: String?
        var reasons: [ReasonLine]?
        var detail: String?
        var ending: String?
        var changed: Int?
        var progress: StepProgress?
        var text: String?
        var lost: [ReasonLine]?

        init(
            event: String, run: RunID? = nil, following: Bool? = nil, step: StepID? = nil, state: String? = nil, title: String? = nil,
            reasons: [Reason]? = nil, detail: String? = nil, ending: String? = nil, changed: Int? = nil, progress: StepProgress? = nil,
            text: String? = nil, lost: [Reason]? = nil
        ) {
            self.lost = lost?.map(ReasonLine.init)
            self.event = event
            self.run = run
            self.following = following
            self.step = step
            self.state = state
            self.title = title
            self.reasons = reasons?.map(ReasonLine.init)
            self.detail = detail
            self.ending = ending
            self.changed = changed
            self.progress = progress
            self.text = text
        }
    }

    private struct ReasonLine: Encodable {
        var gate: String
        var code: String
        var subject: String
        var detail: String
        var remedy: String
        init(_ reason: Reason) {
            gate = reason.gate.rawValue
            code = reason.code.rawValue
            subject = reason.subject.description
            detail = reason.detail
            remedy = reason.remedy
        }
    }

    private func emit(_ line: Line) {
        guard let text = try? CanonicalJSON.text(line) else { return }
        Terminal.say(text)
    }
}
