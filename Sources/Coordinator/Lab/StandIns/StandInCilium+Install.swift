// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// install, upgrade and uninstall.
extension StandInCilium {
    func install() async throws {
        let client = try await client()
        let version = arguments["--version"] ?? Self.defaultVersion
        var values = try givenValues()
        announce(version: version, &values, isInstall: true)
        let doing = "Unable to install Cilium"
        guard try await release(client) == nil else {
            throw StandInFailure.error("\(doing): release name check failed: cannot reuse a name that is still in use")
        }
        let first = StandInRelease(
            name: "cilium", namespace: Self.namespace, chart: "cilium", chartVersion: version, config: values, revision: 1,
            status: "pending-install")
        try await deploy(first, client, doing: doing)
    }

    func upgrade() async throws {
        let client = try await client()
        guard let old = try await release(client) else { throw StandInFailure.error("Unable to upgrade Cilium: release: not found") }
        let version = arguments["--version"] ?? Self.defaultVersion
        var values = try givenValues()
        announce(version: version, &values, isInstall: false, clusterName: old.config["cluster", "name"]?.text)
        if !arguments.has("--reset-values") { values = old.config.merged(with: values) }
        try await deploy(old.next(version: version, config: values), client, doing: "Unable to upgrade Cilium")
        call.say("⚠️  You maybe need to restart Cilium pods for configmap changes to take effect")
    }

    func uninstall() async throws {
        let client = try await client()
        for line in ["🔥 Deleting pods in cilium-test namespace...", "🔥 Deleting cilium-test namespace...", "⌛ Uninstalling Cilium"] {
            call.say(line)
        }
        guard let release = try await release(client) else { return }
        let chart = StandInChart(values: release.config, version: release.chartVersion, nodes: 1)
        for (path, _) in chart.objects { try await client.delete(path) }
        for revision in 1...release.revision {
            try await client.delete(.secret(Self.namespace, "sh.helm.release.v1.cilium.v\(revision)"))
        }
    }

    /// `--values` files (JSON, which is YAML), then `--set`.
    private func givenValues() throws -> HelmValue {
        var values: HelmValue = [:]
        for file in arguments.all("--values") {
            guard let bytes = LabFiles.bytes(call.absolute(file), limit: 16 << 20) else {
                throw StandInFailure.error("open \(file): no such file or directory")
            }
            guard let tree = StandInJSON.decode(bytes) else {
                throw StandInFailure.error("the stand-in cilium reads values in JSON only; \(file) is something else")
            }
            values = values.merged(with: tree)
        }
        for assignments in arguments.all("--set") {
            for assignment in assignments.split(separator: ",") {
                let parts = assignment.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                guard parts.count == 2 else { throw StandInFailure.error("failed parsing --set data: key \"\(assignment)\" has no value") }
                values.set(Self.typed(parts[1]), atDotted: parts[0])
            }
        }
        return values
    }

    private static func typed(_ text: String) -> HelmValue {
        if let number = Int64(text) { return .integer(number) }
        return text == "true" ? true : text == "false" ? false : .string(text)
    }

    private func announce(version: String, _ values: inout HelmValue, isInstall: Bool, clusterName: String? = nil) {
        call.say("ℹ️  Using Cilium version \(version)")
        if let name = values["cluster", "name"]?.text {
            call.say("ℹ️  Using cluster name \"\(name)\"")
        } else if let name = clusterName {
            call.say("🔮 Auto-detected cluster name: \(name)")
        }
        guard values["kubeProxyReplacement"] == nil else { return }
        call.say("🔮 Auto-detected kube-proxy has not been installed")
        call.say("ℹ️  Cilium will fully replace all functionalities of kube-proxy")
        if isInstall { values["kubeProxyReplacement"] = true }
    }

    /// Writes the release and what the chart renders; waits when it was asked to.
    func deploy(_ release: StandInRelease, _ client: StandInClient, doing: String) async throws {
        try await release.refuseDuringAnother(client, doing: doing)
        try await checkCA(client, doing: doing)
        let nodes = try await client.list(StandInPath.nodes).count
        let chart = StandInChart(values: release.config, version: release.chartVersion, nodes: nodes)
        try await release.save(status: release.revision == 1 ? "pending-install" : "pending-upgrade", client)
        if try await client.faults().hangsWhilePending { try await call.hang() }
        do {
            for (path, object) in chart.objects {
                let owned = StandInChart.owned(object, release: "cilium", namespace: Self.namespace)
                if path.resource == "secrets" {
                    // Their keys come and go with the configuration, so they are put, not merged.
                    try await client.put(owned, at: path)
                } else {
                    try await client.apply(owned, at: path, manager: "helm")
                }
            }
            if !chart.objects.contains(where: { $0.path.name == "cilium-root-ca.crt" }) {
                try await client.delete(.configMap(Self.namespace, "cilium-root-ca.crt"))
            }
            try await registerKinds(client)
            // The chart signs anew at every operation.
            let ca = try await client.get(.secret(Self.namespace, "cilium-ca"))
            for secret in StandInChart.hubbleCertificates(chart, ca: ca) {
                try await client.put(secret, at: .secret(Self.namespace, secret["metadata", "name"]?.text ?? ""))
            }
            if chart.usesAPIServer { try await issueByHelm(chart, client) }
            if arguments.has("--wait") { try await waitReady(chart, client) }
        } catch let failure as StandInFailure {
            try await release.save(status: "failed", client)
            throw StandInFailure.error("\(doing): \(failure.reason)")
        }
        try await release.save(status: "deployed", client)
    }

    /// As the operator does, which asks for no value of the chart's.
    private func registerKinds(_ client: StandInClient) async throws {
        for kind in [
            "CiliumLoadBalancerIPPool", "CiliumL2AnnouncementPolicy", "CiliumBGPAdvertisement", "CiliumBGPPeerConfig",
            "CiliumBGPNodeConfigOverride", "CiliumBGPClusterConfig",
        ] {
            let definition = StandInDefinition.make(
                kind: kind, group: "cilium.io", version: kind == "CiliumL2AnnouncementPolicy" ? "v2alpha1" : "v2", isNamespaced: false)
            try await register(definition, client)
        }
        try await register(
            StandInDefinition.make(kind: "CiliumNetworkPolicy", group: "cilium.io", version: "v2", isNamespaced: true), client)
    }

    private func register(_ definition: HelmValue, _ client: StandInClient) async throws {
        try await client.apply(
            definition, at: StandInPath.definitions.named(definition["metadata", "name"]?.text ?? ""), manager: "cilium-operator")
    }

    private func issueByHelm(_ chart: StandInChart, _ client: StandInClient) async throws {
        guard chart.values["clustermesh", "apiserver", "tls", "auto", "method"]?.text != "cronJob" else { return }
        let name = chart.config["cluster-name"] ?? ""
        let ca = try await client.get(.secret(Self.namespace, "cilium-ca"))
        for secret in StandInChart.meshCertificates(cluster: name, ca: ca) {
            try await client.put(secret, at: .secret(Self.namespace, secret["metadata", "name"]?.text ?? ""))
        }
    }

    /// A CA that is there is taken when it carries Helm's marks, refused when it does not, and made when there is none.
    private func checkCA(_ client: StandInClient, doing: String) async throws {
        let path = StandInPath.secret(Self.namespace, "cilium-ca")
        guard let secret = try await client.get(path) else {
            try await client.create(StandInChart.newCA(owned: true), in: path.collection)
            return
        }
        var faults: [String] = []
        if secret["metadata", "labels", "app.kubernetes.io/managed-by"]?.text != "Helm" {
            faults.append("label validation error: missing key \"app.kubernetes.io/managed-by\": must be set to \"Helm\"")
        }
        for (key, value) in [("meta.helm.sh/release-name", "cilium"), ("meta.helm.sh/release-namespace", Self.namespace)]
        where secret["metadata", "annotations", key]?.text != value {
            faults.append("annotation validation error: missing key \"\(key)\": must be set to \"\(value)\"")
        }
        guard faults.isEmpty else {
            throw StandInFailure.error(
                "\(doing): unable to continue with install: Secret \"cilium-ca\" in namespace \"\(Self.namespace)\" exists and cannot be "
                    + "imported into the current release: invalid ownership metadata; " + faults.joined(separator: "; "))
        }
        guard secret["data", "ca.key"]?.text?.isEmpty == false else {
            throw StandInFailure.error(
                """
                \(doing): cilium/templates/hubble/tls-helm/server-secret.yaml:2:10
                  executing "cilium/templates/hubble/tls-helm/server-secret.yaml" at <include "cilium.ca.setup" .>:
                    error calling include:
                cilium/templates/_helpers.tpl:82:39
                  executing "cilium.ca.setup" at <$key>:
                    invalid value; expected string
                """)
        }
    }

    private func waitReady(_ chart: StandInChart, _ client: StandInClient) async throws {
        let patience = arguments.duration("--wait-duration", default: .seconds(300))
        for (path, _) in chart.objects where path.resource == "daemonsets" || path.resource == "deployments" {
            let done = try await client.wait(patience) {
                let object = try await client.get(path)
                return object?["status", "standInReady"]?.truth == true
                    && object?["status", "observedGeneration"] == object?["metadata", "generation"]
            }
            guard done else {
                throw StandInFailure.error(
                    "resource \(path.resource)/\(Self.namespace)/\(path.name ?? "") not ready: context deadline exceeded")
            }
        }
    }
}

extension StandInFailure {
    /// The text without the decoration of an error, for wrapping.
    var reason: String {
        let text = text.hasPrefix("\nError: ") ? String(text.dropFirst(8)) : text
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }
}
