// SPDX-License-Identifier: Apache-2.0

import FeedExport
import Gating
import MeshModel
import Planning
import Running
import Synchronization
import Testing

/// A small mesh and the records of its run.
struct FeedSamples {
    let node: NodeID
    let cluster: ClusterName
    let run: RunID
    let boot: BootID
    let noon = Moment(wall: Timestamp(seconds: 1_795_000_000), boot: 86_400_000)
    let wipe = StepID("talos-east", "wrk-e-1", "wipe-vdb")
    let connect = StepID("mesh", "connect")

    init() throws {
        node = try #require(NodeID("wrk-e-1"))
        cluster = try #require(ClusterName("talos-east"))
        run = try #require(RunID("run-1"))
        boot = try #require(BootID("0f4d1c2e-8a57-4d3c-9a53-6a5f2f2f9c11"))
    }

    func plan() throws -> Plan {
        let spec = MeshSpec(
            name: "home", versions: .init(cilium: .init(1, 18, 5)),
            clusters: [
                .init(
                    name: cluster, id: 1, context: "admin@talos-east", endpoint: "https://192.168.15.5:6443",
                    podCIDRs: [try #require(CIDR("10.1.0.0/16"))], serviceCIDRs: [try #require(CIDR("10.101.0.0/16"))], cilium: .init(),
                    nodes: [.init(name: node, role: .worker, address: try #require(IPAddress("192.168.15.21")))])
            ])
        return Planner.plan(spec) { _ in .zero }
    }

    func record(_ sequence: UInt64, _ entry: JournalEntry) -> JournalRecord { JournalRecord(sequence: sequence, at: noon, entry: entry) }

    func alarm(_ sequence: UInt64) -> JournalRecord { record(sequence, .alarm(subject: .mesh, text: "alarm \(sequence)")) }
}

/// The journal of a test: records in memory, and a feed over them.
final class MemoryHistory: Sendable {
    private let records = Mutex<[JournalRecord]>([])

    func append(_ new: [JournalRecord]) { records.withLock { $0 += new } }

    func feed(bufferLimit: Int = 100, subscriberLimit: Int = 10) -> EventFeed {
        EventFeed(head: records.withLock { $0.last?.sequence ?? 0 }, bufferLimit: bufferLimit, subscriberLimit: subscriberLimit) {
            [self] after, limit in
            records.withLock { Array($0.filter { $0.sequence > after }.prefix(limit)) }
        }
    }
}
