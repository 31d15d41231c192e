// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem

extension FactText {
    /// One server and what it has shown; judged by this machine's own clock, as a client on it would.
    static func handshake(_ fact: HandshakeFact, now: Timestamp = SystemClock.now().wall) -> String {
        let faults = fact.faults(trusting: fact.trusted, now: now).filter { $0 != .otherAuthority }.map(words)
        let head = printable("\(fact.target.endpoint) as \(fact.target.serverName), in \(fact.took)") + "\n"
        guard let leaf = fact.leaf else {
            return head + TextTable(rows: [["  verdict", faults.joined(separator: "; ")]]).text
        }
        let others = leaf.namesLeftOut > 0 ? " and \(leaf.namesLeftOut) more" : ""
        let left = (leaf.notAfter - now).inMilliseconds / 86_400_000
        let trust =
            fact.trusted.isEmpty
            ? "leads to no authority that was given (--ca)" : "leads to " + fact.trusted.map(\.hex).joined(separator: ", ")
        let rows = [
            ["  protocol", (fact.version ?? "-") + (fact.wantsClientCertificate ? ", wants a client certificate (none was shown)" : "")],
            ["  certificate", leaf.subject], ["  sha-256", leaf.fingerprint.hex], ["  for", leaf.names.joined(separator: " ") + others],
            ["  issued by", leaf.issuer + (leaf.issuerKey.map { ", key \($0)" } ?? "")],
            ["  valid", "\(leaf.notBefore) to \(leaf.notAfter), \(left) days left"], ["  trust", trust],
            ["  verdict", faults.isEmpty ? "nothing is wrong but what \"trust\" may say" : faults.joined(separator: "; ")],
        ]
        return head + TextTable(rows: rows).text
    }

    private static func words(_ fault: HandshakeFact.Fault) -> String {
        switch fault {
        case .noAnswer(let what), .noHandshake(let what): what
        case .otherAuthority: "it comes from another authority"
        case .otherName: "it is NOT for the name that was asked for"
        case .notForServers: "it may NOT be shown by a server"
        case .notYetValid: "it is NOT VALID YET"
        case .ended: "it has ENDED"
        }
    }
}
