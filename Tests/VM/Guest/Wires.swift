// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem

@testable import HostProbe

/// Three network namespaces of one kernel that has all of Linux' links: `near` -- a switch that keeps VLANs apart -- `far`. What the tests on
/// ordinary machines have to play by hand, this kernel does itself.
///
///     near                     switch                              far
///     eth0 10.78.1.1 --------- near0 \
///     bond0 (eth1, active) --- near1 -- br0 (802.1Q) -- far0 ----- eth0 10.78.1.2, eth0.1500 10.78.0.254
struct Wires {
    static let (near, middle, far) = ("near", "switch", "far")
    static let vlan = 1500
    static let token = Digest(Array(repeating: 7, count: 32)) ?? .zero
    static let tunnel: UInt16 = 8472
    let machine: Machine

    init(_ machine: Machine) async throws {
        self.machine = machine
        for name in [Self.near, Self.middle, Self.far] { try await ip("netns", "add", name) }
        try await ip("-n", Self.middle, "link", "add", "br0", "type", "bridge", "vlan_filtering", "1")
        for (port, namespace, link) in [("near0", Self.near, "eth0"), ("near1", Self.near, "eth1"), ("far0", Self.far, "eth0")] {
            try await ip("-n", Self.middle, "link", "add", port, "type", "veth", "peer", "name", link, "netns", namespace)
            try await ip("-n", Self.middle, "link", "set", "dev", port, "master", "br0", "up")
        }
        try await ip("-n", Self.middle, "link", "set", "dev", "br0", "up")
        for (namespace, address) in [(Self.near, "10.78.1.1/24"), (Self.far, "10.78.1.2/24")] {
            try await ip("-n", namespace, "link", "set", "dev", "lo", "up")
            try await ip("-n", namespace, "addr", "add", address, "dev", "eth0")
            try await ip("-n", namespace, "link", "set", "dev", "eth0", "up")
        }
        try await ip("-n", Self.near, "link", "add", "bond0", "type", "bond", "mode", "active-backup", "miimon", "100")
        try await ip("-n", Self.near, "link", "set", "dev", "eth1", "master", "bond0")
        try await ip("-n", Self.near, "link", "set", "dev", "bond0", "up")
        try await ip("-n", Self.near, "link", "add", "link", "bond0", "name", "bond0.1500", "type", "vlan", "id", "1500")
        try await ip("-n", Self.near, "link", "add", "wg0", "mtu", "1420", "type", "wireguard")
        try await ip("-n", Self.near, "link", "add", "spare", "type", "dummy")
        try await router()
        try await tagged()
    }

    @discardableResult
    func ip(_ arguments: String...) async throws -> String { try await machine.tool("ip", arguments) }

    /// What the switch carries on one of its ports.
    func bridge(_ arguments: String...) async throws { _ = try await machine.tool("bridge", ["-n", Self.middle, "vlan"] + arguments) }

    /// Every port as it should be: VLAN 1 untagged, and ours tagged.
    func tagged() async throws {
        for port in ["near0", "near1", "far0"] {
            try await machine.tool("bridge", "-n", Self.middle, "vlan", "add", "dev", port, "vid", "1", "pvid", "untagged")
            try await machine.tool("bridge", "-n", Self.middle, "vlan", "add", "dev", port, "vid", "\(Self.vlan)")
        }
    }

    /// An address in the VLAN, on a real link of it.
    private func router() async throws {
        try await ip("-n", Self.far, "link", "add", "link", "eth0", "name", "eth0.1500", "type", "vlan", "id", "\(Self.vlan)")
        try await ip("-n", Self.far, "addr", "add", "10.78.0.254/24", "dev", "eth0.1500")
        try await ip("-n", Self.far, "link", "set", "dev", "eth0.1500", "up")
    }

    /// Runs `body` on a thread that lives in a namespace.
    func inside<Value: Sendable>(_ namespace: String, _ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await OwnThread.run(named: namespace) {
            try enter(namespace)
            return try body()
        }
    }

    // Questions

    func links(_ namespace: String) async throws -> [String: LinkFact] {
        let facts = try await inside(namespace) { try HostProber(agentVersion: "vm").networkFacts() }
        let links = facts.compactMap { if case .link(let link) = $0 { link } else { nil } }
        return Dictionary(links.map { ($0.name, $0) }) { first, _ in first }
    }

    /// What `near` finds about the VLAN, by one of its links, and how long that took.
    func ask(_ link: String, router: String? = nil) async throws -> (fact: VLANFact, took: Duration) {
        guard let node = NodeID("far") else { throw Stuck("the node's name is malformed") }
        let port = TrunkPort(name: link)
        let end = router.flatMap { IPAddress($0) }.map(VLANTarget.End.router) ?? .node(node, at: TrunkPort(name: "eth0"))
        let question = VLANQuestion(
            target: VLANTarget(port: port, vlan: Self.vlan, end: end), link: link, isTrunk: true, token: Self.token)
        return try await inside(Self.near) {
            let began = ContinuousClock.now
            let facts = try VLANSurvey(questions: [question], entropy: KernelEntropy()).run()
            guard let fact = facts.first else { throw Stuck("no fact about VLAN \(Self.vlan)") }
            return (fact, ContinuousClock.now - began)
        }
    }

    /// What `near` finds of its way to `far`, and how long that took.
    func measure() async throws -> (fact: PathFact, took: Duration) {
        guard let node = NodeID("far"), let address = IPAddress("10.78.1.2") else { throw Stuck("the target is malformed") }
        let target = PathTarget(node: node, address: address, port: Self.tunnel, mtu: 1500)
        return try await inside(Self.near) {
            let began = ContinuousClock.now
            let facts = try PathSurvey(targets: [target], tokens: [node: Self.token], entropy: KernelEntropy()).run()
            guard let fact = facts.first else { throw Stuck("no fact about the way") }
            return (fact, ContinuousClock.now - began)
        }
    }
}

/// setns(2), which the Glibc module does not have.
private func enter(_ namespace: String) throws {
    typealias SetNamespace = @convention(c) (Int32, Int32) -> Int32
    let file = open("/run/netns/\(namespace)", O_RDONLY | O_CLOEXEC)
    defer { close(file) }
    guard let symbol = dlsym(nil, "setns"), unsafeBitCast(symbol, to: SetNamespace.self)(file, 0x4000_0000) == 0 else {
        throw Stuck("cannot enter \(namespace): \(errno)")
    }
}
