// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about the hosts that carry the machines.
extension Judge {
    /// Whether frames of a network get through a host, as far as the host itself can tell: the bridge is there and up, its MTU is enough, and its
    /// way out carries the planned tag. What lies behind the port, only frames can prove.
    ///
    /// A bridge that does not filter and has a plain port is believed: the tag is then put on by the machine's own port (Proxmox makes
    /// `vmbr0v110` for it) or by the switch.
    func bridgeCarries(
        _ host: NodeID, _ bridge: String, _ vlan: Int?, _ mtu: Int, _ found: Found, _ say: Findings
    ) -> Verdict {
        let links = found.links(host)
        guard let own = links.first(where: { $0.name == bridge }) else {
            let seen = links.filter { $0.kind == "bridge" }.map(\.name).sorted().joined(separator: ", ")
            return say.hold(
                .node(host), .absent, "\(host) has no bridge \(bridge); it has \(seen.isEmpty ? "none" : seen)",
                "make the bridge on \(host) (Proxmox: System, Network, or an SDN vnet), or correct `bridges` in mesh.yaml")
        }
        var reasons: [Reason] = []
        func hold(_ code: Reason.Code, _ detail: String, _ remedy: String) {
            reasons.append(say.reason(.node(host), code, detail, remedy))
        }
        if own.kind != "bridge" {
            hold(.mismatch, "\(bridge) of \(host) is a link of kind \(own.kind) and no bridge", "correct `bridges` in mesh.yaml")
        }
        if !own.up {
            hold(.unhealthy, "bridge \(bridge) of \(host) is down", "`ip link set \(bridge) up`, and `auto` in its configuration")
        }
        if own.mtu < mtu {
            hold(
                .mismatch, "bridge \(bridge) of \(host) has MTU \(own.mtu), the plan wants \(mtu)",
                "raise the MTU of the bridge and of its ports, or lower the network's in mesh.yaml")
        }
        let ports = links.filter { $0.master == bridge && Self.leadsOut($0) }
        if ports.isEmpty, own.addresses.isEmpty {
            hold(
                .absent, "bridge \(bridge) of \(host) has no port to the outside and no address, so its machines are alone",
                "add the uplink to the bridge")
        }
        let carried = ports.map { port in (port, Self.problem(of: port, on: own, vlan)) }
        // One way that fits is enough; of several that do not, each is told.
        if !carried.isEmpty, carried.allSatisfy({ $0.1 != nil }) {
            for (port, problem) in carried {
                guard let problem else { continue }
                hold(
                    problem.code, "port \(port.name) of bridge \(bridge) on \(host) \(problem.detail)",
                    problem.remedy ?? "correct the port on \(host), or the network's vlan in mesh.yaml")
            }
        }
        return say.pass(unless: reasons)
    }

    /// In contrast to the ports of machines and containers.
    private static func leadsOut(_ port: LinkFact) -> Bool { ["physical", "bond", "vlan", "vxlan"].contains(port.kind) }

    private struct PortProblem {
        let code: Reason.Code
        let detail: String
        var remedy: String?
    }

    private static func problem(of port: LinkFact, on bridge: LinkFact, _ vlan: Int?) -> PortProblem? {
        if !port.up || !port.carrier {
            return PortProblem(
                code: .unhealthy, detail: port.up ? "has no carrier" : "is down", remedy: "check the cable and the switch's port")
        }
        // The tag that frames of the bridge get on this way, where the host puts one on.
        if let tag = port.vlan {
            guard tag != vlan else { return nil }
            return PortProblem(
                code: .mismatch, detail: "tags with VLAN \(tag), and the plan wants \(vlan.map { "VLAN \($0)" } ?? "no tag")")
        }
        guard bridge.filtersVLANs == true, let table = port.vlans else { return nil }
        if let vlan {
            guard let range = table.first(where: { ($0.first...$0.last).contains(vlan) }) else {
                let has = table.map { $0.first == $0.last ? "\($0.first)" : "\($0.first)-\($0.last)" }.joined(separator: " ")
                return PortProblem(
                    code: .absent, detail: "does not carry VLAN \(vlan); it carries \(has.isEmpty ? "none" : has)",
                    remedy: "add \(vlan) to the bridge's VLANs (Proxmox: `bridge-vids`), and to the trunk on the switch")
            }
            return range.isUntagged
                ? PortProblem(code: .mismatch, detail: "sends VLAN \(vlan) without its tag, as its native VLAN") : nil
        }
        return table.contains(where: \.isNative)
            ? nil : PortProblem(code: .absent, detail: "has no native VLAN, and the plan's network is untagged")
    }
}
