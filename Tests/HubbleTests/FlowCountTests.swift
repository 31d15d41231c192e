// SPDX-License-Identifier: Apache-2.0

import FeedTesting
import Foundation
import GRPCStream
import MeshModel
import Telemetry
import TelemetryStore
import Testing

@testable import Hubble

/// What an agent's reader tells of Hubble is what the coordinator counts: both ends of the words between them.
@Suite(.timeLimit(.minutes(2))) struct FlowCountTests {
    private let directory = NSTemporaryDirectory() + "flow-count-\(UUID().uuidString)"
    private let (east, west): (ClusterName, ClusterName)
    private let node: NodeID

    init() throws {
        (east, west) = (try #require(ClusterName("east")), try #require(ClusterName("west")))
        node = try #require(NodeID("wrk-w-1"))
    }

    private func batch(_ events: [TelemetryEvent], lost: UInt64, first: UInt64) throws -> TelemetryBatch {
        var packed = PackedEvents()
        for event in events { packed.append(event) }
        let stream = TelemetryStream(source: .hubble, boot: try #require(BootID("0f6f2c1e-8a53")), instance: 1)
        var runs: [TelemetryBatch.Run] = [.events(UInt64(events.count))]
        if lost > 0 { runs.append(.lost(lost, .reportedBySource)) }
        return TelemetryBatch(
            stream: stream, first: first, runs: runs, packing: .plain, packed: packed.bytes, plainBytes: UInt64(packed.sizeInBytes))
    }

    @Test("flows that a reader sums up, drops and losses arrive in the count of a test, and its words say that the count is whole")
    func count() async throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let parties = TestFlows.Parties(from: east, to: west, nodes: [node: west])
        let watch = FlowWatch { [east, west] in ["10.1.": east, "10.2.": west]["\($0)".prefix(5)] }
        let begin = Moment(wall: Timestamp(seconds: 1_764_000_000), boot: 1_000_000)
        let later = begin.advanced(by: .seconds(3))
        let store = try TelemetryStore(StoreConfiguration(directory: directory), now: { later }) { watch.take($0, at: later) }
        defer { store.close() }
        watch.begin(parties, at: begin)
        let now = EventTime(begin.wall + .seconds(2))
        var pairs = ClusterFlows()
        for number in 0..<12 as Range<UInt64> {
            var flow = FlowMessage.Flow()
            (flow.sourceCluster, flow.destinationCluster) = number < 8 ? ("east", "west") : ("west", "east")
            flow.attributes.verdict = FlowWords.verdict(number == 3 ? 2 : 1)
            if number == 3 { flow.attributes.reason = FlowWords.dropReason(192) }
            pairs.count(flow)
        }
        // One drop whose ends Hubble has no names for, as it is told one by one.
        let alone = TelemetryEvent(
            time: now, kind: .flow,
            attributes: EventAttributes(
                reason: FlowWords.dropReason(151), verdict: FlowWords.verdict(2), source: EventPeer(address: "10.1.0.9"),
                destination: EventPeer(address: "10.2.0.9")))
        let state = HubbleState(
            time: now, version: "1.19.4", followedSince: EventTime(begin.wall + .seconds(-60)), flows: 13, unavailableNodes: 0)
        let events = pairs.sums(at: now) + [alone, state.event]
        _ = try await store.append([try batch(events, lost: 1, first: 1)], of: node, in: west, receivedAt: later.wall)
        let heard = try #require(watch.reader(of: node, now: later))
        #expect(heard.problem == nil && heard.heard == TimeSpan(.seconds(20)))
        let (flows, isWhole) = watch.count(parties, until: begin.wall)
        let witness = try #require(flows.witnesses.first)
        #expect(isWhole && witness.problem == nil && witness.there == 7 && witness.back == 4)
        #expect(witness.lost == TelemetryFact.share(1, of: 14))
        #expect(
            Set(witness.drops) == [
                .init(reason: "INVALID_CLUSTER_ID", from: east, to: west, flows: 1),
                .init(reason: "STALE_OR_UNROUTABLE_IP", from: east, to: west, flows: 1),
            ])
        let away = HubbleState(time: EventTime(later.wall), problem: "connection refused").event
        _ = try await store.append(
            [try batch([away], lost: 0, first: UInt64(events.count) + 2)], of: node, in: west, receivedAt: later.wall)
        #expect(watch.reader(of: node, now: later)?.problem == "connection refused")
        #expect(watch.count(parties, until: begin.wall).flows.witnesses.first?.problem == "connection refused")
    }
}
