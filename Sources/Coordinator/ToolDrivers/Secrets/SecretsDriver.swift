// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Running

/// Keeps copies of the clusters' credentials where the mesh's people look for them, and takes them away when the clusters are gone. Values pass
/// through and are left nowhere: not in an argument, a transcript, an outcome or an evidence.
struct SecretsDriver: Sendable {
    let tools: Toolbox
    let spec: MeshSpec

    /// What the store holds of the planned names.
    /// - Parameter comparing: also whether each is what the coordinator works with; not asked for once the clusters are gone.
    func observe(comparing: Bool) async throws -> SecretsFact {
        let store = try open()
        let planned = SecretNames.planned(spec)
        let present = try await store.names().intersection(planned).sorted()
        var fact = SecretsFact(store: words, present: present)
        guard comparing else { return fact }
        do {
            fact.differing = try await store.differing(from: try wanted()).sorted()
        } catch SecretError.restricted(let names, _) {
            fact.restricted = names.sorted()
            fact.differing = planned
        }
        return fact
    }

    /// Stores what differs, and reads it back.
    func store() async throws -> Outcome {
        let wanted = try wanted()
        let left = try await open().settle(wanted)
        guard left.isEmpty else {
            return .failed("read back from \(words), and not what was written: \(left.sorted().joined(separator: ", "))")
        }
        return .succeeded("\(wanted.count) stored in \(words) and read back")
    }

    /// Removes exactly these names; whatever else is in the store is somebody's.
    func remove(_ names: [String]) async throws -> Outcome {
        let store = try open()
        let there = try await store.names().intersection(names)
        guard !there.isEmpty else { return .succeeded("none was there") }
        try await store.delete(there)
        let left = try await store.names().intersection(names)
        guard left.isEmpty else { return .failed("still in \(words): \(left.sorted().joined(separator: ", "))") }
        return .succeeded("\(there.count) removed from \(words)")
    }

    private var words: String { spec.secrets.map { "Doppler \($0.dopplerProject)/\($0.dopplerConfig)" } ?? "no store" }

    private func open() throws -> any SecretStore {
        guard let place = spec.secrets else { throw DriverError.unreadable(what: "the store of secrets", where: "the plan") }
        return try tools.secretStore(place)
    }

    private func wanted() throws -> [String: Secret] {
        var wanted: [String: Secret] = [:]
        for cluster in spec.clusters {
            for kind in SecretNames.kinds(of: cluster) {
                wanted[SecretNames.name(kind, of: cluster.name, mesh: spec.name)] = try tools.credential(kind, cluster)
            }
        }
        return wanted
    }
}
