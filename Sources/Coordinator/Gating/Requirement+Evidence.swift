// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Which evidence a requirement is judged by.
extension Requirement {
    /// What it looks at besides, and can do without.
    package var alsoAsks: [EvidenceKey] {
        switch self {
        case .gone(let remnant, .some): remnant.seenBy
        case .guestUnique(_, let host, .both), .guestAsPlanned(_, let host, .both), .room(let host, _, .both):
            [EvidenceKey(.node(host), .hypervisorFiles)]
        // Volumes that no guest names are told there, as far as they are.
        case .noOrphans(let guests):
            Set(guests.map(\.hypervisor)).sorted().flatMap {
                [EvidenceKey(.node($0), .hypervisor), EvidenceKey(.node($0), .hypervisorFiles)]
            }
        default: []
        }
    }

    /// The evidence it looks at.
    package var needs: [EvidenceKey] {
        switch self {
        case .agentReady(let node), .bootStable(let node): [EvidenceKey(.node(node), .host)]
        case .clockWithin(let node, _): [EvidenceKey(.node(node), .clock)]
        case .clocksTogether(let nodes, _): nodes.map { EvidenceKey(.node($0), .clock) }
        case .outsideAnswers(let node, _): [EvidenceKey(.node(node), .outside)]
        case .leftoversGone(let node, let cluster):
            [EvidenceKey(.node(node), .links), EvidenceKey(.node(node), .kernel), EvidenceKey(.cluster(cluster), .cluster)]
        case .hostClean(let node): [EvidenceKey(.node(node), .links), EvidenceKey(.node(node), .kernel)]
        case .addressStable(let node, _, _): [EvidenceKey(.node(node), .links)]
        case .controlGroups(let node), .processorLevel(let node, _), .serviceChainsGone(let node), .cniFilesGone(let node):
            [EvidenceKey(.node(node), .kernel)]
        case .kernelFit(let node, _), .kernelTracing(let node), .kernelModule(let node, _): [EvidenceKey(.node(node), .kernel)]
        case .link(let node, _, _, _), .address(let node, _, _), .defaultRoute(let node, _, _, _),
            .bridgeCarries(let node, _, _, _):
            [EvidenceKey(.node(node), .links)]
        case .guestUnique(_, let host, let way), .guestAsPlanned(_, let host, let way), .room(let host, _, let way):
            [EvidenceKey(.node(host), way == .files ? .hypervisorFiles : .hypervisor)]
        case .reaches(let node, _): [EvidenceKey(.node(node), .reach)]
        case .tagged(let node, _): [EvidenceKey(.node(node), .vlans)]
        case .answered(let node, _), .carries(let node, _), .healthReaches(let node, _), .untranslated(let node, _, _):
            [EvidenceKey(.node(node), .paths)]
        case .diskIdentity(let node, _), .diskUnused(let node, _), .wiperArmed(let node): [EvidenceKey(.node(node), .disks)]
        case .diskWitness(let node, _, let hypervisor, _):
            [EvidenceKey(.node(node), .disks), EvidenceKey(.node(hypervisor), .virtualDisks)]
        case .diskBlank(let node, _, let cluster, let host), .osdRetired(let node, _, let cluster, let host),
            .blankProven(let node, _, _, let cluster, let host):
            [
                host.map { EvidenceKey(.node($0), .virtualDisks) } ?? EvidenceKey(.node(node), .disks),
                EvidenceKey(.cluster(cluster), .cluster),
            ]
        case .warranted(_, _, _, let host): host.map { [EvidenceKey(.node($0), .virtualDisks)] } ?? []
        case .teardownWarranted: []
        case .secretsReadable, .secretsStored, .secretsGone: [EvidenceKey(.mesh, .secrets)]
        case .noOrphans(let guests): Remnant.orphans(guests).seenBy
        case .gone(let remnant, nil): remnant.seenBy
        case .gone(_, .some): [EvidenceKey(.mesh, .provision)]
        case .clustersDistinct(let names), .datapathParity(let names), .clusterIDs(let names, _), .meshConnected(let names),
            .versionSkew(let names), .meshEndpoints(let names), .meshSynced(let names), .meshSteady(let names, _),
            .authoritiesTrusted(_, let names), .authorityExchanged(_, let names):
            names.map { EvidenceKey(.cluster($0), .cluster) }
        case .nodesRegistered(let name, _, _), .kubeProxyAbsent(let name), .gatewayBundle(let name, _), .ciliumHealthy(let name, _, _),
            .ciliumConfig(let name, _), .ciliumResources(let name, _), .clustermeshReady(let name, _), .clustermeshConnected(let name, _),
            .serviceDeployed(let name, _, _, _), .serviceWorks(let name, _), .serviceUnclaimed(let name, _), .egressListed(let name, _, _),
            .podSecurity(let name, _, _),
            .servingCertificates(let name), .cephHealthy(let name, _), .credentialsFit(let name), .commandLineFits(let name, _),
            .upgradeTurn(let name, _, _),
            .kubeProxyCoherent(let name, _), .bgpEstablished(let name, _), .meshCertificates(let name, _), .leavesRenewed(let name),
            .authoritiesDropped(let name):
            [EvidenceKey(.cluster(name), .cluster)]
        case .serversRenewed(let node, let own, let targets, let balanced):
            [EvidenceKey(.node(node), .handshakes)]
                + Set([own] + targets.map(\.cluster) + balanced.map(\.cluster)).sorted().map { EvidenceKey(.cluster($0), .cluster) }
        case .handshakes(let node, let own, _, let balanced):
            [EvidenceKey(.node(node), .handshakes), EvidenceKey(.cluster(own), .cluster)]
                + balanced.map { EvidenceKey(.cluster($0.cluster), .cluster) }
        case .osdsAway(let name, _): [EvidenceKey(.cluster(name), .cluster)]
        case .telemetryFlows(let node, _, _), .executionsSeen(let node), .crossingsKept(let node, _), .resentBelow(let node, _),
            .hubbleHeard(let node, _), .policiesEnabled(let node, _):
            [EvidenceKey(.node(node), .telemetry)]
        case .meshCAFree(let name, let like), .meshCAShared(let name, let like):
            name == like
                ? [EvidenceKey(.cluster(name), .cluster)] : [EvidenceKey(.cluster(name), .cluster), EvidenceKey(.cluster(like), .cluster)]
        case .talosRelease(let name, _, _), .machinesRunning(let name, _, _), .etcdBootstrapped(let name, _),
            .awaitingBootstrap(let name, _),
            .etcdHealthy(let name, _), .kubePrism(let name, _, _), .talosManifests(let name, _, _):
            [EvidenceKey(.cluster(name), .talos)]
        case .connectivity(let from, _), .flowsCrossed(let from, _, _, _): [EvidenceKey(.cluster(from), .connectivity)]
        case .terraformReady(let directory, let service), .stateLocked(let directory, let service):
            [TerraformPart(directory: directory, service: service).key]
        case .provisionSafe(let directory, let phase, let service), .provisioned(let directory, let phase, let service),
            .lossesWarranted(_, let directory, let phase, let service):
            [TerraformPart(directory: directory, phase: phase, service: service).key]
        }
    }
}
