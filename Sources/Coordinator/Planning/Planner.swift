// SPDX-License-Identifier: Apache-2.0

import Gating
package import MeshModel
import Rendering

/// Turns a spec into a plan. Steps grow with clusters and disks, never with pairs of clusters.
package struct Planner: Sendable {
    /// See `Plan.Body.planner`.
    package static let version = 10
    /// How far a node's clock may be from ours when a wipe begins there. A warrant begins earlier than now by more than that.
    package static let wipeClockLimit = Duration.seconds(60)

    let spec: MeshSpec
    /// Hashes schematics of the Image Factory.
    let hash: Digester?

    /// - Parameters:
    ///   - hash: SHA-256, for the ids of Talos' images; without it the plan does not compare what images were made of.
    ///   - digest: SHA-256 over the canonical JSON of the body.
    package static func plan(_ spec: MeshSpec, hash: Digester? = nil, digest: (Plan.Body) throws -> Digest) rethrows -> Plan {
        let body = Plan.Body(spec: spec, planner: version, steps: Planner(spec: spec, hash: hash).steps())
        return Plan(body: body, digest: try digest(body))
    }

    private init(spec: MeshSpec, hash: Digester?) {
        self.spec = spec
        self.hash = hash
    }

    private var names: [ClusterName] { spec.clusters.map(\.name) }
    /// The last phase that is applied before the clusters: machines stand when all of them are.
    var provisionStep: StepID? { spec.groundPhases.last.map(provisionStepID) }
    private func provisionStepID(_ phase: MeshSpec.Provision.Phase?) -> StepID {
        phase.map { StepID("mesh", "provision", $0.name) } ?? StepID("mesh", "provision")
    }
    let connectStep = StepID("mesh", "connect")
    private var isMesh: Bool { spec.clusters.count > 1 }

    private func steps() -> [Step] {
        var steps: [Step] = []
        steps += provisionSteps()
        if migrates {
            // Nobody goes before all others have come as far.
            steps += spec.clusters.flatMap(groundSteps)
            steps += migrationSteps()
            steps += spec.clusters.flatMap(ciliumSteps)
        } else {
            for cluster in spec.clusters { steps += groundSteps(cluster) + [caStep(cluster)] + ciliumSteps(cluster) }
        }
        if isMesh {
            steps.append(meshStep())
            steps += connectivitySteps()
        }
        steps += serviceSteps()
        steps += secretsSteps()
        return steps
    }

    private func groundSteps(_ cluster: MeshSpec.Cluster) -> [Step] {
        bootstrapSteps(cluster) + [nodesStep(cluster)] + upgradeSteps(cluster) + gatewaySteps(cluster)
    }

    private func ciliumSteps(_ cluster: MeshSpec.Cluster) -> [Step] {
        [ciliumStep(cluster)] + resourceSteps(cluster) + wipeSteps(cluster) + (isMesh ? [clustermeshStep(cluster)] : [])
    }

    // MARK: the ground

    /// One after the other, in the order of the file.
    private func provisionSteps() -> [Step] {
        guard let provision = spec.provision else { return [] }
        let directory = provision.terraformDirectory
        var before: [StepID] = []
        return spec.groundPhases.map { phase in
            let step = Step(
                id: provisionStepID(phase),
                title: "provision \(phase.map { "phase \($0.name)" } ?? "machines") with Terraform in \(directory)", place: .mesh,
                action: .provision(directory: directory, phase: phase?.name), after: before,
                gates: (before.isEmpty ? groundGates(spec.members.map(\.node)) : []) + [
                    .terraformReady(directory: directory), .stateLocked(directory: directory),
                    .provisionSafe(directory: directory, phase: phase?.name),
                    .lossesWarranted(provisionStepID(phase), directory: directory, phase: phase?.name),
                ],
                done: [.provisioned(directory: directory, phase: phase?.name)], deadline: TimeSpan(.seconds(3600)))
            before = [step.id]
            return step
        }
    }

    private func nodesStep(_ cluster: MeshSpec.Cluster) -> Step {
        let isTalos = cluster.kind == .talos
        let agents = cluster.nodes.filter(\.hasAgent).map { Requirement.agentReady($0.name) }
        return Step(
            id: StepID(cluster.name.text, "nodes"),
            title: isTalos ? "wait until Talos is healthy" : "wait until every node is registered", place: .cluster(cluster.name),
            action: isTalos ? .awaitTalos(cluster.name) : .awaitNodes(cluster.name),
            after: isTalos ? [bootstrapStepID(cluster)] : provisionStep.map { [$0] } ?? [],
            gates: bridgeGates(cluster.nodes) + agents + machineGates(cluster.nodes),
            done: [.nodesRegistered(cluster.name, cluster.nodes.map(\.name), podCIDRs: cluster.podCIDRs)] + agents + groundEnds(cluster),
            settling: TimeSpan(.seconds(900)))
    }

    /// Once the machines answer to them.
    private func secretsSteps() -> [Step] {
        guard let secrets = spec.secrets else { return [] }
        let names = SecretNames.planned(spec)
        return [
            Step(
                id: StepID("mesh", "secrets"),
                title: "keep the clusters' credentials in Doppler \(secrets.dopplerProject)/\(secrets.dopplerConfig)", place: .mesh,
                action: .storeSecrets(names), after: self.names.map { StepID($0.text, "nodes") },
                gates: spec.clusters.map { .credentialsFit($0.name) } + [.secretsReadable(names)], done: [.secretsStored(names)],
                deadline: TimeSpan(.seconds(600)))
        ]
    }

    // MARK: Cilium

    private func gatewaySteps(_ cluster: MeshSpec.Cluster) -> [Step] {
        guard let version = spec.versions.gatewayAPI else { return [] }
        return [
            Step(
                id: StepID(cluster.name.text, "gateway-api"), title: "install Gateway API CRDs \(version)", place: .cluster(cluster.name),
                action: .installGatewayAPI(cluster.name, version), after: [groundStepID(cluster)],
                gates: [.credentialsFit(cluster.name), .clustersDistinct(neighbours(of: cluster.name))],
                done: [.gatewayBundle(cluster.name, version)])
        ]
    }

    /// The first cluster's CA comes first; the others are compared with it.
    private func caStep(_ cluster: MeshSpec.Cluster) -> Step {
        let first = spec.clusters[0].name
        var after = [groundStepID(cluster)]
        if cluster.name != first { after.append(StepID(first.text, "cilium-ca")) }
        return Step(
            id: StepID(cluster.name.text, "cilium-ca"), title: "seed the mesh's one Cilium CA", place: .cluster(cluster.name),
            action: .seedMeshCA(cluster.name), after: after,
            gates: [
                .credentialsFit(cluster.name), .clustersDistinct(neighbours(of: cluster.name)), .meshCAFree(cluster.name, like: first),
            ],
            done: [.meshCAShared(cluster.name, like: first)], deadline: TimeSpan(.seconds(120)))
    }

    private func ciliumStep(_ cluster: MeshSpec.Cluster) -> Step {
        var after = [authorityStepID(cluster)]
        if spec.versions.gatewayAPI != nil { after.append(StepID(cluster.name.text, "gateway-api")) }
        var gates: [Requirement] = cluster.nodes.filter(\.hasAgent).flatMap { node in hostGates(node, cluster) }
        // Where nodes had registered before, nobody has looked at their machines yet.
        gates += bridgeGates(cluster.nodes) + machineGates(cluster.nodes) + tagGates(cluster) + wayGates(cluster) + telemetryGates(cluster)
        if cluster.cilium.kubeProxyReplacement { gates.append(.kubeProxyAbsent(cluster.name)) }
        gates += releaseGates(cluster)
        let configured = talosConfiguration(cluster)
        return Step(
            id: StepID(cluster.name.text, "cilium"), title: "install or upgrade Cilium \(spec.versions.cilium)",
            place: .cluster(cluster.name), action: .installCilium(cluster.name), after: after, gates: gates + configured,
            done: [
                .ciliumHealthy(cluster.name, version: spec.versions.cilium, nodes: cluster.nodes.count),
                .ciliumConfig(cluster.name, ciliumConfig(cluster)),
                .kubeProxyCoherent(cluster.name, replaced: cluster.cilium.kubeProxyReplacement),
            ] + configured + readyEnds(cluster))
    }

    /// None where mesh.yaml has no pools, policies and BGP.
    private func resourceSteps(_ cluster: MeshSpec.Cluster) -> [Step] {
        let resources = CiliumResources.of(cluster, cilium: spec.versions.cilium)
        guard !resources.isEmpty else { return [] }
        let objects = Dictionary(
            resources.map { ("\($0.kind.rawValue)/\($0.name)", HelmValue.map($0.spec)) }, uniquingKeysWith: { first, _ in first })
        return [
            Step(
                id: resourceStepID(cluster), title: "apply load balancer pools, L2 policies and BGP", place: .cluster(cluster.name),
                action: .applyCiliumResources(cluster.name), after: [StepID(cluster.name.text, "cilium")],
                gates: [.ciliumHealthy(cluster.name, version: spec.versions.cilium, nodes: cluster.nodes.count)],
                done: [.ciliumResources(cluster.name, objects)] + bgpEnds(cluster), deadline: TimeSpan(.seconds(120)))
        ]
    }

    func resourceStepID(_ cluster: MeshSpec.Cluster) -> StepID { StepID(cluster.name.text, "cilium-resources") }

    /// The ground that Cilium stands on, node by node.
    private func hostGates(_ node: MeshSpec.Node, _ cluster: MeshSpec.Cluster) -> [Requirement] {
        var gates: [Requirement] = [
            .clockWithin(node.name, TimeSpan(.seconds(1))),
            .kernelFit(node.name, options: kernelOptions(cluster.cilium)),
            .controlGroups(node.name),
            .address(node.name, node.address, network: node.home(in: spec)?.network.cidr),
            .addressStable(node.name, node.address, pool: node.home(in: spec)?.network.dhcp),
            .leftoversGone(node.name, cluster: cluster.name),
        ]
        gates += plannedHost(node, cluster)
        if let home = node.home(in: spec), let gateway = home.network.gateway {
            gates.append(.defaultRoute(node.name, name: home.interface.name, mac: home.interface.mac, gateway: gateway))
        }
        for interface in node.interfaces {
            gates.append(.link(node.name, name: interface.name, mac: interface.mac, mtu: spec.network(interface.network)?.mtu ?? 1500))
        }
        return gates
    }

    /// What mesh.yaml asks of the hosts of a cluster besides.
    private func plannedHost(_ node: MeshSpec.Node, _ cluster: MeshSpec.Cluster) -> [Requirement] {
        guard let hosts = cluster.hosts else { return [] }
        var gates: [Requirement] = hosts.processorLevel.map { [.processorLevel(node.name, $0)] } ?? []
        if hosts.packetFilter, cluster.cilium.kubeProxyReplacement { gates.append(.serviceChainsGone(node.name)) }
        if !hosts.outside.isEmpty { gates.append(.outsideAnswers(node.name, hosts.outside)) }
        return gates
    }

    /// Cilium's documented base requirements that no version runs without, and those of the planned datapath.
    private func kernelOptions(_ cilium: MeshSpec.Cilium) -> [String] {
        var options = [
            "BPF", "BPF_SYSCALL", "BPF_JIT", "NET_CLS_BPF", "NET_CLS_ACT", "NET_SCH_INGRESS", "CRYPTO_SHA1", "CGROUPS", "CGROUP_BPF",
            "PERF_EVENTS", "FIB_RULES",
        ]
        if cilium.routingMode == .tunnel { options.append(cilium.tunnelProtocol == .vxlan ? "VXLAN" : "GENEVE") }
        if cilium.encryption == .wireguard { options.append("WIREGUARD") }
        return options
    }

    /// The keys of ConfigMap cilium-config that the plan decides.
    func ciliumConfig(_ cluster: MeshSpec.Cluster) -> [String: String] {
        var config = [
            "cluster-name": cluster.name.text, "cluster-id": String(cluster.id), "routing-mode": cluster.cilium.routingMode.rawValue,
            "kube-proxy-replacement": String(cluster.cilium.kubeProxyReplacement),
            "max-connected-clusters": String(cluster.cilium.clustermesh.maxConnectedClusters),
        ]
        if cluster.cilium.routingMode == .tunnel {
            config["tunnel-protocol"] = cluster.cilium.tunnelProtocol.rawValue
            config["tunnel-port"] = String(cluster.cilium.tunnelPort)
        }
        return config
    }

    // MARK: disks

    private func wipeSteps(_ cluster: MeshSpec.Cluster) -> [Step] {
        cluster.nodes.flatMap { node in
            node.disks.filter { $0.use != .none }.map { disk in wipeStep(disk, of: node, in: cluster) }
        }
    }

    private func wipeStep(_ disk: MeshSpec.Node.Disk, of node: MeshSpec.Node, in cluster: MeshSpec.Cluster) -> Step {
        let planned = Requirement.PlannedDisk(name: disk.name, serial: disk.serial, size: disk.size)
        let id = wipeStepID(disk, of: node, in: cluster)
        let (route, seenBy) = way(to: node)
        var gates: [Requirement] = []
        if node.hasAgent {
            gates = [.bootStable(node.name), .clockWithin(node.name, TimeSpan(Self.wipeClockLimit)), .wiperArmed(node.name)]
        }
        gates.append(.diskIdentity(node.name, planned))
        if let hypervisor = spec.askableHypervisor(of: node), wipes.witnesses > 1 || !node.hasAgent {
            gates.append(.diskWitness(node.name, planned, hypervisor: hypervisor, guestIsBlind: !node.hasAgent))
        }
        gates += [
            .diskUnused(node.name, planned), .osdRetired(node.name, planned, cluster: cluster.name, seenBy: seenBy),
            .warranted(id, node.name, planned, seenBy: seenBy),
        ]
        let blank: [Requirement] = [
            .diskIdentity(node.name, planned), .diskBlank(node.name, planned, cluster: cluster.name, seenBy: seenBy),
        ]
        let proof: [Requirement] = [
            .blankProven(node.name, planned, share: share(disk, route), cluster: cluster.name, seenBy: seenBy)
        ]
        return Step(
            id: id,
            title: "wipe \(disk.name) (serial \(disk.serial ?? "none"), \(disk.size)) of \(node.name), method \(disk.wipe.rawValue)"
                + (route == nil ? "" : ", through Talos' API"),
            place: .node(node.name), action: .wipe(node.name, planned, disk.wipe, through: route),
            after: [groundStepID(cluster)],
            gates: gates,
            // A disk of which every byte was to be zeroed is not done because its ends look blank: a wipe that died half way leaves just that.
            done: disk.wipe == .labels ? blank : blank + proof, proof: disk.wipe == .labels ? proof : nil,
            destroys: ["everything on disk \(disk.serial ?? disk.name) (\(disk.size)) of \(node.name)"], deadline: wipeTime(disk),
            settling: wipeTime(disk))
    }

    /// A machine without an agent is reached through Talos, and its disk is looked into by its hypervisor.
    func way(to node: MeshSpec.Node) -> (route: WipeRoute?, seenBy: NodeID?) {
        node.hasAgent ? (nil, nil) : (.talosAPI, spec.askableHypervisor(of: node))
    }

    /// Talos reads nothing back, so the hypervisor reads all that a wiper would have read.
    private func share(_ disk: MeshSpec.Node.Disk, _ route: WipeRoute?) -> Int {
        route != nil && disk.size <= wipes.readBack ? 100 : wipes.share(disk.wipe)
    }

    private var wipes: MeshSpec.Wipes { spec.policy.wipes ?? MeshSpec.Wipes() }

    /// Two hours, and longer for a disk that is written wholly, at a polite 10 MB a second for writing and reading back together.
    private func wipeTime(_ disk: MeshSpec.Node.Disk) -> TimeSpan {
        let seconds = disk.wipe == .labels ? 0 : Int64(clamping: disk.size.bytes / 5_000_000)
        return TimeSpan(.seconds(max(7200, seconds)))
    }

    func wipeStepID(_ disk: MeshSpec.Node.Disk, of node: MeshSpec.Node, in cluster: MeshSpec.Cluster) -> StepID {
        StepID(cluster.name.text, node.name.text, "wipe-" + disk.name)
    }

    // MARK: the mesh

    private func clustermeshStep(_ cluster: MeshSpec.Cluster) -> Step {
        let port = cluster.cilium.clustermesh.serviceType == .nodePort ? cluster.cilium.clustermesh.nodePort : nil
        return Step(
            id: StepID(cluster.name.text, "clustermesh"), title: "enable the clustermesh API server", place: .cluster(cluster.name),
            action: .enableClustermesh(cluster.name), after: [StepID(cluster.name.text, "cilium")],
            gates: [
                .ciliumHealthy(cluster.name, version: spec.versions.cilium, nodes: cluster.nodes.count),
                .meshCAShared(cluster.name, like: spec.clusters[0].name), .commandLineFits(cluster.name, spec.versions.cilium),
            ],
            done: [.clustermeshReady(cluster.name, nodePort: port), .meshCertificates(cluster.name, domain: domain(of: cluster))])
    }

    /// `connect --connection-mode mesh` is one command for all; what it needs is proven node by node.
    private func meshStep() -> Step {
        var gates: [Requirement] = [
            .clustersDistinct(names), .clusterIDs(names, ids: spec.clusters.map(\.id)), .datapathParity(names), .versionSkew(names),
            .commandLineFits(names[0], spec.versions.cilium),
        ]
        gates += spec.clusters.dropFirst().map { .meshCAShared($0.name, like: spec.clusters[0].name) }
        for (index, cluster) in spec.clusters.enumerated() {
            for (place, node) in cluster.nodes.enumerated() where node.hasAgent {
                gates.append(.reaches(node.name, reachTargets(of: place, in: index)))
                gates += stillOpen(place, in: index)
                gates += handshakeGate(place, in: index)
                gates.append(.clockWithin(node.name, TimeSpan(.seconds(1))))
            }
        }
        gates += telemetryGates()
        return Step(
            id: connectStep, title: "connect \(names.count) clusters", place: .mesh, action: .connectClustermesh(names),
            after: names.map { StepID($0.text, "clustermesh") }, gates: gates,
            done: [.meshConnected(names), .meshSynced(names)] + (ported.count > 1 ? [.meshEndpoints(ported)] : []),
            proof: [.meshSteady(names, steadyFor)], settling: TimeSpan(.seconds(240) + steadyFor.duration))
    }

    /// Reached through NodePorts; behind a load balancer the balancer chooses.
    private var ported: [ClusterName] {
        spec.clusters.filter { $0.cilium.clustermesh.serviceType == .nodePort }.map(\.name)
    }

    /// The port that the mesh will really use; behind a load balancer, the health port that every Cilium agent serves.
    func reachPort(of cluster: MeshSpec.Cluster) -> UInt16 {
        guard cluster.cilium.clustermesh.serviceType == .nodePort, let port = cluster.cilium.clustermesh.nodePort else { return 4240 }
        return UInt16(clamping: port)
    }

    /// A chain: each cluster is tested with the next one. The test takes its namespaces on both clusters for itself, so that a cluster is in
    /// one test at a time: every second pair goes first, the pairs between them follow, however many there are.
    private func connectivitySteps() -> [Step] {
        let pairs = Array(zip(names, names.dropFirst()))
        func id(_ pair: (ClusterName, ClusterName)) -> StepID { StepID("connectivity", pair.0.text, pair.1.text) }
        let order = pairs.indices.filter { $0.isMultiple(of: 2) } + pairs.indices.filter { !$0.isMultiple(of: 2) }
        return order.map { index in
            let (from, to) = pairs[index]
            let neighbours = index.isMultiple(of: 2) ? [] : [index - 1, index + 1].filter(pairs.indices.contains)
            return Step(
                id: id(pairs[index]), title: "test connectivity from \(from) to \(to)", place: .cluster(from),
                action: .testConnectivity(from: from, to: to), after: [connectStep] + neighbours.map { id(pairs[$0]) },
                gates: [
                    .clustermeshConnected(from, remotes: [to]), .clustermeshConnected(to, remotes: [from]),
                ] + hubbleGates(from, to),
                done: [.connectivity(from: from, to: to)] + flowProofs(from, to), deadline: TimeSpan(.seconds(3600)))
        }
    }

    /// A cluster is compared with the first one and its neighbour, which keeps the work linear; the connect step compares all.
    private func neighbours(of name: ClusterName) -> [ClusterName] {
        guard let index = names.firstIndex(of: name) else { return [name] }
        var result = [names[0], names[(index + 1) % names.count], name]
        result = result.enumerated().filter { position, item in result.firstIndex(of: item) == position }.map(\.element)
        return result
    }
}
