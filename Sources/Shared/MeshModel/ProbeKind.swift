// SPDX-License-Identifier: Apache-2.0

/// A read-only question. Each kind yields one evidence per subject, and the newest one counts.
package enum ProbeKind: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
    // asked of an agent
    case host, disks, links, reach, clock, kernel
    /// How datagrams fare on the way to other nodes.
    case paths
    /// Which certificates the clustermesh API servers of other clusters show.
    case handshakes
    /// How frames with a VLAN's tag fare.
    case vlans
    /// Whether what a host needs from outside answers.
    case outside
    /// Whether what was wiped reads as zero, where the coordinator chooses to look.
    case blankness
    /// What a hypervisor knows of the disks that it gives to its guests.
    case virtualDisks
    /// What a hypervisor's own files say of it and of the mesh's machines on it.
    case hypervisorFiles
    // asked by the coordinator's drivers of a cluster or of the mesh
    case cluster, provision, connectivity, talos
    /// What a hypervisor's own API says of it and of the mesh's machines on it.
    case hypervisor
    /// What the store of secrets holds of the mesh's.
    case secrets
    /// Which contexts of the kubeconfig are the mesh's.
    case contexts
    /// What came over the feed from a node, as the coordinator itself counted it.
    case telemetry
    /// The account of a wipe. It comes with the report of the order, and nobody asks for it.
    case wipe

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    /// True when the answer describes hardware or a kernel, and is void after a reboot.
    package var diesWithBoot: Bool {
        switch self {
        case .host, .disks, .links, .reach, .paths, .handshakes, .vlans, .outside, .clock, .kernel, .blankness, .virtualDisks,
            .hypervisorFiles, .wipe:
            true
        case .cluster, .provision, .connectivity, .talos, .hypervisor, .secrets, .contexts, .telemetry: false
        }
    }
}
