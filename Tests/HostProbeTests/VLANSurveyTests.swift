// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Synchronization
import Testing

@testable import HostProbe

/// Tagged frames over a real wire. The kernels in between know nothing of VLANs; what a switch makes of tags is made by `TagSwitch`.
@Suite("VLANs over a real wire", .enabled(if: NetworkLab.isPossible, NetworkLab.reason))
struct VLANSurveyTests {
    private static let vlan = 1500

    private func target(_ vlan: Int = vlan, router: String? = nil) throws -> VLANTarget {
        let port = TrunkPort(name: "eth0")
        guard let router else { return VLANTarget(port: port, vlan: vlan, end: .node(try Way.node(), at: port)) }
        return VLANTarget(port: port, vlan: vlan, end: .router(try #require(IPAddress(router))))
    }

    private func ask(
        _ lab: WireLab, _ targets: [VLANTarget], link: String = "eth0", isTrunk: Bool = true
    ) throws -> [VLANFact] {
        let questions = targets.map { VLANQuestion(target: $0, link: link, isTrunk: isTrunk, token: Way.token) }
        return try lab.inside(lab.here) { try VLANSurvey(questions: questions, entropy: KernelEntropy()).run() }
    }

    private func one(_ lab: WireLab, router: String? = nil) throws -> VLANFact {
        try #require(try ask(lab, [try target(router: router)]).first)
    }

    /// A lab whose far end answers in some VLANs.
    private func answering(_ lab: WireLab, _ vlans: [Int] = [vlan]) throws -> FrameHouse {
        let house = FrameHouse()
        try lab.inside(lab.there) {
            for vlan in vlans {
                let token = vlans.count == 1 ? Way.token : Digest(Array(repeating: UInt8(vlan & 0xff), count: 32)) ?? .zero
                try house.open(FrameListen(token: token, link: "eth0", vlan: vlan, lasts: TimeSpan(.seconds(20))))
            }
        }
        return house
    }

    private func mac(_ lab: WireLab) throws -> MACAddress {
        try #require(MACAddress(String(try shell("ip netns exec \(lab.there) cat /sys/class/net/eth0/address").prefix(17))))
    }

    @Test("a VLAN that passes is seen in a moment, with the tag at both ends and the other's address; nobody learns an address from it")
    func passes() throws {
        let lab = try WireLab()
        let house = try answering(lab)
        defer { house.stop() }
        let facts = try ask(lab, [try target()])
        let fact = try #require(facts.first)
        #expect(fact.finding == .passes, "\(fact)")
        #expect(fact.there == [Self.vlan] && fact.back == [Self.vlan] && fact.untagged == [] && fact.sent == 3 && fact.answered == 3)
        let peer = try mac(lab)
        #expect(fact.peer == peer && fact.link == "eth0")
        #expect(fact.roundTrip != nil)
        for namespace in [lab.here, lab.there] { #expect(try shell("ip -n \(namespace) neigh show").isEmpty) }
    }

    @Test("a switch port without the VLAN: tagged frames vanish, and untagged ones tell that the other end is there")
    func missing() throws {
        let lab = try WireLab()
        let house = try answering(lab)
        defer { house.stop() }
        try lab.nft(
            lab.mid,
            "add table netdev f; add chain netdev f i { type filter hook ingress device \"ha\" priority 0; }; "
                + "add rule netdev f i vlan id \(Self.vlan) drop")
        let fact = try one(lab)
        #expect(fact.finding == .onlyUntagged && fact.untagged == [] && fact.back == nil && fact.answered == 0)
        try lab.nft(lab.mid, "delete table netdev f")
        #expect(try one(lab).finding == .passes)
    }

    @Test("nobody there, no token of an open window, or one of another VLAN: silence")
    func silent() throws {
        let lab = try WireLab()
        #expect(try one(lab).finding == .silent)
        let house = try answering(lab, [Self.vlan + 1])
        defer { house.stop() }
        #expect(try one(lab).finding == .silent)
        let closed = FrameHouse()
        defer { closed.stop() }
        try lab.inside(lab.there) {
            try closed.open(FrameListen(token: Way.token, link: "eth0", vlan: Self.vlan, lasts: TimeSpan(.zero)))
        }
        #expect(try one(lab).finding == .silent)
    }

    @Test("an end that begins to answer only after the first questions is still heard within the second")
    func late() throws {
        let lab = try WireLab()
        let house = FrameHouse()
        defer { house.stop() }
        let there = lab.there
        try OwnThread.start(named: "late") {
            usleep(200_000)
            try? NetworkLab.inside(there) {
                try house.open(FrameListen(token: Way.token, link: "eth0", vlan: Self.vlan, lasts: TimeSpan(.seconds(20))))
            }
        }
        let fact = try one(lab)
        #expect(fact.finding == .passes && fact.sent > 0, "\(fact)")
    }

    @Test(
        "what a switch makes of tags is told apart",
        arguments: [
            // The own port's answers come untagged; the other port is native; a second tag; another id; what is untagged gets in.
            (TagSwitch.Rule(back: { $0.isEmpty ? $0 : [] }), VLANFact.Finding.untaggedHere),
            (.init(there: { _ in [] }), .untaggedThere),
            (.init(there: { $0.isEmpty ? $0 : [2000] + $0 }), .doubled([2000, 1500])),
            (.init(back: { $0.isEmpty ? $0 : [2000] + $0 }), .doubled([2000, 1500])),
            (.init(there: { $0.isEmpty ? $0 : [2000] }), .renumbered(2000)),
            (.init(there: { $0.isEmpty ? [1500] : $0 }), .leaks),
            (.init(there: { $0.isEmpty ? [1500] : nil }), .leaks),
            (.init(), .passes),
        ])
    func switched(_ rule: TagSwitch.Rule, _ finding: VLANFact.Finding) throws {
        let lab = try WireLab()
        let house = try answering(lab)
        defer { house.stop() }
        let between = try TagSwitch(lab, rule)
        defer { between.stop() }
        #expect(try one(lab).finding == finding)
    }

    @Test("a router in the VLAN answers to its address; one that has it without the VLAN shows that the port is not tagged")
    func router() throws {
        let lab = try WireLab()
        let router = try TagRouter(lab, "10.78.0.254", vlan: Self.vlan)
        defer { router.stop() }
        let fact = try one(lab, router: "10.78.0.254")
        #expect(fact.finding == .passes && fact.there == nil && fact.back == [Self.vlan] && fact.answered == 3, "\(fact)")
        // A real kernel, which has no such VLAN.
        let plain = try one(lab, router: WireLab.thereAddress)
        let kernel = try mac(lab)
        #expect(plain.finding == .onlyUntagged && plain.untagged == [] && plain.peer == kernel, "\(plain)")
        let none = try one(lab, router: "10.78.0.77")
        #expect(none.finding == .silent && none.peer == nil)
        #expect(try shell("ip -n \(lab.there) neigh show").isEmpty)
    }

    @Test("many VLANs cost the time of one, and each has its own answer")
    func many() throws {
        let lab = try WireLab()
        let house = FrameHouse()
        defer { house.stop() }
        try lab.inside(lab.there) {
            for vlan in stride(from: 100, to: 116, by: 2) {
                var token = Way.token.bytes
                token[0] = UInt8(vlan)
                try house.open(
                    FrameListen(token: Digest(token) ?? .zero, link: "eth0", vlan: vlan, lasts: TimeSpan(.seconds(20))))
            }
        }
        let questions = try (100..<116).map { vlan in
            var token = Way.token.bytes
            token[0] = UInt8(vlan)
            return VLANQuestion(target: try target(vlan), link: "eth0", isTrunk: true, token: Digest(token))
        }
        let facts = try lab.inside(lab.here) { try VLANSurvey(questions: questions, entropy: KernelEntropy()).run() }
        #expect(facts.map(\.target) == questions.map(\.target))
        for fact in facts { #expect(fact.finding == (fact.target.vlan.isMultiple(of: 2) ? .passes : .silent), "\(fact)") }
        #expect(throws: HostProbeError.tooManyTargets(33, limit: 32)) {
            try VLANSurvey(questions: Array(repeating: questions[0], count: 33), entropy: KernelEntropy()).run()
        }
    }

    @Test("a frame that is lost once is asked for again; frames that are lost in every round are told")
    func losses() throws {
        let lab = try WireLab()
        let house = try answering(lab)
        defer { house.stop() }
        func drop(_ rule: String) throws {
            try lab.nft(
                lab.mid,
                "add table netdev f; delete table netdev f; add table netdev f; "
                    + "add chain netdev f i { type filter hook ingress device \"ha\" priority 0; }; add rule netdev f i vlan id \(Self.vlan) \(rule) drop"
            )
        }
        // The second of all; then every second one.
        try drop("numgen inc mod 1000 == 1")
        let once = try one(lab)
        #expect(once.finding == .passes && once.sent == 3 && once.answered == 3, "\(once)")
        try drop("numgen inc mod 2 == 1")
        let facts = try ask(lab, [try target()])
        #expect(facts.first?.finding == .lossy, "\(facts)")
    }

    @Test("links that cannot send are named: not there, no Ethernet, down")
    func links() throws {
        let lab = try WireLab()
        func problem(_ link: String) throws -> String? { try ask(lab, [try target()], link: link).first?.problem }
        #expect(try problem("eth9")?.contains("eth9: No such device") == true)
        #expect(try problem("lo")?.contains("no Ethernet link") == true)
        #expect(try problem("a-name-that-no-link-can-have")?.contains("No such device") == true)
        try shell("ip -n \(lab.here) link set eth0 down")
        #expect(try problem("eth0")?.contains("Network is down") == true)
    }

    @Test("promiscuous only while it asks")
    func promiscuous() throws {
        let lab = try WireLab()
        _ = try one(lab)
        #expect(try shell("ip -n \(lab.here) -d link show eth0").contains("promiscuity 0"))
    }
}

/// A switch between the two ends of a lab that changes tags as it is told.
final class TagSwitch: Sendable {
    /// What becomes of a frame's tags; `nil`: the frame is dropped.
    struct Rule: Sendable, CustomTestStringConvertible {
        var there: @Sendable ([Int]) -> [Int]? = { $0 }
        var back: @Sendable ([Int]) -> [Int]? = { $0 }
        var testDescription: String { "a rule" }
    }

    private let stopped = Atomic<Bool>(false)
    private let ready = Atomic<Bool>(false)

    init(_ lab: WireLab, _ rule: Rule) throws {
        for port in ["ha", "tb"] { try shell("ip -n \(lab.mid) link set \(port) nomaster up") }
        let mid = lab.mid
        try OwnThread.start(named: "switch") { [self] in
            try? NetworkLab.inside(mid) {
                let (left, right) = (try FrameSocket(link: "ha"), try FrameSocket(link: "tb"))
                self.ready.store(true, ordering: .releasing)
                while !self.stopped.load(ordering: .relaxed) {
                    var waiting = [left, right].map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
                    _ = poll(&waiting, 2, 100)
                    Self.forward(left, right, rule.there)
                    Self.forward(right, left, rule.back)
                }
            }
        }
        while !ready.load(ordering: .acquiring) { sched_yield() }
    }

    private static func forward(_ from: FrameSocket, _ to: FrameSocket, _ change: ([Int]) -> [Int]?) {
        while var (frame, _) = from.receive() {
            guard let tags = change(frame.tags) else { continue }
            frame.tags = tags
            _ = to.send(frame)
        }
    }

    func stop() { stopped.store(true, ordering: .relaxed) }
}

/// Answers ARP requests for one address in one VLAN, as a router's kernel with a VLAN link does.
final class TagRouter: Sendable {
    private let stopped = Atomic<Bool>(false)
    private let ready = Atomic<Bool>(false)

    init(_ lab: WireLab, _ address: String, vlan: Int) throws {
        let own = try #require(IPAddress(address))
        let there = lab.there
        try OwnThread.start(named: "router") { [self] in
            try? NetworkLab.inside(there) {
                let socket = try FrameSocket(link: "eth0")
                self.ready.store(true, ordering: .releasing)
                while !self.stopped.load(ordering: .relaxed) {
                    var waiting = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
                    guard poll(&waiting, 1, 100) > 0, let (frame, packet) = socket.receive() else { continue }
                    guard frame.tags == [vlan], packet.operation == .request, packet.targetAddress == own else { continue }
                    let reply = ARPPacket(
                        operation: .reply, sender: socket.mac, senderAddress: own, target: packet.sender,
                        targetAddress: packet.senderAddress)
                    _ = socket.send(
                        EthernetFrame(
                            destination: frame.source, source: socket.mac, tags: [vlan], type: EthernetFrame.arp, payload: reply.bytes))
                }
            }
        }
        while !ready.load(ordering: .acquiring) { sched_yield() }
    }

    func stop() { stopped.store(true, ordering: .relaxed) }
}
