// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Which link of this host a port of the plan is.
package enum TrunkResolution: Hashable, Sendable {
    /// `isTrunk`: see `VLANFact`.
    case link(String, isTrunk: Bool)
    /// No frame leaves this host with a tag there; the text says why.
    case exempt(String)
    /// There is no such link; the text says what there is.
    case missing(String)
}

extension TrunkPort {
    package func resolved(for vlan: Int, among links: [LinkFact]) -> TrunkResolution {
        isBridge ? uplink(vlan, links) : ownLink(vlan, links)
    }

    private func ownLink(_ vlan: Int, _ links: [LinkFact]) -> TrunkResolution {
        let same = mac.map { mac in links.filter { $0.mac == mac } } ?? []
        // A VLAN above it has the same MAC.
        let link = mac == nil ? links.first { $0.name == name } : same.first { $0.name == name } ?? same.first { $0.vlan == nil }
        guard let link else { return .missing("there is no link \(mac.map { "with MAC \($0)" } ?? name)") }
        return .link(link.name, isTrunk: links.contains { $0.parent == link.name && $0.vlan == vlan })
    }

    private func uplink(_ vlan: Int, _ links: [LinkFact]) -> TrunkResolution {
        guard let bridge = links.first(where: { $0.name == name }) else { return .missing("there is no bridge \(name)") }
        let ports = links.filter { $0.master == name && ["physical", "bond", "vlan", "vxlan"].contains($0.kind) }
        if let port = ports.first(where: { $0.vlan == vlan }) {
            guard let parent = port.parent else { return .missing("\(port.name) stands on a link that is not visible here") }
            return .link(parent, isTrunk: true)
        }
        if let port = ports.first(where: { $0.kind == "physical" || $0.kind == "bond" }) {
            // Proxmox makes a bridge and a VLAN link of its own for the first machine that wants a tag on a bridge that does not filter.
            let tags = bridge.filtersVLANs == true || links.contains { $0.parent == port.name && $0.vlan == vlan }
            return .link(port.name, isTrunk: tags)
        }
        if let port = ports.first(where: { $0.kind == "vxlan" }) { return .exempt("\(name) leads out by \(port.name), which is a tunnel") }
        guard ports.isEmpty else { return .missing("no port of \(name) carries VLAN \(vlan)") }
        guard bridge.addresses.isEmpty else { return .exempt("\(name) has no port to the outside: this host routes for its machines") }
        return .missing("\(name) has no port to the outside")
    }

    /// This host's own address in a VLAN, for asking its router: routers answer a sender without an address, but not all do.
    package static func own(for router: IPAddress, vlan: Int, on link: String, among links: [LinkFact]) -> IPAddress? {
        links.filter { $0.parent == link && $0.vlan == vlan }.flatMap(\.addresses).lazy.compactMap { text -> IPAddress? in
            CIDR.ofInterface(text)?.contains(router) == true ? text.split(separator: "/").first.flatMap { IPAddress(String($0)) } : nil
        }.first
    }
}
