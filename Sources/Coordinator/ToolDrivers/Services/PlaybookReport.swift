// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Running

/// What a playbook did, from the lines of our callback; anything else that was printed is chatter.
struct PlaybookReport: Hashable, Sendable {
    /// The figures of one host, as Ansible counts them at the end.
    struct Host: Hashable, Sendable {
        var ok: Int
        var changed: Int
        var failures: Int
        var unreachable: Int
        var skipped: Int
    }
    /// By name; absent until the play has come to its end.
    private(set) var hosts: [String: Host]?
    /// Of tasks that failed and were not meant to, oldest first; the first twenty.
    private(set) var failures: [String] = []
    private(set) var outcome = Outcome.unknown("the playbook has not ended")
    private let hidden: [String]

    /// - Parameter hiding: secrets that are in no word of ours, whatever a module answers.
    init(hiding secrets: [String]) { hidden = secrets.filter { $0.utf8.count >= 4 } }

    /// What there is to tell of a line; `nil` for chatter.
    mutating func take(_ line: OutputLine) -> String? {
        guard line.stream == .standardOutput, line.text.hasPrefix("{"), let json = JSON.decode(Array(line.text.utf8)) else { return nil }
        switch json["event"]?.string {
        case "result":
            let status = json["status"]?.string ?? "?"
            let words = scrubbed(
                "\(json["host"]?.string ?? "?"): \(json["task"]?.string ?? "?"): "
                    + (status == "ok" && json["changed"]?.bool == true ? "changed" : status))
            guard status == "failed" || status == "unreachable", json["ignored"]?.bool != true, failures.count < 20 else { return words }
            let message = json["message"]?.string ?? ""
            failures.append(message.isEmpty ? words : "\(words): \(scrubbed(message))")
            return words
        case "stats":
            hosts = (json["hosts"]?.map ?? [:]).mapValues { host in
                func count(_ key: String) -> Int { host[key]?.integer ?? 0 }
                return Host(
                    ok: count("ok"), changed: count("changed"), failures: count("failures"), unreachable: count("unreachable"),
                    skipped: count("skipped"))
            }
            return nil
        default: return nil
        }
    }

    /// An exit code without figures is no evidence that anything was played.
    mutating func end(_ result: CommandResult) {
        switch result.exit {
        case .timedOut: outcome = .unknown("`ansible-playbook` did not end before its deadline and was stopped")
        case .exited, .signalled:
            if let hosts, !hosts.isEmpty, result.succeeded, hosts.values.allSatisfy({ $0.failures == 0 && $0.unreachable == 0 }) {
                let changed = hosts.values.reduce(0) { $0 +| $1.changed }
                outcome = .succeeded("played on \(hosts.count) hosts, \(changed) changes")
            } else if let first = failures.first {
                outcome = .failed("`ansible-playbook` ended with \(result.exit): \(first)")
            } else if result.succeeded {
                outcome = .failed("`ansible-playbook` ended with exit code 0 and reported no hosts: nothing was played")
            } else {
                outcome = .failed("`ansible-playbook` ended with \(result.exit): \(scrubbed(result.lastWords))")
            }
        }
    }

    private func scrubbed(_ text: String) -> String {
        hidden.reduce(text) { $0.replacing($1, with: "***") }
    }
}
