// SPDX-License-Identifier: Apache-2.0

import Linting
import MeshModel

/// L-CIDR-1
func podRangesOfModules(_ view: TreeView) -> [LocatedFinding] {
    let index = PodRangeIndex(view)
    return view.modules.flatMap { module -> [LocatedFinding] in
        let clusters = module.calls.compactMap { call in index.cluster(call, of: module) }
        guard clusters.count > 1 else { return [] }
        var earlier = RangeBook()
        return clusters.enumerated().compactMap { number, cluster -> LocatedFinding? in
            if let other = earlier.take(cluster.range, number: number).map({ clusters[$0] }) {
                let note = cluster.isDefault ? ", which is the default because none was set" : ""
                return finding(
                    "L-CIDR-1", .error, cluster.call.spot,
                    "pod range \(cluster.range) of \"\(cluster.call.name)\" overlaps \(other.range) of \"\(other.call.name)\"\(note)")
            }
            guard cluster.isDefault else { return nil }
            return finding(
                "L-CIDR-1", .warning, cluster.call.spot,
                "pod range of \"\(cluster.call.name)\" is \(cluster.range) because none was set; the next cluster without one overlaps it")
        }
    }
}

/// What the calls of cluster modules say about pod ranges, gathered once for the whole tree: a call looks up what is its own.
private final class PodRangeIndex {
    struct Cluster {
        let call: TerraformBlock
        let range: CIDR
        let isDefault: Bool
    }
    private struct Place: Hashable {
        let file: String
        let offset: Int
    }
    /// A module that makes clusters: the ranges in its own texts by the block they stand in, and the variables that it reads.
    private struct Inner {
        let ranges: [(owner: String, range: CIDR)]
        let variables: Set<String>
    }

    private let byDirectory: [String: TerraformModule]
    private var inFile: [String: [(owner: String, range: CIDR)]] = [:]
    private var inBlock: [Place: CIDR] = [:]
    private var inner: [String: Inner?] = [:]

    init(_ view: TreeView) {
        byDirectory = Dictionary(view.modules.map { ($0.directory, $0) }, uniquingKeysWith: { first, _ in first })
        for text in view.embedded {
            guard let range = Self.podSubnet(text) else { continue }
            let place = Place(file: text.file.path, offset: text.owner.block.offset)
            inFile[place.file, default: []].append((text.owner.name, range))
            if inBlock[place] == nil { inBlock[place] = range }
        }
    }

    private static func podSubnet(_ text: EmbeddedYAML) -> CIDR? {
        text.documents.lazy.compactMap { $0["cluster", "network", "podSubnets"]?.elements.first?.text.flatMap { CIDR($0) } }.first
    }

    /// `nil` when the call makes no cluster.
    func cluster(_ call: TerraformBlock, of module: TerraformModule) -> Cluster? {
        guard let source = call.body.attribute("source")?.value.plainText, source.hasPrefix("."),
            let directory = joined(module.directory, source), let inner = clusterModule(directory)
        else { return nil }
        let own = inBlock[Place(file: call.file.path, offset: call.block.offset)]
        let given = Set(call.body.attributes.map(\.name))
        let fallback = inner.ranges.first { !given.contains($0.owner) }?.range
        // A range that the module makes of a variable is what the caller gives.
        let variable = call.body.attributes.first {
            tokens($0.name).contains { $0.contains("cidr") || $0.contains("subnets") } && CIDR($0.value.plainText ?? "") != nil
        }
        let isUsed = variable.map { inner.variables.contains("var.\($0.name)") } ?? false
        let range = own ?? (isUsed ? variable.flatMap { CIDR($0.value.plainText ?? "") } : nil) ?? fallback
        guard let range = range ?? CIDR("10.244.0.0/16") else { return nil }
        return Cluster(call: call, range: range, isDefault: own == nil && !isUsed && fallback == nil)
    }

    /// Read once for all the calls of it.
    private func clusterModule(_ directory: String) -> Inner? {
        if let known = inner[directory] { return known }
        var found: Inner?
        if let module = byDirectory[directory], !module.blocks("data", "talos_machine_configuration").isEmpty {
            let variables = Set(module.blocks.lazy.flatMap(\.references).map(\.path).filter { $0.hasPrefix("var.") })
            found = Inner(ranges: module.files.flatMap { inFile[$0.path] ?? [] }, variables: variables)
        }
        inner[directory] = .some(found)
        return found
    }
}

/// Ranges in order, and for each new one the first before it that it overlaps. Of two prefixes that overlap one holds the other, so that a look
/// at the prefixes above and at what is noted below its own is enough, however many there are.
private struct RangeBook {
    private struct Prefix: Hashable {
        let family: IPAddress.Family
        let value: UInt128
        let length: Int
    }
    /// The first range that is just this prefix.
    private var exact: [Prefix: Int] = [:]
    /// The first range within this prefix.
    private var within: [Prefix: Int] = [:]

    mutating func take(_ range: CIDR, number: Int) -> Int? {
        let bits = range.base.bits
        let line = (0...range.prefixLength).map { length in
            let mask: UInt128 = length == 0 ? 0 : ~UInt128(0) << (bits - length)
            return Prefix(family: range.base.family, value: range.base.value & mask, length: length)
        }
        let first = (line.compactMap { exact[$0] } + [within[line[range.prefixLength]]].compactMap(\.self)).min()
        for prefix in line where within[prefix] == nil { within[prefix] = number }
        if exact[line[range.prefixLength]] == nil { exact[line[range.prefixLength]] = number }
        return first
    }
}
