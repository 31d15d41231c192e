// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import Testing

@testable import HostProbe

@Suite struct ReachTests {
    private func target(_ address: String, _ port: UInt16) throws -> ReachTarget {
        ReachTarget(node: try #require(NodeID("peer")), address: try #require(IPAddress(address)), port: port)
    }

    @Test("a listener is connected to at the first attempt, a closed port refuses each") func loopback() async throws {
        let open = try Listener(address: "127.0.0.1")
        defer { open.end() }
        let closed = try Listener(address: "127.0.0.1")
        closed.end()
        let targets = [try target("127.0.0.1", open.port), try target("127.0.0.1", closed.port)]
        let facts = await HostProber(agentVersion: "test").answer(.reach(targets, attempts: 2, timeout: TimeSpan(.seconds(5))))
        let reach = facts.compactMap { if case .reach(let fact) = $0 { fact } else { nil } }
        #expect(reach.map(\.target) == targets)
        #expect(reach.map(\.result) == [.connected, .refused])
        #expect(reach.map(\.attempts) == [1, 2])
        #expect(reach[0].roundTrip.map { $0 >= TimeSpan(.milliseconds(1)) } == true)
        #expect(reach[1].roundTrip == nil)
    }

    @Test("every one of two hundred refusing targets gets both attempts") func allTries() async throws {
        let placeholder = try Listener(address: "127.0.0.1")
        placeholder.end()
        let many = try (0..<200).map { _ in try target("127.0.0.1", placeholder.port) }
        let facts = ConnectSweep(targets: many, attempts: 2, timeout: .seconds(1)).run()
        #expect(facts.count == 200 && facts.allSatisfy { $0.result == .refused && $0.attempts == 2 })
    }

    @Test("more targets than the limit are refused as one unavailable fact") func tooMany() async throws {
        let many = Array(repeating: try target("127.0.0.1", 1), count: ConnectSweep.targetLimit + 1)
        let facts = await HostProber(agentVersion: "test").answer(.reach(many, attempts: 1, timeout: TimeSpan(.seconds(1))))
        #expect(facts == [.unavailable("cannot test 4097 targets at once, the limit is 4096; ask in parts")])
    }

    @Test("a cancelled sweep ends and says that the rest failed") func cancelled() async throws {
        // TEST-NET-1 goes nowhere; whatever this machine does with it, the sweep ends long before its 30 seconds.
        let sweep = ConnectSweep(targets: [try target("192.0.2.1", 9)], attempts: 10, timeout: .seconds(30))
        let task = Task { try await sweep.facts() }
        task.cancel()
        let facts = try await task.value
        #expect(facts.count == 1)
    }

    @Test("errors of the kernel get their names") func names() {
        #expect(ConnectSweep.result(0) == .connected)
        #expect(ConnectSweep.result(-ECONNREFUSED) == .refused)
        #expect(ConnectSweep.result(-ETIMEDOUT) == .timedOut)
        #expect(ConnectSweep.result(-ENETUNREACH) == .unreachable)
        #expect(ConnectSweep.result(-EHOSTUNREACH) == .unreachable)
        #expect(ConnectSweep.result(-EACCES) == .failed)
    }

    @Test(
        "through a real wire: connected, refused, swallowed, without a route, over IPv6",
        .enabled(if: NetworkLab.isPossible, NetworkLab.reason))
    func wire() throws {
        let lab = try NetworkLab()
        let listener = try lab.inside(lab.there) { try Listener(address: "10.77.0.2") }
        let swallowed = try lab.inside(lab.there) { try Listener(address: "10.77.0.2") }
        defer {
            listener.end()
            swallowed.end()
        }
        let rules = "add table inet t; add chain inet t i { type filter hook input priority 0; }; add rule inet t i tcp dport"
        try shell("ip netns exec \(lab.there) nft '\(rules) \(swallowed.port) drop'")
        let targets = [
            try target("10.77.0.2", listener.port), try target("10.77.0.2", 1), try target("10.77.0.2", swallowed.port),
            try target("198.51.100.1", 80), try target("fd77::2", 1),
        ]
        let began = ContinuousClock.now
        let facts = try lab.inside(lab.here) { ConnectSweep(targets: targets, attempts: 2, timeout: .milliseconds(300)).run() }
        let took = ContinuousClock.now - began
        #expect(facts.map(\.result) == [.connected, .refused, .timedOut, .unreachable, .refused])
        #expect(facts.map(\.attempts) == [1, 2, 2, 2, 2])
        #expect(took >= .milliseconds(600) && took < .seconds(60))
    }

    @Test(
        "hundreds of swallowed connects run beside each other, not after each other",
        .enabled(if: NetworkLab.isPossible, NetworkLab.reason))
    func beside() throws {
        let lab = try NetworkLab()
        try shell(
            "ip netns exec \(lab.there) nft 'add table inet t; add chain inet t i { type filter hook input priority 0; policy drop; }'")
        try shell("ip -n \(lab.here) neigh replace 10.77.0.2 lladdr 02:00:00:00:aa:02 dev pair0")
        let targets = try (1...256).map { try target("10.77.0.2", UInt16($0)) }
        let began = ContinuousClock.now
        let facts = try lab.inside(lab.here) { ConnectSweep(targets: targets, attempts: 1, timeout: .milliseconds(200)).run() }
        #expect(facts.allSatisfy { $0.result == .timedOut })
        // 256 targets, 64 at a time, 200 ms each: 0.8 s when parallel, 51 s when not.
        #expect(ContinuousClock.now - began < .seconds(60))
    }
}
