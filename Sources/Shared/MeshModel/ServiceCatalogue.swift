// SPDX-License-Identifier: Apache-2.0

/// The services that mesh.yaml may name without saying where they come from.
package enum ServiceCatalogue {
    /// In alphabetical order.
    package static let all: [CatalogueService] = [
        groundcover, honeycomb, hubbleUI, inspektorGadget, kubeletCSRApprover, kubescape, metricsServer, ollama, olm, robusta, rookCeph,
        starWars, tetragon,
    ]

    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// `nil` for a name that is not in the catalogue.
    package static func service(_ name: String) -> CatalogueService? { byName[name] }

    private static let groundcover = CatalogueService(
        "groundcover", "observability by eBPF, kept in the cluster",
        .chart(repository: "https://helm.groundcover.com", name: "groundcover", version: nil), namespace: "groundcover",
        podSecurity: .privileged, needs: [.kernelTracing], workloads: [.init(.daemonsets, "groundcover-sensor")], sendsOut: true)

    /// The key comes from a Secret that the admin makes: `honeycomb` with the key `api-key`. It is in no values file.
    private static let honeycomb = CatalogueService(
        "honeycomb-otel", "an OpenTelemetry collector that sends to Honeycomb",
        .chart(
            repository: "https://open-telemetry.github.io/opentelemetry-helm-charts", name: "opentelemetry-collector", version: "0.158.3"),
        known: SemanticVersion(0, 100, 0)..<SemanticVersion(1, 0, 0), namespace: "honeycomb",
        workloads: [.init(.deployments, "honeycomb-otel")],
        probe: .http(service: "honeycomb-otel", port: 8888, path: "/metrics", expects: "otelcol_"),
        values: [
            "mode": .string("deployment"), "fullnameOverride": .string("honeycomb-otel"),
            "image": .map(["repository": .string("otel/opentelemetry-collector-k8s")]),
            "ports": .map(["metrics": .map(["enabled": .bool(true)])]),
            "extraEnvs": .list([
                .map([
                    "name": .string("HONEYCOMB_API_KEY"),
                    "valueFrom": .map(["secretKeyRef": .map(["name": .string("honeycomb"), "key": .string("api-key")])]),
                ])
            ]),
            "config": .map([
                "exporters": .map([
                    "otlp/honeycomb": .map([
                        "endpoint": .string("api.honeycomb.io:443"),
                        "headers": .map(["x-honeycomb-team": .string("${env:HONEYCOMB_API_KEY}")]),
                    ])
                ]),
                "service": .map([
                    "pipelines": .map([
                        "traces": .map(["exporters": .list([.string("otlp/honeycomb")])]),
                        "metrics": .map(["exporters": .list([.string("otlp/honeycomb")])]),
                        "logs": .map(["exporters": .list([.string("otlp/honeycomb")])]),
                    ])
                ]),
            ]),
        ], sendsOut: true)

    /// Part of Cilium's own release: the values of Cilium switch it on.
    private static let hubbleUI = CatalogueService(
        "hubble-ui", "Hubble's relay and its service map", .builtIn, release: "cilium", namespace: "kube-system",
        workloads: [.init(.deployments, "hubble-ui"), .init(.deployments, "hubble-relay")],
        probe: .http(service: "hubble-ui", port: 80, path: "/", expects: "<html"))

    /// `kubectl gadget` looks for a DaemonSet of this very name, so the release is not called as the service.
    private static let inspektorGadget = CatalogueService(
        "inspektor-gadget", "gadgets that look into kernels and pods by eBPF",
        .chart(repository: "https://inspektor-gadget.github.io/charts", name: "gadget", version: nil), release: "gadget",
        namespace: "gadget", podSecurity: .privileged, needs: [.kernelTracing], workloads: [.init(.daemonsets, "gadget")])

    private static let kubeletCSRApprover = CatalogueService(
        "kubelet-csr-approver", "approves the serving certificates of kubelets that are nodes of the cluster",
        .chart(repository: "https://postfinance.github.io/kubelet-csr-approver", name: "kubelet-csr-approver", version: nil),
        known: SemanticVersion(0, 2, 0)..<SemanticVersion(2, 0, 0), namespace: "kube-system",
        workloads: [.init(.deployments, "kubelet-csr-approver")])

    private static let kubescape = CatalogueService(
        "kubescape", "security posture and run-time detection",
        .chart(repository: "https://kubescape.github.io/helm-charts", name: "kubescape-operator", version: "1.22.1"),
        known: SemanticVersion(1, 18, 0)..<SemanticVersion(2, 0, 0), namespace: "kubescape", podSecurity: .privileged,
        needs: [.kernelTracing], workloads: [.init(.deployments, "kubescape"), .init(.deployments, "storage")],
        probe: .apiService("v1beta1.spdx.softwarecomposition.kubescape.io"),
        removedFirst: ["/apis/kubescape.io/v1/runtimerulealertbindings"], sendsOut: true)

    private static let metricsServer = CatalogueService(
        "metrics-server", "CPU and memory figures for `kubectl top` and autoscalers",
        .chart(repository: "https://kubernetes-sigs.github.io/metrics-server", name: "metrics-server", version: "3.13.0"),
        known: SemanticVersion(3, 8, 0)..<SemanticVersion(4, 0, 0), namespace: "kube-system", needs: [.servingCertificates],
        workloads: [.init(.deployments, "metrics-server")], probe: .nodeMetrics)

    private static let ollama = CatalogueService(
        "ollama", "language models on the cluster's own machines",
        .chart(repository: "https://otwld.github.io/ollama-helm", name: "ollama", version: "1.50.0"),
        known: SemanticVersion(1, 0, 0)..<SemanticVersion(2, 0, 0), namespace: "ollama", workloads: [.init(.deployments, "ollama")],
        probe: .http(service: "ollama", port: 11434, path: "/api/tags", expects: "\"models\""))

    private static let olm = CatalogueService(
        "olmv1", "the Operator Lifecycle Manager, version 1",
        .manifest(published: "https://github.com/operator-framework/operator-controller/releases (operator-controller.yaml)"),
        namespace: "olmv1-system",
        workloads: [
            .init(.deployments, "operator-controller-controller-manager"), .init(.deployments, "catalogd-controller-manager"),
        ],
        probe: .conditions([
            .init("/apis/olm.operatorframework.io/v1/clustercatalogs", type: "Serving", atLeast: 0),
            .init("/apis/olm.operatorframework.io/v1/clusterextensions", type: "Installed", atLeast: 0),
        ]),
        removedFirst: [
            "/apis/olm.operatorframework.io/v1/clusterextensions", "/apis/olm.operatorframework.io/v1/clustercatalogs",
        ])

    private static let robusta = CatalogueService(
        "robusta", "alerts with their context, and playbooks that answer them",
        .chart(repository: "https://robusta-charts.storage.googleapis.com", name: "robusta", version: nil), namespace: "robusta",
        podSecurity: .privileged, workloads: [.init(.deployments, "robusta-runner"), .init(.deployments, "robusta-forwarder")],
        probe: .http(service: "robusta-runner", port: 80, path: "/metrics", expects: "# HELP"), sendsOut: true)

    private static let rookCeph = CatalogueService(
        "rook-ceph", "storage on the planned disks",
        .chart(repository: "https://charts.rook.io/release", name: "rook-ceph", version: "v1.18.7"),
        known: SemanticVersion(1, 15, 0)..<SemanticVersion(2, 0, 0), namespace: "rook-ceph", podSecurity: .privileged,
        needs: [.kernelModule("rbd")], workloads: [.init(.deployments, "rook-ceph-operator")], probe: .ceph,
        removedFirst: [
            "/apis/ceph.rook.io/v1/cephobjectstores", "/apis/ceph.rook.io/v1/cephfilesystems", "/apis/ceph.rook.io/v1/cephblockpools",
            "/apis/ceph.rook.io/v1/cephclusters",
        ], holdsData: true)

    private static let starWars = CatalogueService(
        "star-wars", "a demonstration that policies hold across clusters", .builtIn, namespace: "star-wars", podSecurity: .baseline,
        workloads: [.init(.deployments, "deathstar"), .init(.deployments, "tiefighter"), .init(.deployments, "xwing")], probe: .policyProof)

    private static let tetragon = CatalogueService(
        "tetragon", "what processes do, seen and enforced by eBPF",
        .chart(repository: "https://helm.cilium.io", name: "tetragon", version: "1.7.0"),
        known: SemanticVersion(1, 3, 0)..<SemanticVersion(2, 0, 0), namespace: "kube-system", needs: [.kernelTracing],
        workloads: [.init(.daemonsets, "tetragon"), .init(.deployments, "tetragon-operator")],
        probe: .http(service: "tetragon", port: 2112, path: "/metrics", expects: "tetragon_"),
        removedFirst: ["/apis/cilium.io/v1alpha1/tracingpolicies", "/apis/cilium.io/v1alpha1/tracingpoliciesnamespaced"])
}

extension MeshSpec.Service {
    /// What the catalogue knows of the name.
    package var known: CatalogueService? { ServiceCatalogue.service(name) }
    /// The name of its Helm release.
    package var release: String { known?.release ?? name }
    /// The namespace it is installed in.
    package var home: String { namespace ?? known?.namespace ?? name }
    /// The chart's version, when it is a chart.
    package var pinnedVersion: String? { if case .chart(_, _, let version) = source { version } else { nil } }
    /// Whether it is looked up which hosts outside of its cluster it is configured to talk to.
    package var isWatchedForEgress: Bool { egress != nil || known?.sendsOut == true }
    /// The values to give to the chart, without those that are secret.
    package var chartValues: [String: HelmValue] { HelmValue.merge(known?.values ?? [:], values ?? [:]) }

    /// Why this service cannot work on these machines, whatever its gates say; absent for nearly all.
    package var refusal: String? {
        var words = [name]
        switch source {
        case .chart(let repository, let chart, _): words += [repository, chart]
        case .manifest(let path), .playbook(let path), .terraform(let path): words.append(path)
        case .builtIn: break
        }
        guard words.contains(where: { $0.contains("csi-digitalocean") }) else { return nil }
        return "csi-digitalocean works only on DigitalOcean machines; for Proxmox use rook-ceph or the Proxmox CSI driver"
    }
}

extension HelmValue {
    /// `over` wins; maps are merged, everything else is replaced.
    package static func merge(_ base: [String: HelmValue], _ over: [String: HelmValue]) -> [String: HelmValue] {
        base.merging(over) { old, new in
            guard case .map(let oldMap) = old, case .map(let newMap) = new else { return new }
            return .map(merge(oldMap, newMap))
        }
    }
}
