// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshModel
import Synchronization
import Testing

@testable import HostProbe

/// What a watch told, with the time of each telling.
private final class Told: Sendable {
    private let state = Mutex<[(facts: [Fact], at: ContinuousClock.Instant)]>([])
    private let came = DispatchSemaphore(value: 0)

    func take(_ facts: [Fact]) {
        state.withLock { $0.append((facts, .now)) }
        came.signal()
    }
    /// Waits for the next telling; `nil` when none comes.
    func next(within seconds: Double = 10) -> (facts: [Fact], at: ContinuousClock.Instant)? {
        came.wait(timeout: .now() + seconds) == .success ? state.withLock { $0.last } : nil
    }
    var count: Int { state.withLock { $0.count } }
}

@Suite(.enabled(if: NetworkLab.isPossible, NetworkLab.reason), .serialized) struct LinkWatchTests {
    /// Watches the first namespace while `body` runs.
    private func watching(_ lab: NetworkLab, _ body: (Told) throws -> Void) throws {
        let told = Told()
        let stop = try StopSignal()
        let over = DispatchSemaphore(value: 0)
        let failure = Mutex<String?>(nil)
        let name = lab.here
        Thread {
            do {
                try lab.inside(name) { try LinkWatch(HostProber(agentVersion: "test")).follow(until: stop) { told.take($0) } }
            } catch {
                failure.withLock { $0 = "\(error)" }
            }
            over.signal()
        }.start()
        defer {
            stop.raise()
            #expect(over.wait(timeout: .now() + 10) == .success, "the watch did not stop")
            #expect(failure.withLock { $0 } == nil)
        }
        // A first change that is told shows that the watch has begun.
        try shell("ip -n \(lab.here) link set lo mtu 60000")
        var tries = 0
        while told.next(within: 0.3) == nil, tries < 30 {
            tries += 1
            try shell("ip -n \(lab.here) link set lo mtu \(60000 + tries)")
        }
        try body(told)
    }

    private func pair(_ facts: [Fact]) -> LinkFact? {
        facts.lazy.compactMap { if case .link(let link) = $0, link.name == "pair0" { link } else { nil } }.first
    }
    private func defaults(_ facts: [Fact]) -> Int {
        facts.count { if case .route(let route) = $0 { route.destination == nil } else { false } }
    }

    @Test("a link that drops is told at once, with the whole inventory, and so is its return") func dropped() throws {
        let lab = try NetworkLab()
        try shell("ip -n \(lab.here) route add default via 10.77.0.2")
        try watching(lab) { told in
            let began = ContinuousClock.now
            try shell("ip -n \(lab.there) link set pair0 down")
            let (facts, at) = try #require(told.next())
            #expect(pair(facts)?.carrier == false)
            #expect(at - began < .seconds(20), "told after \(at - began), the command included")
            print("link down to telling: \(at - began)")
            try shell("ip -n \(lab.there) link set pair0 up")
            #expect(pair(try #require(told.next()).facts)?.carrier == true)
            try shell("ip -n \(lab.here) link set pair0 down")
            let gone = try #require(told.next()).facts
            #expect(pair(gone)?.up == false && defaults(gone) == 0, "the default route went with its link")
        }
    }

    @Test("default routes and addresses are told, other routes and ports of containers are not") func filtered() throws {
        let lab = try NetworkLab()
        try watching(lab) { told in
            let before = told.count
            for number in 0..<40 { try shell("ip -n \(lab.here) route add 10.99.\(number).0/24 via 10.77.0.2") }
            try shell("ip -n \(lab.here) link add lxc1 type veth peer name lxc2 && ip -n \(lab.here) link set lxc1 addrgenmode none")
            try shell("ip -n \(lab.here) route add default via 10.77.0.2")
            let facts = try #require(told.next()).facts
            #expect(defaults(facts) == 1)
            #expect(told.count == before + 1, "pods and their routes came and went unsaid")
            try shell("ip -n \(lab.here) addr add 10.77.0.9/24 dev pair0")
            #expect(pair(try #require(told.next()).facts)?.addresses.contains("10.77.0.9/24") == true)
        }
    }

    @Test("news that is lost is made good by a look") func overflow() throws {
        // A datagram that cannot be read may have been anything.
        #expect(LinkWatch.mayMatter([1, 2, 3]))
        var route = [UInt8](repeating: 0, count: 28)
        (route[0], route[4], route[17]) = (28, 24, 24)
        #expect(!LinkWatch.mayMatter(route[...]), "a route to a /24 does not matter")
        route[17] = 0
        #expect(LinkWatch.mayMatter(route[...]), "a default route does")
        let lab = try NetworkLab()
        try watching(lab) { told in
            // More messages than a socket's buffer holds, in one command.
            let routes = (0..<4000).map { "route add 10.\(100 + $0 / 256).\($0 % 256).0/24 via 10.77.0.2\n" }.joined()
            let file = NSTemporaryDirectory() + "routes-\(UUID().uuidString)"
            try Data((routes + "link set pair0 mtu 1400\n").utf8).write(to: URL(fileURLWithPath: file))
            defer { try? FileManager.default.removeItem(atPath: file) }
            try shell("ip -n \(lab.here) -batch \(file)")
            var last = try #require(told.next()).facts
            while pair(last)?.mtu != 1400, let next = told.next() { last = next.facts }
            #expect(pair(last)?.mtu == 1400)
        }
    }
}
