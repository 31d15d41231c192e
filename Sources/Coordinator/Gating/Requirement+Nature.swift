// SPDX-License-Identifier: Apache-2.0

/// What kind of statement a requirement is, on which depends when it is judged again.
extension Requirement {
    /// Whether it compares something configured with the plan, so that another answer means that somebody changed it. The others tell how
    /// well things work at the moment.
    package var comparesConfiguration: Bool {
        switch self {
        case .bridgeCarries, .guestUnique, .guestAsPlanned, .nodesRegistered, .gatewayBundle, .ciliumConfig, .ciliumResources,
            .datapathParity, .clusterIDs, .meshCAShared,
            .clustermeshReady, .provisioned, .serviceDeployed, .podSecurity, .talosRelease, .kubePrism, .talosManifests,
            .kubeProxyCoherent, .versionSkew, .secretsStored, .egressListed:
            true
        case .controlGroups, .processorLevel, .serviceChainsGone, .leftoversGone, .cniFilesGone, .addressStable, .outsideAnswers,
            .agentReady, .bootStable,
            .clockWithin, .clocksTogether, .kernelFit, .link, .address, .defaultRoute, .room, .reaches,
            .tagged, .answered, .carries, .healthReaches, .untranslated, .diskIdentity, .diskUnused, .diskBlank,
            .diskWitness, .osdRetired, .blankProven, .wiperArmed, .warranted, .clustersDistinct, .kubeProxyAbsent, .ciliumHealthy,
            .meshCAFree, .authoritiesTrusted, .authorityExchanged, .leavesRenewed, .authoritiesDropped, .serversRenewed, .handshakes,
            .clustermeshConnected, .meshConnected, .connectivity, .terraformReady, .stateLocked, .provisionSafe,
            .cephHealthy,
            .teardownWarranted, .lossesWarranted, .credentialsFit, .secretsReadable, .secretsGone, .noOrphans, .gone, .hostClean, .osdsAway,
            .commandLineFits, .upgradeTurn, .bgpEstablished, .meshCertificates,
            .meshEndpoints, .meshSynced, .meshSteady, .serviceWorks, .serviceUnclaimed, .servingCertificates, .kernelTracing,
            .kernelModule, .machinesRunning, .etcdBootstrapped, .awaitingBootstrap, .etcdHealthy, .telemetryFlows, .executionsSeen,
            .crossingsKept, .resentBelow, .hubbleHeard, .flowsCrossed, .policiesEnabled:
            false
        }
    }

    /// Whether it speaks of the ground that a step stands on (hosts and the network between them), which has to stay as it was when the gate
    /// opened. Gates before a wipe, before a first install and before a teardown are meant to be true once.
    package var isGround: Bool {
        switch self {
        case .controlGroups, .processorLevel, .addressStable, .outsideAnswers, .clockWithin, .clocksTogether, .kernelFit, .link, .address,
            .defaultRoute, .bridgeCarries, .guestUnique, .guestAsPlanned,
            .reaches, .tagged, .answered, .carries, .healthReaches, .untranslated, .kernelTracing, .kernelModule, .telemetryFlows,
            .crossingsKept,
            .resentBelow, .hubbleHeard, .policiesEnabled:
            true
        case .serviceChainsGone, .leftoversGone, .cniFilesGone, .agentReady, .bootStable, .diskIdentity, .diskUnused, .diskBlank,
            .diskWitness, .osdRetired, .blankProven, .wiperArmed,
            .warranted,
            .clustersDistinct, .nodesRegistered, .kubeProxyAbsent, .gatewayBundle, .ciliumHealthy, .ciliumConfig, .ciliumResources,
            .commandLineFits, .versionSkew, .upgradeTurn, .kubeProxyCoherent, .bgpEstablished, .datapathParity, .clusterIDs, .meshCAFree,
            .meshCAShared, .clustermeshReady, .meshCertificates, .meshEndpoints, .meshSynced, .meshSteady, .handshakes,
            .authoritiesTrusted, .authorityExchanged, .leavesRenewed, .authoritiesDropped, .serversRenewed, .clustermeshConnected,
            .meshConnected, .connectivity, .terraformReady, .stateLocked, .provisionSafe, .provisioned, .serviceDeployed, .serviceWorks,
            .serviceUnclaimed, .egressListed, .podSecurity, .servingCertificates, .cephHealthy, .talosRelease, .machinesRunning,
            .etcdBootstrapped, .awaitingBootstrap, .etcdHealthy, .kubePrism, .talosManifests, .teardownWarranted, .lossesWarranted,
            .credentialsFit, .secretsReadable, .secretsStored, .secretsGone, .noOrphans, .gone, .hostClean, .osdsAway, .room,
            .executionsSeen, .flowsCrossed:
            false
        }
    }

    /// Whether it asks how long something has been so, which no single look can answer.
    package var takesTime: Bool { if case .meshSteady = self { true } else { false } }
}
