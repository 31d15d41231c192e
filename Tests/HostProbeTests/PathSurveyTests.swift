// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Testing

@testable import HostProbe

@Suite("ways over a real wire", .enabled(if: NetworkLab.isPossible, NetworkLab.reason))
struct PathSurveyTests {
    /// A lab whose far end answers.
    private func answering(_ lab: WireLab, _ window: EchoWindow? = nil) throws -> EchoHouse {
        let house = EchoHouse()
        let window = try window ?? Way.window()
        _ = try lab.inside(lab.there) { try house.open(window) }
        return house
    }

    private func one(_ lab: WireLab, mtu: Int = 1500) throws -> (PathFact, Duration) {
        let (facts, took) = try Way.survey(lab, [try Way.target(mtu: mtu)])
        return (try #require(facts.first), took)
    }

    @Test("a sound way: nothing is lost, the whole size gets there and back, and the source is our own address")
    func sound() throws {
        let lab = try WireLab()
        let house = try answering(lab)
        defer { house.stop() }
        let (fact, took) = try one(lab)
        let echo = try #require(fact.echo)
        #expect(echo.sent == 100 && echo.isSound && echo.port == Way.port)
        #expect(echo.there == 1500 && echo.back == 1500)
        #expect(echo.seen == IPAddress(WireLab.hereAddress) && echo.local == echo.seen)
        #expect(echo.median > 0 && echo.median <= echo.slowest)
        #expect(fact.pinged && fact.health == .refused && fact.problem == nil)
        #expect(took < .seconds(20))
    }

    @Test("a port of a switch that swallows large packets without a word is found to the byte, on the way there and on the way back")
    func holes() throws {
        let lab = try WireLab()
        let house = try answering(lab)
        defer { house.stop() }
        try shell("ip -n \(lab.mid) link set tb mtu 1407")
        let (narrow, took) = try one(lab)
        let there = try #require(narrow.echo)
        #expect(there.there == 1407 && there.back == 1407 && there.isSound)
        #expect(took < .seconds(20), "\(took)")
        try shell("ip -n \(lab.mid) link set tb mtu 1500")
        // A port's own MTU is the same for both directions; only a filter swallows what comes back alone.
        try lab.nft(
            lab.mid,
            "add table netdev f; add chain netdev f i { type filter hook ingress device \"tb\" priority 0; }; "
                + "add rule netdev f i meta length > 1333 drop")
        let (backwards, _) = try one(lab)
        let back = try #require(backwards.echo)
        #expect(back.there == 1500 && back.back == 1333)
    }

    @Test("no more is asked of a way than our own link can send")
    func ownLink() throws {
        let lab = try WireLab(mtu: 1450)
        let house = try answering(lab)
        defer { house.stop() }
        let echo = try #require(try one(lab, mtu: 9000).0.echo)
        #expect(echo.there == 1450 && echo.back == 1450)
    }

    @Test("a firewall that drops the tunnel's port shows as silence, while ICMP is answered")
    func firewall() throws {
        let lab = try WireLab()
        let house = try answering(lab)
        defer { house.stop() }
        try lab.nft(
            lab.there,
            "add table inet f; add chain inet f i { type filter hook input priority 0; }; add rule inet f i udp dport \(Way.port) drop")
        let (fact, took) = try one(lab)
        #expect(fact.echo == nil && fact.pinged && fact.health == .refused)
        #expect(took < .seconds(20))
    }

    @Test("where the kernel's own tunnel holds the port, its substitute answers")
    func taken() throws {
        let lab = try WireLab()
        try shell("ip -n \(lab.there) link add vx0 type vxlan id 7 dstport \(Way.port) dev eth0")
        try shell("ip -n \(lab.there) link set vx0 up")
        let house = EchoHouse()
        defer { house.stop() }
        let window = try Way.window()
        #expect(try lab.inside(lab.there) { try house.open(window) } == PathTarget.substitute(for: Way.port))
        #expect(try one(lab).0.echo?.port == PathTarget.substitute(for: Way.port))
    }

    @Test("an address that is translated on the way is seen by the other end")
    func translated() throws {
        let lab = try WireLab()
        let house = try answering(lab)
        defer { house.stop() }
        try shell("ip -n \(lab.here) addr add 10.78.0.9/24 dev eth0")
        try lab.nft(
            lab.here,
            "add table ip n; add chain ip n p { type nat hook postrouting priority 100; }; add rule ip n p oif eth0 snat to 10.78.0.9")
        let echo = try #require(try one(lab).0.echo)
        #expect(echo.local == IPAddress(WireLab.hereAddress) && echo.seen == IPAddress("10.78.0.9"))
    }

    @Test("loss is counted, and does not look like a hole")
    func loss() throws {
        let lab = try WireLab()
        let house = try answering(lab)
        defer { house.stop() }
        try lab.nft(
            lab.there,
            "add table inet f; add chain inet f i { type filter hook input priority 0; }; add rule inet f i udp dport \(Way.port) "
                + "numgen inc mod 5 == 0 drop")
        let echo = try #require(try one(lab).0.echo)
        #expect(!echo.isSound && (60...95).contains(echo.received), "\(echo.received)")
        #expect(echo.there == 1500 && echo.back == 1500)
    }

    @Test("nobody answers without the token of the probe, after its time, or where nobody was told to")
    func tokens() throws {
        let lab = try WireLab()
        let house = try answering(lab, try Way.window(lasts: .zero))
        defer { house.stop() }
        #expect(try one(lab).0.echo == nil)
        let second = EchoHouse()
        defer { second.stop() }
        let window = try Way.window()
        _ = try lab.inside(lab.there) { try second.open(window) }
        let (wrong, _) = try Way.survey(lab, [try Way.target()], token: .zero)
        #expect(wrong.first?.echo == nil && wrong.first?.pinged == true)
        let (none, took) = try Way.survey(lab, [try Way.target()], token: nil)
        #expect(none.first?.echo == nil && none.first?.problem == "there was not told to answer")
        #expect(took < .seconds(20))
    }

    @Test("a node that is not there is silent in every way, and many of them cost the time of one")
    func absent() throws {
        let lab = try WireLab()
        let targets = try (10..<42).map { try Way.target("10.78.0.\($0)") }
        let (facts, took) = try Way.survey(lab, targets)
        #expect(facts.map(\.target) == targets)
        #expect(facts.allSatisfy { $0.echo == nil && !$0.pinged && ($0.health == .timedOut || $0.health == .unreachable) })
        // One after the other they would take a minute and more.
        #expect(took < .seconds(30))
    }

    @Test("over IPv6 too")
    func overIPv6() throws {
        let lab = try WireLab()
        for (namespace, address) in [(lab.here, "fd78::1"), (lab.there, "fd78::2")] {
            try shell("ip -n \(namespace) addr add \(address)/64 dev eth0 nodad")
        }
        let house = try answering(lab, try Way.window("fd78::2"))
        defer { house.stop() }
        try shell("ip -n \(lab.mid) link set tb mtu 1400")
        let (facts, _) = try Way.survey(lab, [try Way.target("fd78::2")])
        let echo = try #require(facts.first?.echo)
        #expect(echo.isSound && echo.there == 1400 && echo.seen == IPAddress("fd78::1"))
        #expect(facts.first?.pinged == true)
    }

    @Test("more targets than a survey takes are refused")
    func bounded() async throws {
        let many = try (0...PathSurvey.targetLimit).map { try Way.target("10.78.1.\($0)") }
        await #expect(throws: HostProbeError.tooManyTargets(65, limit: 64)) {
            try await PathSurvey(targets: many, tokens: [:], entropy: KernelEntropy()).facts()
        }
    }
}
