// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import MeshModel

/// Reads one line of `meshgate apply --output json`.
enum LabEventLine {
    /// `nil` for lines that a story does not need.
    static func parse(_ line: String) -> LabEvent? {
        guard let event = try? JSONDecoder().decode(Line.self, from: Data(line.utf8)) else { return nil }
        switch event.event {
        case "step":
            guard let step = event.step.flatMap({ StepID($0) }), let state = event.state else { return nil }
            let reasons = (event.reasons ?? []).map {
                LabEvent.Reason(gate: $0.gate, code: $0.code, subject: $0.subject ?? "", detail: $0.detail)
            }
            return .step(step, state: state, reasons: reasons, detail: event.detail ?? "")
        case "end": return event.ending.map { .ended(ending: $0, changed: event.changed ?? 0) }
        case "note": return event.text.map { .note($0) }
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
        var event: String
        var step: String?
        var state: String?
        var reasons: [Reason]?
        var detail: String?
        var ending: String?
        var changed: Int?
        var text: String?
    }
}
