// SPDX-License-Identifier: Apache-2.0

import FeedTesting
import Foundation
import MeshTesting
import Telemetry
import Testing

@testable import Hubble

/// Messages as Hubble sends them, and what another implementation of protobuf reads in them.
enum Flows {
    private static func file(_ ending: String) throws -> URL {
        try #require(Bundle.module.url(forResource: "hubble-samples", withExtension: ending, subdirectory: "Fixtures"))
    }
    static func messages() throws -> [[UInt8]] { try SampleEvent.framed(try file("pb")) }
    static func objects() throws -> [[String: Any]] {
        try Data(contentsOf: try file("ndjson")).split(separator: 0x0a).map {
            try #require(try JSONSerialization.jsonObject(with: Data($0)) as? [String: Any])
        }
    }
}

@Suite struct FlowMessageTests {
    @Test("every sample says what its JSON says") func samples() throws {
        let (messages, objects) = (try Flows.messages(), try Flows.objects())
        #expect(messages.count == 7 && objects.count == 7)
        for (message, object) in zip(messages, objects) {
            switch try #require(FlowMessage(message)) {
            case .flow(let flow):
                let wanted = try #require(object["flow"] as? [String: Any])
                let (ip, l4) = (wanted["IP"] as? [String: Any], wanted["l4"] as? [String: [String: Any]])
                let ports = l4?.values.first
                #expect(flow.attributes.verdict == (wanted["verdict"] as? String)?.lowercased())
                #expect(flow.attributes.reason == wanted["drop_reason_desc"] as? String)
                #expect(flow.attributes.source?.address == ip?["source"] as? String)
                #expect(flow.attributes.destination?.address == ip?["destination"] as? String)
                #expect(flow.attributes.source.map { Int($0.port) } == ports?["source_port"] as? Int ?? 0)
                #expect(flow.attributes.destination.map { Int($0.port) } == ports?["destination_port"] as? Int ?? 0)
                let ends = ["source", "destination"].map { wanted[$0] as? [String: Any] ?? [:] }
                #expect(flow.sourceCluster == ends[0]["cluster_name"] as? String ?? "")
                #expect(flow.destinationCluster == ends[1]["cluster_name"] as? String ?? "")
                let here = wanted["traffic_direction"] as? String == "INGRESS" ? ends[1] : ends[0]
                #expect(flow.attributes.pod == here["pod_name"] as? String)
                #expect(flow.attributes.namespace == here["namespace"] as? String)
                #expect(flow.time?.description.hasPrefix("2026-08-22T09:") == true)
            case .lost(let count, let place):
                #expect(object["lost_events"] != nil && count == 412 && place == "hubble_ring_buffer")
            case .nodes(let state, let names, let message):
                #expect(object["node_status"] != nil && state == "unavailable")
                #expect(names == ["mesh-west/west-wk-2"] && message == "connection refused")
            case .other: Issue.record("a sample that was not known")
            }
        }
    }

    @Test("the policy that denied and the interface are found") func policy() throws {
        let flows = try Flows.messages().compactMap { message -> FlowMessage.Flow? in
            if case .flow(let flow) = FlowMessage(message) { flow } else { nil }
        }
        #expect(flows.contains { $0.attributes.policy == "shop/cart-egress" && $0.attributes.reason == "POLICY_DENIED" })
        #expect(flows.contains { $0.attributes.device == "eth1.120" })
    }

    @Test("numbers that nobody knows stay numbers, and kinds of messages that nobody knows are none of ours") func unknown() throws {
        var writer = ProtoWriter()
        writer.message(1) { flow in
            flow.number(2, 77)
            flow.number(25, 206)
            flow.number(3, 133)
        }
        guard case .flow(let flow) = FlowMessage(writer.bytes) else { Issue.record("no flow"); return }
        #expect(flow.attributes.verdict == "77" && flow.attributes.reason == "DROP_REASON_206" && flow.time == nil)
        var old = ProtoWriter()
        old.message(1) { $0.number(3, 192) }
        guard case .flow(let flow) = FlowMessage(old.bytes) else { Issue.record("no flow"); return }
        #expect(flow.attributes.reason == "INVALID_CLUSTER_ID", "the older field, of a Cilium that does not have the newer")
        var other = ProtoWriter()
        other.block(9, "x".utf8)
        #expect(FlowMessage(other.bytes) == .other && FlowMessage([]) == .other && FlowMessage([0xff]) == nil)
    }

    @Test(
        "drop reasons have Cilium's names",
        arguments: [
            (130, "INVALID_SOURCE_MAC"), (133, "POLICY_DENIED"), (151, "STALE_OR_UNROUTABLE_IP"),
            (160, "NO_TUNNEL_OR_ENCAPSULATION_ENDPOINT"),
            (182, "VLAN_FILTERED"), (192, "INVALID_CLUSTER_ID"), (195, "UNENCRYPTED_TRAFFIC"), (205, "DROP_PUNT_PROXY"),
            (159, "DROP_REASON_159"), (0, "DROP_REASON_0"), (.max, "DROP_REASON_18446744073709551615"),
        ] as [(UInt64, String)])
    func reasons(number: UInt64, wanted: String) { #expect(FlowWords.dropReason(number) == wanted) }

    @Test("damaged messages never crash, and whatever is read of them can be sent on", arguments: 0..<40 as Range<UInt64>)
    func fuzz(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let samples = try Flows.messages()
        for _ in 0..<300 {
            var bytes = try #require(samples.randomElement(using: &random))
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.removeLast(min(bytes.count - 1, Int.random(in: 0...40, using: &random)))
                default: bytes.insert(UInt8.random(in: 0x80...0xff, using: &random), at: Int.random(in: bytes.indices, using: &random))
                }
            }
            guard case .flow(let flow) = FlowMessage(bytes) else { continue }
            var pairs = ClusterFlows()
            pairs.count(flow)
            for sum in pairs.sums(at: EventTime(nanoseconds: 0)) { #expect(JSONShape.isObjectLine(sum.body?.bytes ?? [])) }
            let event = TelemetryEvent(
                time: EventTime(nanoseconds: 0), kind: .flow, attributes: flow.attributes, body: EventBody(.flowMessage, flow.body))
            #expect(try TelemetryEvent(decoding: event.encoded).body?.bytes == flow.body)
        }
    }

    @Test("sums of flows between clusters are bounded, whatever names come") func bounded() {
        var pairs = ClusterFlows()
        for number in 0..<1000 {
            var flow = FlowMessage.Flow()
            (flow.sourceCluster, flow.destinationCluster) = ("east", "west-\(number)")
            flow.attributes.verdict = number == 7 ? "dropped" : "forwarded"
            flow.attributes.reason = number == 7 ? "POLICY_DENIED" : nil
            pairs.count(flow)
        }
        var inside = FlowMessage.Flow()
        (inside.sourceCluster, inside.destinationCluster) = ("east", "east")
        pairs.count(inside)
        let sums = pairs.sums(at: EventTime(nanoseconds: 0))
        #expect(sums.count == ClusterFlows.most + 1)
        #expect(sums.filter { $0.attributes.verdict == "dropped" && $0.attributes.reason == "POLICY_DENIED" }.count == 1)
        #expect(pairs.sums(at: EventTime(nanoseconds: 0)).isEmpty)
    }
}
