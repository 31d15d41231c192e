// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import HostProbe

/// What is read from frames that anybody may have sent.
@Suite("frames with tags")
struct TagFrameTests {
    private let here: MACAddress
    private let there: MACAddress
    private let token: Digest

    init() throws {
        here = try #require(MACAddress("02:00:00:00:00:01"))
        there = try #require(MACAddress("02:00:00:00:00:02"))
        token = try #require(Digest(Array(repeating: 7, count: 32)))
    }

    private func question(_ kind: TagProbe.Kind = .tagged, vlan: Int = 110, tags: [Int] = [110]) -> (EthernetFrame, ARPPacket) {
        let probe = TagProbe(kind: kind, vlan: vlan, nonce: 0x1122_3344_5566_7788, sequence: 3, token: token.bytes)
        let packet = ARPPacket(
            operation: .request, sender: here, senderAddress: ARPPacket.nobody, target: .zero, targetAddress: ARPPacket.dummy,
            trailer: probe.bytes)
        return (EthernetFrame(destination: .broadcast, source: here, tags: tags, type: EthernetFrame.arp, payload: packet.bytes), packet)
    }

    @Test("a frame is what it was, whether its tag is still in it or was taken off, and priority alone is no VLAN")
    func tags() throws {
        let (frame, packet) = question()
        let bytes = frame.bytes
        #expect(bytes[12..<16].elementsEqual([0x81, 0x00, 0, 110]) && bytes.count == 98)
        #expect(EthernetFrame(bytes) == frame)
        #expect(ARPPacket(frame.payload) == packet)
        var bare = frame
        bare.tags = []
        // The kernel took the tag off, with priority 5 in its upper bits.
        #expect(EthernetFrame(bare.bytes, taken: 5 << 13 | 110) == frame)
        #expect(EthernetFrame(bytes, taken: 2000)?.tags == [2000, 110])
        #expect(EthernetFrame(bare.bytes, taken: 7 << 13)?.tags == [])
        #expect(EthernetFrame(bare.bytes)?.tags == [])
        // 802.1ad outside, 802.1Q inside.
        var service = bytes
        service.replaceSubrange(12..<12, with: [0x88, 0xa8, 0x07, 0xd0])
        #expect(EthernetFrame(service)?.tags == [2000, 110])
        var stack = frame
        stack.tags = [1, 2, 3, 4]
        #expect(EthernetFrame(stack.bytes)?.tags == [1, 2, 3, 4])
        stack.tags.append(5)
        #expect(EthernetFrame(stack.bytes) == nil)
    }

    @Test("cut at any byte, a frame is refused or lacks its end, and nothing is answered")
    func short() throws {
        let (frame, _) = question()
        let bytes = frame.bytes
        for length in 0..<bytes.count {
            guard let cut = EthernetFrame(bytes[..<length]) else {
                #expect(length < 18)
                continue
            }
            guard let packet = ARPPacket(cut.payload) else {
                #expect(length < 18 + ARPPacket.length)
                continue
            }
            #expect(FrameHouse.answer(cut, packet, own: there, [token: 110]) == nil)
        }
    }

    @Test("ARP of other lengths, kinds and operations is none")
    func foreign() {
        let bytes = question().1.bytes
        for (place, value) in [(0, 1), (1, 6), (2, 0x86), (4, 8), (5, 16), (7, 3), (6, 1)] as [(Int, UInt8)] {
            var other = bytes
            other[place] = value
            #expect(ARPPacket(other) == nil, "\(place)")
        }
    }

    @Test("a question with the token of an open window for its VLAN is answered in kind and with the tags it came with; no other is")
    func answers() throws {
        let (frame, packet) = question(tags: [2000, 110])
        let answer = try #require(FrameHouse.answer(frame, packet, own: there, [.zero: 1, token: 110]))
        #expect(answer.tags == [110] && answer.destination == here && answer.source == there)
        let reply = try #require(ARPPacket(answer.payload))
        #expect(reply.operation == .reply && reply.senderAddress == ARPPacket.nobody && reply.targetAddress == ARPPacket.dummy)
        let probe = try #require(TagProbe(reply.trailer))
        #expect(probe.kind == .answer && probe.seen == [2000, 110] && probe.sequence == 3 && probe.vlan == 110 && probe.token.isEmpty)
        let plain = question(.untagged, tags: [])
        #expect(FrameHouse.answer(plain.0, plain.1, own: there, [token: 110])?.tags == [])

        #expect(FrameHouse.answer(frame, packet, own: there, [token: 111]) == nil)
        #expect(FrameHouse.answer(frame, packet, own: there, [.zero: 110]) == nil)
        #expect(FrameHouse.answer(frame, packet, own: there, [:]) == nil)
        // An answer is not answered: two nodes would never stop.
        #expect(FrameHouse.answer(answer, reply, own: here, [token: 110, .zero: 110]) == nil)
        var odd = packet
        odd.operation = .reply
        #expect(FrameHouse.answer(frame, odd, own: there, [token: 110]) == nil)
    }

    @Test("probes with ids and counts that no tag has are none")
    func probes() {
        let good = TagProbe(kind: .answer, vlan: 110, nonce: 1, sequence: 2, seen: [2000, 110]).bytes
        #expect(TagProbe(good)?.seen == [2000, 110])
        for (place, value) in [(0, 0), (4, 0), (4, 4), (5, 3), (6, 0x20), (20, 0x10)] as [(Int, UInt8)] {
            var other = good
            other[place] = value
            #expect(TagProbe(other) == nil, "\(place)")
        }
        var question = TagProbe(kind: .tagged, vlan: 1, nonce: 1, sequence: 2, token: token.bytes).bytes
        #expect(TagProbe(question)?.token == token.bytes)
        question[5] = 1
        #expect(TagProbe(question) == nil)
    }

    @Test("whatever bytes come, nothing breaks, and no answer is longer than its question", arguments: [1, 2, 3] as [UInt64])
    func fuzzed(seed: UInt64) {
        var random = SplitMix(state: seed)
        let base = question().0.bytes
        var answered = 0
        for _ in 0..<20_000 {
            var bytes = base
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                switch Int.random(in: 0..<3, using: &random) {
                case 0: if let place = bytes.indices.randomElement(using: &random) { bytes[place] = .random(in: 0...255, using: &random) }
                case 1: bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
                default:
                    let place = Int.random(in: 0...bytes.count, using: &random)
                    bytes.insert(contentsOf: [0x81, 0x00, .random(in: 0...255, using: &random), 110], at: place)
                }
            }
            let taken: UInt16? = Bool.random(using: &random) ? .random(in: 0...UInt16.max, using: &random) : nil
            guard let frame = EthernetFrame(bytes, taken: taken), let packet = ARPPacket(frame.payload) else { continue }
            guard let answer = FrameHouse.answer(frame, packet, own: there, [token: 110]) else { continue }
            answered += 1
            #expect(answer.bytes.count <= bytes.count + 4)
            let seen = ARPPacket(answer.payload).flatMap { TagProbe($0.trailer) }?.seen
            #expect(seen == Array(frame.tags.prefix(2)))
        }
        #expect(answered > 100)
    }
}
