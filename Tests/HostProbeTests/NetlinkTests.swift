// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import HostProbe

@Suite struct NetlinkTests {
    private func little(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }
    private func attribute(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
        let body = little(UInt16(value.count + 4)) + little(type) + value
        return body + Array(repeating: 0, count: aligned(body.count) - body.count)
    }
    private func message(_ type: UInt16, _ payload: [UInt8], sequence: UInt32 = 1, flags: UInt16 = 2) -> [UInt8] {
        little(UInt32(payload.count + 16)) + little(type) + little(flags) + little(sequence) + little(UInt32(0)) + payload
    }
    private var linkBody: [UInt8] {
        [0, 0] + little(UInt16(1)) + little(Int32(7)) + little(UInt32(0x10003)) + little(UInt32(0))
            + attribute(3, Array("eth0".utf8) + [0]) + attribute(4, little(UInt32(9000))) + attribute(1, [2, 0, 0, 0, 0, 1])
            + attribute(0x8000 | 18, attribute(1, Array("vlan".utf8) + [0]))
    }
    private var routeBody: [UInt8] {
        [2, 16, 0, 0, 254, 4, 0, 1] + little(UInt32(0)) + attribute(1, [10, 9, 0, 0]) + attribute(5, [10, 0, 0, 1])
            + attribute(4, little(Int32(7)))
    }

    private func kindBody(_ kind: String, _ data: [UInt8], extra: [UInt8] = []) -> [UInt8] {
        [0, 0] + little(UInt16(1)) + little(Int32(9)) + little(UInt32(0x10003)) + little(UInt32(0)) + attribute(3, Array("x9".utf8) + [0])
            + extra + attribute(0x8000 | 18, attribute(1, Array(kind.utf8) + [0]) + attribute(0x8000 | 2, data))
    }
    /// `bridge vlan add dev X vid 1 pvid untagged`, `vid 110`, `vid 200-210`.
    private var portBody: [UInt8] {
        let entries = [(6, 1), (0, 110), (8, 200), (16, 210)].flatMap { flags, id in
            attribute(2, little(UInt16(flags)) + little(UInt16(id)))
        }
        return [7, 0] + little(UInt16(1)) + little(Int32(4)) + little(UInt32(0)) + little(UInt32(0)) + attribute(26, entries)
    }

    @Test("kinds of links say what they are made of") func kinds() throws {
        let vlan = try LinkTable.link(
            NetlinkBytes(bytes: kindBody("vlan", attribute(1, little(UInt16(110))), extra: attribute(5, little(Int32(2))))[...]))
        #expect(vlan.details == .init(vlan: 110) && vlan.parent == 2 && vlan.master == nil)
        let elsewhere = try LinkTable.link(
            NetlinkBytes(
                bytes: kindBody(
                    "vlan", attribute(1, little(UInt16(110))), extra: attribute(5, little(Int32(2))) + attribute(37, little(Int32(0))))[...]
            ))
        #expect(elsewhere.parent == nil, "an index of another network namespace names nothing here")
        let bridge = try LinkTable.link(NetlinkBytes(bytes: kindBody("bridge", attribute(7, [1]))[...]))
        #expect(bridge.details == .init(filtersVLANs: true))
        let bond = try LinkTable.link(
            NetlinkBytes(
                bytes: kindBody("bond", attribute(1, [1]) + attribute(2, little(UInt32(3))), extra: attribute(10, little(UInt32(8))))[...]))
        #expect(bond.details == .init(bondMode: "active-backup", bondActive: 3) && bond.master == 8)
        let odd = try LinkTable.link(NetlinkBytes(bytes: kindBody("bond", attribute(1, [9]))[...]))
        #expect(odd.details.bondMode == "mode 9")
        let tunnel = try LinkTable.link(NetlinkBytes(bytes: kindBody("vxlan", attribute(1, little(UInt32(0xffffff))))[...]))
        #expect(tunnel.details == .init(vni: 0xffffff))
        #expect(throws: NetlinkFault.self) {
            try LinkTable.link(NetlinkBytes(bytes: kindBody("vlan", attribute(1, little(UInt16(4096))))[...]))
        }
    }

    @Test("a bridge port's VLANs are read, ranges as ranges") func bridgeVLANs() throws {
        let port = try #require(try LinkTable.vlans(NetlinkBytes(bytes: portBody[...])))
        #expect(port.index == 4)
        #expect(
            port.ranges == [
                .init(first: 1, last: 1, isUntagged: true, isNative: true), .init(first: 110, last: 110), .init(first: 200, last: 210),
            ])
        #expect(try LinkTable.vlans(NetlinkBytes(bytes: portBody.prefix(16))) == nil)
        var backwards = portBody
        backwards.replaceSubrange(backwards.count - 2..<backwards.count, with: little(UInt16(150)))
        #expect(throws: NetlinkFault.self) { try LinkTable.vlans(NetlinkBytes(bytes: backwards[...])) }
    }

    @Test("a link is read from its bytes") func link() throws {
        let link = try LinkTable.link(NetlinkBytes(bytes: linkBody[...]))
        #expect(
            link
                == LinkTable.Link(
                    name: "eth0", index: 7, kind: "vlan", mac: MACAddress("02:00:00:00:00:01"), mtu: 9000, loopback: false, up: true,
                    carrier: true, device: nil))
    }

    @Test("a route is read from its bytes") func route() throws {
        let routes = try RouteTable.routes(NetlinkBytes(bytes: routeBody[...]))
        #expect(routes == [.init(destination: CIDR("10.9.0.0/16"), gateway: IPAddress("10.0.0.1"), interface: 7, family: .v4)])
        let priced = routeBody + attribute(6, little(UInt32(1024))) + attribute(7, [10, 0, 0, 9])
        #expect(try RouteTable.routes(NetlinkBytes(bytes: priced[...])).map(\.metric) == [1024])
        #expect(try RouteTable.routes(NetlinkBytes(bytes: priced[...])).map(\.source) == [IPAddress("10.0.0.9")])
    }

    @Test("lengths that lie are refused, wherever they are") func lies() {
        let whole = message(16, linkBody)
        for cut in 1..<whole.count {
            #expect(throws: NetlinkFault.self) { try NetlinkMessage.parse(whole[..<cut]) }
        }
        for length: UInt16 in [0, 1, 3, 200, .max] {
            var body = linkBody
            body.replaceSubrange(16..<18, with: little(length))
            #expect(throws: NetlinkFault.self) { try LinkTable.link(NetlinkBytes(bytes: body[...])) }
        }
        #expect(throws: NetlinkFault.self) {
            try RouteTable.routes(
                NetlinkBytes(bytes: ([2, 33, 0, 0, 254, 4, 0, 1] + little(UInt32(0)) + attribute(1, [10, 9, 0, 0]))[...]))
        }
    }

    @Test("a list that changed is read again, a refusal is an error, other conversations are ignored") func folding() throws {
        var collector = NetlinkSocket.DumpCollector(answer: 16, sequence: 5)
        try collector.take(message(16, linkBody, sequence: 4))
        #expect(collector.messages.isEmpty)
        try collector.take(message(16, linkBody, sequence: 5, flags: 0x12) + message(3, little(Int32(0)), sequence: 5))
        #expect(collector.messages.count == 1 && collector.finished && collector.changed && collector.refusal == nil)
        var refused = NetlinkSocket.DumpCollector(answer: 16, sequence: 5)
        try refused.take(message(2, little(Int32(-13)), sequence: 5))
        #expect(refused.refusal == 13)
    }

    @Test("no bytes make the reader crash or take something in twice", arguments: 0..<8) func fuzz(seed: UInt64) {
        var random = SplitMix(state: seed)
        let seeds = [
            message(16, linkBody), message(24, routeBody), message(24, routeBody) + message(16, linkBody) + message(3, little(Int32(0))),
            message(16, portBody), message(16, kindBody("vlan", attribute(1, little(UInt16(110))))),
            message(16, kindBody("bond", attribute(1, [1]) + attribute(2, little(UInt32(3))))),
        ]
        for _ in 0..<4000 {
            var bytes = seeds[Int.random(in: 0..<seeds.count, using: &random)]
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
                default: if bytes.count > 1 { bytes.removeLast(Int.random(in: 1...min(8, bytes.count - 1), using: &random)) }
                }
            }
            guard let messages = try? NetlinkMessage.parse(bytes[...]) else { continue }
            #expect(messages.reduce(0) { $0 + $1.payload.count + 16 } <= bytes.count)
            // Only the absence of a trap counts here; each may refuse.
            _ = try? LinkTable(links: messages, addresses: messages, bridgeVLANs: messages)
            for message in messages { _ = try? RouteTable.routes(message.payload) }
        }
    }
}

/// A small repeatable source of randomness.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
