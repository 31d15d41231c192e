// SPDX-License-Identifier: Apache-2.0

extension Requirement {
    /// The gate that it belongs to: what people know it by.
    package var gate: GateID {
        switch self {
        case .agentReady: .agentReady
        case .bootStable: .bootStable
        case .clockWithin, .clocksTogether: .clock
        case .kernelFit: .kernel
        case .controlGroups: .controlGroups
        case .processorLevel: .processorLevel
        case .serviceChainsGone: .kubeProxyAbsent
        case .leftoversGone, .cniFilesGone: .hostClean
        case .addressStable: .addressStable
        case .outsideAnswers: .outside
        case .link: .link
        case .address, .defaultRoute: .address
        case .bridgeCarries: .bridge
        case .guestUnique: .guestUnique
        case .guestAsPlanned: .guestAsPlanned
        case .room: .room
        case .reaches: .reach
        case .tagged: .taggedFrames
        case .answered: .tunnelReach
        case .carries: .pathMTU
        case .healthReaches: .healthReach
        case .untranslated: .sourceKept
        case .diskIdentity, .diskWitness: .diskIdentity
        case .osdRetired: .osdRetired
        case .blankProven: .blankProven
        case .wiperArmed: .wiperArmed
        case .diskUnused: .diskUnused
        case .diskBlank: .diskBlank
        case .warranted: .warrant
        case .clustersDistinct: .clusterIdentity
        case .nodesRegistered: .nodesRegistered
        case .kubeProxyAbsent: .kubeProxyAbsent
        case .gatewayBundle: .gatewayBundle
        case .ciliumHealthy: .ciliumHealthy
        case .ciliumConfig: .ciliumConfig
        case .ciliumResources: .ciliumResources
        case .commandLineFits, .versionSkew: .ciliumVersions
        case .upgradeTurn: .ciliumUpgrade
        case .kubeProxyCoherent: .kubeProxy
        case .bgpEstablished: .bgpSessions
        case .datapathParity: .datapathParity
        case .clusterIDs: .clusterIDs
        case .meshCAFree, .meshCAShared, .authorityExchanged: .meshCA
        case .authoritiesTrusted, .authoritiesDropped: .meshTrust
        case .clustermeshReady: .clustermeshReady
        case .meshCertificates, .leavesRenewed: .meshCertificates
        case .meshEndpoints: .meshEndpoints
        case .meshSynced: .meshSynced
        case .handshakes, .serversRenewed: .meshHandshake
        case .clustermeshConnected, .meshConnected, .meshSteady: .clustermeshConnected
        case .connectivity: .connectivity
        case .flowsCrossed: .flowsCrossed
        case .terraformReady: .terraformReady
        case .stateLocked: .stateLocked
        case .provisionSafe: .provisionSafe
        case .provisioned: .provisioned
        case .serviceDeployed: .serviceDeployed
        case .serviceWorks: .serviceWorks
        case .serviceUnclaimed: .serviceUnclaimed
        case .egressListed: .egress
        case .podSecurity: .podSecurity
        case .servingCertificates: .servingCertificates
        case .kernelTracing: .kernelTracing
        case .kernelModule: .kernelModule
        case .cephHealthy: .cephHealthy
        case .talosRelease: .talosRelease
        case .machinesRunning: .machinesRunning
        case .etcdBootstrapped, .awaitingBootstrap: .etcdBootstrap
        case .etcdHealthy: .etcdHealthy
        case .kubePrism: .kubePrism
        case .talosManifests: .talosManifests
        case .teardownWarranted, .lossesWarranted: .teardownWarrant
        case .credentialsFit: .credentials
        case .secretsReadable: .secretsReadable
        case .secretsStored: .secretsStored
        case .secretsGone: .secretsGone
        case .noOrphans: .orphans
        case .gone: .remnantGone
        case .hostClean: .hostClean
        case .osdsAway: .osdsAway
        case .telemetryFlows: .telemetryFlows
        case .executionsSeen: .executionsSeen
        case .crossingsKept: .crossingsKept
        case .resentBelow: .resent
        case .hubbleHeard: .hubbleHeard
        case .policiesEnabled: .policiesEnabled
        }
    }
}
