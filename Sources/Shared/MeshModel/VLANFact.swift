// SPDX-License-Identifier: Apache-2.0

/// Where a node's tagged frames go out: one of its own links, or the way out of one of its bridges.
package struct TrunkPort: Hashable, Sendable, Codable, CustomStringConvertible {
    /// Of the link, or of the bridge.
    package var name: String
    /// What a link is known by where mesh.yaml says it; names are only guesses.
    package var mac: MACAddress?
    /// Whether `name` is a bridge, whose port to the outside is meant.
    package var isBridge: Bool

    package init(name: String, mac: MACAddress? = nil, isBridge: Bool = false) {
        self.name = name
        self.mac = mac
        self.isBridge = isBridge
    }

    package var description: String { isBridge ? "the uplink of \(name)" : name }
}

/// A VLAN that frames have to get through, from a port of one node to another node or to the network's router.
package struct VLANTarget: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    /// Who is to answer.
    package enum End: Hashable, Sendable, Codable {
        /// Another node's prober, on this port of it.
        case node(NodeID, at: TrunkPort)
        /// Whoever has this address in the VLAN.
        case router(IPAddress)

        private enum NodeCodingKeys: String, CodingKey { case _0 = "name", at }
        private enum RouterCodingKeys: String, CodingKey { case _0 = "address" }
    }
    /// Ids that a tag can carry.
    package static let ids = 1...4094

    package var port: TrunkPort
    package var vlan: Int
    package var end: End

    package init(port: TrunkPort, vlan: Int, end: End) {
        self.port = port
        self.vlan = vlan
        self.end = end
    }

    /// Who is to answer, in few words.
    package var whom: String {
        switch end {
        case .node(let node, let port): "\(node) (\(port))"
        case .router(let address): "router \(address)"
        }
    }

    package var description: String { "\(whom) in VLAN \(vlan) by \(port)" }
    package static func < (left: Self, right: Self) -> Bool {
        (left.vlan, left.description) < (right.vlan, right.description)
    }
}

/// For a short time a node answers frames that carry this token, on one of its ports and in one VLAN.
package struct FrameWindow: Hashable, Sendable, Codable {
    package var token: Digest
    package var port: TrunkPort
    package var vlan: Int
    /// `EchoWindow.longest` at most.
    package var lasts: TimeSpan

    package init(token: Digest, port: TrunkPort, vlan: Int, lasts: TimeSpan) {
        self.token = token
        self.port = port
        self.vlan = vlan
        self.lasts = lasts
    }
}

/// What became of frames with a VLAN's tag. Tags are ids, the outer one first; none stands for a frame without a tag.
package struct VLANFact: Hashable, Sendable, Codable {
    package var target: VLANTarget
    /// The link that the frames went out by; absent when there was none.
    package var link: String?
    /// Whether the node itself is seen to tag frames there (a VLAN link, or a bridge that filters). A plain port may be tagged by a switch.
    package var isTrunk: Bool
    /// Who answered.
    package var peer: MACAddress?
    package var sent: Int
    package var answered: Int
    /// The tags that a tagged frame had when it got there; only a node tells.
    package var there: [Int]?
    /// The tags that the answer had when it came back; absent when none came.
    package var back: [Int]?
    /// The tags that a frame without one had at the other end, or that a router's answer to it had; absent when it was not answered.
    package var untagged: [Int]?
    /// Microseconds, of the quickest answer.
    package var roundTrip: Int?
    /// Why no frame has to have a tag there, where that is so.
    package var exempt: String?
    /// Why nothing could be sent.
    package var problem: String?

    package init(
        target: VLANTarget, link: String? = nil, isTrunk: Bool = true, peer: MACAddress? = nil, sent: Int = 0, answered: Int = 0,
        there: [Int]? = nil, back: [Int]? = nil, untagged: [Int]? = nil, roundTrip: Int? = nil, exempt: String? = nil,
        problem: String? = nil
    ) {
        self.target = target
        self.link = link
        self.isTrunk = isTrunk
        self.peer = peer
        self.sent = sent
        self.answered = answered
        self.there = there
        self.back = back
        self.untagged = untagged
        self.roundTrip = roundTrip
        self.exempt = exempt
        self.problem = problem
    }

    /// How long an answer took is no news.
    func says(sameAs other: VLANFact) -> Bool {
        var other = other
        other.roundTrip = roundTrip
        return self == other
    }

    /// What it comes to.
    package enum Finding: Hashable, Sendable {
        case passes
        /// No frame needs a tag there.
        case exempt(String)
        case failed(String)
        case silent
        /// Tagged frames are not answered, and untagged ones are.
        case onlyUntagged
        /// The answer comes back without a tag: the own port is not tagged.
        case untaggedHere
        /// The frame gets there without a tag: the VLAN is the native one of the other port.
        case untaggedThere
        /// A frame without a tag gets into the VLAN.
        case leaks
        case doubled([Int])
        /// The id is another one at the other end.
        case renumbered(Int)
        case lossy
    }

    /// The finding for people, in one line.
    package var words: String {
        switch finding {
        case .passes: "passes"
        case .exempt(let why): "no tag is needed: \(why)"
        case .failed(let why): "not tried: \(why)"
        case .silent: "no answer"
        case .onlyUntagged: "no answer to tagged frames, while untagged ones are answered"
        case .untaggedHere: "the answer comes back without its tag: the VLAN is not tagged on this port"
        case .untaggedThere: "the frame gets there without its tag: the VLAN is the native one of the other port"
        case .leaks: "untagged frames get into the VLAN: it is the native one of this port"
        case .doubled(let tags): "tagged twice: \(tags.map(String.init).joined(separator: " in "))"
        case .renumbered(let other): "arrives in VLAN \(other)"
        case .lossy: "some frames are lost"
        }
    }

    package var finding: Finding {
        if let exempt { return .exempt(exempt) }
        if let problem { return .failed(problem) }
        let vlan = target.vlan
        guard let back else {
            guard let untagged else { return .silent }
            return untagged.contains(vlan) ? .leaks : .onlyUntagged
        }
        for tags in [there, back].compactMap(\.self) where tags.count > 1 { return .doubled(tags) }
        if back.isEmpty { return .untaggedHere }
        if there == [] { return .untaggedThere }
        for tags in [there, back].compactMap(\.self) { if let other = tags.first(where: { $0 != vlan }) { return .renumbered(other) } }
        if untagged?.contains(vlan) == true { return .leaks }
        return answered < sent ? .lossy : .passes
    }
}
