// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshSystem
internal import MeshTrust

/// What the Cilium chart makes of its values: the few objects that anybody looks at.
struct StandInChart: Sendable {
    let values: HelmValue
    let version: String
    let nodes: Int

    /// ConfigMap cilium-config, key by key as the chart's template maps them.
    var config: [String: String] {
        func text(_ path: String..., default fallback: String = "") -> String {
            path.reduce(Optional(values)) { $0?[$1] }?.plain ?? fallback
        }
        var config = [
            "cluster-name": text("cluster", "name", default: "default"), "cluster-id": text("cluster", "id", default: "0"),
            "routing-mode": text("routingMode", default: "tunnel"),
            "kube-proxy-replacement": text("kubeProxyReplacement", default: "false"),
            "max-connected-clusters": text("clustermesh", "maxConnectedClusters", default: "255"),
            "ipam": text("ipam", "mode", default: "cluster-pool"), "enable-ipv4": text("ipv4", "enabled", default: "true"),
            "enable-ipv6": text("ipv6", "enabled", default: "false"), "enable-ipv4-masquerade": "true", "identity-allocation-mode": "crd",
            "cni-exclusive": "true", "enable-policy": "default",
        ]
        if config["routing-mode"] == "tunnel" {
            config["tunnel-protocol"] = text("tunnelProtocol", default: "vxlan")
            if let port = values["tunnelPort"]?.plain, port != "0" { config["tunnel-port"] = port }
        }
        for (key, path) in [("mtu", "MTU"), ("ipv4-native-routing-cidr", "ipv4NativeRoutingCIDR")] {
            if let value = values[path]?.plain { config[key] = value }
        }
        if values["encryption", "enabled"]?.truth == true {
            config[values["encryption", "type"]?.text == "wireguard" ? "enable-wireguard" : "enable-ipsec"] = "true"
        }
        if values["l2announcements", "enabled"]?.truth == true { config["enable-l2-announcements"] = "true" }
        if values["gatewayAPI", "enabled"]?.truth == true { config["enable-gateway-api"] = "true" }
        return config
    }

    var usesAPIServer: Bool { values["clustermesh", "useAPIServer"]?.truth ?? false }
    var serviceType: String { values["clustermesh", "apiserver", "service", "type"]?.text ?? "NodePort" }
    var nodePort: Int { values["clustermesh", "apiserver", "service", "nodePort"]?.number ?? 32379 }
    /// Names, addresses and ports of the other clusters.
    var remotes: [HelmValue] { values["clustermesh", "config", "clusters"]?.elements ?? [] }

    /// Everything, in the order in which it is applied.
    var objects: [(path: StandInPath, object: HelmValue)] {
        let namespace = "kube-system"
        let tag = "v" + version
        var list: [(StandInPath, HelmValue)] = [
            (
                .configMap(namespace, "cilium-config"),
                ["apiVersion": "v1", "kind": "ConfigMap", "data": .map(config.mapValues { .string($0) })]
            ),
            (
                .daemonSet(namespace, "cilium"),
                Self.workload(
                    "DaemonSet", "cilium", labels: ["k8s-app": "cilium"], images: ["cilium-agent": "quay.io/cilium/cilium:\(tag)"])
            ),
            (
                .daemonSet(namespace, "cilium-envoy"),
                Self.workload(
                    "DaemonSet", "cilium-envoy", labels: ["k8s-app": "cilium-envoy"],
                    images: ["cilium-envoy": "quay.io/cilium/cilium-envoy:\(tag)"])
            ),
            (
                .deployment(namespace, "cilium-operator"),
                Self.workload(
                    "Deployment", "cilium-operator", labels: ["io.cilium/app": "operator"],
                    images: ["cilium-operator": "quay.io/cilium/operator-generic:\(tag)"], replicas: min(2, max(1, nodes)))
            ),
        ]
        list[1].1["spec", "template", "spec", "volumes"] = volumes(["clustermesh-apiserver-remote-cert", "hubble-server-certs"])
        if let bundle { list.append(bundle) }
        if usesAPIServer { list += apiServer(namespace, tag) }
        for part in ["ui", "relay"] where values["hubble", part, "enabled"]?.truth == true {
            let name = "hubble-" + part
            let workload = Self.workload("Deployment", name, labels: ["k8s-app": .string(name)], images: [name: "quay.io/cilium/\(name)"])
            list.append((.deployment(namespace, name), workload))
            list.append((.service(namespace, name), StandInService.service(80)))
        }
        list.append((.secret(namespace, "cilium-clustermesh"), remoteSecret("cilium-clustermesh")))
        list.append((.secret(namespace, "cilium-kvstoremesh"), remoteSecret("cilium-kvstoremesh")))
        return list
    }

    /// What takes the place of the CA that comes with each certificate.
    private var bundle: (StandInPath, HelmValue)? {
        guard values["tls", "caBundle", "enabled"]?.truth == true else { return nil }
        return (
            .configMap("kube-system", "cilium-root-ca.crt"),
            ["apiVersion": "v1", "kind": "ConfigMap", "data": ["ca.crt": values["tls", "caBundle", "content"] ?? ""]]
        )
    }

    /// Each certificate with the CA to judge others by, which is its own or the bundle.
    private func volumes(_ secrets: [String]) -> HelmValue {
        .list(
            secrets.map { secret in
                var sources: [HelmValue] = [["secret": ["name": .string(secret)]]]
                if bundle != nil { sources.append(["configMap": ["name": "cilium-root-ca.crt"]]) }
                return ["name": .string(secret), "projected": ["sources": .list(sources)]]
            })
    }

    private func apiServer(_ namespace: String, _ tag: String) -> [(StandInPath, HelmValue)] {
        let name = "clustermesh-apiserver"
        var port: HelmValue = ["name": "apiserv-port", "port": 2379, "protocol": "TCP", "targetPort": 2379]
        if serviceType != "ClusterIP" { port["nodePort"] = .count(nodePort) }
        let image = "quay.io/cilium/clustermesh-apiserver:\(tag)"
        var list: [(StandInPath, HelmValue)] = [
            (
                .service(namespace, name),
                ["apiVersion": "v1", "kind": "Service", "spec": ["type": .string(serviceType), "ports": [port]]]
            ),
            (
                .deployment(namespace, name),
                Self.workload(
                    "Deployment", name, labels: ["k8s-app": .string(name)],
                    images: ["etcd": image, "apiserver": image, "kvstoremesh": image])
            ),
        ]
        list[1].1["spec", "template", "spec", "volumes"] = volumes([
            "clustermesh-apiserver-server-cert", "clustermesh-apiserver-admin-cert",
        ])
        // With the method cronJob the certificates come from a Job, which takes a pod; with helm they come with the release.
        if values["clustermesh", "apiserver", "tls", "auto", "method"]?.text == "cronJob" {
            let job = "clustermesh-apiserver-generate-certs"
            let spec = Self.workload("Job", job, labels: ["k8s-app": .string(job)], images: ["certgen": "quay.io/cilium/certgen:v0.2.4"])
            list.append((.job(namespace, job), spec))
            list.append(
                (
                    StandInPath(group: "apis/batch/v1", namespace: namespace, resource: "cronjobs", name: job),
                    [
                        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": ["name": .string(job)],
                        "spec": ["schedule": "0 0 1 */4 *", "jobTemplate": ["spec": spec["spec"] ?? .map([:])]],
                    ]
                ))
        }
        return list
    }

    private func remoteSecret(_ name: String) -> HelmValue {
        var data: HelmValue = [:]
        for remote in remotes {
            guard let cluster = remote["name"]?.text else { continue }
            let address = (remote["ips"]?.elements ?? []).compactMap(\.text).map { "https://\($0):\(remote["port"]?.plain ?? "2379")" }
            data[cluster] = .string(StandInJSON.base64("endpoints:\n" + address.map { "- \($0)\n" }.joined()))
        }
        return ["apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": ["name": .string(name)], "data": data]
    }

    static func workload(
        _ kind: String, _ name: String, labels: HelmValue, images: [String: String], replicas: Int = 1
    ) -> HelmValue {
        let containers = images.sorted { $0.key < $1.key }.map { name, image -> HelmValue in
            ["name": .string(name), "image": .string(image)]
        }
        var object: HelmValue = [
            "apiVersion": kind == "Job" ? "batch/v1" : "apps/v1", "kind": .string(kind),
            "metadata": ["name": .string(name), "labels": labels],
            "spec": [
                "selector": ["matchLabels": labels],
                "template": ["metadata": ["labels": labels], "spec": ["containers": .list(containers)]],
            ],
        ]
        if kind == "Deployment" { object["spec", "replicas"] = .count(replicas) }
        return object
    }

    /// The marks without which Helm refuses to take an object over.
    static func owned(_ object: HelmValue, release: String, namespace: String) -> HelmValue {
        var object = object
        object["metadata", "labels", "app.kubernetes.io/managed-by"] = "Helm"
        object["metadata", "annotations", "meta.helm.sh/release-name"] = .string(release)
        object["metadata", "annotations", "meta.helm.sh/release-namespace"] = .string(namespace)
        return object
    }

    /// A Secret cilium-ca with a CA that nobody else has.
    static func newCA(owned isOwned: Bool) throws -> HelmValue {
        let now = SystemClock.now().wall
        let key = try PrivateKey.generate()
        let certificate = try Certificate.makeRoot(
            key: key, name: "Cilium CA", notBefore: now + .seconds(-300), notAfter: now + .seconds(3 * 365 * 86_400))
        let secret: HelmValue = [
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": ["name": "cilium-ca"],
            "data": ["ca.crt": .string(StandInJSON.base64(certificate.pem)), "ca.key": .string(StandInJSON.base64(try key.pem))],
        ]
        return isOwned ? owned(secret, release: "cilium", namespace: "kube-system") : secret
    }
}
