// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// All that a judgement may look at. Pure data: the same input gives the same verdict, on any machine, for ever.
package struct Judge: Sendable {
    package var evidence: EvidenceTable
    /// Warrants that were handed in and not used, by step.
    package var warrants: [StepID: WarrantNote]
    /// Every cluster of the plan.
    package var clusters: [ClusterName]
    /// Evidence older than this is stale.
    package var maxAge: Duration
    package var now: Moment
    /// When set, evidence taken earlier does not count.
    package var notBefore: Moment?

    /// What the coordinator remembers of a warrant; the agent judges it, not we.
    package struct WarrantNote: Hashable, Sendable, Codable {
        package var id: WarrantID
        package var notAfter: Timestamp
        /// `TeardownTerms.objects`.
        package var objects: Digest?
        /// Of a wipe: what the disk held when it was signed, for the machines whose warrants no wiper judges.
        package var content: Content?
        package init(id: WarrantID, notAfter: Timestamp, objects: Digest? = nil, content: Content? = nil) {
            self.id = id
            self.notAfter = notAfter
            self.objects = objects
            self.content = content
        }

        /// `WarrantTerms.fingerprint` and `WarrantTerms.holds`.
        package struct Content: Hashable, Sendable, Codable {
            package var fingerprint: Digest
            package var holds: [String]
            package init(fingerprint: Digest, holds: [String]) {
                self.fingerprint = fingerprint
                self.holds = holds
            }
        }
    }

    package init(
        evidence: EvidenceTable, warrants: [StepID: WarrantNote] = [:], clusters: [ClusterName] = [], maxAge: Duration, now: Moment,
        notBefore: Moment? = nil
    ) {
        self.evidence = evidence
        self.warrants = warrants
        self.clusters = clusters
        self.maxAge = maxAge
        self.now = now
        self.notBefore = notBefore
    }

    package func judge(_ requirements: [Requirement]) -> Verdict { .all(requirements.map(judge)) }

    /// One requirement. Missing or old evidence is settled first, in one place, so that no rule can forget it.
    package func judge(_ requirement: Requirement) -> Verdict {
        var found: [EvidenceKey: [Fact]] = [:]
        var gaps: [Reason] = []
        for key in requirement.needs {
            switch evidence.standing(key, now: now, maxAge: maxAge, notBefore: notBefore) {
            case .fresh(let item):
                if let reason = unavailable(item, gate: requirement.gate) { gaps.append(reason) } else { found[key] = item.facts }
            case .missing:
                gaps.append(
                    Reason(
                        requirement.gate, key.subject, .missing, "no \(key.probe.rawValue) evidence from \(key.subject) yet",
                        remedy: remedy(forSilent: key)))
            case .stale(let item, let age):
                gaps.append(
                    Reason(
                        requirement.gate, key.subject, .stale,
                        age <= maxAge
                            ? "the last \(key.probe.rawValue) evidence from \(key.subject) is from before the preceding step had ended"
                            : "the last \(key.probe.rawValue) evidence from \(key.subject) is \(age.briefly) old",
                        remedy: remedy(forSilent: key), since: item.takenAt.wall))
            case .otherBoot(let item, let boot):
                gaps.append(
                    Reason(
                        requirement.gate, key.subject, .rebooted,
                        "\(key.subject) has rebooted (boot \(boot)) since its \(key.probe.rawValue) evidence was taken",
                        remedy: "wait for the next probe", since: item.takenAt.wall))
            }
        }
        guard gaps.isEmpty else { return .unknown(gaps) }
        for key in requirement.alsoAsks where found[key] == nil {
            guard case .fresh(let item) = evidence.standing(key, now: now, maxAge: maxAge, notBefore: notBefore),
                unavailable(item, gate: requirement.gate) == nil
            else { continue }
            found[key] = item.facts
        }
        return verdict(on: requirement, found: Found(facts: found))
    }

    /// A probe that could not answer counts as no evidence at all, whatever else it sent.
    private func unavailable(_ item: Evidence, gate: GateID) -> Reason? {
        for case .unavailable(let why) in item.facts {
            return Reason(
                gate, item.subject, .unavailable, "\(item.subject) could not answer \(item.probe.rawValue): \(why)",
                remedy: "mend what is named; the probe is repeated by itself", since: item.takenAt.wall)
        }
        return nil
    }

    private func remedy(forSilent key: EvidenceKey) -> String {
        switch key.subject {
        case .node(let node):
            "is meshgate-agent running on \(node) and enrolled? see `meshgate status`; else `meshgate node invite \(node)`"
        case .cluster(let name): "can the coordinator reach the API server of \(name)? check its context in the kubeconfig"
        case .mesh, .service: "see `meshgate status` for the driver's last error"
        }
    }

    private func verdict(on requirement: Requirement, found: Found) -> Verdict {
        let say = Findings(gate: requirement.gate)
        switch requirement {
        case .agentReady: return .pass
        case .bootStable(let node): return bootStable(node, found, say)
        case .clockWithin(let node, let limit): return clockWithin(node, limit.duration, found, say)
        case .clocksTogether(let nodes, let limit): return clocksTogether(nodes, limit.duration, found, say)
        case .kernelFit(let node, let options): return kernelFit(node, options, found, say)
        case .controlGroups(let node): return controlGroups(node, found, say)
        case .processorLevel(let node, let level): return processorLevel(node, level, found, say)
        case .serviceChainsGone(let node): return serviceChainsGone(node, found, say)
        case .leftoversGone(let node, let cluster): return leftoversGone(node, cluster, found, say)
        case .cniFilesGone(let node): return cniFilesGone(node, found, say)
        case .addressStable(let node, let address, let pool): return addressStable(node, address, pool, found, say)
        case .outsideAnswers(let node, let targets): return outsideAnswers(node, targets, found, say)
        case .link(let node, let name, let mac, let mtu): return link(node, name, mac, mtu, found, say)
        case .address(let node, let address, let network): return hasAddress(node, address, network, found, say)
        case .defaultRoute(let node, let name, let mac, let gateway): return defaultRoute(node, name, mac, gateway, found, say)
        case .bridgeCarries(let host, let bridge, let vlan, let mtu): return bridgeCarries(host, bridge, vlan, mtu, found, say)
        case .guestUnique(let machine, let host, _): return guestUnique(machine, host, found, say)
        case .guestAsPlanned(let machine, let host, _): return guestAsPlanned(machine, host, found, say)
        case .room(let host, let machines, _): return room(host, machines, found, say)
        case .reaches(let node, let targets): return reaches(node, targets, found, say)
        case .tagged(let node, let targets): return tagged(node, targets, found, say)
        case .answered(let node, let targets): return answered(node, targets, found, say)
        case .carries(let node, let targets): return carries(node, targets, found, say)
        case .healthReaches(let node, let targets): return healthReaches(node, targets, found, say)
        case .untranslated(let node, let address, let targets): return untranslated(node, address, targets, found, say)
        case .diskIdentity(let node, let disk): return diskIdentity(node, disk, found, say)
        case .diskUnused(let node, let disk): return diskUnused(node, disk, found, say)
        case .diskBlank(let node, let disk, let cluster, let host): return diskBlank(node, disk, cluster, host, found, say)
        case .diskWitness(let node, let disk, let host, let blind): return diskWitness(node, disk, host, blind, found, say)
        case .osdRetired(let node, let disk, _, let host): return osdRetired(node, disk, host, found, say)
        case .blankProven(let node, let disk, let share, let name, let host):
            return blankProven(node, disk, share, name, host, found, say)
        case .wiperArmed(let node): return wiperArmed(node, found, say)
        case .teardownWarranted(let step): return teardownWarranted(step, say)
        case .credentialsFit(let name): return credentialsFit(name, found, say)
        case .secretsReadable(let names): return secretsReadable(names, found, say)
        case .secretsStored(let names): return secretsStored(names, found, say)
        case .secretsGone(let names): return secretsGone(names, found, say)
        case .noOrphans(let guests): return noOrphans(guests, found, say)
        case .lossesWarranted(let step, let directory, let phase, let service):
            return lossesWarranted(step, TerraformPart(directory: directory, phase: phase, service: service), found, say)
        case .gone(let remnant, nil): return gone(remnant, found, say)
        case .gone(let remnant, let directory?): return gone(remnant, with: directory, found, say)
        case .hostClean(let node): return hostClean(node, found, say)
        case .osdsAway(let name, let node): return osdsAway(name, node, found, say)
        case .warranted(let step, let node, let disk, let host): return warranted(step, node, disk, host, found, say)
        case .clustersDistinct(let names): return clustersDistinct(names, found, say)
        case .talosRelease(let name, let nodes, let wanted): return talosRelease(name, nodes, wanted, found, say)
        case .machinesRunning(let name, let nodes, let ready): return machinesRunning(name, nodes, ready, found, say)
        case .etcdBootstrapped(let name, let nodes): return etcdBootstrapped(name, nodes, found, say)
        case .awaitingBootstrap(let name, let nodes): return awaitingBootstrap(name, nodes, found, say)
        case .etcdHealthy(let name, let members): return etcdHealthy(name, members, found, say)
        case .kubePrism(let name, let nodes, let port): return kubePrism(name, nodes, port, found, say)
        case .talosManifests(let name, let nodes, let proxy): return talosManifests(name, nodes, proxy, found, say)
        case .nodesRegistered(let name, let nodes, let ranges): return nodesRegistered(name, nodes, ranges, found, say)
        case .kubeProxyAbsent(let name): return kubeProxyAbsent(name, found, say)
        case .gatewayBundle(let name, let version): return gatewayBundle(name, version, found, say)
        case .ciliumHealthy(let name, let version, let nodes): return ciliumHealthy(name, version, nodes, found, say)
        case .ciliumConfig(let name, let wanted): return ciliumConfig(name, wanted, found, say)
        case .ciliumResources(let name, let wanted): return ciliumResources(name, wanted, found, say)
        case .commandLineFits(let name, let version): return commandLineFits(name, version, found, say)
        case .versionSkew(let names): return versionSkew(names, found, say)
        case .upgradeTurn(let name, let version, let keeps): return upgradeTurn(name, version, keeps, found, say)
        case .kubeProxyCoherent(let name, let replaced): return kubeProxyCoherent(name, replaced, found, say)
        case .bgpEstablished(let name, let peers): return bgpEstablished(name, peers, found, say)
        case .meshCertificates(let name, let domain): return meshCertificates(name, domain, found, say)
        case .meshEndpoints(let names): return meshEndpoints(names, found, say)
        case .meshSynced(let names): return meshSynced(names, found, say)
        case .meshSteady(let names, let span): return meshSteady(names, span.duration, say)
        case .datapathParity(let names): return datapathParity(names, found, say)
        case .clusterIDs(let names, let ids): return clusterIDs(names, ids, found, say)
        case .meshCAFree(let name, let like): return meshCA(name, like, mayBeAbsent: true, found, say)
        case .meshCAShared(let name, let like): return meshCA(name, like, mayBeAbsent: false, found, say)
        case .authoritiesTrusted(let name, let names): return authoritiesTrusted(name, names, found, say)
        case .authorityExchanged(let name, let names): return authorityExchanged(name, names, found, say)
        case .leavesRenewed(let name): return leavesRenewed(name, found, say)
        case .authoritiesDropped(let name): return authoritiesDropped(name, found, say)
        case .serversRenewed(let node, let own, let targets, let balanced):
            return serversRenewed(node, own, targets, balanced, found, say)
        case .clustermeshReady(let name, let port): return clustermeshReady(name, port, found, say)
        case .handshakes(let node, let own, let targets, let balanced): return handshakes(node, own, targets, balanced, found, say)
        case .clustermeshConnected(let name, let remotes): return clustermeshConnected(name, remotes, found, say)
        case .meshConnected(let names):
            return .all(names.map { name in clustermeshConnected(name, names.filter { $0 != name }, found, say) })
        case .connectivity(let from, let to): return connectivity(from, to, found, say)
        case .terraformReady(let directory, let service):
            return terraformReady(TerraformPart(directory: directory, service: service), found, say)
        case .stateLocked(let directory, let service):
            return stateLocked(TerraformPart(directory: directory, service: service), found, say)
        case .provisionSafe(let directory, let phase, let service):
            return provisionSafe(TerraformPart(directory: directory, phase: phase, service: service), found, say)
        case .provisioned(let directory, let phase, let service):
            return provisioned(TerraformPart(directory: directory, phase: phase, service: service), found, say)
        case .serviceDeployed(let name, let service, let version, let release):
            return serviceDeployed(name, service, version, release, found, say)
        case .serviceWorks(let name, let service): return serviceWorks(name, service, found, say)
        case .serviceUnclaimed(let name, let service): return serviceUnclaimed(name, service, found, say)
        case .egressListed(let name, let service, let hosts): return egressListed(name, service, hosts, found, say)
        case .podSecurity(let name, let namespace, let level): return podSecurity(name, namespace, level, found, say)
        case .servingCertificates(let name): return servingCertificates(name, found, say)
        case .kernelTracing(let node): return kernelTracing(node, found, say)
        case .kernelModule(let node, let module): return kernelModule(node, module, found, say)
        case .telemetryFlows(let node, let silence, let loss): return telemetryFlows(node, silence.duration, loss, found, say)
        case .executionsSeen(let node): return executionsSeen(node, found, say)
        case .crossingsKept(let node, let reasons): return crossingsKept(node, reasons, found, say)
        case .resentBelow(let node, let percent): return resentBelow(node, percent, found, say)
        case .policiesEnabled(let node, let names): return policiesEnabled(node, names, found, say)
        case .hubbleHeard(let node, let silence): return hubbleHeard(node, silence.duration, found, say)
        case .flowsCrossed(let from, let to, let loss, let expected): return flowsCrossed(from, to, loss, expected, found, say)
        case .cephHealthy(let name, let osds): return cephHealthy(name, osds, found, say)
        }
    }
}

/// The fresh facts that one requirement asked for.
struct Found {
    let facts: [EvidenceKey: [Fact]]

    func of(_ node: NodeID, _ probe: ProbeKind) -> [Fact] { facts[EvidenceKey(.node(node), probe)] ?? [] }

    func cluster(_ name: ClusterName) -> ClusterFact? {
        for case .cluster(let fact) in facts[EvidenceKey(.cluster(name), .cluster)] ?? [] where fact.name == name { return fact }
        return nil
    }

    func talos(_ name: ClusterName) -> [NodeID: TalosFact] {
        let all = (facts[EvidenceKey(.cluster(name), .talos)] ?? []).compactMap { if case .talos(let fact) = $0 { fact } else { nil } }
        return Dictionary(all.map { ($0.node, $0) }, uniquingKeysWith: { first, _ in first })
    }

    func disks(_ node: NodeID) -> [DiskFact] {
        of(node, .disks).compactMap { if case .disk(let disk) = $0 { disk } else { nil } }
    }

    /// By its API where that was asked, else by its own files.
    func hypervisor(_ host: NodeID) -> HypervisorFact? { hypervisorByAPI(host) ?? hypervisorByFiles(host) }

    func hypervisorByAPI(_ host: NodeID) -> HypervisorFact? {
        for case .hypervisor(let fact) in of(host, .hypervisor) { return fact }
        return nil
    }

    func hypervisorByFiles(_ host: NodeID) -> HypervisorFact? {
        for case .hypervisorFiles(let fact) in of(host, .hypervisorFiles) { return fact }
        return nil
    }
    func virtualDisks(_ hypervisor: NodeID) -> [VirtualDiskFact] {
        of(hypervisor, .virtualDisks).compactMap { if case .virtualDisk(let disk) = $0 { disk } else { nil } }
    }

    func links(_ node: NodeID) -> [LinkFact] {
        of(node, .links).compactMap { if case .link(let link) = $0 { link } else { nil } }
    }

    func routes(_ node: NodeID) -> [RouteFact] {
        of(node, .links).compactMap { if case .route(let route) = $0 { route } else { nil } }
    }
}

/// Builds verdicts of one gate without repeating its id.
struct Findings {
    let gate: GateID

    func reason(_ subject: Subject, _ code: Reason.Code, _ detail: String, _ remedy: String) -> Reason {
        Reason(gate, subject, code, detail, remedy: remedy)
    }
    func hold(_ subject: Subject, _ code: Reason.Code, _ detail: String, _ remedy: String) -> Verdict {
        .hold([reason(subject, code, detail, remedy)])
    }
    func deny(_ subject: Subject, _ code: Reason.Code, _ detail: String, _ remedy: String) -> Verdict {
        .deny([reason(subject, code, detail, remedy)])
    }
    func pass(unless reasons: [Reason]) -> Verdict { reasons.isEmpty ? .pass : .hold(reasons) }
    /// The evidence is fresh but does not hold the fact at all.
    func nothing(about what: String, _ subject: Subject) -> Verdict {
        .unknown([
            reason(
                subject, .missing, "the evidence says nothing about \(what)", "is the agent or driver of this version able to answer it?")
        ])
    }
}
