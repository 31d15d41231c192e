// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// One thing a gate needs to be true. It carries all it compares with, so that judging needs only evidence and the time.
package enum Requirement: Hashable, Sendable, Codable {
    case agentReady(NodeID)
    case bootStable(NodeID)
    case clockWithin(NodeID, TimeSpan)
    /// No two of these nodes' clocks are further apart, whatever the coordinator's says.
    case clocksTogether([NodeID], TimeSpan)
    case kernelFit(NodeID, options: [String])
    /// The control groups that Cilium hooks its socket programs to are there.
    case controlGroups(NodeID)
    /// Every processor reaches this micro-architecture level of x86-64.
    case processorLevel(NodeID, Int)
    /// No chain of kube-proxy is left in the packet filter.
    case serviceChainsGone(NodeID)
    /// Nothing is left of a Cilium that is no more; what a Cilium of this cluster that is there has made may stay.
    case leftoversGone(NodeID, cluster: ClusterName)
    /// No file of Cilium's CNI plugin is left where the kubelet looks for one.
    case cniFilesGone(NodeID)
    /// The address stays: it is static, or reserved, or leased for more than a week. `pool`: what the network's DHCP server hands out.
    case addressStable(NodeID, IPAddress, pool: AddressBlock?)
    /// What the host needs from outside answers.
    case outsideAnswers(NodeID, [OutsideTarget])
    case link(NodeID, name: String, mac: MACAddress?, mtu: Int)
    /// `network`: the range that the address is to stand in; absent in plans of earlier versions.
    case address(NodeID, IPAddress, network: CIDR? = nil)
    /// Exactly one default route of the address's family, through the interface that carries it and by the network's gateway.
    case defaultRoute(NodeID, name: String, mac: MACAddress?, gateway: IPAddress)
    /// The hypervisor's bridge leads frames of a network out, with its tag.
    case bridgeCarries(NodeID, bridge: String, vlan: Int?, mtu: Int)
    /// No other machine has the name, the number, an address or a disk of this one. `hypervisor`: who says so, here and below, and `by`
    /// which way; absent for its API alone.
    case guestUnique(PlannedMachine, hypervisor: NodeID, by: HypervisorWay? = nil)
    /// The machine is there, runs, and has the planned means, network cards and disks.
    case guestAsPlanned(PlannedMachine, hypervisor: NodeID, by: HypervisorWay? = nil)
    /// The host has memory, cores and storage for those of these machines that are not there yet.
    case room(NodeID, [PlannedMachine], by: HypervisorWay? = nil)
    case reaches(NodeID, [ReachTarget])
    /// Frames with the tag of a VLAN get to the other ends and back, and nothing else gets into it.
    case tagged(NodeID, [VLANTarget])
    /// Datagrams to the port of the tunnel arrive, and hardly one is lost.
    case answered(NodeID, [PathTarget])
    /// Packets of the planned size get there and back in one piece.
    case carries(NodeID, [PathTarget])
    /// Cilium's health checks get through, by ICMP or by TCP.
    case healthReaches(NodeID, [PathTarget])
    /// The others see the node under its own address.
    case untranslated(NodeID, IPAddress, [PathTarget])
    case diskIdentity(NodeID, PlannedDisk)
    case diskUnused(NodeID, PlannedDisk)
    /// `seenBy`: the hypervisor that looks into the disk where the node itself cannot, here and below.
    /// Blank, or already used by the storage cluster of `cluster` when that one is healthy.
    case diskBlank(NodeID, PlannedDisk, cluster: ClusterName, seenBy: NodeID? = nil)
    /// The node's hypervisor knows the same disk: by serial, by size and by content. `guestIsBlind`: the node cannot tell its content, so the
    /// machine's name has to tie the two together.
    case diskWitness(NodeID, PlannedDisk, hypervisor: NodeID, guestIsBlind: Bool = false)
    /// No running Ceph cluster of the mesh owns what is on the disk.
    case osdRetired(NodeID, PlannedDisk, cluster: ClusterName, seenBy: NodeID? = nil)
    /// The disk reads as zero where the coordinator chose to look, `share` percent of it at least; or it serves the cluster's storage by now.
    case blankProven(NodeID, PlannedDisk, share: Int, cluster: ClusterName, seenBy: NodeID? = nil)
    case wiperArmed(NodeID)
    /// A person permits it. Where no wiper compares the disk with what was signed, the hypervisor `seenBy` has to see the same at this moment.
    case warranted(StepID, NodeID, PlannedDisk, seenBy: NodeID? = nil)
    case clustersDistinct([ClusterName])
    case nodesRegistered(ClusterName, [NodeID], podCIDRs: [CIDR])
    case kubeProxyAbsent(ClusterName)
    case gatewayBundle(ClusterName, SemanticVersion)
    case ciliumHealthy(ClusterName, version: SemanticVersion, nodes: Int)
    case ciliumConfig(ClusterName, [String: String])
    /// Pools, policies and BGP are there as planned, by `kind/name`, and nothing of ours besides.
    case ciliumResources(ClusterName, [String: HelmValue])
    /// The cilium CLI is of a version that can handle this release of Cilium.
    case commandLineFits(ClusterName, SemanticVersion)
    /// No two clusters are more than one minor release of Cilium apart.
    case versionSkew([ClusterName])
    /// A cluster that runs another release is upgraded to this one step by step, after the clusters before it. `keeps`: keys of
    /// cilium-config that cannot change while Cilium runs.
    case upgradeTurn(ClusterName, to: SemanticVersion, keeps: [String: String])
    /// Cilium serves Services and there is no kube-proxy, or the other way round.
    case kubeProxyCoherent(ClusterName, replaced: Bool)
    /// Each router has a session, and no session to it is down.
    case bgpEstablished(ClusterName, peers: [IPAddress])
    case datapathParity([ClusterName])
    case clusterIDs([ClusterName], ids: [Int])
    /// No CA yet, or the very one that `like` has: anything else would have to be migrated.
    case meshCAFree(ClusterName, like: ClusterName)
    case meshCAShared(ClusterName, like: ClusterName)
    /// Every pod of Cilium trusts every CA that is in use in these clusters, and the mesh's one.
    case authoritiesTrusted(ClusterName, of: [ClusterName])
    /// The CA is the mesh's one, or the one that all have.
    case authorityExchanged(ClusterName, of: [ClusterName])
    /// Every certificate comes from the cluster's CA, and no pod began with an older one.
    case leavesRenewed(ClusterName)
    /// No pod trusts another CA than the cluster's.
    case authoritiesDropped(ClusterName)
    /// As `handshakes`, of servers that are there, and by the cluster's own CA alone.
    case serversRenewed(NodeID, of: ClusterName, [HandshakeTarget], balanced: [BalancedServer])
    case clustermeshReady(ClusterName, nodePort: Int?)
    /// `domain`: under which the others address the server.
    case meshCertificates(ClusterName, domain: String)
    /// Of clusters that are reached through NodePorts.
    case meshEndpoints([ClusterName])
    case meshSynced([ClusterName])
    /// The connections of all have been as they are for so long.
    case meshSteady([ClusterName], TimeSpan)
    /// The API servers of other clusters show the node certificates that its own cluster trusts, under their names. `balanced`: those behind
    /// load balancers.
    case handshakes(NodeID, of: ClusterName, [HandshakeTarget], balanced: [BalancedServer])
    case clustermeshConnected(ClusterName, remotes: [ClusterName])
    /// Each is connected to all the others; one requirement with each name once, so that a plan grows with clusters and not with pairs.
    case meshConnected([ClusterName])
    case connectivity(from: ClusterName, to: ClusterName)
    /// While the connectivity test ran, Hubble saw flows arrive in both clusters and no drop between them but for the expected reasons, and of
    /// all flows it lost no more than `loss` percent.
    case flowsCrossed(from: ClusterName, to: ClusterName, loss: Int, expected: [String])
    /// `service`: whose phase it is, here and below; absent for what is applied before the clusters.
    case terraformReady(directory: String, service: String? = nil)
    case stateLocked(directory: String, service: String? = nil)
    case provisionSafe(directory: String, phase: String? = nil, service: String? = nil)
    case provisioned(directory: String, phase: String? = nil, service: String? = nil)
    /// Deployed, of this version, and with the planned values. `release`: Helm's NAMESPACE/NAME; absent for what is no chart.
    case serviceDeployed(ClusterName, service: String, version: String?, release: String? = nil)
    /// Its workloads are ready and its functional probe is answered.
    case serviceWorks(ClusterName, service: String)
    /// Nobody else has installed it.
    case serviceUnclaimed(ClusterName, service: String)
    /// Its configuration names no host outside of the cluster but these.
    case egressListed(ClusterName, service: String, hosts: [HostPattern])
    case podSecurity(ClusterName, namespace: String, level: PodSecurity)
    case servingCertificates(ClusterName)
    case kernelTracing(NodeID)
    case kernelModule(NodeID, String)
    case cephHealthy(ClusterName, osds: Int)
    /// Every machine runs the planned Talos, from the planned image.
    case talosRelease(ClusterName, [NodeID], PlannedTalos)
    /// Every machine has booted and nothing is wrong with it. Without `ready` it may still wait for a network for pods.
    case machinesRunning(ClusterName, [NodeID], ready: Bool)
    case etcdBootstrapped(ClusterName, [NodeID])
    /// All of these control planes are seen to wait for a first member of etcd.
    case awaitingBootstrap(ClusterName, [NodeID])
    case etcdHealthy(ClusterName, members: [NodeID])
    case kubePrism(ClusterName, [NodeID], port: Int)
    /// Talos installs no network for pods, and kube-proxy only when `proxy` says so.
    case talosManifests(ClusterName, [NodeID], proxy: Bool)
    /// A person's signed permission for the step, by the coordinator's own list of signers.
    case teardownWarranted(StepID)
    /// What Terraform would take away in this step is nothing, or exactly what a person has signed for.
    case lossesWarranted(StepID, directory: String, phase: String? = nil, service: String? = nil)
    /// The kubeconfig's context of the cluster is private, pinned to it, and does not end soon.
    case credentialsFit(ClusterName)
    /// The store answers, and shows these names where it has them.
    case secretsReadable([String])
    /// Read back, each is what the coordinator works with.
    case secretsStored([String])
    /// None of these names is in the store.
    case secretsGone([String])
    /// No hypervisor has any of these machines, nor a disk of theirs.
    case noOrphans([PlannedGuest])
    /// Nothing of it is there any more. `with`: the Terraform directory whose machines it was on, where they go, too: once they are gone it
    /// went with them, and no cluster is left to be asked.
    case gone(Remnant, with: String? = nil)
    /// No link of Cilium is left on the node.
    case hostClean(NodeID)
    /// No OSD of Ceph is bound to a node that is to leave.
    case osdsAway(ClusterName, NodeID)

    /// The node's agent and its tracer spoke in the last `silence`, and of a minute's events no more than `loss` percent were lost. All four are
    /// asked for only where mesh.yaml does.
    case telemetryFlows(NodeID, silence: TimeSpan, loss: Int)
    /// A program was seen to start on the node in the last minutes.
    case executionsSeen(NodeID)
    /// The node's kernel dropped no packet between clusters for one of these reasons in the last minute.
    case crossingsKept(NodeID, reasons: [String])
    /// Of the node's TCP segments no more than `percent` were sent again in the last minute.
    case resentBelow(NodeID, percent: Int)
    /// The node's Hubble is read, by a reader that spoke in the last `silence`.
    case hubbleHeard(NodeID, silence: TimeSpan)
    /// The node's Tetragon has these tracing policies, and each of them is enabled.
    case policiesEnabled(NodeID, [String])

    // The names of unlabelled values in JSON (SE-0295); they are part of the plan's form.
    private enum AgentReadyCodingKeys: String, CodingKey { case _0 = "node" }
    private enum BootStableCodingKeys: String, CodingKey { case _0 = "node" }
    private enum ClockWithinCodingKeys: String, CodingKey { case _0 = "node", _1 = "limit" }
    private enum ClocksTogetherCodingKeys: String, CodingKey { case _0 = "nodes", _1 = "limit" }
    private enum KernelFitCodingKeys: String, CodingKey { case _0 = "node", options }
    private enum ControlGroupsCodingKeys: String, CodingKey { case _0 = "node" }
    private enum ProcessorLevelCodingKeys: String, CodingKey { case _0 = "node", _1 = "level" }
    private enum ServiceChainsGoneCodingKeys: String, CodingKey { case _0 = "node" }
    private enum LeftoversGoneCodingKeys: String, CodingKey { case _0 = "node", cluster }
    private enum CniFilesGoneCodingKeys: String, CodingKey { case _0 = "node" }
    private enum AddressStableCodingKeys: String, CodingKey { case _0 = "node", _1 = "address", pool }
    private enum OutsideAnswersCodingKeys: String, CodingKey { case _0 = "node", _1 = "targets" }
    private enum LinkCodingKeys: String, CodingKey { case _0 = "node", name, mac, mtu }
    private enum AddressCodingKeys: String, CodingKey { case _0 = "node", _1 = "address", network }
    private enum DefaultRouteCodingKeys: String, CodingKey { case _0 = "node", name, mac, gateway }
    private enum BridgeCarriesCodingKeys: String, CodingKey { case _0 = "hypervisor", bridge, vlan, mtu }
    private enum GuestUniqueCodingKeys: String, CodingKey { case _0 = "machine", hypervisor, by }
    private enum GuestAsPlannedCodingKeys: String, CodingKey { case _0 = "machine", hypervisor, by }
    private enum RoomCodingKeys: String, CodingKey { case _0 = "hypervisor", _1 = "machines", by }
    private enum ReachesCodingKeys: String, CodingKey { case _0 = "node", _1 = "targets" }
    private enum TaggedCodingKeys: String, CodingKey { case _0 = "node", _1 = "targets" }
    private enum AnsweredCodingKeys: String, CodingKey { case _0 = "node", _1 = "targets" }
    private enum CarriesCodingKeys: String, CodingKey { case _0 = "node", _1 = "targets" }
    private enum HealthReachesCodingKeys: String, CodingKey { case _0 = "node", _1 = "targets" }
    private enum UntranslatedCodingKeys: String, CodingKey { case _0 = "node", _1 = "address", _2 = "targets" }
    private enum DiskIdentityCodingKeys: String, CodingKey { case _0 = "node", _1 = "disk" }
    private enum DiskUnusedCodingKeys: String, CodingKey { case _0 = "node", _1 = "disk" }
    private enum DiskBlankCodingKeys: String, CodingKey { case _0 = "node", _1 = "disk", cluster, seenBy }
    private enum DiskWitnessCodingKeys: String, CodingKey { case _0 = "node", _1 = "disk", hypervisor, guestIsBlind }
    private enum OsdRetiredCodingKeys: String, CodingKey { case _0 = "node", _1 = "disk", cluster, seenBy }
    private enum BlankProvenCodingKeys: String, CodingKey { case _0 = "node", _1 = "disk", share, cluster, seenBy }
    private enum WiperArmedCodingKeys: String, CodingKey { case _0 = "node" }
    private enum WarrantedCodingKeys: String, CodingKey { case _0 = "step", _1 = "node", _2 = "disk", seenBy }
    private enum ClustersDistinctCodingKeys: String, CodingKey { case _0 = "clusters" }
    private enum NodesRegisteredCodingKeys: String, CodingKey { case _0 = "cluster", _1 = "nodes", podCIDRs }
    private enum KubeProxyAbsentCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum GatewayBundleCodingKeys: String, CodingKey { case _0 = "cluster", _1 = "version" }
    private enum CiliumHealthyCodingKeys: String, CodingKey { case _0 = "cluster", version, nodes }
    private enum CiliumConfigCodingKeys: String, CodingKey { case _0 = "cluster", _1 = "values" }
    private enum CiliumResourcesCodingKeys: String, CodingKey { case _0 = "cluster", _1 = "objects" }
    private enum CommandLineFitsCodingKeys: String, CodingKey { case _0 = "cluster", _1 = "version" }
    private enum VersionSkewCodingKeys: String, CodingKey { case _0 = "clusters" }
    private enum UpgradeTurnCodingKeys: String, CodingKey { case _0 = "cluster", to, keeps }
    private enum KubeProxyCoherentCodingKeys: String, CodingKey { case _0 = "cluster", replaced }
    private enum BgpEstablishedCodingKeys: String, CodingKey { case _0 = "cluster", peers }
    private enum MeshCertificatesCodingKeys: String, CodingKey { case _0 = "cluster", domain }
    private enum MeshEndpointsCodingKeys: String, CodingKey { case _0 = "clusters" }
    private enum MeshSyncedCodingKeys: String, CodingKey { case _0 = "clusters" }
    private enum MeshSteadyCodingKeys: String, CodingKey { case _0 = "clusters", _1 = "span" }
    private enum DatapathParityCodingKeys: String, CodingKey { case _0 = "clusters" }
    private enum ClusterIDsCodingKeys: String, CodingKey { case _0 = "clusters", ids }
    private enum MeshCAFreeCodingKeys: String, CodingKey { case _0 = "cluster", like }
    private enum MeshCASharedCodingKeys: String, CodingKey { case _0 = "cluster", like }
    private enum AuthoritiesTrustedCodingKeys: String, CodingKey { case _0 = "cluster", of }
    private enum AuthorityExchangedCodingKeys: String, CodingKey { case _0 = "cluster", of }
    private enum LeavesRenewedCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum AuthoritiesDroppedCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum ServersRenewedCodingKeys: String, CodingKey { case _0 = "node", of, _2 = "targets", balanced }
    private enum ClustermeshReadyCodingKeys: String, CodingKey { case _0 = "cluster", nodePort }
    private enum HandshakesCodingKeys: String, CodingKey { case _0 = "node", of, _2 = "targets", balanced }
    private enum ClustermeshConnectedCodingKeys: String, CodingKey { case _0 = "cluster", remotes }
    private enum MeshConnectedCodingKeys: String, CodingKey { case _0 = "clusters" }
    private enum ServiceDeployedCodingKeys: String, CodingKey { case _0 = "cluster", service, version, release }
    private enum ServiceWorksCodingKeys: String, CodingKey { case _0 = "cluster", service }
    private enum ServiceUnclaimedCodingKeys: String, CodingKey { case _0 = "cluster", service }
    private enum EgressListedCodingKeys: String, CodingKey { case _0 = "cluster", service, hosts }
    private enum PodSecurityCodingKeys: String, CodingKey { case _0 = "cluster", namespace, level }
    private enum ServingCertificatesCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum KernelTracingCodingKeys: String, CodingKey { case _0 = "node" }
    private enum KernelModuleCodingKeys: String, CodingKey { case _0 = "node", _1 = "module" }
    private enum TalosReleaseCodingKeys: String, CodingKey { case _0 = "cluster", _1 = "nodes", _2 = "talos" }
    private enum MachinesRunningCodingKeys: String, CodingKey { case _0 = "cluster", _1 = "nodes", ready }
    private enum EtcdBootstrappedCodingKeys: String, CodingKey { case _0 = "cluster", _1 = "nodes" }
    private enum AwaitingBootstrapCodingKeys: String, CodingKey { case _0 = "cluster", _1 = "nodes" }
    private enum EtcdHealthyCodingKeys: String, CodingKey { case _0 = "cluster", members }
    private enum KubePrismCodingKeys: String, CodingKey { case _0 = "cluster", _1 = "nodes", port }
    private enum TalosManifestsCodingKeys: String, CodingKey { case _0 = "cluster", _1 = "nodes", proxy }
    private enum TeardownWarrantedCodingKeys: String, CodingKey { case _0 = "step" }
    private enum LossesWarrantedCodingKeys: String, CodingKey { case _0 = "step", directory, phase, service }
    private enum CredentialsFitCodingKeys: String, CodingKey { case _0 = "cluster" }
    private enum SecretsReadableCodingKeys: String, CodingKey { case _0 = "names" }
    private enum SecretsStoredCodingKeys: String, CodingKey { case _0 = "names" }
    private enum SecretsGoneCodingKeys: String, CodingKey { case _0 = "names" }
    private enum NoOrphansCodingKeys: String, CodingKey { case _0 = "guests" }
    private enum GoneCodingKeys: String, CodingKey { case _0 = "remnant", with }
    private enum OsdsAwayCodingKeys: String, CodingKey { case _0 = "cluster", _1 = "node" }
    private enum TelemetryFlowsCodingKeys: String, CodingKey { case _0 = "node", silence, loss }
    private enum ExecutionsSeenCodingKeys: String, CodingKey { case _0 = "node" }
    private enum CrossingsKeptCodingKeys: String, CodingKey { case _0 = "node", reasons }
    private enum ResentBelowCodingKeys: String, CodingKey { case _0 = "node", percent }
    private enum HubbleHeardCodingKeys: String, CodingKey { case _0 = "node", silence }
    private enum PoliciesEnabledCodingKeys: String, CodingKey { case _0 = "node", _1 = "policies" }
    private enum HostCleanCodingKeys: String, CodingKey { case _0 = "node" }
    private enum CephHealthyCodingKeys: String, CodingKey { case _0 = "cluster", osds }

    /// A disk as the plan names it.
    package struct PlannedDisk: Hashable, Sendable, Codable {
        package var name: String
        package var serial: String?
        package var size: ByteCount
        package init(name: String, serial: String?, size: ByteCount) {
            self.name = name
            self.serial = serial
            self.size = size
        }

        /// Whether an inventory's disk is this one: by serial, and where the plan has none by name and size.
        package func isMeant(_ disk: DiskFact) -> Bool {
            guard let serial else { return disk.name == name && disk.identity.sizeInBytes == size.bytes }
            return disk.identity.serial == serial
        }
    }

    /// What the machines of a cluster are to run.
    package struct PlannedTalos: Hashable, Sendable, Codable {
        package var version: SemanticVersion
        /// The id of the image's schematic; absent where the image is not the Image Factory's, or mesh.yaml does not describe it.
        package var schematic: String?
        /// Nodes whose image must have the agent's extension.
        package var agents: [NodeID]
        package init(version: SemanticVersion, schematic: String? = nil, agents: [NodeID] = []) {
            self.version = version
            self.schematic = schematic
            self.agents = agents
        }

        /// As its manifest calls it (`packaging/talos-extension`).
        package static let agentExtension = "meshgate-agent"
    }
}
