// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem

/// Looks at the machines of one Talos cluster. Only resources without secrets are asked for; the machine configuration is not among them.
///
/// Resources are read as `get KIND -o json` prints them, one JSON object after the other with the asked address under `node`
/// (siderolabs/talos v1.11.3, cmd/talosctl/cmd/talos/output/json.go). Their forms: pkg/machinery/resources/runtime/{version, extension_status,
/// machine_status, diagnostic}.go and pkg/machinery/resources/k8s/{kubeprism, manifests_config}.go.
struct TalosObserver: Sendable {
    private let control: Talosctl
    private var cluster: MeshSpec.Cluster { control.cluster }

    init(tools: Toolbox, cluster: MeshSpec.Cluster) { control = Talosctl(tools: tools, cluster: cluster) }

    /// One fact for each machine of the cluster.
    func observe() async -> [Fact] {
        let nodes = cluster.nodes
        let controlPlanes = nodes.filter { $0.role == .controlPlane }
        async let versions = answers("versions", nodes)
        async let extensions = answers("extensions", nodes)
        async let stages = answers("machinestatus", nodes)
        async let diagnostics = answers("diagnostics", nodes)
        async let prisms = answers("kubeprismstatuses", nodes)
        async let manifests = answers("bootstrapmanifestsconfigs", controlPlanes)
        async let members = etcd(of: controlPlanes)
        let resources = Resources(
            versions: await versions, extensions: await extensions, stages: await stages, diagnostics: await diagnostics,
            prisms: await prisms, manifests: await manifests, etcd: await members)
        return nodes.map { node in .talos(TalosFact(node: node.name, answer: answer(node, resources))) }
    }

    /// What etcd is on each of these control planes, or why it could not be seen.
    func etcd(of nodes: [MeshSpec.Node]) async -> [NodeID: Result<EtcdFact, TalosSilence>] {
        let observer = EtcdObserver(control: control)
        return await withTaskGroup(of: (NodeID, Result<EtcdFact, TalosSilence>).self) { group in
            for node in nodes { group.addTask { (node.name, await observer.observe(node)) } }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }

    // MARK: resources

    /// All that was asked, by what it is about.
    private struct Resources {
        typealias Answers = [NodeID: Result<[HelmValue], TalosSilence>]
        var versions: Answers
        var extensions: Answers
        var stages: Answers
        var diagnostics: Answers
        var prisms: Answers
        var manifests: Answers
        var etcd: [NodeID: Result<EtcdFact, TalosSilence>]
    }

    private func answer(_ node: MeshSpec.Node, _ all: Resources) -> TalosFact.Answer {
        func take<Value>(_ answers: [NodeID: Result<Value, TalosSilence>]) throws(TalosSilence) -> Value {
            guard let answer = answers[node.name] else { throw TalosSilence("it was not asked") }
            return try answer.get()
        }
        do throws(TalosSilence) {
            let reading = TalosReading(node: node.name)
            var machine = try reading.machine(version: take(all.versions), stage: take(all.stages))
            (machine.schematic, machine.extensions) = try reading.extensions(take(all.extensions))
            machine.diagnostics = try reading.diagnostics(take(all.diagnostics))
            machine.kubePrism = try reading.kubePrism(take(all.prisms))
            if node.role == .controlPlane {
                machine.manifests = try reading.manifests(take(all.manifests))
                machine.etcd = try take(all.etcd)
            }
            return .machine(machine)
        } catch {
            return .silent(error.description)
        }
    }

    /// The resources of one kind on each node. All nodes are asked at once; when that does not succeed for all, each is asked for itself, so
    /// that one that is down hides no other.
    private func answers(_ kind: String, _ nodes: [MeshSpec.Node]) async -> Resources.Answers {
        guard !nodes.isEmpty else { return [:] }
        if case .success(let objects) = await get(kind, nodes) {
            var answers: Resources.Answers = Dictionary(
                nodes.map { ($0.name, .success([])) }, uniquingKeysWith: { first, _ in first })
            let names = Dictionary(nodes.map { ($0.address.description, $0.name) }, uniquingKeysWith: { first, _ in first })
            let owned = objects.compactMap { object in object["node"]?.string.flatMap { names[$0] }.map { ($0, object) } }
            if owned.count == objects.count {
                for (name, object) in owned { answers[name] = answers[name]?.map { $0 + [object] } }
                return answers
            }
        }
        return await withTaskGroup(of: (NodeID, Result<[HelmValue], TalosSilence>).self) { group in
            for node in nodes { group.addTask { (node.name, await get(kind, [node])) } }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }

    private func get(_ kind: String, _ nodes: [MeshSpec.Node]) async -> Result<[HelmValue], TalosSilence> {
        do {
            let result = try await control.look(nodes, ["get", kind, "-o", "json"])
            guard result.succeeded else { return .failure(TalosSilence(result)) }
            guard result.droppedBytes == 0 else { return .failure(TalosSilence("its \(kind) are longer than is read")) }
            return .success(
                try JSONSequence.objects(in: result.standardOutput).enumerated().map { index, bytes in
                    guard let value = JSON.decode(bytes), value.isMap else {
                        throw TalosSilence("object \(index + 1) of its \(kind) is no JSON")
                    }
                    return value
                })
        } catch {
            return .failure(TalosSilence("\(error)"))
        }
    }
}

/// From resources to facts. What is missing is said; nothing is assumed.
struct TalosReading: Sendable {
    let node: NodeID

    func machine(version: [HelmValue], stage: [HelmValue]) throws(TalosSilence) -> TalosMachine {
        guard let release = version.first?["spec", "version"]?.string, !release.isEmpty else {
            throw TalosSilence("it does not tell its version")
        }
        guard let status = stage.first?["spec"], let word = status["stage"]?.string else {
            throw TalosSilence("it does not tell its stage")
        }
        let unmet = (status["status", "unmetConditions"]?.list ?? []).map { condition in
            TalosMachine.Condition(
                name: shortened(condition["name"]?.string ?? "?"), reason: shortened(condition["reason"]?.string ?? "no reason given"))
        }
        return TalosMachine(
            version: shortened(release), stage: shortened(word), ready: status["status", "ready"]?.bool ?? false, unmet: unmet)
    }

    /// The schematic of the Image Factory is an extension without files whose version is its id (siderolabs/image-factory,
    /// internal/schematic). `spec` is an extensions.Layer: image and metadata (pkg/machinery/extensions/config.go).
    func extensions(_ resources: [HelmValue]) throws(TalosSilence) -> (schematic: String?, extensions: [TalosMachine.Extension]) {
        var found: [TalosMachine.Extension] = []
        for resource in resources {
            guard let metadata = resource["spec", "metadata"], let name = metadata["name"]?.string else {
                throw TalosSilence("one of its extensions has no name")
            }
            found.append(.init(name: shortened(name), version: shortened(metadata["version"]?.string ?? "")))
        }
        let schematic = found.first { $0.name == "schematic" }?.version
        // Talos lists the kernel modules' index among them, which no image is asked for.
        let others = found.filter { $0.name != "schematic" && $0.name != "modules.dep" }
        return (schematic, others.sorted { ($0.name, $0.version) < ($1.name, $1.version) })
    }

    func diagnostics(_ resources: [HelmValue]) -> [TalosMachine.Diagnostic] {
        resources.map { resource in
            TalosMachine.Diagnostic(
                id: shortened(resource["metadata", "id"]?.string ?? "?"), message: shortened(resource["spec", "message"]?.string ?? ""))
        }.sorted { $0.id < $1.id }
    }

    func kubePrism(_ resources: [HelmValue]) -> TalosMachine.KubePrism? {
        resources.first.flatMap { resource in
            resource["spec", "host"]?.string.map { .init(endpoint: shortened($0), healthy: resource["spec", "healthy"]?.bool ?? false) }
        }
    }

    func manifests(_ resources: [HelmValue]) throws(TalosSilence) -> TalosMachine.Manifests {
        guard let spec = resources.first?["spec"], let proxy = spec["proxyEnabled"]?.bool, let flannel = spec["flannelEnabled"]?.bool else {
            throw TalosSilence("it does not show which manifests it brings")
        }
        let cni = spec["cniName"]?.string.flatMap { $0.isEmpty ? nil : shortened($0) }
        return .init(proxyEnabled: proxy, flannelEnabled: flannel, cni: cni)
    }

    /// Facts are journaled; nothing that a machine says may fill the disk.
    private func shortened(_ text: String) -> String { text.count > 300 ? String(text.prefix(300)) + "…" : text }
}
