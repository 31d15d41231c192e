// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshModel
import Testing

@testable import meshgate_agent

@Suite struct FactOutputTests {
    private var link: Fact {
        .link(
            LinkFact(
                name: "eth0", index: 2, kind: "physical", mac: MACAddress("bc:24:11:00:15:21"), mtu: 1500, up: true, carrier: false,
                addresses: ["192.168.15.21/24", "fd00::21/64"], master: "vmbr0", parent: "eno1", vlan: 110,
                vlans: [
                    .init(first: 1, last: 1, isUntagged: true, isNative: true), .init(first: 200, last: 210),
                ]))
    }

    @Test("links and routes are two aligned tables") func tables() {
        let text = FactText.render([
            link, .route(RouteFact(destination: nil, gateway: IPAddress("192.168.15.1"), interface: "eth0", metric: 0)),
            .route(RouteFact(destination: CIDR("192.168.15.0/24"), gateway: nil, interface: "eth0")), .unavailable("because\u{1b}[1m"),
        ])
        #expect(
            text == """
                LINK  KIND      STATE  CARRIER  MTU   MAC                ADDRESSES                     DETAILS
                eth0  physical  up     no       1500  bc:24:11:00:15:21  192.168.15.21/24 fd00::21/64  VLAN 110 on eno1, port of vmbr0, VLANs 1 (native) 200-210

                ROUTE            GATEWAY       LINK  METRIC  SOURCE
                default          192.168.15.1  eth0  0       -
                192.168.15.0/24  -             eth0  -       -

                not available: because\u{fffd}[1m

                """)
    }

    @Test("a JSON fact carries its sort beside its own fields, none of which is lost") func json() throws {
        let text = try FactDocument(probe: "links", takenAt: Timestamp(seconds: 0), facts: [link, .unavailable("why")]).json()
        let document = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        let facts = try #require(document["facts"] as? [[String: Any]])
        #expect(document["probe"] as? String == "links" && document["takenAt"] as? String == "1970-01-01T00:00:00.000Z")
        #expect(
            facts[0]["fact"] as? String == "link" && facts[0]["kind"] as? String == "physical" && facts[0]["name"] as? String == "eth0"
                && facts[0]["mtu"] as? Int == 1500)
        #expect(facts[1] as? [String: String] == ["fact": "unavailable", "reason": "why"])
    }
}
