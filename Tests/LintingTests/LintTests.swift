// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linting
import MeshConfig
import MeshModel
import MeshTesting
import Testing

/// One defect planted into the sound mesh: which text becomes which, and where the finding must be.
struct Planted: Sendable, CustomTestStringConvertible {
    let rule: String
    let severity: Severity
    let path: String
    let from: String
    let to: String
    private(set) var also: [(from: String, to: String)] = []
    var testDescription: String { "\(rule): \(to)" }

    init(_ rule: String, _ severity: Severity, _ path: String, _ from: String, _ to: String) {
        (self.rule, self.severity, self.path, self.from, self.to) = (rule, severity, "spec." + path, from, to)
    }

    /// A second replacement that belongs to the defect.
    func and(_ from: String, _ to: String) -> Planted {
        var both = self
        both.also.append((from, to))
        return both
    }

    func plant(into text: String) throws -> String {
        try ([(from, to)] + also).reduce(text) { text, change in
            try #require(text.contains(change.0))
            return text.replacing(change.0, with: change.1, maxReplacements: 1)
        }
    }
}

@Suite("lint")
struct LintTests {
    static func sound() throws -> String {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/sound.yaml", withExtension: nil))
        return try String(contentsOf: url, encoding: .utf8)
    }

    @Test("the sound mesh has no finding")
    func soundness() throws {
        let spec = try readMesh(text: Self.sound(), file: "sound.yaml").spec
        #expect(lint(spec) == [])
    }

    @Test("one planted defect is found once, as itself and at its place", arguments: plantedDefects)
    func planted(_ defect: Planted) throws {
        let spec = try readMesh(text: defect.plant(into: Self.sound()), file: "m").spec
        let found = lint(spec)
        #expect(found.map(\.rule) == [defect.rule], "\(found)")
        #expect(found.map(\.path) == [defect.path])
        #expect(found.map(\.severity) == [defect.severity])
        #expect(ruleCatalogue.contains { $0.id == defect.rule })
    }

    @Test("every rule of the catalogue is planted in a test")
    func catalogue() {
        let ids = ruleCatalogue.map(\.id)
        #expect(ids == ids.sorted() && Set(ids).count == ids.count)
        #expect(Set(ids).subtracting(plantedDefects.map(\.rule)) == [])
    }

    @Test("a spec that did not come from a file is judged the same: equal names, a port glued from digits")
    func specsMadeInCode() throws {
        var spec = makeLargeMesh(clusters: 3, nodesPerCluster: 3).spec
        spec.clusters[2].name = spec.clusters[0].name
        spec.clusters[1].id = 10
        spec.clusters[1].cilium.clustermesh.nodePort = 300_010
        let found = lint(spec)
        #expect(found.map(\.rule) == ["L-NP-1", "L-CM-3"])
        #expect(found.first?.message == "NodePort 300010 for \"c-2\" is outside 30000-32767 (looks like \"3000\"+\"10\" glued as text)")
    }

    @Test("a generated mesh of any size is sound")
    func generated() {
        #expect(lint(makeLargeMesh(clusters: 1, nodesPerCluster: 3).spec) == [])
        #expect(lint(makeLargeMesh(clusters: 255, nodesPerCluster: 5).spec) == [])
    }

    @Test("the same slip in every cluster gives findings in proportion, not for every pair")
    func proportion() {
        var spec = makeLargeMesh(clusters: 255, nodesPerCluster: 3).spec
        for index in spec.clusters.indices {
            spec.clusters[index].podCIDRs = spec.clusters[0].podCIDRs
            spec.clusters[index].serviceCIDRs = spec.clusters[0].serviceCIDRs
            spec.clusters[index].cilium.clustermesh.nodePort = 32379
        }
        let counts = Dictionary(grouping: lint(spec), by: \.rule).mapValues(\.count)
        #expect(counts == ["L-CIDR-1": 254, "L-CIDR-3": 254, "L-NP-2": 254])
    }

    @Test("overlaps found by the sweep are those that comparing every pair finds")
    func sweep() throws {
        var random = SplitMix(seed: 7)
        for _ in 0..<300 {
            var spec = makeLargeMesh(clusters: 6, nodesPerCluster: 1).spec
            for index in spec.clusters.indices {
                let bits = Int.random(in: 8...14, using: &random)
                let part = UInt128(Int.random(in: 0..<64, using: &random)) << 18
                let hostMask = (UInt128(1) << (32 - UInt128(bits))) - 1
                let base = IPAddress(family: .v4, value: (UInt128(10) << 24 | part) & ~hostMask)
                spec.clusters[index].podCIDRs = [try #require(CIDR("\(base)/\(bits)"))]
            }
            let ranges = spec.clusters.map(\.podCIDRs[0])
            var touched = false
            for (index, range) in ranges.enumerated() { touched = touched || ranges[..<index].contains { $0.overlaps(range) } }
            #expect(lint(spec).contains { $0.rule == "L-CIDR-1" } == touched)
        }
    }

    @Test("findings come in the order of the file")
    func order() {
        var spec = makeLargeMesh(clusters: 12, nodesPerCluster: 3).spec
        for index in [10, 2, 9] { spec.clusters[index].kubeProxy = true }
        #expect(lint(spec).map(\.path) == [2, 9, 10].map { "spec.clusters[\($0)].kubeProxy" })
    }
}
