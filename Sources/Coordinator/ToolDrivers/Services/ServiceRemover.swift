// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Running

/// Takes a service away again: custom resources first, while their controller can still clean up behind them, then what was installed, then
/// definitions that nothing uses, then the namespace that our own plan made. Ownership is by exact identity; what is not ours stays.
struct ServiceRemover: Sendable {
    let tools: Toolbox
    let spec: MeshSpec

    // MARK: what would go

    func preview(
        _ service: MeshSpec.Service, on cluster: MeshSpec.Cluster, consent: ServiceRemoval.Consent = .none
    ) async throws -> ServiceRemoval {
        let client = try tools.client(for: cluster)
        var removal = ServiceRemoval(service: service.name, cluster: cluster.name)
        // The catalogue's order first: a store before the pool that it lives in.
        for collection in service.known?.removedFirst ?? [] { try await lookAtCollection(collection, client, &removal) }
        switch service.source {
        case .chart(_, let chart, _): try await lookAtRelease(service, chart, cluster, client, &removal)
        case .manifest: try await lookAtMark(service, client, &removal)
        case .builtIn:
            guard service.home != "kube-system" else {
                removal.items = []
                removal.remains.append("\(service.name) is part of Cilium's own release and goes with it")
                return removal
            }
            try await lookAtMark(service, client, &removal)
        case .terraform(let phase):
            removal.items = []
            removal.remains.append("phase \(phase) of Terraform is destroyed by a step of its own, for all clusters")
            return removal
        case .playbook(let path):
            removal.items = []
            guard try await ServiceMark.read(service.name, client) != nil else { return removal }
            removal.refusals.append("only whoever wrote \(path) knows what it made; undo it with a playbook of its own")
            return removal
        }
        // Custom resources alone, without a release or a mark of ours, are somebody else's.
        guard removal.release != nil || removal.items.contains(where: { $0.part == .mark }) else {
            removal.items = []
            return removal
        }
        try await lookAtNamespace(service, client, &removal)
        // Stable: within a part the order is the one in which things were found.
        removal.items = ServiceRemoval.Item.Part.allCases.flatMap { part in removal.items.filter { $0.part == part } }
        try await judgeData(service, client, consent, &removal)
        return removal
    }

    private func lookAtRelease(
        _ service: MeshSpec.Service, _ chart: String, _ cluster: MeshSpec.Cluster, _ client: KubernetesClient,
        _ removal: inout ServiceRemoval
    ) async throws {
        let key = service.home + "/" + service.release
        guard let release = try await HelmReleases(client: client).newest(of: service.release, in: service.home) else { return }
        guard release.chart == chart else {
            removal.refusals.append("release \(key) is of chart \(release.chart) and not of \(chart): it is not the plan's")
            return
        }
        removal.release = key
        let objects = try await live(release.manifest, service, cluster)
        for object in objects {
            let isDefinition = object["kind"]?.string == "CustomResourceDefinition"
            guard let item = try await item(isDefinition ? .definition : .object, object, client) else { continue }
            let annotations = object["metadata", "annotations"]
            let owner =
                (annotations?["meta.helm.sh/release-namespace"]?.string ?? "") + "/"
                + (annotations?["meta.helm.sh/release-name"]?.string ?? "")
            guard owner == key else {
                removal.refusals.append("\(item) is in the manifest of \(key) and belongs to \(owner == "/" ? "somebody else" : owner)")
                continue
            }
            removal.items.append(item)
            if isDefinition { try await lookAtInstances(of: object, client, &removal) }
        }
    }

    /// With a definition everything of its kind goes, so that all of it is listed, and goes first.
    private func lookAtInstances(of definition: HelmValue, _ client: KubernetesClient, _ removal: inout ServiceRemoval) async throws {
        let spec = definition["spec"]
        guard let group = spec?["group"]?.string, let plural = spec?["names", "plural"]?.string,
            let version = spec?["versions"]?.list.first(where: { $0["storage"]?.bool == true })?["name"]?.string
        else { return }
        try await lookAtCollection("/apis/\(group)/\(version)/\(plural)", client, &removal)
    }

    /// The objects of a rendered manifest as they are on the cluster now; kubectl reads the YAML.
    private func live(_ manifest: String, _ service: MeshSpec.Service, _ cluster: MeshSpec.Cluster) async throws -> [HelmValue] {
        guard !manifest.allSatisfy(\.isWhitespace) else { return [] }
        let file = "\(tools.workDirectory)/removal-\(cluster.name)-\(service.name).yaml"
        try tools.files.write(Array(manifest.utf8), to: file)
        let result = try await tools.run(
            "kubectl",
            tools.kubectl(cluster) + ["get", "-f", file, "--namespace", service.home, "--ignore-not-found", "-o", "json"],
            deadline: .seconds(120), outputLimit: JSON.longest)
        try tools.files.remove(file)
        guard result.succeeded else { throw DriverError.tool("kubectl get", result) }
        guard !result.outputText.allSatisfy(\.isWhitespace) else { return [] }
        guard let json = JSON.decode(result.standardOutput) else {
            throw DriverError.unreadable(what: "the objects of \(service.name)", where: "kubectl get")
        }
        return json["kind"]?.string == "List" ? json["items"]?.list ?? [] : [json]
    }

    /// Newest first: what was applied last goes first.
    private func lookAtMark(_ service: MeshSpec.Service, _ client: KubernetesClient, _ removal: inout ServiceRemoval) async throws {
        guard let mark = try await ServiceMark.read(service.name, client) else { return }
        for object in mark.objects.reversed() {
            guard let path = try await ResourcePaths(client: client).path(of: object) else {
                removal.remains.append("\(object.description): the cluster does not serve its kind any more")
                continue
            }
            guard let now = try await client.get(path) else { continue }
            guard now["metadata", "uid"]?.string == object.uid else {
                removal.remains.append("\(object.description): it was made anew by somebody else since")
                continue
            }
            let part: ServiceRemoval.Item.Part =
                object.kind == "CustomResourceDefinition" ? .definition : object.kind == "Namespace" ? .namespace : .object
            removal.items.append(
                .init(
                    part: part, path: path, kind: object.kind, namespace: object.namespace, name: object.name, uid: object.uid))
        }
        if let uid = try await client.get(ServiceMark.path(service.name))?["metadata", "uid"]?.string {
            removal.items.append(
                .init(
                    part: .mark, path: ServiceMark.path(service.name), kind: "ConfigMap", namespace: "kube-system",
                    name: "meshgate-service-" + service.name, uid: uid))
        }
    }

    /// `/apis/GROUP/VERSION/PLURAL`; what is listed already is not listed twice.
    private func lookAtCollection(_ collection: String, _ client: KubernetesClient, _ removal: inout ServiceRemoval) async throws {
        let parts = collection.split(separator: "/")
        for object in try await client.listIfServed(collection) ?? [] {
            guard let name = object["metadata", "name"]?.string, let uid = object["metadata", "uid"]?.string,
                !removal.items.contains(where: { $0.uid == uid })
            else { continue }
            let namespace = object["metadata", "namespace"]?.string
            let path =
                "/" + parts.dropLast().joined(separator: "/") + (namespace.map { "/namespaces/\($0)" } ?? "") + "/\(parts.last ?? "")/"
                + name
            removal.items.append(
                .init(
                    part: .resource, path: path, kind: object["kind"]?.string ?? String(parts.last ?? ""), namespace: namespace,
                    name: name, uid: uid))
        }
    }

    /// Only one that did not exist before our plan.
    private func lookAtNamespace(_ service: MeshSpec.Service, _ client: KubernetesClient, _ removal: inout ServiceRemoval) async throws {
        let path = "/api/v1/namespaces/" + service.home
        guard let namespace = try await client.get(path), let uid = namespace["metadata", "uid"]?.string else { return }
        guard namespace["metadata", "annotations", ServiceDriver.madeBy]?.string == spec.name else { return }
        guard !removal.items.contains(where: { $0.path == path }) else { return }
        removal.items.append(
            .init(part: .namespace, path: path, kind: "Namespace", namespace: nil, name: service.home, uid: uid))
    }

    /// Storage is removed when a person said so: by a warrant, or on the CephCluster itself.
    private func judgeData(
        _ service: MeshSpec.Service, _ client: KubernetesClient, _ consent: ServiceRemoval.Consent, _ removal: inout ServiceRemoval
    ) async throws {
        guard service.known?.holdsData == true, consent == .none else { return }
        let clusters = try await client.listIfServed("/apis/ceph.rook.io/v1/cephclusters") ?? []
        for cluster in clusters where cluster["spec", "cleanupPolicy", "confirmation"]?.string != "yes-really-destroy-data" {
            removal.refusals.append(
                "CephCluster \(cluster["metadata", "name"]?.string ?? "?") holds data: sign a warrant for its loss, or set its "
                    + "cleanupPolicy.confirmation to yes-really-destroy-data")
        }
    }

    private func item(
        _ part: ServiceRemoval.Item.Part, _ object: HelmValue, _ client: KubernetesClient
    ) async throws -> ServiceRemoval.Item? {
        guard let known = ServiceMark.Object(object), let path = try await ResourcePaths(client: client).path(of: known) else { return nil }
        return .init(part: part, path: path, kind: known.kind, namespace: known.namespace, name: known.name, uid: known.uid)
    }

    // MARK: removing

    func remove(
        _ service: MeshSpec.Service, on cluster: MeshSpec.Cluster, consent: ServiceRemoval.Consent, step: StepID, deadline: Duration
    ) async throws -> Outcome {
        let removal = try await preview(service, on: cluster, consent: consent)
        guard removal.refusals.isEmpty else { return .refused(removal.refusals.joined(separator: "; ")) }
        guard !removal.isEmpty else { return .succeeded("\(service.name) is not there") }
        let client = try tools.client(for: cluster)
        let end = tools.now().advanced(by: deadline)
        for item in removal.items where item.part == .resource {
            try await client.delete(item.path, uid: item.uid)
            guard try await isGone(item, client, before: end) else { return Self.stuck(item) }
        }
        if removal.release != nil {
            let outcome = try await uninstall(service, on: cluster, step: step, remaining: tools.now().age(of: end) * -1)
            guard case .succeeded = outcome else { return outcome }
        }
        for item in removal.items where item.part != .resource {
            // What Helm removed is gone by now; a namespace that others moved into stays.
            if item.part == .namespace, let others = try await tenants(of: item.name, client) {
                return .failed("namespace \(item.name) still holds \(others); it stays")
            }
            if removal.release != nil, item.part == .object { continue }
            try await client.delete(item.path, uid: item.uid)
        }
        for item in removal.items {
            guard try await isGone(item, client, before: end) else { return Self.stuck(item) }
        }
        return .succeeded("\(removal.items.count) objects removed")
    }

    private func uninstall(
        _ service: MeshSpec.Service, on cluster: MeshSpec.Cluster, step: StepID, remaining: Duration
    ) async throws -> Outcome {
        let result = try await HelmOperation(tools: tools, release: service.release, namespace: service.home).run(on: [cluster]) {
            try await tools.run(
                "helm",
                [
                    "uninstall", service.release, "--namespace", service.home, "--kube-context", cluster.context, "--kubeconfig",
                    tools.kubeconfig, "--wait", "--timeout", "\(max(30, remaining.components.seconds - 10))s",
                ], step: step, deadline: max(.seconds(40), remaining))
        }
        return Outcome(result, command: "helm uninstall", done: "uninstalled")
    }

    /// Another object of the same name is not this one.
    private func isGone(_ item: ServiceRemoval.Item, _ client: KubernetesClient, before end: Moment) async throws -> Bool {
        while true {
            guard try await client.get(item.path)?["metadata", "uid"]?.string == item.uid else { return true }
            guard tools.now().boot < end.boot else { return false }
            try await ContinuousClock().sleep(for: .milliseconds(200))
        }
    }

    private static func stuck(_ item: ServiceRemoval.Item) -> Outcome {
        .failed("\(item) does not go away: a finalizer waits for something; look at its status, and run this again")
    }

    /// What somebody runs or keeps in a namespace, in words; `nil` when there is nothing.
    private func tenants(of namespace: String, _ client: KubernetesClient) async throws -> String? {
        for collection in ["apps/v1:deployments", "apps/v1:daemonsets", "apps/v1:statefulsets", "v1:persistentvolumeclaims"] {
            let parts = collection.split(separator: ":")
            let group = parts[0] == "v1" ? "/api/v1" : "/apis/\(parts[0])"
            let items = try await client.list("\(group)/namespaces/\(namespace)/\(parts[1])")
            if let first = items.first?["metadata", "name"]?.string { return "\(parts[1]) \(first)" }
        }
        return nil
    }
}

/// Where objects of a kind are kept, by the API server's own discovery.
struct ResourcePaths: Sendable {
    let client: KubernetesClient

    /// `nil` when the server does not serve the kind.
    func path(of object: ServiceMark.Object) async throws -> String? {
        let group = object.apiVersion.contains("/") ? "/apis/" + object.apiVersion : "/api/" + object.apiVersion
        // Sub-resources have a slash in their name.
        let resource = try await client.get(group)?["resources"]?.list.first {
            $0["kind"]?.string == object.kind && $0["name"]?.string?.contains("/") == false
        }
        guard let plural = resource?["name"]?.string else { return nil }
        let namespace = resource?["namespaced"]?.bool == true ? "/namespaces/\(object.namespace ?? "default")" : ""
        return "\(group)\(namespace)/\(plural)/\(object.name)"
    }
}
