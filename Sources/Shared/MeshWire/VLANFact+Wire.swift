// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel

extension NodeTask.Probe {
    init(_ wire: WireProbeVLANs) throws(WireError) {
        let targets = try WireField.list(wire.targets, "task.vlans.targets", limit: LinkProtocol.mostFacts) {
            (target, place) throws(WireError) in try VLANTarget(target, place)
        }
        var tokens: [VLANTarget: Digest] = [:]
        for (target, wire) in zip(targets, wire.targets) where wire.hasToken {
            tokens[target] = try WireField.digest(wire.token, "task.vlans.targets.token")
        }
        self = .vlans(targets, tokens: tokens)
    }
}

extension TrunkPort {
    /// The longest name of a link (IFNAMSIZ), and some more for what is none.
    private static let longestName = 64

    init(_ wire: WireTrunkPort, _ place: String) throws(WireError) {
        self.init(
            name: try WireField.text(wire.name, place + ".name", limit: Self.longestName),
            mac: wire.hasMac ? try WireField.value(wire.mac, place + ".mac") : nil, isBridge: wire.isBridge)
    }

    var wire: WireTrunkPort {
        var wire = WireTrunkPort()
        // What is longer is no link's name, and finds none.
        wire.name = name.shortened(to: Self.longestName)
        if let mac { wire.mac = mac.description }
        wire.isBridge = isBridge
        return wire
    }
}

extension VLANTarget {
    init(_ wire: WireVLANTarget, _ place: String) throws(WireError) {
        let end: End
        if wire.hasRouter, !wire.hasNode {
            end = .router(try WireField.value(wire.router, place + ".router"))
        } else if wire.hasNode, wire.hasAt, !wire.hasRouter {
            end = .node(try WireField.id(wire.node, place + ".node"), at: try TrunkPort(wire.at, place + ".at"))
        } else {
            throw .badField(place: place, problem: "neither a node with its port nor a router alone")
        }
        self.init(
            port: try TrunkPort(wire.port, place + ".port"), vlan: try WireField.within(VLANTarget.ids, wire.vlan, place + ".vlan"),
            end: end)
    }

    var wire: WireVLANTarget {
        var wire = WireVLANTarget()
        wire.port = port.wire
        wire.vlan = UInt32(clamping: vlan)
        switch end {
        case .node(let node, let port):
            wire.node = node.text
            wire.at = port.wire
        case .router(let address): wire.router = address.description
        }
        return wire
    }
}

extension FrameWindow {
    init(_ wire: WireListenFrames, _ place: String) throws(WireError) {
        let lasts = try WireField.span(wire.lastsMs, place + ".lasts_ms")
        guard lasts <= EchoWindow.longest else {
            throw .badField(place: place + ".lasts_ms", problem: "longer than \(EchoWindow.longest), which is the most")
        }
        self.init(
            token: try WireField.digest(wire.token, place + ".token"), port: try TrunkPort(wire.port, place + ".port"),
            vlan: try WireField.within(VLANTarget.ids, wire.vlan, place + ".vlan"), lasts: lasts)
    }

    var wire: WireListenFrames {
        var wire = WireListenFrames()
        wire.token = Data(token.bytes)
        wire.port = port.wire
        wire.vlan = UInt32(clamping: vlan)
        wire.lastsMs = lasts.milliseconds
        return wire
    }
}

extension VLANFact {
    private static let counts = 0...1000
    /// Ten minutes in microseconds: longer than any answer takes.
    private static let longest = 0...600_000_000

    init(_ wire: WireVLANFact, _ place: String) throws(WireError) {
        self.init(
            target: try VLANTarget(wire.target, place + ".target"),
            link: wire.hasLink ? try WireField.text(wire.link, place + ".link", limit: 64) : nil, isTrunk: wire.isTrunk,
            peer: wire.hasPeer ? try WireField.value(wire.peer, place + ".peer") : nil,
            sent: try WireField.within(Self.counts, wire.sent, place + ".sent"),
            answered: try WireField.within(Self.counts, wire.answered, place + ".answered"),
            there: wire.hasThere ? try Self.tags(wire.there, place + ".there") : nil,
            back: wire.hasBack ? try Self.tags(wire.back, place + ".back") : nil,
            untagged: wire.hasUntagged ? try Self.tags(wire.untagged, place + ".untagged") : nil,
            roundTrip: wire.hasRoundTripUs ? try WireField.within(Self.longest, wire.roundTripUs, place + ".round_trip_us") : nil,
            exempt: wire.hasExempt ? try WireField.text(wire.exempt, place + ".exempt") : nil,
            problem: wire.hasProblem ? try WireField.text(wire.problem, place + ".problem") : nil)
        guard answered <= sent else { throw .badField(place: place + ".answered", problem: "more than were sent") }
    }

    private static func tags(_ wire: WireTags, _ place: String) throws(WireError) -> [Int] {
        try WireField.list(wire.ids, place, limit: 8) { (id, place) throws(WireError) in
            try WireField.within(VLANTarget.ids, id, place)
        }
    }

    var wire: WireVLANFact {
        func tags(_ ids: [Int]) -> WireTags {
            var wire = WireTags()
            wire.ids = ids.map { UInt32(clamping: $0) }
            return wire
        }
        var wire = WireVLANFact()
        wire.target = target.wire
        if let link { wire.link = link }
        wire.isTrunk = isTrunk
        if let peer { wire.peer = peer.description }
        wire.sent = UInt32(clamping: sent)
        wire.answered = UInt32(clamping: answered)
        if let there { wire.there = tags(there) }
        if let back { wire.back = tags(back) }
        if let untagged { wire.untagged = tags(untagged) }
        if let roundTrip { wire.roundTripUs = UInt32(clamping: roundTrip) }
        if let exempt { wire.exempt = exempt.shortened(to: WireField.longestText) }
        if let problem { wire.problem = problem.shortened(to: WireField.longestText) }
        return wire
    }
}
