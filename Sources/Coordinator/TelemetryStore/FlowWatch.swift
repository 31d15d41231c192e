// SPDX-License-Identifier: Apache-2.0

package import MeshModel
internal import Synchronization
internal import Telemetry

/// What Hubble tells of flows between two clusters, counted while a connectivity test of theirs runs; and how each node's Hubble is read at any
/// time. It forgets with the coordinator: a count that it did not see to the end is none.
///
///     arrivals of the store -> readers (always) and tallies (between `begin` and `end`) -> TestFlows
package final class FlowWatch: Sendable {
    /// Different drops that are kept apart for a node and a test.
    private static let mostDrops = 64
    /// Hosts' clocks may differ by this much where clusters are connected (`G-HST-03`).
    private static let clockDifference = Duration.seconds(1)

    /// How a node's Hubble is read, by the newest word of its reader.
    fileprivate struct Reader {
        /// By the host's clock.
        var spokeAt: Timestamp
        /// When a word that flows are followed came last.
        var heard: Moment?
        var followedSince: Timestamp?
        var problem: String?
    }

    fileprivate struct DropKey: Hashable {
        var reason: String
        var isBack: Bool
    }

    fileprivate struct Tally {
        var flows: UInt64 = 0
        var lost: UInt64 = 0
        var lostOnTheWay: Set<LossReason> = []
        var hasUnnamedSums = false
        var there: UInt64 = 0
        var back: UInt64 = 0
        /// The same drops twice: by the names that Hubble knows, and one by one by the addresses that the plan knows.
        var named: [DropKey: UInt64] = [:]
        var addressed: [DropKey: UInt64] = [:]
    }

    fileprivate struct Test {
        var parties: TestFlows.Parties
        var begin: Timestamp
        var tallies: [NodeID: Tally] = [:]
    }

    private struct Pair: Hashable {
        var from: ClusterName
        var to: ClusterName
    }

    private struct State {
        var readers: [NodeID: Reader] = [:]
        var tests: [Pair: Test] = [:]
    }

    private let state = Mutex(State())
    private let clusterOf: RecentTelemetry.ClusterOf

    package init(clusterOf: @escaping RecentTelemetry.ClusterOf) { self.clusterOf = clusterOf }

    /// Takes in what has become durable at `moment`. Flows are unpacked only while a test runs that they may belong to.
    package func take(_ arrivals: [Arrival], at moment: Moment) {
        for arrival in arrivals where arrival.source == .hubble {
            func unpacked(_ kind: EventKind) -> [TelemetryEvent] {
                arrival.has(kind) ?? true ? arrival.events(TelemetryQuery(kind: kind)).map(\.event) : []
            }
            let words = unpacked(.hubbleState).compactMap { event in ReaderWord(event).map { (event.time.timestamp, $0) } }
            let concerned = state.withLock { state in
                for (time, word) in words { Self.note(word, told: time, of: arrival.node, at: moment, in: &state.readers) }
                return state.tests.filter { $0.value.parties.nodes[arrival.node] != nil }
            }
            guard !concerned.isEmpty else { continue }
            let (sums, flows) = (unpacked(.clusterFlows), unpacked(.flow).filter { $0.attributes.verdict == "dropped" })
            for (pair, test) in concerned {
                let news = tally(arrival, words, sums, flows, of: test)
                state.withLock { state in
                    // Unless the test was begun anew meanwhile.
                    guard state.tests[pair]?.begin == test.begin else { return }
                    state.tests[pair]?.tallies[arrival.node, default: Tally()].add(news, mostDrops: Self.mostDrops)
                }
            }
        }
    }

    /// How the node's Hubble is read at `now`; `nil` when nobody ever said.
    package func reader(of node: NodeID, now: Moment) -> TelemetryFact.Hubble? {
        state.withLock { $0.readers[node] }.map { reader in
            TelemetryFact.Hubble(heard: reader.heard.map { TelemetryFact.rounded(now.age(of: $0)) }, problem: reader.problem)
        }
    }

    /// Begins to count anew.
    package func begin(_ parties: TestFlows.Parties, at moment: Moment) {
        state.withLock { $0.tests[Pair(from: parties.from, to: parties.to)] = Test(parties: parties, begin: moment.wall) }
    }

    /// What was counted from `begin` until now, and whether every node has spoken of the time after `end`, when the test was over.
    package func count(_ parties: TestFlows.Parties, until end: Timestamp) -> (flows: TestFlows, isWhole: Bool) {
        let (test, readers) = state.withLock { ($0.tests[Pair(from: parties.from, to: parties.to)], $0.readers) }
        var isWhole = true
        let witnesses = parties.nodes.sorted { $0.key < $1.key }.map { node, cluster in
            let tally = test?.tallies[node] ?? Tally()
            var witness = TestFlows.Witness(
                node: node, cluster: cluster, lost: TelemetryFact.share(tally.lost, of: tally.flows +| tally.lost), there: tally.there,
                back: tally.back, drops: tally.drops(parties))
            let reader = readers[node]
            if !(reader.map { $0.spokeAt > end + Self.clockDifference } ?? false) { isWhole = false }
            witness.problem = test == nil ? "the count was not begun" : Self.problem(reader, tally, from: test?.begin ?? end, until: end)
            return witness
        }
        return (TestFlows(witnesses: witnesses), isWhole)
    }

    /// Gives a count up.
    package func forget(_ parties: TestFlows.Parties) {
        state.withLock { $0.tests[Pair(from: parties.from, to: parties.to)] = nil }
    }

    // MARK: what came

    private static func note(
        _ word: ReaderWord, told: Timestamp, of node: NodeID, at moment: Moment, in readers: inout [NodeID: Reader]
    ) {
        // No later than it came, for a clock that is ahead and is set right.
        let told = min(told, moment.wall)
        var reader = readers[node] ?? Reader(spokeAt: told)
        // A spool may bring an earlier word later.
        guard told >= reader.spokeAt else { return }
        reader.spokeAt = told
        (reader.followedSince, reader.problem) = (word.followedSince, word.problem)
        if word.followedSince != nil {
            reader.heard = moment.advanced(by: .milliseconds(told.milliseconds - moment.wall.milliseconds))
        }
        readers[node] = reader
    }

    private static func problem(_ reader: Reader?, _ tally: Tally, from begin: Timestamp, until end: Timestamp) -> String? {
        guard let reader else { return "nothing was heard of it" }
        if let problem = reader.problem { return problem }
        guard let since = reader.followedSince else { return "its flows are not followed" }
        if since > begin + clockDifference { return "its flows were not followed without a gap from the beginning of the test" }
        if reader.spokeAt <= end + clockDifference { return "its reader has said nothing since the test ended" }
        if !tally.lostOnTheWay.isEmpty {
            return "some of what it told was lost on the way: \(tally.lostOnTheWay.map(\.rawValue).sorted().joined(separator: ", "))"
        }
        return tally.hasUnnamedSums ? "some of its sums name no clusters, or cannot be read" : nil
    }

    private func tally(
        _ arrival: Arrival, _ words: [(Timestamp, ReaderWord)], _ sums: [TelemetryEvent], _ flows: [TelemetryEvent], of test: Test
    ) -> Tally {
        var tally = Tally()
        for (time, word) in words where time > test.begin { tally.flows = tally.flows +| word.flows }
        for (reason, count) in arrival.lost where reason != .rateLimited {
            // One sum that is lost hides any number of flows.
            if reason == .reportedBySource { tally.lost = tally.lost +| count } else { tally.lostOnTheWay.insert(reason) }
        }
        for event in sums where event.time.timestamp > test.begin {
            guard let sum = FlowSum(event) else {
                tally.hasUnnamedSums = true
                continue
            }
            guard let isBack = test.direction(sum.source, sum.destination) else { continue }
            if isBack { tally.back = tally.back +| sum.forwarded } else { tally.there = tally.there +| sum.forwarded }
            for (reason, count) in sum.drops {
                tally.add(count, to: \.named, DropKey(reason: reason, isBack: isBack), most: Self.mostDrops)
            }
        }
        for event in flows where event.time.timestamp > test.begin {
            guard let from = cluster(event.attributes.source), let to = cluster(event.attributes.destination),
                let isBack = test.direction(from, to)
            else { continue }
            let reason = FlowSum.reason(event.attributes.reason ?? "")
            tally.add(1, to: \.addressed, DropKey(reason: reason, isBack: isBack), most: Self.mostDrops)
        }
        return tally
    }

    private func cluster(_ peer: EventPeer?) -> ClusterName? { (peer?.address).flatMap(IPAddress.init).flatMap(clusterOf) }
}

extension FlowWatch.Test {
    /// Whether a flow goes against the direction of the test; `nil` when it is none between its clusters.
    fileprivate func direction(_ source: ClusterName, _ destination: ClusterName) -> Bool? {
        if (source, destination) == (parties.from, parties.to) { return false }
        return (source, destination) == (parties.to, parties.from) ? true : nil
    }
}

extension FlowWatch.Tally {
    /// Beyond the limit, reasons are no longer told apart; no drop is left out.
    fileprivate mutating func add(
        _ count: UInt64, to counts: WritableKeyPath<Self, [FlowWatch.DropKey: UInt64]>, _ key: FlowWatch.DropKey, most: Int
    ) {
        guard count > 0 else { return }
        var key = key
        let isNew = self[keyPath: counts][key] == nil
        if isNew, self[keyPath: counts].keys.count(where: { $0.reason != FlowSum.unnamed }) >= most { key.reason = FlowSum.unnamed }
        self[keyPath: counts][key, default: 0] = self[keyPath: counts][key, default: 0] +| count
    }

    fileprivate mutating func add(_ other: Self, mostDrops: Int) {
        flows = flows +| other.flows
        lost = lost +| other.lost
        lostOnTheWay.formUnion(other.lostOnTheWay)
        hasUnnamedSums = hasUnnamedSums || other.hasUnnamedSums
        there = there +| other.there
        back = back +| other.back
        for (key, count) in other.named { add(count, to: \.named, key, most: mostDrops) }
        for (key, count) in other.addressed { add(count, to: \.addressed, key, most: mostDrops) }
    }

    fileprivate func drops(_ parties: TestFlows.Parties) -> [TestFlows.Drop] {
        named.merging(addressed, uniquingKeysWith: max).sorted {
            ($1.value, $0.key.reason, $1.key.isBack ? 1 : 0) < ($0.value, $1.key.reason, $0.key.isBack ? 1 : 0)
        }
        .map { key, count in
            TestFlows.Drop(
                reason: key.reason, from: key.isBack ? parties.to : parties.from, to: key.isBack ? parties.from : parties.to, flows: count)
        }
    }
}
