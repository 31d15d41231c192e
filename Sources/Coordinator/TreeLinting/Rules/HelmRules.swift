// SPDX-License-Identifier: Apache-2.0

package import Linting
package import MeshModel

/// Keys that charts have never read, or read no longer, although people write them; for when no archive is at hand.
private let unread: [(chart: String, prefix: String, near: String?, isRemoved: Bool)] = [
    ("cilium", "clustermesh.apiserver.service.nodeport", "clustermesh.apiserver.service.nodePort", false),
    ("cilium", "clustermesh.apiserver.nodePort", "clustermesh.apiserver.service.nodePort", false),
    ("cilium", "externalIPs", nil, true),
]

/// The archive for a use: of its own version when that was given, of the newest otherwise.
func chart(for use: HelmUse, in charts: [HelmChart]) -> HelmChart? {
    let same = charts.filter { $0.name == use.chart }
    if let version = use.version, let exact = same.first(where: { $0.version == version || "v\($0.version)" == version }) { return exact }
    return same.max { left, right in
        guard let a = SemanticVersion(left.version), let b = SemanticVersion(right.version) else { return left.version < right.version }
        return a < b
    }
}

/// L-HELM-1 and L-HELM-3
func valuesAreRead(_ view: TreeView) -> [LocatedFinding] { valuesAreRead(view.helmUses, view.charts) }

private func valuesAreRead(_ uses: [HelmUse], _ charts: [HelmChart]) -> [LocatedFinding] {
    uses.flatMap { use -> [LocatedFinding] in
        guard let chart = chart(for: use, in: charts) else { return withoutArchive(use) }
        return use.settings.compactMap { setting -> LocatedFinding? in
            guard !setting.key.contains("${"), !chart.knows(setting.key) else { return nil }
            if charts.contains(where: { $0.name == chart.name && $0.version != chart.version && $0.knows(setting.key) }) {
                return finding("L-HELM-3", .info, setting.spot, "\"\(setting.key)\" was removed in chart \(chart.version); drop it")
            }
            return neverReads(setting, chart.version, near: chart.near(setting.key))
        }
    }
}

private func withoutArchive(_ use: HelmUse) -> [LocatedFinding] {
    use.settings.compactMap { setting in
        guard
            let known = unread.first(where: {
                $0.chart == use.chart && (setting.key == $0.prefix || setting.key.hasPrefix($0.prefix + "."))
            })
        else { return nil }
        if known.isRemoved {
            return finding("L-HELM-3", .info, setting.spot, "\"\(setting.key)\" is read by no current release of \(use.chart); drop it")
        }
        return neverReads(setting, use.version ?? use.chart, near: known.near)
    }
}

private func neverReads(_ setting: HelmUse.Setting, _ version: String, near: String?) -> LocatedFinding {
    let suggestion = near.map { "; did you mean \"\($0)\"?" } ?? "."
    return finding(
        "L-HELM-1", .error, setting.spot,
        "chart \(version) never reads \"\(setting.key)\"\(suggestion) It would be ignored without any warning",
        fix: near)
}

/// L-HELM-2
func valuesHaveTypes(_ view: TreeView) -> [LocatedFinding] { valuesHaveTypes(view.helmUses, view.charts) }

private func valuesHaveTypes(_ uses: [HelmUse], _ charts: [HelmChart]) -> [LocatedFinding] {
    uses.flatMap { use -> [LocatedFinding] in
        guard let chart = chart(for: use, in: charts) else { return [] }
        return use.settings.compactMap { setting in
            guard let value = setting.value, !value.contains("${") else { return nil }
            let types = chart.types(setting.key)
            let have = setting.isText ? ["string"] : kinds(of: value)
            guard !types.isEmpty, Set(types).isDisjoint(with: have) else { return nil }
            return finding("L-HELM-2", .error, setting.spot, "\"\(setting.key)\" wants \(types.joined(separator: " or ")), got \(value)")
        }
    }
}

/// What Helm makes of an unquoted value. A number may also be meant as text: the schema decides.
private func kinds(of value: String) -> [String] {
    if value == "true" || value == "false" { return ["boolean"] }
    if value == "null" || value.isEmpty { return ["null", "string"] }
    if value.hasPrefix("{") || value.hasPrefix("[") { return ["array", "object"] }
    if Int(value) != nil { return ["integer", "number"] }
    if Double(value) != nil { return ["number"] }
    return ["string"]
}

/// L-HELM-1 to L-HELM-3 for the Helm values of a mesh file; charts that nobody uses say nothing.
package func lintValues(_ spec: MeshSpec, charts: [HelmChart]) -> [Finding] {
    spec.clusters.indices.flatMap { index -> [Finding] in
        let path = "spec.clusters[\(index)].cilium.values"
        let spot = Spot(file: "", place: SourcePlace(line: 1, column: 1))
        let settings = flatten(spec.clusters[index].cilium.values, "", spot)
        let use = HelmUse(
            chart: "cilium", version: spec.versions.cilium.description, namespace: nil, context: nil, settings: settings, spot: spot,
            isComplete: true, isParameterised: false)
        return settings.flatMap { setting in
            (valuesAreRead([use.with(setting)], charts) + valuesHaveTypes([use.with(setting)], charts)).map { found in
                Finding(rule: found.rule, severity: found.severity, path: "\(path).\(setting.key)", message: found.message, fix: found.fix)
            }
        }
    }
}

extension HelmUse {
    fileprivate func with(_ setting: Setting) -> HelmUse {
        HelmUse(
            chart: chart, version: version, namespace: namespace, context: context, settings: [setting], spot: spot, isComplete: isComplete,
            isParameterised: isParameterised)
    }
}

private func flatten(_ values: [String: HelmValue], _ prefix: String, _ spot: Spot) -> [HelmUse.Setting] {
    values.sorted { $0.key < $1.key }.flatMap { name, value -> [HelmUse.Setting] in
        let key = prefix.isEmpty ? name : "\(prefix).\(name)"
        func setting(_ value: String?, isText: Bool = false) -> [HelmUse.Setting] {
            [HelmUse.Setting(key: key, value: value, isText: isText, spot: spot)]
        }
        switch value {
        case .null: return setting("null")
        case .bool(let value): return setting(String(value))
        case .integer(let value): return setting(String(value))
        case .number(let value): return setting(String(value))
        case .string(let value): return setting(value, isText: true)
        case .list: return setting("{}")
        case .map(let parts): return parts.isEmpty ? setting(nil) : flatten(parts, key, spot)
        }
    }
}
