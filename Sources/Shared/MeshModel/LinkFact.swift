// SPDX-License-Identifier: Apache-2.0

/// One network interface.
package struct LinkFact: Hashable, Sendable, Codable {
    /// VLAN ids that a port of a bridge lets through.
    package struct VLANs: Hashable, Sendable, Codable {
        package var first: Int
        package var last: Int
        /// Frames leave the port without the tag.
        package var isUntagged: Bool
        /// Frames that come in without a tag belong to it.
        package var isNative: Bool
        package init(first: Int, last: Int, isUntagged: Bool = false, isNative: Bool = false) {
            self.first = first
            self.last = last
            self.isUntagged = isUntagged
            self.isNative = isNative
        }
    }
    /// What several links make together.
    package struct Bond: Hashable, Sendable, Codable {
        /// The kernel's word: `active-backup`, `802.3ad`...
        package var mode: String
        /// The port that carries everything, in modes that have one.
        package var active: String?
        package init(mode: String, active: String? = nil) {
            self.mode = mode
            self.active = active
        }
    }
    /// An eBPF program that frames of the link pass through, attached without a link of the kernel: as a filter of `tc`, or as its XDP program.
    package struct Program: Hashable, Sendable, Codable, CustomStringConvertible {
        /// `tc ingress`, `tc egress`, or `xdp` with the way in which it runs.
        package var hook: String
        /// What it was attached as; absent where the kernel does not tell, as for XDP.
        package var name: String?
        /// The kernel's number of it, another one each time that it is loaded.
        package var id: Int?
        package init(hook: String, name: String? = nil, id: Int? = nil) {
            self.hook = hook
            self.name = name
            self.id = id
        }

        package var description: String { "\(hook) \(name ?? id.map { "program \($0)" } ?? "program")" }
    }
    package var name: String
    package var index: Int
    /// `physical`, `veth`, `bridge`, `vlan`, `vxlan`, `bond`, `wireguard`, `loopback` or the kernel's own word.
    package var kind: String
    package var mac: MACAddress?
    package var mtu: Int
    package var up: Bool
    package var carrier: Bool
    /// Prefix form, such as `192.168.15.21/24`.
    package var addresses: [String]
    /// Those of the addresses that end within a week unless somebody renews them, as DHCP does. This and all below is absent from agents of
    /// earlier versions.
    package var lapsing: [String]?
    /// The bridge or bond that it is a port of. This and all below is absent where it does not apply or the kernel does not tell, and from
    /// agents of earlier versions.
    package var master: String?
    /// The link that it stands on, of a VLAN or a macvlan; absent when that lies in another network namespace.
    package var parent: String?
    /// The tag of a VLAN link.
    package var vlan: Int?
    /// The network identifier of a VXLAN link.
    package var vni: Int?
    /// The driver of hardware: `virtio_net`.
    package var driver: String?
    /// Mb/s.
    package var speed: Int?
    package var bond: Bond?
    /// Of a bridge: whether it keeps VLANs apart (Proxmox: `bridge-vlan-aware`).
    package var filtersVLANs: Bool?
    /// Of a port of a bridge that filters: the VLANs that it carries.
    package var vlans: [VLANs]?
    /// Absent where the kernel does not list them, which is not the same as none.
    package var programs: [Program]?

    package init(
        name: String, index: Int, kind: String, mac: MACAddress?, mtu: Int, up: Bool, carrier: Bool, addresses: [String],
        lapsing: [String]? = nil, master: String? = nil, parent: String? = nil, vlan: Int? = nil, vni: Int? = nil, driver: String? = nil,
        speed: Int? = nil,
        bond: Bond? = nil, filtersVLANs: Bool? = nil, vlans: [VLANs]? = nil, programs: [Program]? = nil
    ) {
        self.name = name
        self.index = index
        self.kind = kind
        self.mac = mac
        self.mtu = mtu
        self.up = up
        self.carrier = carrier
        self.addresses = addresses
        self.lapsing = lapsing
        self.master = master
        self.parent = parent
        self.vlan = vlan
        self.vni = vni
        self.driver = driver
        self.speed = speed
        self.bond = bond
        self.filtersVLANs = filtersVLANs
        self.vlans = vlans
        self.programs = programs
    }
}

/// One route of the main table.
package struct RouteFact: Hashable, Sendable, Codable {
    /// Absent for the default route.
    package var destination: CIDR?
    package var gateway: IPAddress?
    package var interface: String
    /// Of two routes to the same place the kernel takes the one with the lower number. This and all below is absent in answers of agents of
    /// earlier versions.
    package var metric: Int?
    /// Of a default route, which says of itself only that it leads anywhere.
    package var family: IPAddress.Family?
    /// The address that packets leave with, where the route names one.
    package var source: IPAddress?
    package init(
        destination: CIDR?, gateway: IPAddress?, interface: String, metric: Int? = nil, family: IPAddress.Family? = nil,
        source: IPAddress? = nil
    ) {
        self.destination = destination
        self.gateway = gateway
        self.interface = interface
        self.metric = metric
        self.family = family
        self.source = source
    }
}
