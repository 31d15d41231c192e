// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

/// What tagged frames say about the ports between.
@Suite("The judge of VLANs")
struct VLANJudgeTests {
    private let node: NodeID
    private let peer: VLANTarget
    private let router: VLANTarget
    private let boot: BootID
    private let mac: MACAddress

    init() throws {
        node = try SmallMesh.need(NodeID("pve-1"))
        let port = TrunkPort(name: "vmbr0", isBridge: true)
        peer = VLANTarget(port: port, vlan: 110, end: .node(try SmallMesh.need(NodeID("pve-2")), at: port))
        router = VLANTarget(port: port, vlan: 110, end: .router(try SmallMesh.need(IPAddress("10.20.10.1"))))
        boot = try SmallMesh.need(BootID("aaaaaaaa"))
        mac = try SmallMesh.need(MACAddress("02:00:00:00:00:02"))
    }

    private func fact(
        _ target: VLANTarget, isTrunk: Bool = true, sent: Int = 3, answered: Int = 3, there: [Int]? = nil, back: [Int]? = [110],
        untagged: [Int]? = nil
    ) -> VLANFact {
        VLANFact(
            target: target, link: "eno1", isTrunk: isTrunk, peer: back == nil && untagged == nil ? nil : mac, sent: sent,
            answered: answered,
            there: there, back: back, untagged: untagged, roundTrip: 100)
    }

    private func judge(_ facts: [VLANFact], _ targets: [VLANTarget]? = nil) -> Verdict {
        let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 0)
        var table = EvidenceTable()
        table.take(Evidence(subject: .node(node), probe: .vlans, bootID: boot, takenAt: now, facts: facts.map(Fact.vlan)))
        return Judge(evidence: table, maxAge: .seconds(60), now: now).judge(.tagged(node, targets ?? facts.map(\.target)))
    }

    @Test("tagged there and back passes, with an untagged way beside it or without, and where no tag is needed")
    func passes() {
        #expect(judge([fact(peer, there: [110]), fact(router)]) == .pass)
        #expect(judge([fact(peer, there: [110], untagged: [])]) == .pass)
        #expect(judge([VLANFact(target: peer, exempt: "it routes")]) == .pass)
    }

    @Test("what was not tried is unknown")
    func untried() {
        guard case .unknown(let reasons) = judge([fact(router)], [router, peer]) else { return #expect(Bool(false)) }
        #expect(reasons.first?.detail == "pve-1 has not tried pve-2 (the uplink of vmbr0) in VLAN 110 by the uplink of vmbr0 yet")
    }

    @Test("every fault holds with node, link, VLAN, the other end and its address, and something to do")
    func faults() throws {
        let faults: [(VLANFact, Reason.Code, String)] = [
            (fact(peer, sent: 9, answered: 0, back: nil), .unreachable, "does not answer frames of VLAN 110"),
            (fact(peer, sent: 9, answered: 0, back: nil, untagged: []), .mismatch, "the VLAN is not tagged on this port"),
            (fact(router, back: []), .mismatch, "the VLAN is not tagged on this port"),
            (fact(peer, there: []), .mismatch, "without their tag"),
            (fact(peer, there: [110], untagged: [110]), .mismatch, "get into VLAN 110"),
            (fact(peer, sent: 9, answered: 0, back: nil, untagged: [110]), .mismatch, "get into VLAN 110"),
            (fact(peer, there: [2000, 110]), .mismatch, "two tags (2000 in 110)"), (fact(peer, there: [2000]), .mismatch, "VLAN 2000"),
            (fact(peer, answered: 2, there: [110]), .unhealthy, "2 are answered"),
        ]
        for (fault, code, words) in faults {
            let verdict = judge([fault])
            guard case .hold(let reasons) = verdict, reasons.count == 1, let reason = reasons.first else {
                #expect(Bool(false), "\(fault) is \(verdict)")
                continue
            }
            #expect(reason.gate.rawValue == "G-NET-03" && reason.subject == .node(node) && reason.code == code)
            #expect(
                reason.detail.contains(words) && reason.detail.contains("eno1 of pve-1") && reason.detail.contains("110"),
                "\(reason.detail)")
            #expect(reason.detail.contains(fault.target.whom) && !reason.remedy.isEmpty)
            if fault.peer != nil { #expect(reason.detail.contains("02:00:00:00:00:02")) }
        }
        let failed = judge([VLANFact(target: peer, problem: "there is no bridge vmbr0")])
        #expect(failed.reasons.first?.detail.contains("there is no bridge vmbr0") == true && !failed.passes)
    }

    @Test("a plain port that the router is reached by without a tag is an access port of the switch; one that the node tags is not")
    func access() {
        let untagged = fact(router, isTrunk: false, sent: 6, answered: 0, back: nil, untagged: [])
        let into = fact(peer, isTrunk: false, sent: 9, answered: 0, back: nil, untagged: [110])
        let beside = fact(peer, isTrunk: false, sent: 9, answered: 0, back: nil, untagged: [])
        #expect(judge([untagged, into]) == .pass)
        #expect(judge([untagged, beside]) == .pass)
        // Without the router's word it may be any other network that both have untagged.
        #expect(!judge([beside]).passes)
        #expect(!judge([fact(router, sent: 6, answered: 0, back: nil, untagged: []), into]).passes)
        // A peer that is silent in both ways is not there.
        #expect(!judge([untagged, fact(peer, isTrunk: false, sent: 9, answered: 0, back: nil)]).passes)
    }
}
