// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about objects of Cilium's own kinds.
extension Judge {
    func ciliumResources(_ name: ClusterName, _ wanted: [String: HelmValue], _ found: Found, _ say: Findings) -> Verdict {
        guard let fact = found.cluster(name) else { return say.nothing(about: "the cluster", .cluster(name)) }
        guard let objects = fact.ciliumObjects else {
            return say.hold(
                .cluster(name), .absent, "\(name) does not know Cilium's own kinds yet", "its operator registers them; install Cilium first"
            )
        }
        var reasons: [Reason] = []
        for (key, spec) in wanted.sorted(by: { $0.key < $1.key }) {
            guard let object = objects[key] else {
                reasons.append(
                    say.reason(.cluster(name), .absent, "\(name) has no \(key)", "the plan's cilium-resources step applies it"))
                continue
            }
            if let difference = Self.difference(spec, object.spec, at: "spec") {
                reasons.append(
                    say.reason(
                        .cluster(name), .mismatch, "\(key) of \(name): \(difference)",
                        "somebody changed it, or mesh.yaml has changed; apply the plan again"))
            }
            if let conflict = object.conflict {
                reasons.append(
                    say.reason(
                        .cluster(name), .unhealthy, "\(key) of \(name): \(conflict)", "look at `kubectl describe` of it and of the others"))
            }
        }
        for key in objects.filter({ $0.value.isOurs && wanted[$0.key] == nil }).keys.sorted() {
            reasons.append(
                say.reason(
                    .cluster(name), .mismatch, "\(name) still has \(key), which mesh.yaml no longer has",
                    "the plan's cilium-resources step removes it"))
        }
        return say.pass(unless: reasons)
    }

    /// Where `have` lacks something of `wanted`, in words. Defaults that the API server fills in are no difference.
    static func difference(_ wanted: HelmValue, _ have: HelmValue?, at path: String) -> String? {
        switch (wanted, have) {
        case (.map(let wanted), .map(let have)?):
            for (key, value) in wanted.sorted(by: { $0.key < $1.key }) {
                if let found = difference(value, have[key], at: "\(path).\(key)") { return found }
            }
            return nil
        case (.list(let wanted), .list(let have)?):
            guard wanted.count == have.count else { return "\(path) has \(have.count) items, the plan \(wanted.count)" }
            for (index, pair) in zip(wanted, have).enumerated() {
                if let found = difference(pair.0, pair.1, at: "\(path)[\(index)]") { return found }
            }
            return nil
        case (let wanted, let have?): return wanted == have ? nil : "\(path) is \(words(have)), the plan says \(words(wanted))"
        case (let wanted, nil): return "\(path) is not set, the plan says \(words(wanted))"
        }
    }

    private static func words(_ value: HelmValue) -> String {
        switch value {
        case .null: "null"
        case .bool(let value): String(value)
        case .integer(let value): String(value)
        case .number(let value): String(value)
        case .string(let text): text
        case .list(let items): "a list of \(items.count)"
        case .map: "a map"
        }
    }
}
