// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem

/// Looks at etcd through the API of one control plane. `talosctl etcd` prints tables only (siderolabs/talos v1.11.3 and v1.14,
/// cmd/talosctl/cmd/talos/etcd.go), and a machine whose etcd does not run answers with an error: that is no silence, but it must be told
/// apart from one, which the service's own state does.
struct EtcdObserver: Sendable {
    let control: Talosctl

    func observe(_ node: MeshSpec.Node) async -> Result<EtcdFact, TalosSilence> {
        do {
            var fact = EtcdFact()
            fact.members = try await members(node)
            if fact.members.isEmpty {
                fact.service = try await service(node)
            } else {
                fact.status = try await status(node)
                fact.alarms = try await alarms(node)
            }
            return .success(fact)
        } catch let silence as TalosSilence {
            return .failure(silence)
        } catch {
            return .failure(TalosSilence("\(error)"))
        }
    }

    // MARK: tables

    /// As this machine's own member has them (`QueryLocal`), so that two etcds under one name would show.
    private func members(_ node: MeshSpec.Node) async throws -> [EtcdFact.Member] {
        let result = try await control.look([node], ["etcd", "members"])
        guard result.succeeded else { return [] }
        return try Self.members(result.outputText)
    }

    private func status(_ node: MeshSpec.Node) async throws -> EtcdFact.Status? {
        let result = try await control.look([node], ["etcd", "status"])
        guard result.succeeded else { return nil }
        return try Self.status(result.outputText)
    }

    private func alarms(_ node: MeshSpec.Node) async throws -> [String] {
        let result = try await control.look([node], ["etcd", "alarm", "list"])
        guard result.succeeded else { throw TalosSilence(result) }
        return try Self.alarms(result.outputText)
    }

    static func members(_ text: String) throws(TalosTable.Fault) -> [EtcdFact.Member] {
        let table = try TalosTable(text, columns: ["ID", "HOSTNAME", "LEARNER"])
        return try table.rows.enumerated().map { index, row throws(TalosTable.Fault) in
            try .init(
                id: identity(row["ID"], row: index), hostname: bounded(row["HOSTNAME"]), isLearner: truth(row["LEARNER"], row: index))
        }.sorted { $0.id < $1.id }
    }

    static func status(_ text: String) throws(TalosTable.Fault) -> EtcdFact.Status? {
        let table = try TalosTable(
            text, columns: ["MEMBER", "LEADER", "RAFT INDEX", "RAFT TERM", "RAFT APPLIED INDEX", "LEARNER", "ERRORS"])
        guard let row = table.rows.first else { return nil }
        let (agreed, applied) = (try number(row["RAFT INDEX"]), try number(row["RAFT APPLIED INDEX"]))
        return try .init(
            member: identity(row["MEMBER"], row: 0), leader: identity(row["LEADER"], row: 0), raftTerm: number(row["RAFT TERM"]),
            unapplied: agreed > applied ? agreed - applied : 0, isLearner: truth(row["LEARNER"], row: 0), errors: bounded(row["ERRORS"]))
    }

    /// Without alarms nothing is printed, not even the names of the columns.
    static func alarms(_ text: String) throws(TalosTable.Fault) -> [String] {
        try TalosTable(text, columns: ["MEMBER", "ALARM"]).rows
            .map { "\(bounded($0["MEMBER"])): \(bounded($0["ALARM"]))" }.sorted()
    }

    // MARK: not running

    /// A waiting member stays in `Preparing`: it looks for others to join, and finds none (internal/app/machined/pkg/system/services/etcd.go).
    /// What begins etcd replaces the service, so its last change is then a moment ago.
    private func service(_ node: MeshSpec.Node) async throws -> EtcdFact.Service {
        let result = try await control.look([node], ["service"])
        guard result.succeeded else { throw TalosSilence(result) }
        let (state, settled) = try Self.service(result.outputText)
        return .init(state: state, isSettled: settled, hasData: try await hasData(node))
    }

    static func service(_ text: String) throws(TalosTable.Fault) -> (state: String, isSettled: Bool) {
        let table = try TalosTable(text, columns: ["SERVICE", "STATE", "LAST CHANGE"])
        guard let row = table.rows.first(where: { $0["SERVICE"] == "etcd" }) else { return ("absent", false) }
        return (bounded(row["STATE"]), seconds(row["LAST CHANGE"] ?? "").map { $0 >= 30 } ?? false)
    }

    /// `2m5s ago`, as Go writes durations that were rounded to seconds.
    static func seconds(_ text: String) -> Int? {
        guard text.hasSuffix(" ago"), text.count > 4 else { return nil }
        var total = 0
        var digits = ""
        for character in text.dropLast(4) {
            switch character {
            case "0"..."9": digits.append(character)
            case "h", "m", "s":
                guard let count = Int(digits), count < 1_000_000_000 else { return nil }
                total += count * (character == "h" ? 3600 : character == "m" ? 60 : 1)
                digits = ""
            default: return nil
            }
        }
        return digits.isEmpty ? total : nil
    }

    /// What Talos itself looks at before it takes a bootstrap: `etcd data directory is not empty`
    /// (internal/app/machined/internal/server/v1alpha1/v1alpha1_server.go, Bootstrap).
    private func hasData(_ node: MeshSpec.Node) async throws -> Bool? {
        let result = try await control.look([node], ["list", "/var/lib/etcd"])
        guard result.droppedBytes == 0 else { return nil }
        let silence = result.errorText
        if silence.contains("no such file or directory") { return false }
        guard result.succeeded, silence.isEmpty else { return nil }
        return Self.hasEntries(result.outputText)
    }

    /// One name a line, after the node's where several were asked; the directory itself is `.`, and the first line may name the columns. A
    /// listing without even the directory shows nothing.
    static func hasEntries(_ text: String) -> Bool? {
        let names = text.split(whereSeparator: \.isNewline).compactMap { $0.split(whereSeparator: \.isWhitespace).last.map(String.init) }
            .filter { $0 != "NAME" }
        guard names.contains(".") else { return nil }
        return names.contains { $0 != "." }
    }

    // MARK: cells

    private static func identity(_ text: String?, row: Int) throws(TalosTable.Fault) -> String {
        guard let text, (1...16).contains(text.utf8.count), UInt64(text, radix: 16) != nil else {
            throw TalosTable.Fault(line: row + 2, problem: "\"\(bounded(text))\" is no member of etcd")
        }
        return text
    }

    private static func truth(_ text: String?, row: Int) throws(TalosTable.Fault) -> Bool {
        guard text == "true" || text == "false" else {
            throw TalosTable.Fault(line: row + 2, problem: "LEARNER is \"\(bounded(text))\"")
        }
        return text == "true"
    }

    private static func number(_ text: String?) throws(TalosTable.Fault) -> UInt64 {
        guard let text, let number = UInt64(text) else {
            throw TalosTable.Fault(line: 2, problem: "\"\(bounded(text))\" is no number")
        }
        return number
    }

    private static func bounded(_ text: String?) -> String { String((text ?? "").prefix(300)) }
}
