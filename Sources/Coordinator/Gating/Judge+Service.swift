// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about what is installed after the mesh stands, and about the ground that it needs.
extension Judge {
    func serviceDeployed(
        _ name: ClusterName, _ service: String, _ version: String?, _ wanted: String?, _ found: Found, _ say: Findings
    ) -> Verdict {
        with(name, found, say) { fact in
            let release = wanted.map { fact.releases[$0] } ?? fact.releases.first { $0.key.hasSuffix("/\(service)") }?.value
            guard let release else {
                return say.hold(.cluster(name), .absent, "\(service) is not installed on \(name)", "the plan's step for it installs it")
            }
            guard release.status == "deployed" else {
                return say.hold(.cluster(name), .unhealthy, "\(service) on \(name) is \(release.status)", "look at the release's events")
            }
            guard version == nil || release.version == version else {
                return say.hold(
                    .cluster(name), .mismatch, "\(service) \(release.version) is installed on \(name), the plan wants \(version ?? "")",
                    "apply the plan again")
            }
            guard let differences = fact.services?[service]?.differences else {
                return say.nothing(about: "the values of \(service)", .cluster(name))
            }
            return say.pass(
                unless: differences.map { key in
                    say.reason(
                        .cluster(name), .mismatch, "\(service) on \(name) is not as planned: \(key)",
                        "the plan's step for it applies the planned values; or take the change over into mesh.yaml")
                })
        }
    }

    func serviceWorks(_ name: ClusterName, _ service: String, _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { fact in
            guard let seen = fact.services?[service] else { return say.nothing(about: "what \(service) does", .cluster(name)) }
            switch seen.works {
            case true?: return .pass
            case false?:
                return say.hold(
                    .cluster(name), .unhealthy, "\(service) on \(name) does not work: \(seen.detail)",
                    "look at its pods and their events in its namespace")
            case nil:
                return .unknown([
                    say.reason(
                        .cluster(name), .missing, "whether \(service) on \(name) works cannot be told: \(seen.detail)",
                        "mend what is named; the probe is repeated by itself")
                ])
            }
        }
    }

    /// Two owners of one thing undo each other's work for ever, and removing one of them removes the other's.
    func serviceUnclaimed(_ name: ClusterName, _ service: String, _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { fact in
            guard let seen = fact.services?[service] else { return say.nothing(about: "the owners of \(service)", .cluster(name)) }
            let foreign = seen.owners.filter { !$0.isOurs }
            guard !foreign.isEmpty else { return .pass }
            return .deny(
                foreign.map { owner in
                    say.reason(
                        .cluster(name), .mismatch,
                        "\(owner.workload) on \(name) belongs to \(owner.owner) and not to this plan's \(service)",
                        "remove it where it was installed, or leave \(service) out of mesh.yaml for \(name)")
                })
        }
    }

    /// More are not named one by one.
    private static let mostHostsNamed = 8

    /// By what is configured. What a program sends to a host that is compiled into it, no configuration shows.
    func egressListed(_ name: ClusterName, _ service: String, _ listed: [HostPattern], _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { fact in
            guard let seen = fact.services?[service]?.egress else {
                return say.nothing(about: "the hosts that \(service) talks to", .cluster(name))
            }
            let foreign = seen.hosts.filter { host in !listed.contains { $0.covers(host) } }
            let remedy = "add it to `egress` of \(service) in mesh.yaml, or take it out of what \(service) is configured with"
            var reasons = foreign.prefix(Self.mostHostsNamed).map { host in
                say.reason(
                    .cluster(name), .mismatch,
                    "\(service) on \(name) is configured to talk to \(host), which mesh.yaml does not list", remedy)
            }
            let unnamed = foreign.count - reasons.count
            if unnamed > 0 {
                reasons.append(
                    say.reason(
                        .cluster(name), .mismatch, "\(service) on \(name) is configured to talk to \(unnamed) more that are not listed",
                        remedy))
            }
            if seen.more > 0 {
                reasons.append(
                    say.reason(
                        .cluster(name), .mismatch,
                        "\(service) on \(name) is configured to talk to \(seen.more) hosts more than are looked at, which are the first "
                            + "\(ServiceFact.Egress.mostHosts)", "take hosts out of what \(service) is configured with"))
            }
            return say.pass(unless: reasons)
        }
    }

    func podSecurity(_ name: ClusterName, _ namespace: String, _ level: PodSecurity, _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { fact in
            guard let levels = fact.podSecurity else { return say.nothing(about: "Pod Security labels", .cluster(name)) }
            guard !level.isAllowed(by: levels[namespace]) else { return .pass }
            return say.hold(
                .cluster(name), .mismatch,
                "namespace \(namespace) of \(name) enforces \(levels[namespace] ?? "nothing by a label"); its pods need \(level.rawValue)",
                "the plan's step labels it, and for a service that comes with Terraform its configuration does; somebody else's label has to "
                    + "be taken away first")
        }
    }

    func servingCertificates(_ name: ClusterName, _ found: Found, _ say: Findings) -> Verdict {
        with(name, found, say) { fact in
            guard let overdue = fact.overdueServingRequests else {
                return say.nothing(about: "certificate signing requests", .cluster(name))
            }
            guard !overdue.isEmpty else { return .pass }
            return say.hold(
                .cluster(name), .unhealthy,
                "\(overdue.count) requests for serving certificates of kubelets on \(name) are undecided: "
                    + overdue.prefix(3).joined(separator: ", "),
                "install kubelet-csr-approver, or look at them and `kubectl certificate approve`")
        }
    }

    func kernelTracing(_ node: NodeID, _ found: Found, _ say: Findings) -> Verdict {
        for case .kernel(let kernel) in found.of(node, .kernel) {
            var reasons: [Reason] = []
            func hold(_ detail: String, _ remedy: String) { reasons.append(say.reason(.node(node), .unfit, detail, remedy)) }
            if !kernel.btf {
                hold("kernel \(kernel.release) of \(node) has no BTF", "run a kernel with CONFIG_DEBUG_INFO_BTF; Talos has it")
            }
            if kernel.lockdown == "confidentiality" {
                hold(
                    "\(node) is locked down for confidentiality, so that BPF may not read kernel memory",
                    "boot with `lockdown=integrity`, or without secure boot's lockdown")
            }
            if kernel.tracefs == false { hold("\(node) has no tracefs", "run a kernel with CONFIG_FTRACE") }
            guard reasons.isEmpty else { return .hold(reasons) }
            guard kernel.lockdown != nil else {
                return say.nothing(about: "the lockdown mode (securityfs is not mounted)", .node(node))
            }
            return kernel.tracefs == nil ? say.nothing(about: "tracefs", .node(node)) : .pass
        }
        return say.nothing(about: "its kernel", .node(node))
    }

    /// The option that builds the module. A module under `=m` still has to be on the disk: minimal images leave most of them out.
    private static let moduleOptions = ["rbd": "BLK_DEV_RBD", "ceph": "CEPH_FS", "nbd": "BLK_DEV_NBD"]

    func kernelModule(_ node: NodeID, _ module: String, _ found: Found, _ say: Findings) -> Verdict {
        for case .kernel(let kernel) in found.of(node, .kernel) {
            let option = Self.moduleOptions[module].flatMap { kernel.options[$0] }
            if option == .builtIn || kernel.loadedModules.contains(module) || kernel.loadableModules?.contains(module) == true {
                return .pass
            }
            let remedy = "load it at boot: /etc/modules-load.d on Debian, `machine.kernel.modules` on Talos"
            if option == .absent || kernel.loadableModules != nil {
                return say.hold(.node(node), .unfit, "kernel \(kernel.release) of \(node) has no module \(module)", remedy)
            }
            return .unknown([
                say.reason(
                    .node(node), .missing, "whether \(node) can load the module \(module) cannot be seen: it is not loaded", remedy)
            ])
        }
        return say.nothing(about: "its kernel", .node(node))
    }
}
