// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import MeshTesting
import Planning

/// Who tries whom in a mesh of that size: how long the choice takes and what it takes of memory; whether it covers every pair of clusters and
/// every node; and, in a simulation of all probers at once, when the last way is measured and how many datagrams the busiest node gets.
///
/// The traffic of one way is that of the prober (HostProbe, `PathMeter`): a greeting, then an echo every 2 ms, a hundred of them, a grace, and
/// three rounds of sizes with a grace each. A prober answers at most 4000 datagrams in a tenth of a second (`EchoHouse`).
struct MatrixBench {
    let clusters: Int
    let nodes: Int
    private static let rounds = 5
    private static let echoes = 100
    private static let sizes = 8 * 3
    private static let mostAnswers = 4000

    func run() throws {
        let sample = PeerSample(sizes: Array(repeating: nodes, count: clusters))
        let places = (0..<clusters).flatMap { cluster in (0..<nodes).map { PeerSample.Place(cluster: cluster, node: $0) } }
        let load = Machine.load
        let before = Machine.memory("VmHWM")
        var times: [Double] = []
        var ways: [(from: Int, to: Int)] = []
        for _ in 0..<Self.rounds {
            let (chosen, time) = Machine.timed {
                places.flatMap { place in
                    (sample.peers(of: place) + sample.siblings(of: place)).map { (number(place), number($0)) }
                }
            }
            ways = chosen.map { (from: $0.0, to: $0.1) }
            times.append(time * 1000)
        }
        let memory = Machine.memory("VmHWM") - before
        let pairs = Set(ways.map { [$0.from / nodes, $0.to / nodes].sorted() }.filter { $0[0] != $0[1] })
        let asks = Dictionary(grouping: ways, by: \.from).mapValues(\.count),
            asked = Dictionary(grouping: ways, by: \.to).mapValues(\.count)
        guard pairs.count == clusters * (clusters - 1) / 2, asks.count == places.count, asked.count == places.count else {
            throw BenchError.failed("\(pairs.count) pairs of clusters, \(asks.count) nodes that ask and \(asked.count) that are asked")
        }
        let (seconds, busiest) = simulate(ways)
        guard busiest <= Self.mostAnswers else { throw BenchError.failed("a node would get \(busiest) datagrams in a tenth of a second") }
        func range(_ counts: Dictionary<Int, Int>.Values) -> String { "\(counts.min() ?? 0)-\(counts.max() ?? 0)" }
        Machine.row(
            "\(clusters)", "\(places.count)", "\(ways.count)", range(asks.values), range(asked.values), Samples(times).median.text(1),
            Samples(times).range(1), (memory / 1024).text(1), seconds.text(2), "\(busiest)", load)
    }

    private func number(_ place: PeerSample.Place) -> Int { place.cluster * nodes + place.node }

    /// Every prober begins within the second in which the coordinator sends the questions, and measures all its ways at once. Round trips are 0.2 to
    /// 80 ms. In steps of a millisecond: when the last way is done, and the most datagrams that one node gets in a tenth of a second.
    private func simulate(_ ways: [(from: Int, to: Int)]) -> (seconds: Double, busiest: Int) {
        var random = SplitMix(seed: 31)
        let starts = (0..<clusters * nodes).map { _ in Int(random.next() % 1000) }
        // By node and tenth of a second.
        var arrivals: [Int: [Int: Int]] = [:]
        var end = 0
        func arrive(_ node: Int, _ millisecond: Int) { arrivals[node, default: [:]][millisecond / 100, default: 0] += 1 }
        for way in ways {
            let roundTrip = 1 + Int(random.next() % 80)
            let grace = min(max(2 * roundTrip + 50, 150), 500)
            var now = starts[way.from]
            arrive(way.to, now + roundTrip / 2)
            now += roundTrip
            for _ in 0..<Self.echoes {
                arrive(way.to, now + roundTrip / 2)
                now += 2
            }
            now += grace
            for _ in 0..<3 {
                for _ in 0..<Self.sizes { arrive(way.to, now + roundTrip / 2) }
                now += grace
            }
            end = max(end, now)
        }
        return (Double(end) / 1000, arrivals.values.flatMap(\.values).max() ?? 0)
    }
}
