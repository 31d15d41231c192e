// SPDX-License-Identifier: Apache-2.0

package import Gating
package import MeshModel

extension RunMachine {
    /// The questions of one look at a node by hand: all of its topic that make sense without a plan, and what `requirements` need besides, of
    /// other nodes, too (a disk's hypervisor).
    package static func orders(
        for node: NodeID, _ topic: CheckTopic, requirements: [Requirement], evidence: EvidenceTable, now: Moment
    ) -> [ProbeOrder] {
        var subjects = ProbeSubjects()
        var keys = Set(topic.probes.filter(\.isWhole).map { EvidenceKey(.node(node), $0) })
        for requirement in requirements {
            keys.formUnion(requirement.needs + requirement.alsoAsks)
            subjects.take(requirement, evidence)
        }
        return keys.sorted().compactMap { key in
            guard case .node(let node) = key.subject else { return nil }
            // Not asked of an agent but of the host itself.
            if key.probe == .hypervisor { return ProbeOrder(key: key, probe: nil) }
            guard let probe = subjects.probe(key.probe, of: node, now: now, seed: .zero) else { return nil }
            return ProbeOrder(key: key, probe: probe)
        }
    }
}

extension ProbeKind {
    /// Whether it asks for everything of its kind, so that any two who ask get the same answer.
    package var isWhole: Bool {
        switch self {
        case .host, .disks, .links, .clock, .kernel: true
        case .reach, .paths, .handshakes, .vlans, .outside, .blankness, .virtualDisks, .hypervisorFiles, .cluster, .provision,
            .connectivity, .talos,
            .hypervisor, .secrets, .contexts, .telemetry,
            .wipe:
            false
        }
    }
}
