// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel

/// What the plan asks of the feed, where mesh.yaml asks for any (`policy.telemetry`).
extension Planner {
    /// Before Cilium stands on them the hosts of a cluster are to be seen, so that what it does to them is seen, too.
    func telemetryGates(_ cluster: MeshSpec.Cluster) -> [Requirement] {
        guard let policy = spec.policy.telemetry else { return [] }
        return cluster.nodes.filter(\.hasAgent).flatMap { node in
            [flows(node.name, policy)] + (policy.executions ? [.executionsSeen(node.name)] : [])
        }
    }

    /// Before clusters are connected: from every machine with an agent, hypervisors included, as they carry the frames.
    func telemetryGates() -> [Requirement] {
        guard let policy = spec.policy.telemetry else { return [] }
        let members = spec.members.map(\.node).filter(\.hasAgent).map(\.name)
        let all = members + spec.hypervisors.filter(\.hasAgent).map(\.name)
        return all.flatMap { node in
            [flows(node, policy)] + (policy.drops.isEmpty ? [] : [.crossingsKept(node, reasons: policy.drops)])
        } + (policy.policies.map { policies in members.map { .policiesEnabled($0, policies) } } ?? [])
            + (policy.resent.map { percent in members.map { .resentBelow($0, percent: percent) } } ?? [])
    }

    /// Before two clusters are tested: whoever is to see what the test does has to look.
    func hubbleGates(_ from: ClusterName, _ to: ClusterName) -> [Requirement] {
        guard let policy = spec.policy.telemetry, policy.flows != nil else { return [] }
        return spec.witnesses(from, to).map { .hubbleHeard($0.node, silence: policy.silence) }
    }

    /// After the test: what Hubble saw of it.
    func flowProofs(_ from: ClusterName, _ to: ClusterName) -> [Requirement] {
        guard let policy = spec.policy.telemetry, let flows = policy.flows else { return [] }
        return [.flowsCrossed(from: from, to: to, loss: policy.loss, expected: flows.expectedDrops)]
    }

    private func flows(_ node: NodeID, _ policy: MeshSpec.Telemetry) -> Requirement {
        .telemetryFlows(node, silence: policy.silence, loss: policy.loss)
    }
}
