// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about frames with a VLAN's tag, by frames that were sent.
extension Judge {
    /// G-NET-03.
    func tagged(_ node: NodeID, _ targets: [VLANTarget], _ found: Found, _ say: Findings) -> Verdict {
        var facts: [VLANTarget: VLANFact] = [:]
        for case .vlan(let fact) in found.of(node, .vlans) { facts[fact.target] = fact }
        let untried = targets.filter { facts[$0] == nil }
        guard untried.isEmpty else {
            let names = untried.prefix(3).map(\.description).joined(separator: "; ")
            return .unknown([say.reason(.node(node), .missing, "\(node) has not tried \(names) yet", "wait for the next probe")])
        }
        let all = targets.compactMap { facts[$0] }
        return say.pass(unless: all.compactMap { fact in reason(node, fact, Self.isAccess(fact, among: all), say) })
    }

    /// A plain port whose untagged frames belong to the network is the switch's access port: the switch puts the tag on, and tagged frames are no
    /// business of it. Only the network's router can show that; a port that is seen to be tagged by the node itself is none.
    private static func isAccess(_ fact: VLANFact, among all: [VLANFact]) -> Bool {
        guard !fact.isTrunk else { return false }
        return all.contains { other in
            guard case .router = other.target.end, other.link == fact.link, other.target.vlan == fact.target.vlan else { return false }
            return other.untagged == [] && (other.back?.isEmpty ?? true)
        }
    }

    private func reason(_ node: NodeID, _ fact: VLANFact, _ isAccess: Bool, _ say: Findings) -> Reason? {
        let (target, vlan) = (fact.target, fact.target.vlan)
        let port = "\(fact.link ?? target.port.description) of \(node)"
        let other = target.whom + (fact.peer.map { " [\($0)]" } ?? "")
        func hold(_ code: Reason.Code, _ detail: String, _ remedy: String) -> Reason { say.reason(.node(node), code, detail, remedy) }
        let trunk = "make VLAN \(vlan) a tagged member of the switch's ports on the way"
        switch fact.finding {
        case .passes, .exempt: return nil
        case .failed(let why):
            return hold(.unavailable, "VLAN \(vlan) was not tried from \(port) to \(target.whom): \(why)", Self.remedy(failed: target))
        case .silent:
            return hold(
                .unreachable, "\(target.whom) does not answer frames of VLAN \(vlan) from \(port), nor frames without a tag",
                "\(trunk); is the cable in the right port, and does \(Self.answerer(target))?")
        case .onlyUntagged, .untaggedHere:
            if isAccess { return nil }
            let seen =
                fact.finding == .untaggedHere
                ? "\(other) answers frames of VLAN \(vlan) from \(port) with frames without its tag"
                : "\(other) answers frames without a tag from \(port), and none of VLAN \(vlan)"
            return hold(
                .mismatch, "\(seen): the VLAN is not tagged on this port",
                "\(trunk), and no port's native (untagged) VLAN; or correct the network's `vlan` in mesh.yaml")
        case .untaggedThere:
            return hold(
                .mismatch, "frames of VLAN \(vlan) from \(port) arrive at \(other) without their tag",
                "tag VLAN \(vlan) on the port of \(target.whom) too: there it is the native (untagged) one")
        case .leaks:
            if isAccess { return nil }
            return hold(
                .mismatch, "frames without a tag from \(port) get into VLAN \(vlan), where \(other) sees them",
                "give that switch port another native VLAN than \(vlan), one that nobody uses, or forbid untagged frames on it")
        case .doubled(let tags):
            return hold(
                .mismatch,
                "frames of VLAN \(vlan) between \(port) and \(other) have two tags (\(tags.map(String.init).joined(separator: " in ")))",
                "let one place put the tag on: the machine, its bridge's port or the switch, and not two of them")
        case .renumbered(let id):
            return hold(
                .mismatch, "frames of VLAN \(vlan) from \(port) are frames of VLAN \(id) at \(other)",
                "correct the VLAN translation or the native VLAN of the ports between them")
        case .lossy:
            return hold(
                .unhealthy, "of \(fact.sent) frames of VLAN \(vlan) from \(port) to \(other), \(fact.answered) are answered",
                "look for errors on the link and on the switch's port (`ip -s link`)")
        }
    }

    private static func answerer(_ target: VLANTarget) -> String {
        switch target.end {
        case .node(let node, _): "meshgate-prober run on \(node)"
        case .router(let address): "the router have \(address)"
        }
    }

    private static func remedy(failed target: VLANTarget) -> String {
        switch target.end {
        case .node(let node, _): "correct the port on the node or in mesh.yaml; does the agent of \(node) answer (`meshgate status`)?"
        case .router: "correct the port on the node, or in mesh.yaml"
        }
    }
}
