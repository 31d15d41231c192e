// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel

/// Facts as JSON: what was asked, when, and every fact with `fact` (its sort) beside its own fields.
struct FactDocument: Encodable {
    let probe: String
    let takenAt: Timestamp
    let facts: [FlatFact]

    init(probe: String, takenAt: Timestamp, facts: [Fact]) {
        self.probe = probe
        self.takenAt = takenAt
        self.facts = facts.map(FlatFact.init)
    }

    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }

    struct FlatFact: Encodable {
        let fact: Fact
        init(_ fact: Fact) { self.fact = fact }
        private enum Key: String, CodingKey { case fact, reason }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            func put(_ sort: String, _ value: any Encodable) throws {
                try container.encode(sort, forKey: .fact)
                try value.encode(to: encoder)
            }
            switch fact {
            case .host(let value): try put("host", value)
            case .disk(let value): try put("disk", value)
            case .wiper(let value): try put("wiper", value)
            case .blankness(let value): try put("blankness", value)
            case .wipe(let value): try put("wipe", value)
            case .virtualDisk(let value): try put("virtualDisk", value)
            case .link(let value): try put("link", value)
            case .route(let value): try put("route", value)
            case .reach(let value): try put("reach", value)
            case .path(let value): try put("path", value)
            case .handshake(let value): try put("handshake", value)
            case .vlan(let value): try put("vlan", value)
            case .outside(let value): try put("outside", value)
            case .clock(let value): try put("clock", value)
            case .kernel(let value): try put("kernel", value)
            case .cluster(let value): try put("cluster", value)
            case .terraform(let value): try put("terraform", value)
            case .provision(let value): try put("provision", value)
            case .destruction(let value): try put("destruction", value)
            case .secrets(let value): try put("secrets", value)
            case .contexts(let value): try put("contexts", value)
            case .connectivity(let value): try put("connectivity", value)
            case .talos(let value): try put("talos", value)
            case .hypervisor(let value): try put("hypervisor", value)
            case .hypervisorFiles(let value): try put("hypervisorFiles", value)
            case .telemetry(let value): try put("telemetry", value)
            case .unavailable(let reason):
                try container.encode("unavailable", forKey: .fact)
                try container.encode(reason, forKey: .reason)
            }
        }
    }
}
