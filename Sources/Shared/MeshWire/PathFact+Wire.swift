// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel

extension NodeTask.Probe {
    init(_ wire: WireProbePaths) throws(WireError) {
        var tokens: [NodeID: Digest] = [:]
        let targets = try WireField.list(wire.targets, "task.paths.targets", limit: LinkProtocol.mostFacts) {
            (target, place) throws(WireError) in try PathTarget(target, place)
        }
        for (target, wire) in zip(targets, wire.targets) where wire.hasToken {
            tokens[target.node] = try WireField.digest(wire.token, "task.paths.targets.token")
        }
        self = .paths(targets, tokens: tokens)
    }
}

extension PathTarget {
    init(_ wire: WirePathTarget, _ place: String) throws(WireError) {
        self.init(
            node: try WireField.id(wire.node, place + ".node"), address: try WireField.value(wire.address, place + ".address"),
            port: wire.hasPort ? try WireField.port(wire.port, place + ".port") : nil,
            mtu: try WireField.within(PathTarget.sizes, wire.mtu, place + ".mtu"))
    }

    var wire: WirePathTarget {
        var wire = WirePathTarget()
        wire.node = node.text
        wire.address = address.description
        if let port { wire.port = UInt32(port) }
        wire.mtu = UInt32(clamping: mtu)
        return wire
    }
}

extension EchoWindow {
    init(_ wire: WireListen, _ place: String) throws(WireError) {
        let lasts = try WireField.span(wire.lastsMs, place + ".lasts_ms")
        guard lasts <= Self.longest else {
            throw .badField(place: place + ".lasts_ms", problem: "longer than \(Self.longest), which is the most")
        }
        self.init(
            token: try WireField.digest(wire.token, place + ".token"), address: try WireField.value(wire.address, place + ".address"),
            port: try WireField.port(wire.port, place + ".port"), lasts: lasts)
    }

    var wire: WireListen {
        var wire = WireListen()
        wire.token = Data(token.bytes)
        wire.address = address.description
        wire.port = UInt32(port)
        wire.lastsMs = lasts.milliseconds
        return wire
    }
}

extension PathFact {
    init(_ wire: WirePathFact, _ place: String) throws(WireError) {
        self.init(
            target: try PathTarget(wire.target, place + ".target"), echo: wire.hasEcho ? try Echo(wire.echo, place + ".echo") : nil,
            pinged: wire.pinged, health: try WireField.named(wire.health, place + ".health"),
            problem: wire.hasProblem ? try WireField.text(wire.problem, place + ".problem") : nil)
    }

    var wire: WirePathFact {
        var wire = WirePathFact()
        wire.target = target.wire
        if let echo { wire.echo = echo.wire }
        wire.pinged = pinged
        wire.health = health.rawValue
        if let problem { wire.problem = problem.shortened(to: WireField.longestText) }
        return wire
    }
}

extension PathFact.Echo {
    /// A day in microseconds: longer than any round trip, and small enough to reckon with.
    private static let longest = 0...86_400_000_000
    private static let counts = 0...1_000_000

    init(_ wire: WirePathEcho, _ place: String) throws(WireError) {
        let sizes = 0...PathTarget.sizes.upperBound
        self.init(
            port: try WireField.port(wire.port, place + ".port"), sent: try WireField.within(Self.counts, wire.sent, place + ".sent"),
            received: try WireField.within(Self.counts, wire.received, place + ".received"),
            median: try WireField.within(Self.longest, wire.medianUs, place + ".median_us"),
            slowest: try WireField.within(Self.longest, wire.slowestUs, place + ".slowest_us"),
            local: try WireField.value(wire.local, place + ".local"), seen: try WireField.value(wire.seen, place + ".seen"),
            there: try WireField.within(sizes, wire.there, place + ".there"), back: try WireField.within(sizes, wire.back, place + ".back"))
        guard received <= sent else { throw .badField(place: place + ".received", problem: "more than were sent") }
    }

    var wire: WirePathEcho {
        var wire = WirePathEcho()
        wire.port = UInt32(port)
        wire.sent = UInt32(clamping: sent)
        wire.received = UInt32(clamping: received)
        wire.medianUs = UInt32(clamping: median)
        wire.slowestUs = UInt32(clamping: slowest)
        wire.local = local.description
        wire.seen = seen.description
        wire.there = UInt32(clamping: there)
        wire.back = UInt32(clamping: back)
        return wire
    }
}
