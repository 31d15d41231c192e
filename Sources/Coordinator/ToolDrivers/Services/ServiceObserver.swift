// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshModel
import MeshTrust

/// Looks at the services of a plan on one cluster: what they answer, whether they are as planned, and whose they are.
struct ServiceObserver: Sendable {
    let tools: Toolbox
    let client: KubernetesClient
    let cluster: MeshSpec.Cluster
    /// The nodes that are registered with the cluster.
    let nodes: [String]
    /// What Helm has installed, read once for all services.
    let releases: [String: HelmReleases.Newest]
    /// The build whose proofs count.
    let plan: Digest

    /// Asked a few at a time: each answer is a round trip or two, and an API server has other work.
    private static let atOnce = 4

    func observe(_ services: [MeshSpec.Service]) async throws -> [String: ServiceFact] {
        let isWatched = services.contains(where: \.isWatchedForEgress)
        // What cannot be read is not known, and keeps nobody from seeing the rest.
        let egress = isWatched ? try? await EgressObserver(client: client, cluster: cluster, services: services) : nil
        return try await withThrowingTaskGroup(of: (String, ServiceFact).self) { group in
            var seen: [String: ServiceFact] = [:]
            for (index, service) in services.enumerated() {
                if index >= Self.atOnce, let (name, fact) = try await group.next() { seen[name] = fact }
                group.addTask { (service.name, try await observe(service, egress)) }
            }
            for try await (name, fact) in group { seen[name] = fact }
            return seen
        }
    }

    private func observe(_ service: MeshSpec.Service, _ egress: EgressObserver?) async throws -> ServiceFact {
        let mark = try await ServiceMark.read(service.name, client)
        var fact = try await observe(service, mark)
        if service.isWatchedForEgress { fact.egress = try? await egress?.look(service, mark) }
        return fact
    }

    private func observe(_ service: MeshSpec.Service, _ mark: ServiceMark?) async throws -> ServiceFact {
        let workloads = try await workloads(of: service)
        let owners = self.owners(of: service, workloads, mark)
        let differences = try? await differences(of: service, mark)
        let here = workloads.filter { $0.json["metadata", "namespace"]?.string == service.home }
        if let missing = (service.known?.workloads ?? []).first(where: { wanted in !here.contains { $0.workload == wanted } }) {
            return ServiceFact(
                works: false, detail: "\(missing.kind.rawValue) \(service.home)/\(missing.name) is not there", differences: differences,
                owners: owners)
        }
        if let unready = here.first(where: { !Self.isReady($0.json, $0.workload.kind) }) {
            return ServiceFact(
                works: false, detail: "\(unready.workload.kind.rawValue) \(service.home)/\(unready.workload.name) is not ready",
                differences: differences, owners: owners)
        }
        if service.known?.probe == .policyProof {
            let (works, detail) = try policies()
            return ServiceFact(works: works, detail: detail, differences: differences, owners: owners)
        }
        let (works, detail) = try await ServiceProbe(client: client, nodes: nodes, home: service.home).ask(service.known?.probe)
        return ServiceFact(works: works, detail: detail, differences: differences, owners: owners)
    }

    /// What the last proof found, when it ran for this plan.
    private func policies() throws -> (Bool, String) {
        guard let problems = try PolicyReport(tools: tools, cluster: cluster.name).problems(plan: plan) else {
            return (false, "no proof has run for this plan yet")
        }
        return problems.isEmpty ? (true, "policies allow and deny what they should") : (false, problems.joined(separator: "; "))
    }

    private typealias Found = (workload: CatalogueService.Workload, json: HelmValue)

    /// Of that kind and name in any namespace: a second owner rarely takes the same one.
    private func workloads(of service: MeshSpec.Service) async throws -> [Found] {
        var found: [Found] = []
        for workload in service.known?.workloads ?? [] {
            let path = "/apis/apps/v1/\(workload.kind.rawValue)?fieldSelector=metadata.name%3D\(workload.name)"
            found += try await client.list(path).map { (workload, $0) }
        }
        return found
    }

    // MARK: whose

    /// Of the landmark alone: everything else follows it.
    private func owners(of service: MeshSpec.Service, _ found: [Found], _ mark: ServiceMark?) -> [ServiceFact.Owner] {
        // Of what Terraform made its state is the record, and no gate asks.
        guard service.phase == nil, let landmark = service.known?.workloads.first else { return [] }
        return found.filter { $0.workload == landmark }.map { item in
            let metadata = item.json["metadata"]
            let namespace = metadata?["namespace"]?.string ?? ""
            let (owner, isOurs) = owner(of: metadata ?? .null, service, mark)
            return ServiceFact.Owner(workload: "\(namespace)/\(landmark.kind.rawValue)/\(landmark.name)", owner: owner, isOurs: isOurs)
        }
    }

    private func owner(of metadata: HelmValue, _ service: MeshSpec.Service, _ mark: ServiceMark?) -> (String, Bool) {
        let helm = metadata["annotations", "meta.helm.sh/release-name"]?.string.map { name in
            (metadata["annotations", "meta.helm.sh/release-namespace"]?.string ?? "") + "/" + name
        }
        // A playbook's objects have whichever owner it gives them; that it was played here is all that can be known.
        if case .playbook = service.source, mark != nil { return ("the playbook", true) }
        if let helm {
            let isReleased = service.release == "cilium" || Self.isChart(service)
            return ("Helm release \(helm)", isReleased && helm == service.home + "/" + service.release)
        }
        let uid = metadata["uid"]?.string ?? ""
        let managers = Set((metadata["managedFields"]?.list ?? []).compactMap { $0["manager"]?.string })
        let isOurs = mark?.objects.contains { $0.uid == uid } == true || managers.contains(ServiceMark.manager(service.name))
        return (managers.isEmpty ? "somebody else" : managers.sorted().joined(separator: ", "), isOurs && !Self.isChart(service))
    }

    private static func isChart(_ service: MeshSpec.Service) -> Bool { if case .chart = service.source { true } else { false } }

    // MARK: as planned

    /// Throws where it cannot be told: a secret that cannot be read, say.
    private func differences(of service: MeshSpec.Service, _ mark: ServiceMark?) async throws -> [String] {
        switch service.source {
        case .chart:
            guard let installed = releases[service.home + "/" + service.release]?.values else { return [] }
            return ServiceValues.differences(
                planned: .map(try ServiceValues(service: service, tools: tools).complete()), installed: installed)
        case .manifest(let path):
            guard let mark else { return [] }
            let wanted: String
            if let digest = service.sha256 {
                wanted = digest.hex
            } else {
                wanted = Digest.sha256(try await PinnedSource(tools: tools).bytes(of: path, pinnedTo: nil)).hex
            }
            return mark.content == wanted ? [] : ["another content of \(path) was applied"]
        case .playbook(let path):
            guard let mark else { return [] }
            return try PlaybookDriver.content(service, path, tools: tools) == mark.content ? [] : ["another content of \(path) was played"]
        // Its own plan tells.
        case .terraform: return []
        case .builtIn:
            guard service.known?.probe == .policyProof, let mark else { return [] }
            let wanted = Digest.sha256(try StarWars.manifest(clusters: service.clusters)).hex
            return mark.content == wanted ? [] : ["another content was applied"]
        }
    }

    // MARK: ready

    private static func isReady(_ json: HelmValue, _ kind: CatalogueService.Workload.Kind) -> Bool {
        let status = json["status"]
        func count(_ key: String) -> Int { status?[key]?.integer ?? 0 }
        // Figures of an earlier generation speak of pods that are about to go.
        guard count("observedGeneration") >= json["metadata", "generation"]?.integer ?? 0 else { return false }
        switch kind {
        case .deployments, .statefulsets:
            let wanted = json["spec", "replicas"]?.integer ?? 1
            return count("readyReplicas") >= wanted && count("updatedReplicas") >= wanted
        case .daemonsets:
            let wanted = count("desiredNumberScheduled")
            return wanted > 0 && count("numberReady") >= wanted && count("updatedNumberScheduled") >= wanted
        }
    }
}
