// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about Talos machines and the etcd on them.
extension Judge {
    /// The machines of these nodes, or the verdict that some of them are not known. One that is silent is not assumed to be like the others.
    private func machines(
        _ name: ClusterName, _ nodes: [NodeID], _ found: Found, _ say: Findings,
        _ rule: ([(node: NodeID, machine: TalosMachine)]) -> Verdict
    ) -> Verdict {
        let facts = found.talos(name)
        let known = nodes.compactMap { node in facts[node]?.machine.map { (node: node, machine: $0) } }
        let verdict = rule(known)
        let gaps = nodes.compactMap { silence(of: $0, facts, name, say) }
        guard !gaps.isEmpty else { return verdict }
        return .all([verdict, .unknown(gaps)])
    }

    private func silence(of node: NodeID, _ facts: [NodeID: TalosFact], _ name: ClusterName, _ say: Findings) -> Reason? {
        switch facts[node]?.answer {
        case .machine: nil
        case .silent(let why):
            say.reason(
                .cluster(name), .unavailable, "Talos on \(node) does not answer: \(why)",
                "is the machine up, and does context \(name) of the talosconfig lead to it? see `talosctl --context \(name) --nodes ... version`"
            )
        case nil: say.reason(.cluster(name), .missing, "Talos on \(node) was not asked", "wait for the next look")
        }
    }

    // MARK: release

    func talosRelease(
        _ name: ClusterName, _ nodes: [NodeID], _ wanted: Requirement.PlannedTalos, _ found: Found, _ say: Findings
    ) -> Verdict {
        machines(name, nodes, found, say) { machines in
            say.pass(
                unless: machines.flatMap { node, machine -> [Reason] in
                    differences(node, machine, wanted).map {
                        say.reason(.cluster(name), .mismatch, $0, "the plan's talos-upgrade step of \(name) installs what mesh.yaml says")
                    }
                })
        }
    }

    private func differences(_ node: NodeID, _ machine: TalosMachine, _ wanted: Requirement.PlannedTalos) -> [String] {
        var differences: [String] = []
        if SemanticVersion(machine.version) != wanted.version {
            differences.append("\(node) runs Talos \(machine.version), the plan wants v\(wanted.version)")
        }
        let has = machine.extensions.map(\.name)
        let words = has.isEmpty ? "no extensions" : "the extensions \(has.joined(separator: ", "))"
        if let schematic = wanted.schematic, machine.schematic != schematic {
            differences.append(
                "the image of \(node) was made of schematic \(machine.schematic.map { String($0.prefix(12)) } ?? "(none)"), with \(words); "
                    + "the plan wants schematic \(schematic.prefix(12))")
        }
        if wanted.agents.contains(node), !has.contains(Requirement.PlannedTalos.agentExtension) {
            differences.append("the image of \(node) lacks \(Requirement.PlannedTalos.agentExtension); it has \(words)")
        }
        return differences
    }

    // MARK: stage

    /// Without a network for pods no node is ready; nothing but that may be wrong then.
    func machinesRunning(_ name: ClusterName, _ nodes: [NodeID], _ ready: Bool, _ found: Found, _ say: Findings) -> Verdict {
        machines(name, nodes, found, say) { machines in
            say.pass(
                unless: machines.flatMap { node, machine -> [Reason] in
                    problems(machine, ready).map { say.reason(.cluster(name), .unhealthy, "\(node) \($0)", advice(node, machine, name)) }
                })
        }
    }

    private func problems(_ machine: TalosMachine, _ ready: Bool) -> [String] {
        guard machine.stage == "running" else { return ["is in stage \(machine.stage)"] }
        let unmet = machine.unmet.filter { ready || $0.name != Self.nodeReady }
        var problems = unmet.map { "is not ready: \($0.name): \($0.reason)" }
        if ready, !machine.ready, unmet.isEmpty { problems.append("is not ready, and does not say why") }
        // The plan itself may be about to install who signs the kubelets' certificates.
        problems += machine.diagnostics.filter { $0.id != Self.kubeletRequest }.map { "warns of itself (\($0.id)): \($0.message)" }
        return problems
    }

    /// Also what is no obstacle by itself.
    private func advice(_ node: NodeID, _ machine: TalosMachine, _ name: ClusterName) -> String {
        let more = machine.diagnostics.filter { $0.id == Self.kubeletRequest }.map { "; it also warns: \($0.message)" }.joined()
        return "see `talosctl --context \(name) --nodes ... get machinestatus,diagnostics` and `dmesg` of \(node)" + more
    }

    private static let nodeReady = "nodeReady"
    private static let kubeletRequest = "kubelet-csr"

    // MARK: etcd

    /// One control plane that lists members is enough: the others join by themselves.
    func etcdBootstrapped(_ name: ClusterName, _ nodes: [NodeID], _ found: Found, _ say: Findings) -> Verdict {
        let facts = found.talos(name)
        if nodes.contains(where: { facts[$0]?.machine?.etcd?.members.isEmpty == false }) { return .pass }
        return machines(name, nodes, found, say) { _ in
            say.hold(
                .cluster(name), .absent, "no control plane of \(name) has etcd members", "the plan's bootstrap step of \(name) begins etcd")
        }
    }

    /// Every control plane is seen to wait, and none has anything that a second etcd would contradict.
    func awaitingBootstrap(_ name: ClusterName, _ nodes: [NodeID], _ found: Found, _ say: Findings) -> Verdict {
        machines(name, nodes, found, say) { machines in
            say.pass(
                unless: machines.compactMap { node, machine in
                    guard let problem = obstacle(toBootstrap: machine) else { return nil }
                    return say.reason(
                        .cluster(name), .unfit, "\(node) \(problem)",
                        "wait; when that does not end, see `talosctl --context \(name) --nodes ... service etcd`. A second bootstrap is never sent"
                    )
                })
        }
    }

    private func obstacle(toBootstrap machine: TalosMachine) -> String? {
        guard let etcd = machine.etcd else { return "says nothing about etcd: is it a control plane?" }
        guard etcd.members.isEmpty else { return "has etcd members already" }
        guard let service = etcd.service else { return "says nothing about its etcd service" }
        switch service.hasData {
        case true?: return "has data of an etcd (service \(service.state)) and lists no members yet"
        case nil: return "does not show whether it has data of an etcd"
        case false?: break
        }
        if service.awaitsBootstrap { return nil }
        return service.state == "Preparing"
            ? "began to prepare its etcd only just now" : "does not wait for etcd: the service is \(service.state)"
    }

    func etcdHealthy(_ name: ClusterName, _ wanted: [NodeID], _ found: Found, _ say: Findings) -> Verdict {
        machines(name, wanted, found, say) { machines in
            var problems = machines.flatMap { node, machine in memberProblems(node, machine.etcd, wanted) }
            let statuses = machines.compactMap { $0.machine.etcd?.status }
            let leaders = Set(statuses.map(\.leader))
            if leaders.count > 1 {
                problems.append("the members of etcd follow different leaders: \(leaders.sorted().joined(separator: ", "))")
            }
            let terms = Set(statuses.map(\.raftTerm)).sorted()
            if terms.count > 1 {
                problems.append("the members of etcd are in different terms: \(terms.map(String.init).joined(separator: ", "))")
            }
            let clusters = Set(machines.compactMap { $0.machine.etcd.map { Set($0.members.map(\.id)) } }.filter { !$0.isEmpty })
            if clusters.count > 1 { problems.append("the control planes list different members: there may be two etcds") }
            let alarms = Set(machines.flatMap { $0.machine.etcd?.alarms ?? [] }).sorted()
            if !alarms.isEmpty { problems.append("etcd has alarms: \(alarms.joined(separator: ", "))") }
            return say.pass(
                unless: problems.map {
                    say.reason(
                        .cluster(name), .unhealthy, $0, "see `talosctl --context \(name) --nodes ... etcd status` of each control plane")
                })
        }
    }

    private func memberProblems(_ node: NodeID, _ etcd: EtcdFact?, _ wanted: [NodeID]) -> [String] {
        guard let etcd, !etcd.members.isEmpty else {
            return ["etcd on \(node) lists no members: its service is \(etcd?.service?.state ?? "unknown")"]
        }
        var problems: [String] = []
        let names = Set(etcd.members.map(\.hostname))
        let absent = wanted.map(\.text).filter { !names.contains($0) }
        let others = etcd.members.filter { member in !wanted.contains { $0.text == member.hostname } }
        if !absent.isEmpty { problems.append("etcd on \(node) does not list \(absent.joined(separator: ", "))") }
        if !others.isEmpty {
            let list = others.map { "\($0.hostname.isEmpty ? "(not started)" : $0.hostname) (\($0.id))" }.joined(separator: ", ")
            problems.append(
                "etcd on \(node) lists members that are not in the plan: \(list); one that is gone for good is removed with `etcd remove-member`"
            )
        }
        let learners = etcd.members.filter(\.isLearner).map(\.hostname)
        if !learners.isEmpty { problems.append("etcd on \(node) has members that still learn: \(learners.joined(separator: ", "))") }
        guard let status = etcd.status else { return problems + ["etcd on \(node) does not tell its status"] }
        if !etcd.members.contains(where: { $0.id == status.leader }) { problems.append("etcd on \(node) has no leader") }
        if !status.keepsUp { problems.append("etcd on \(node) is \(status.unapplied) entries behind") }
        if !status.errors.isEmpty { problems.append("etcd on \(node) reports: \(status.errors)") }
        return problems
    }

    // MARK: configuration

    func kubePrism(_ name: ClusterName, _ nodes: [NodeID], _ port: Int, _ found: Found, _ say: Findings) -> Verdict {
        machines(name, nodes, found, say) { machines in
            say.pass(
                unless: machines.compactMap { node, machine in
                    guard let prism = machine.kubePrism else {
                        return say.reason(
                            .cluster(name), .absent, "\(node) has no KubePrism, through which Cilium is to reach the API server",
                            "set `machine.features.kubePrism` to enabled, port \(port) (`meshgate render talos`)")
                    }
                    guard prism.endpoint.hasSuffix(":\(port)") else {
                        return say.reason(
                            .cluster(name), .mismatch, "KubePrism on \(node) is at \(prism.endpoint), the plan wants port \(port)",
                            "make `machine.features.kubePrism.port` and `k8sServicePort` equal")
                    }
                    guard !prism.healthy else { return nil }
                    return say.reason(
                        .cluster(name), .unhealthy, "KubePrism on \(node) reaches no API server",
                        "are the control planes up? see `talosctl get kubeprismendpoints`")
                })
        }
    }

    /// What Talos would install when it next brings its manifests into effect, whatever runs in the cluster now.
    func talosManifests(_ name: ClusterName, _ nodes: [NodeID], _ proxy: Bool, _ found: Found, _ say: Findings) -> Verdict {
        machines(name, nodes, found, say) { machines in
            var reasons: [Reason] = []
            for (node, machine) in machines {
                guard let manifests = machine.manifests else {
                    reasons.append(
                        say.reason(
                            .cluster(name), .absent, "\(node) does not show its manifests: is it a control plane?",
                            "see `talosctl get bootstrapmanifestsconfigs`"))
                    continue
                }
                reasons += conflicts(node, manifests, proxy).map { say.reason(.cluster(name), .mismatch, $0.found, $0.remedy) }
            }
            return say.pass(unless: reasons)
        }
    }

    private func conflicts(_ node: NodeID, _ manifests: TalosMachine.Manifests, _ proxy: Bool) -> [(found: String, remedy: String)] {
        var conflicts: [(String, String)] = []
        if manifests.proxyEnabled != proxy {
            conflicts.append(
                (
                    "the machine configuration of \(node) \(manifests.proxyEnabled ? "enables" : "disables") kube-proxy, and the plan says otherwise",
                    "set `cluster.proxy.disabled: \(!proxy)` on every control plane (`meshgate render talos`)"
                ))
        }
        if manifests.flannelEnabled || (manifests.cni ?? "none") != "none" {
            conflicts.append(
                (
                    "the machine configuration of \(node) brings a network of its own: \(manifests.cni ?? "flannel")",
                    "set `cluster.network.cni.name: none` on every control plane (`meshgate render talos`)"
                ))
        }
        return conflicts
    }
}
