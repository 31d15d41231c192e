// SPDX-License-Identifier: Apache-2.0

import MeshTesting
import Planning
import Testing

@Suite("Who tries whom")
struct PeerSampleTests {
    private typealias Place = PeerSample.Place

    private func everybody(_ sizes: [Int]) -> [Place] {
        sizes.indices.flatMap { cluster in (0..<sizes[cluster]).map { Place(cluster: cluster, node: $0) } }
    }

    private func check(_ sizes: [Int]) {
        let sample = PeerSample(sizes: sizes)
        var pairs: Set<[Int]> = []
        for place in everybody(sizes) {
            let peers = sample.peers(of: place)
            #expect(Set(peers).count == peers.count && peers == peers.sorted(), "\(sizes) \(place)")
            for peer in peers {
                #expect(
                    peer.cluster != place.cluster && sizes.indices.contains(peer.cluster) && (0..<sizes[peer.cluster]).contains(peer.node))
                pairs.insert([place.cluster, peer.cluster].sorted())
            }
            let siblings = sample.siblings(of: place)
            #expect(siblings.count == min(2, sizes[place.cluster] - 1) && !siblings.contains(place))
            #expect(siblings.allSatisfy { $0.cluster == place.cluster && (0..<sizes[place.cluster]).contains($0.node) })
        }
        #expect(pairs.count == sizes.count * (sizes.count - 1) / 2, "\(sizes)")
    }

    @Test("every pair of clusters is tried, by nodes that are there, each once, in any mesh")
    func covers() {
        var random = SplitMix(seed: 5)
        for count in 1...30 { check((0..<count).map { _ in Int(random.next() % 12) + 1 }) }
        for count in [64, 120, 255] { check((0..<count).map { _ in Int(random.next() % 20) + 4 }) }
    }

    @Test("small clusters are tried whole by each node of a neighbour")
    func small() {
        let sample = PeerSample(sizes: [3, 4])
        #expect(sample.peers(of: .init(cluster: 0, node: 1)).map(\.node) == [0, 1, 2, 3])
        #expect(sample.peers(of: .init(cluster: 1, node: 3)).map(\.node) == [0, 1, 2])
    }

    @Test("in a thousand nodes everybody asks and is asked, and nobody much more than the others")
    func even() {
        for sizes in [Array(repeating: 10, count: 100), Array(repeating: 100, count: 10), Array(repeating: 500, count: 2)] {
            let sample = PeerSample(sizes: sizes)
            var asked: [Place: Int] = [:]
            for place in everybody(sizes) {
                let peers = sample.peers(of: place)
                #expect((PeerSample.few...64).contains(peers.count), "\(place)")
                for peer in peers { asked[peer, default: 0] += 1 }
            }
            #expect(asked.count == 1000)
            let counts = asked.values
            #expect((counts.min() ?? 0) >= PeerSample.few && (counts.max() ?? 0) <= 2 * (counts.min() ?? 0) + 2, "\(sizes.count) clusters")
        }
    }
}
