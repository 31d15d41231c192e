// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// What a person may have looked at now, by hand and outside of any run: `meshgate check net`.
package enum CheckTopic: String, Hashable, Sendable, Codable, CaseIterable {
    case net, host, disk

    /// The questions that belong to it.
    package var probes: [ProbeKind] { ProbeKind.allCases.filter { $0.topic == self } }

    /// The node that a requirement of this topic is about; `nil` when a look at nodes alone cannot answer it, and for what is to be true at one
    /// moment only.
    package func node(of requirement: Requirement) -> NodeID? {
        if case .diskUnused = requirement { return nil }
        if case .hostClean = requirement { return nil }
        if case .cniFilesGone = requirement { return nil }
        // About several, none more than the others.
        if case .clocksTogether = requirement { return nil }
        // What its cluster trusts is told beside.
        if case .handshakes(let node, _, _, _) = requirement { return self == .net ? node : nil }
        if case .serversRenewed = requirement { return nil }
        let needs = requirement.needs
        guard case .node(let node)? = needs.first?.subject, needs.allSatisfy({ $0.probe.topic == self }) else { return nil }
        return node
    }
}

extension ProbeKind {
    /// Where a person asks for it; `nil` for what is not asked by hand.
    package var topic: CheckTopic? {
        switch self {
        case .links, .reach, .paths, .handshakes, .vlans, .outside: .net
        case .host, .clock, .kernel, .hypervisor, .hypervisorFiles: .host
        case .disks, .virtualDisks: .disk
        case .blankness, .cluster, .provision, .connectivity, .talos, .secrets, .contexts, .telemetry, .wipe: nil
        }
    }
}
