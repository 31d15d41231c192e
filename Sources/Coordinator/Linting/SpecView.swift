// SPDX-License-Identifier: Apache-2.0

import MeshModel

extension Finding {
    static func error(_ rule: String, _ path: String, _ message: String, fix: String? = nil) -> Finding {
        Finding(rule: rule, severity: .error, path: path, message: message, fix: fix)
    }

    static func warning(_ rule: String, _ path: String, _ message: String, fix: String? = nil) -> Finding {
        Finding(rule: rule, severity: .warning, path: path, message: message, fix: fix)
    }
}

extension MeshSpec {
    func eachCluster(_ judge: (Cluster, _ path: String) -> [Finding]) -> [Finding] {
        clusters.indices.flatMap { judge(clusters[$0], "spec.clusters[\($0)]") }
    }

    func eachNode(_ judge: (Node, Cluster, _ path: String) -> [Finding]) -> [Finding] {
        eachCluster { cluster, path in
            cluster.nodes.indices.flatMap { judge(cluster.nodes[$0], cluster, "\(path).nodes[\($0)]") }
        }
    }

    var networksByName: [String: Network] { Dictionary(networks.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first }) }
}

extension MeshSpec.Cilium {
    /// A Helm value by its dotted path, whether it is written nested, dotted or a mixture.
    func value(_ path: String) -> HelmValue? { Self.find(path[...], in: values) }

    private static func find(_ path: Substring, in map: [String: HelmValue]) -> HelmValue? {
        if let value = map[String(path)] { return value }
        for dot in path.indices where path[dot] == "." {
            guard case .map(let inner)? = map[String(path[..<dot])] else { continue }
            if let value = find(path[path.index(after: dot)...], in: inner) { return value }
        }
        return nil
    }
}

extension HelmValue {
    var text: String? {
        if case .string(let text) = self { return text }
        return nil
    }

    var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        case .string(let text): Double(text)
        case .null, .bool, .list, .map: nil
        }
    }

    var isTrue: Bool { self == .bool(true) }
}

/// Pairs of indices with equal values: each later one with the first.
func clashes<Value: Hashable>(_ values: [Value]) -> [(first: Int, second: Int)] {
    var seen: [Value: Int] = [:]
    return values.indices.compactMap { index in
        guard let first = seen[values[index]] else {
            seen[values[index]] = index
            return nil
        }
        return (first, index)
    }
}

/// The indices whose value is not the usual one, each with an index that has the usual one. The usual value is the most frequent, or the first of
/// those: so one slip among many clusters is one finding and not one for each of the others.
func oddOnes<Value: Hashable>(_ values: [Value]) -> [(odd: Int, usual: Int)] {
    var firsts: [Value: Int] = [:]
    var counts: [Value: Int] = [:]
    for (index, value) in values.enumerated() {
        firsts[value] = firsts[value] ?? index
        counts[value, default: 0] += 1
    }
    let usual = firsts.values.min { left, right in
        let (a, b) = (counts[values[left]] ?? 0, counts[values[right]] ?? 0)
        return a != b ? a > b : left < right
    }
    guard let usual else { return [] }
    return values.indices.filter { values[$0] != values[usual] }.map { ($0, usual) }
}
