// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import MeshModel

/// Reads one line of `meshgate apply --output json`: the product's event feed.
enum LabEventLine {
    /// `nil` for lines that a story does not need.
    static func parse(_ line: String) -> LabEvent? {
        guard let event = try? JSONDecoder().decode(Line.self, from: Data(line.utf8)) else { return nil }
        guard let step = event.step.flatMap({ StepID($0) }) else {
            return event.kind == "alarm" ? .note("alarm: \(event.text ?? "")") : nil
        }
        switch event.kind {
        case "stepHeld":
            let reasons = (event.reasons ?? []).map {
                LabEvent.Reason(gate: $0.gate, code: $0.code, subject: $0.subject ?? "", detail: $0.detail)
            }
            return .step(step, state: "held", reasons: reasons, detail: "")
        case "stepSkipped": return .step(step, state: "unchanged", reasons: [], detail: "")
        case "stepStarted": return .step(step, state: "running", reasons: [], detail: "")
        case "stepFinished": return .step(step, state: "done", reasons: [], detail: "")
        case "stepFailed": return .step(step, state: "failed", reasons: [], detail: event.text ?? "")
        case "stepUnsettled", "stepReturned": return event.text.map { .note($0) }
        default: return nil
        }
    }

    private struct Line: Decodable {
        struct Reason: Decodable {
            var gate: String
            var code: String
            var subject: String?
            var detail: String
        }
        var kind: String
        var step: String?
        var reasons: [Reason]?
        var text: String?
    }
}
