// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Testing

@testable import HostProbe

/// Two namespaces with a bridge in a third one between them, whose ports can be made narrow: `here` -- mid -- `there`.
final class WireLab: @unchecked Sendable {
    let here: String
    let mid: String
    let there: String
    static let hereAddress = "10.78.0.1"
    static let thereAddress = "10.78.0.2"

    init(mtu: Int = 1500) throws {
        let name = "mgw\(UInt32.random(in: 0..<1_000_000))"
        (here, mid, there) = (name + "a", name + "m", name + "b")
        var commands = [here, mid, there].map { "ip netns add \($0)" } + ["ip -n \(mid) link add br0 mtu \(mtu) type bridge"]
        for (namespace, port, address) in [(here, "ha", Self.hereAddress), (there, "tb", Self.thereAddress)] {
            commands += [
                "ip -n \(mid) link add \(port) mtu \(mtu) type veth peer name eth0 mtu \(mtu) netns \(namespace)",
                "ip -n \(mid) link set \(port) master br0 up", "ip -n \(namespace) link set lo up",
                "ip -n \(namespace) addr add \(address)/24 dev eth0", "ip -n \(namespace) link set eth0 up",
            ]
        }
        for command in commands + ["ip -n \(mid) link set br0 up"] { try shell(command) }
    }

    deinit { for name in [here, mid, there] { _ = try? shell("ip netns del \(name)") } }

    func nft(_ namespace: String, _ rules: String) throws { try shell("ip netns exec \(namespace) nft '\(rules)'") }

    /// Runs `body` on a thread that lives in a namespace.
    func inside<Value: Sendable>(_ namespace: String, _ body: @escaping @Sendable () throws -> Value) throws -> Value {
        try NetworkLab.inside(namespace, body)
    }
}

/// What the tests of probes ask with.
enum Way {
    static let token = Digest(Array(repeating: 7, count: 32)) ?? .zero
    static let port: UInt16 = 8472

    static func node() throws -> NodeID { try #require(NodeID("there")) }

    static func target(_ address: String = WireLab.thereAddress, port: UInt16? = port, mtu: Int = 1500) throws -> PathTarget {
        PathTarget(node: try node(), address: try #require(IPAddress(address)), port: port, mtu: mtu)
    }

    static func window(_ address: String = WireLab.thereAddress, lasts: Duration = .seconds(20)) throws -> EchoWindow {
        EchoWindow(token: token, address: try #require(IPAddress(address)), port: port, lasts: TimeSpan(lasts))
    }

    /// One survey from `here`, with the token or without, and how long it took.
    static func survey(_ lab: WireLab, _ targets: [PathTarget], token: Digest? = token) throws -> (facts: [PathFact], took: Duration) {
        let tokens = try token.map { [try node(): $0] } ?? [:]
        let began = ContinuousClock.now
        let facts = try lab.inside(lab.here) { try PathSurvey(targets: targets, tokens: tokens, entropy: KernelEntropy()).run() }
        return (facts, ContinuousClock.now - began)
    }
}
