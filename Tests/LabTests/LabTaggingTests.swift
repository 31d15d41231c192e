// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import Lab

@Suite("A switch's port that tags wrongly")
struct LabTaggingTests {
    private let head: [UInt8] = Array(repeating: 0xff, count: 6) + [2, 0, 0, 0, 0, 1]
    private let arp: [UInt8] = [0x08, 0x06, 0, 1]
    private let own: [UInt8] = [0x81, 0, 0x0b, 0xb8]

    private func changed(_ tagging: LabTagging, _ frame: [UInt8], taken: Int64 = -1) -> [UInt8]? {
        tagging.changed(frame[...], taken: taken)
    }

    @Test("a second tag goes in front of the VLAN's, whether the kernel took that off or not, and nothing else is changed")
    func doubles() {
        let tagging = LabTagging(vlan: 3000, outer: 4000)
        let wanted = head + [0x81, 0, 0x0f, 0xa0] + own + arp
        #expect(changed(tagging, head + own + arp) == wanted)
        #expect(changed(tagging, head + arp, taken: 0x8100 << 16 | 3000) == wanted)
        #expect(changed(tagging, head + arp) == nil)
        #expect(changed(tagging, head + arp, taken: 0x8100 << 16 | 2999) == nil)
    }

    @Test("what has no tag gets the native VLAN's, and what has one is left alone")
    func leaks() {
        let tagging = LabTagging(vlan: 3000, outer: nil)
        #expect(changed(tagging, head + arp) == head + own + arp)
        #expect(changed(tagging, head + own + arp) == nil)
        #expect(changed(tagging, head + arp, taken: 0x8100 << 16 | 3000) == nil)
    }

    @Test("each fault has a node of its own, and a lab with fewer workers has fewer faults")
    func victims() throws {
        let topology = try LabTopology(try LabScenario.vlanPorts.plan(directory: "/lab"))
        #expect(LabVLANFault.allCases.compactMap { $0.victim(topology)?.name.text } == ["wrk-e-1", "wrk-e-2", "wrk-w-1", "wrk-w-2"])
        let small = try LabTopology(LabPlan(directory: "/lab", clusterCount: 1, hasTrunks: true))
        #expect(LabVLANFault.allCases.map { $0.victim(small)?.name.text } == ["wrk-e-1", "wrk-e-2", nil, nil])
    }

    @Test("frames that are no frames are dropped")
    func broken() {
        for length in 0..<14 {
            #expect(changed(LabTagging(vlan: 1, outer: nil), Array((head + arp).prefix(length))) == nil)
        }
        #expect(changed(LabTagging(vlan: 1, outer: 2), Array((head + own).prefix(14))) == nil)
    }
}
