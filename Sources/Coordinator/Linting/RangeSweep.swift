// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// A range of the spec with what it is for.
struct NamedRange {
    enum Kind: Int, CaseIterable { case pods, services, network, host }
    let kind: Kind
    let range: CIDR
    /// `pod range of "talos-east"`.
    let what: String
    let path: String
    /// Who owns it: the cluster's or network's number.
    let owner: Int
}

/// Overlaps among ranges of the given kinds: for each range and kind, the innermost earlier one that holds it. Prefixes are either nested or apart, so
/// a walk in order with a stack of open prefixes finds them without comparing every pair; equal prefixes share one place on the stack.
func overlaps(_ ranges: [NamedRange], _ forbidden: (NamedRange.Kind, NamedRange.Kind) -> Bool) -> [(outer: NamedRange, inner: NamedRange)] {
    var stack: [(range: CIDR, first: [NamedRange.Kind: NamedRange])] = []
    var found: [(NamedRange, NamedRange)] = []
    let sorted = ranges.enumerated().sorted { ($0.element.range, $0.offset) < ($1.element.range, $1.offset) }.map(\.element)
    for range in sorted {
        while let top = stack.last, !top.range.contains(range.range) { stack.removeLast() }
        for kind in NamedRange.Kind.allCases where forbidden(kind, range.kind) {
            if let outer = stack.last(where: { $0.first[kind] != nil })?.first[kind] { found.append((outer, range)) }
        }
        if stack.last?.range == range.range {
            let top = stack.count - 1
            stack[top].first[range.kind] = stack[top].first[range.kind] ?? range
        } else {
            stack.append((range.range, [range.kind: range]))
        }
    }
    return found
}

extension MeshSpec {
    var podRanges: [NamedRange] { clusterRanges(.pods, "podCIDRs", "pod range", \.podCIDRs) }
    var serviceRanges: [NamedRange] { clusterRanges(.services, "serviceCIDRs", "service range", \.serviceCIDRs) }

    private func clusterRanges(
        _ kind: NamedRange.Kind, _ key: String, _ what: String, _ ranges: (Cluster) -> [CIDR]
    ) -> [NamedRange] {
        clusters.indices.flatMap { index in
            ranges(clusters[index]).enumerated().map { number, range in
                NamedRange(
                    kind: kind, range: range, what: "\(what) of \"\(clusters[index].name)\"",
                    path: "spec.clusters[\(index)].\(key)[\(number)]", owner: index)
            }
        }
    }

    var networkRanges: [NamedRange] {
        networks.enumerated().map { index, network in
            NamedRange(
                kind: .network, range: network.cidr, what: "network \"\(network.name)\"", path: "spec.networks[\(index)].cidr", owner: index
            )
        }
    }

    var hostRanges: [NamedRange] {
        hypervisors.enumerated().compactMap { index, host in
            CIDR("\(host.address)/\(host.address.bits)").map {
                NamedRange(
                    kind: .host, range: $0, what: "hypervisor \"\(host.name)\"", path: "spec.hypervisors[\(index)].address", owner: index)
            }
        }
    }
}
