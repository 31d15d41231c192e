// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// What the charts of day-2 services make of a cluster, and what the services answer: their names and words as the real ones have them,
/// written down here a second time, so that a name that is wrong in the catalogue finds nothing.
struct StandInService: Sendable {
    var workloads: [(kind: String, name: String)]
    /// By Service, port and path.
    var answers: [String: String] = [:]
    /// What its containers are told by plain variables, and by files in ConfigMaps: NAME and key to text.
    var variables: [String: String] = [:]
    var files: [String: [String: String]] = [:]
    /// The pods ask for more than the level `baseline` admits.
    var isPrivileged = false
    /// The aggregated API that the service serves, and the Service behind it.
    var apiService: (name: String, service: String)?
    /// Kinds whose definitions the chart brings: kind, group, version, whether namespaced.
    var definitions: [(kind: String, group: String, version: String, isNamespaced: Bool)] = []

    /// By the name of the chart.
    static let byChart: [String: StandInService] = [
        "tetragon": StandInService(
            workloads: [("DaemonSet", "tetragon"), ("Deployment", "tetragon-operator")],
            answers: ["tetragon:2112/metrics": "# TYPE tetragon_events_total counter\ntetragon_events_total{type=\"PROCESS_EXEC\"} 7\n"],
            definitions: [
                ("TracingPolicy", "cilium.io", "v1alpha1", false), ("TracingPolicyNamespaced", "cilium.io", "v1alpha1", true),
            ]),
        "rook-ceph": StandInService(
            workloads: [("Deployment", "rook-ceph-operator")], isPrivileged: true,
            definitions: ["CephCluster", "CephBlockPool", "CephFilesystem", "CephObjectStore"].map { ($0, "ceph.rook.io", "v1", true) }),
        "metrics-server": StandInService(
            workloads: [("Deployment", "metrics-server")], apiService: ("v1beta1.metrics.k8s.io", "metrics-server")),
        "kubelet-csr-approver": StandInService(workloads: [("Deployment", "kubelet-csr-approver")]),
        "ollama": StandInService(
            workloads: [("Deployment", "ollama")],
            answers: ["ollama:11434/api/tags": #"{"models":[{"name":"llama3.2:latest","size":2019393189}]}"#]),
        "opentelemetry-collector": StandInService(
            workloads: [("Deployment", "honeycomb-otel")],
            answers: ["honeycomb-otel:8888/metrics": "# TYPE otelcol_process_uptime counter\notelcol_process_uptime 12\n"],
            files: [
                "honeycomb-otel": [
                    "relay": """
                    exporters:
                      otlp/honeycomb:
                        endpoint: api.honeycomb.io:443
                        headers:
                          x-honeycomb-team: ${env:HONEYCOMB_API_KEY}
                    receivers:
                      otlp:
                        protocols:
                          grpc:
                            endpoint: ${env:MY_POD_IP}:4317

                    """
                ]
            ]),
        "robusta": StandInService(
            workloads: [("Deployment", "robusta-runner"), ("Deployment", "robusta-forwarder")],
            answers: ["robusta-runner:80/metrics": "# HELP python_info Python platform information\n"],
            variables: [
                "ALERTMANAGER_URL": "http://alertmanager.robusta.svc.cluster.local:9093",
                "ROBUSTA_TELEMETRY_ENDPOINT": "https://api.robusta.dev/telemetry", "WEBSOCKET_RELAY_ADDRESS": "wss://relay.robusta.dev",
            ], isPrivileged: true),
        "kubescape-operator": StandInService(
            workloads: [("Deployment", "kubescape"), ("Deployment", "operator"), ("Deployment", "storage"), ("DaemonSet", "node-agent")],
            files: [
                "ks-cloud-config": [
                    "services":
                        #"{"version":"v3","response":{"event-receiver-http":"https://report.armo.cloud","api-server":"https://api.armosec.io"}}"#
                ]
            ], isPrivileged: true, apiService: ("v1beta1.spdx.softwarecomposition.kubescape.io", "storage"),
            definitions: [("RuntimeRuleAlertBinding", "kubescape.io", "v1", false)]),
        "gadget": StandInService(workloads: [("DaemonSet", "gadget")], isPrivileged: true),
        "groundcover": StandInService(
            workloads: [("DaemonSet", "groundcover-sensor")],
            files: ["groundcover-sensor": ["config.yaml": "otlp:\n  endpoint: ingest.groundcover.com:443\n  compression: gzip\n"]],
            isPrivileged: true),
    ]

    /// What comes with the charts of Cilium itself.
    static let hubbleAnswers = ["hubble-ui:80/": "<!doctype html><html><head><title>Hubble UI</title></head></html>\n"]

    private static let answers = byChart.values.reduce(into: hubbleAnswers) { all, service in
        all.merge(service.answers) { first, _ in first }
    }

    /// `nil` where nothing listens.
    static func answer(_ service: String, _ port: String, _ path: String) -> String? { answers["\(service):\(port)\(path)"] }

    /// Everything that the chart makes in this namespace, in order.
    func objects(namespace: String, release: String, chart: String, version: String) -> [(path: StandInPath, object: HelmValue)] {
        var list: [(StandInPath, HelmValue)] = definitions.map { definition in
            var object = StandInDefinition.make(
                kind: definition.kind, group: definition.group, version: definition.version, isNamespaced: definition.isNamespaced)
            // Charts mark their definitions so that Helm leaves them alone: with them all their objects would go.
            object["metadata", "annotations", "helm.sh/resource-policy"] = "keep"
            return (StandInPath.definitions.named(object["metadata", "name"]?.text ?? ""), object)
        }
        for (kind, name) in workloads {
            var object = StandInChart.workload(
                kind, name, labels: ["app.kubernetes.io/instance": .string(release)], images: [name: "stand-in/\(chart):\(version)"])
            if isPrivileged { object["metadata", "annotations", StandInCluster.privileged] = "true" }
            if !variables.isEmpty { object["spec", "template", "spec", "containers"] = .list([container(name, chart, version)]) }
            list.append((kind == "DaemonSet" ? .daemonSet(namespace, name) : .deployment(namespace, name), object))
        }
        for (name, data) in files.sorted(by: { $0.key < $1.key }) {
            list.append(
                (.configMap(namespace, name), ["apiVersion": "v1", "kind": "ConfigMap", "data": .map(data.mapValues { .string($0) })]))
        }
        for key in answers.keys.sorted() {
            let words = key.split(whereSeparator: { $0 == ":" || $0 == "/" })
            guard let name = words.first, let port = words.dropFirst().first.flatMap({ Int($0) }) else { continue }
            list.append((.service(namespace, String(name)), Self.service(port)))
        }
        if let apiService {
            let object: HelmValue = [
                "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
                "spec": ["service": ["namespace": .string(namespace), "name": .string(apiService.service)]],
            ]
            list.append((StandInPath(group: "apis/apiregistration.k8s.io/v1", resource: "apiservices", name: apiService.name), object))
        }
        return list.map { path, object in
            var object = object
            object["metadata", "name"] = path.name.map { .string($0) }
            object["metadata", "namespace"] = path.namespace.map { .string($0) }
            return (path, StandInChart.owned(object, release: release, namespace: namespace))
        }
    }

    private func container(_ name: String, _ chart: String, _ version: String) -> HelmValue {
        let variables = variables.sorted { $0.key < $1.key }.map { key, value -> HelmValue in
            ["name": .string(key), "value": .string(value)]
        }
        return ["name": .string(name), "image": .string("stand-in/\(chart):\(version)"), "env": .list(variables)]
    }

    static func service(_ port: Int) -> HelmValue {
        [
            "apiVersion": "v1", "kind": "Service",
            "spec": ["type": "ClusterIP", "clusterIP": "10.96.0.80", "ports": [["port": .count(port), "protocol": "TCP"]]],
        ]
    }
}

/// The parts of a cluster that are no objects: what Services answer through the API server, and aggregated APIs.
extension StandInCluster {
    /// On a workload whose pods a namespace has to admit as privileged.
    static let privileged = "stand-in.meshgate.dev/privileged"

    /// Answers for paths that no object is kept under.
    func beyondObjects(_ question: StandInQuestion) -> StandInAnswer? {
        if let answer = proxied(question.path) { return answer }
        if question.method == "GET", let list = discovery(question.path) { return list }
        if question.path == "/apis/metrics.k8s.io/v1beta1/nodes", question.method == "GET" { return nodeMetrics() }
        return nil
    }

    /// `/api/v1/namespaces/NS/services/NAME:PORT/proxy/PATH`.
    private func proxied(_ path: String) -> StandInAnswer? {
        let parts = path.split(separator: "/", maxSplits: 7, omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 8, Array(parts[1...3]) == ["api", "v1", "namespaces"], parts[5] == "services" else { return nil }
        let rest = parts[7]
        guard rest == "proxy" || rest.hasPrefix("proxy/") else { return nil }
        let name = parts[6].split(separator: ":").map(String.init)
        guard name.count == 2, store[.service(parts[4], name[0])] != nil else {
            return .refusal(.notFound(.service(parts[4], name.first ?? "")))
        }
        let ready = [StandInPath.deployment(parts[4], name[0]), .daemonSet(parts[4], name[0])].contains {
            store[$0]?["status", "standInReady"]?.truth == true
        }
        guard ready, let text = StandInService.answer(name[0], name[1], String(rest.dropFirst("proxy".count))) else {
            return .refusal(
                StandInRefusal(
                    code: 503, reason: "ServiceUnavailable", message: "no endpoints available for service \"\(parts[6])\""))
        }
        return StandInAnswer(status: 200, json: .string(text))
    }

    /// `/api/v1` and `/apis/GROUP/VERSION`: which kinds there are.
    private func discovery(_ path: String) -> StandInAnswer? {
        let parts = path.split(separator: "/").map(String.init)
        guard parts.count == (parts.first == "api" ? 2 : 3), ["api", "apis"].contains(parts.first) else { return nil }
        let group = parts.joined(separator: "/")
        var resources = StandInKinds.resources(of: group)
        for (_, definition) in store.list(StandInPath.definitions) where parts.count == 3 && definition["spec", "group"]?.text == parts[1] {
            guard let plural = definition["spec", "names", "plural"]?.text, let kind = definition["spec", "names", "kind"]?.text else {
                continue
            }
            resources.append((plural, kind, definition["spec", "scope"]?.text == "Namespaced"))
        }
        guard !resources.isEmpty else { return nil }
        let list = resources.map { plural, kind, isNamespaced -> HelmValue in
            ["name": .string(plural), "kind": .string(kind), "namespaced": .bool(isNamespaced), "verbs": ["get", "list", "delete"]]
        }
        return StandInAnswer(
            status: 200,
            json: [
                "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": .string(parts.dropFirst().joined(separator: "/")),
                "resources": .list(list),
            ])
    }

    private func nodeMetrics() -> StandInAnswer {
        let service = store[StandInPath(group: "apis/apiregistration.k8s.io/v1", resource: "apiservices", name: "v1beta1.metrics.k8s.io")]
        guard let conditions = service?["status", "conditions"]?.elements, conditions.contains(where: { $0["status"]?.text == "True" })
        else {
            return .refusal(
                StandInRefusal(code: 503, reason: "ServiceUnavailable", message: "the server is currently unable to handle the request"))
        }
        let items = seed.nodes.map { node -> HelmValue in
            ["metadata": ["name": .string(node.name)], "usage": ["cpu": "250m", "memory": "1Gi"]]
        }
        return StandInAnswer(
            status: 200,
            json: ["kind": "NodeMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": [:], "items": .list(items)])
    }

    func apiServiceStatus(_ object: HelmValue) -> HelmValue {
        let (namespace, name) = (object["spec", "service", "namespace"]?.text ?? "", object["spec", "service", "name"]?.text ?? "")
        let isUp = store[.deployment(namespace, name)]?["status", "standInReady"]?.truth == true
        return [
            "conditions": [
                [
                    "type": "Available", "status": isUp ? "True" : "False", "reason": isUp ? "Passed" : "MissingEndpoints",
                    "message": isUp ? "all checks passed" : "endpoints for service/\(name) in \"\(namespace)\" have no addresses",
                ]
            ]
        ]
    }

    /// Pod Security Admission: without the label a controller is refused every pod.
    func isAdmitted(_ object: HelmValue, at path: StandInPath) -> Bool {
        guard object["metadata", "annotations", Self.privileged] != nil, let namespace = path.namespace, namespace != "kube-system" else {
            return true
        }
        return store[.namespace(namespace)]?["metadata", "labels", "pod-security.kubernetes.io/enforce"]?.text == "privileged"
    }
}
