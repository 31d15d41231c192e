// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel

/// How clusters that run with Cilium CAs of their own are brought to one, where mesh.yaml says so.
///
///     ca-trust    every pod of every cluster trusts all CAs that are in use, and the one to come
///     cilium-ca   the one CA is put in the place of each
///     ca-issue    every certificate comes from it
///     ca-shown    that is what every API server shows
///     ca-drop     nothing else is trusted any more
///
/// No round begins anywhere before the one before it has ended everywhere: who is left out in one is cut off in the next. Where clusters have one CA
/// already, or none, the rounds find nothing to do but to put it there.
extension Planner {
    var migrates: Bool { spec.policy.migratesCA == true && spec.clusters.count > 1 }

    /// What Cilium waits for on a cluster.
    func authorityStepID(_ cluster: MeshSpec.Cluster) -> StepID { StepID(cluster.name.text, migrates ? "ca-drop" : "cilium-ca") }

    func migrationSteps() -> [Step] {
        let trust = spec.clusters.map(trustStep)
        let exchange = spec.clusters.map { exchangeStep($0, after: trust.map(\.id)) }
        let issue = spec.clusters.map { issueStep($0, after: exchange.map(\.id)) }
        let shown = shownStep(after: issue.map(\.id))
        return trust + exchange + issue + [shown] + spec.clusters.map { dropStep($0, after: [shown.id]) }
    }

    private var all: [ClusterName] { spec.clusters.map(\.name) }

    /// Long enough for every agent of a large cluster to be restarted, two at a time.
    private static let rolling = TimeSpan(.seconds(1800))

    private func trustStep(_ cluster: MeshSpec.Cluster) -> Step {
        Step(
            id: StepID(cluster.name.text, "ca-trust"), title: "have Cilium trust every CA of the mesh", place: .cluster(cluster.name),
            action: .trustAuthorities(cluster.name), after: spec.clusters.map(groundStepID),
            gates: [.credentialsFit(cluster.name), .clustersDistinct(all), .commandLineFits(cluster.name, spec.versions.cilium)],
            done: [.authoritiesTrusted(cluster.name, of: all)], deadline: Self.rolling, settling: Self.rolling)
    }

    private func exchangeStep(_ cluster: MeshSpec.Cluster, after: [StepID]) -> Step {
        Step(
            id: StepID(cluster.name.text, "cilium-ca"), title: "put the mesh's one Cilium CA in place", place: .cluster(cluster.name),
            action: .seedMeshCA(cluster.name), after: after,
            gates: [.credentialsFit(cluster.name), .clustersDistinct(all)] + all.map { .authoritiesTrusted($0, of: all) },
            done: [.authorityExchanged(cluster.name, of: all)], deadline: TimeSpan(.seconds(120)))
    }

    private func issueStep(_ cluster: MeshSpec.Cluster, after: [StepID]) -> Step {
        Step(
            id: StepID(cluster.name.text, "ca-issue"), title: "have Cilium's certificates issued by the one CA",
            place: .cluster(cluster.name),
            action: .reissueCertificates(cluster.name), after: after,
            gates: [.credentialsFit(cluster.name), .authorityExchanged(cluster.name, of: all)]
                + all.map { .authoritiesTrusted($0, of: all) },
            done: [.leavesRenewed(cluster.name)], deadline: Self.rolling, settling: Self.rolling)
    }

    /// Its gates are its end: nothing is done, and it waits for as long as it takes.
    private func shownStep(after: [StepID]) -> Step {
        var proof: [Requirement] = all.map { .authorityExchanged($0, of: all) }
        var seen: Set<ClusterName> = []
        for (index, cluster) in spec.clusters.enumerated() {
            for (place, node) in cluster.nodes.enumerated() where node.hasAgent {
                proof += renewedGate(place, in: index)
                let servers = servers(for: place, in: index)
                seen.formUnion(servers.targets.map(\.cluster) + servers.balanced.map(\.cluster))
            }
        }
        // Without an agent elsewhere nobody tells what its server shows, and then nothing is dropped.
        for cluster in spec.clusters where !seen.contains(cluster.name) {
            if let node = spec.members.first(where: { $0.cluster.name != cluster.name && !$0.node.hasAgent })?.node {
                proof.append(.agentReady(node.name))
            }
        }
        return Step(
            id: StepID("mesh", "ca-shown"), title: "wait until every API server shows a certificate of the one CA", place: .mesh,
            action: .awaitServers(all), after: after, gates: proof, done: proof)
    }

    private func dropStep(_ cluster: MeshSpec.Cluster, after: [StepID]) -> Step {
        var gates: [Requirement] = [.credentialsFit(cluster.name)]
        for name in all { gates += [.authorityExchanged(name, of: all), .leavesRenewed(name)] }
        return Step(
            id: StepID(cluster.name.text, "ca-drop"), title: "have Cilium trust the one CA alone", place: .cluster(cluster.name),
            action: .dropAuthorities(cluster.name), after: after, gates: gates, done: [.authoritiesDropped(cluster.name)],
            deadline: Self.rolling, settling: Self.rolling)
    }
}
