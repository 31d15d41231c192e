// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Synchronization

/// One line of Terraform's machine-readable output (`-json`).
struct TerraformLine: Hashable, Sendable {
    struct Diagnostic: Hashable, Sendable {
        var isError: Bool
        var summary: String
        var detail: String
        var address: String?
    }

    var type: String
    var message: String
    /// Of the first line.
    var ui: String?
    var resource: String?
    var action: String?
    var elapsed: Int?
    var diagnostic: Diagnostic?

    /// `nil` for what is no such line. Unknown keys and types are looked past, as Terraform asks of its readers.
    init?(_ text: String) {
        guard text.utf8.first == UInt8(ascii: "{"), let line = try? JSONDecoder().decode(Raw.self, from: Data(text.utf8)) else {
            return nil
        }
        type = line.type ?? ""
        message = line.message ?? ""
        ui = line.ui
        let subject = line.hook ?? line.change
        resource = subject?.resource?.addr
        action = subject?.action
        elapsed = subject?.elapsedSeconds.map { Int($0) }
        diagnostic = line.diagnostic.map {
            Diagnostic(isError: $0.severity == "error", summary: $0.summary ?? "", detail: $0.detail ?? "", address: $0.address)
        }
    }

    /// What people may see of it. Outputs of provisioners and values of outputs and ids may be secret, and are left out.
    var shown: String? {
        let name = resource ?? "?"
        switch type {
        case "planned_change": return "\(name): would \(action ?? "change")"
        case "resource_drift": return "\(name): changed outside of Terraform (\(action ?? "?"))"
        case "apply_start": return "\(name): \(action ?? "apply") begins"
        case "apply_progress": return "\(name): \(action ?? "apply"), \(elapsed ?? 0) s so far"
        case "apply_complete": return "\(name): \(action ?? "apply") done in \(elapsed ?? 0) s"
        case "apply_errored": return "\(name): \(action ?? "apply") failed after \(elapsed ?? 0) s"
        case "provision_start": return "\(name): provisioner begins"
        case "provision_complete": return "\(name): provisioner done"
        case "provision_errored": return "\(name): provisioner failed"
        case "version", "change_summary", "state_lock_acquire", "state_lock_release": return message
        case "diagnostic": return diagnostic.map { ($0.isError ? "Error: " : "Warning: ") + $0.words }
        case "log" where message.count < 200: return message
        default: return nil
        }
    }

    private struct Raw: Decodable {
        struct Subject: Decodable {
            struct Resource: Decodable { var addr: String? }
            var resource: Resource?
            var action: String?
            var elapsedSeconds: Double?
            private enum CodingKeys: String, CodingKey {
                case resource, action
                case elapsedSeconds = "elapsed_seconds"
            }
        }
        struct Diagnostic: Decodable {
            var severity: String?
            var summary: String?
            var detail: String?
            var address: String?
        }
        var type: String?
        var message: String?
        var ui: String?
        var hook: Subject?
        var change: Subject?
        var diagnostic: Diagnostic?
        private enum CodingKeys: String, CodingKey {
            case type, ui, hook, change, diagnostic
            case message = "@message"
        }
    }
}

extension TerraformLine.Diagnostic {
    static let lockSummary = "Error acquiring the state lock"

    /// At most 600 characters on one line. A failed provisioner's detail is its command and its output: both may hold secrets.
    var words: String {
        let rest = summary.contains("provisioner error") ? "" : detail
        let text =
            [summary, rest].filter { !$0.isEmpty }.joined(separator: ": ")
            + (address.map { " (\($0))" } ?? "")
        return String(text.split(whereSeparator: \.isWhitespace).joined(separator: " ").prefix(600))
    }

    /// Who holds the state's lock, from the detail of the error: `apply by root@vm since 2026-11-28 ...`.
    var lockHolder: String? {
        guard summary == Self.lockSummary else { return nil }
        var fields: [String: String] = [:]
        for line in detail.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let key = line[..<colon].trimmingSpaces
            if fields[key] == nil { fields[key] = line[line.index(after: colon)...].trimmingSpaces }
        }
        guard let who = fields["Who"], let created = fields["Created"] else { return words }
        let operation = (fields["Operation"] ?? "?").replacing("OperationType", with: "").lowercased()
        return
            "\(operation == "invalid" || operation.isEmpty ? "held" : operation) by \(who) since \(created), lock id \(fields["ID"] ?? "?")"
    }
}

extension Substring {
    fileprivate var trimmingSpaces: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}

/// What a run of Terraform said so far. Heard line by line, so that an output of any length costs no memory.
final class TerraformReport: Sendable {
    private struct State {
        var heardAny = false
        var ui: String?
        var errors: [TerraformLine.Diagnostic] = []
    }
    private let state = Mutex(State())

    /// The major of the machine-readable output that this version understands.
    static let uiMajor = "1."

    func hear(_ text: String) {
        // A long apply reports its progress by the second for each object; only what matters here is looked into.
        let mayMatter = state.withLock { !$0.heardAny } || text.contains("\"diagnostic\"")
        guard mayMatter else { return }
        let line = TerraformLine(text)
        state.withLock { state in
            if !state.heardAny {
                state.heardAny = true
                if line?.type == "version" { state.ui = line?.ui }
            }
            if let diagnostic = line?.diagnostic, diagnostic.isError, state.errors.count < 16 { state.errors.append(diagnostic) }
        }
    }

    /// The `ui` of the first line; `nil` when the first line was another one.
    var ui: String? { state.withLock { $0.ui } }
    var errors: [TerraformLine.Diagnostic] { state.withLock { $0.errors } }
}
