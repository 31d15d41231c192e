// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// One item of `spec.services`: where it comes from, and for which clusters.
struct ServiceReader {
    let log: FaultLog
    let clusters: NameBook
    /// What `clusters: all` stands for.
    let all: [ClusterName]

    func read(_ item: YAMLTree, _ index: Int) -> MeshSpec.Service? {
        let keys = ["name", "chart", "manifest", "playbook", "clusters"]
        guard let section = Section(item, item.title("service", index), keys: keys, log: log) else { return nil }
        let name = section.required("name", .name)
        let source = readSource(section)
        let targets = readTargets(section)
        guard let name, let source else { return nil }
        return MeshSpec.Service(name: name, source: source, clusters: targets)
    }

    private func readSource(_ service: Section) -> MeshSpec.Service.Source? {
        let given = ["chart", "manifest", "playbook"].filter(service.has)
        guard given.count == 1 else {
            let problem = given.isEmpty ? "has no source" : "has more than one source (\(given.joined(separator: ", ")))"
            log.add(service.place, "\(service.title) \(problem); it wants one of chart, manifest or playbook")
            return nil
        }
        if given == ["manifest"] { return service.required("manifest", .text).map { .manifest(path: $0) } }
        if given == ["playbook"] { return service.required("playbook", .text).map { .playbook(path: $0) } }
        guard let chart = service.section("chart", keys: ["repo", "name", "version"]) else { return nil }
        let (repository, name) = (chart.required("repo", .text), chart.required("name", .text))
        guard let version = chart.required("version", .text), let repository, let name else { return nil }
        return .chart(repository: repository, name: name, version: version)
    }

    private func readTargets(_ service: Section) -> [ClusterName] {
        guard let value = service.value("clusters") else { return all }
        if case .scalar("all", _) = value.content { return all }
        guard case .list(let items) = value.content else {
            log.add(value.place, "\"clusters\" of \(service.title) wants all or a list of cluster names, not \(value.kindInWords)")
            return []
        }
        var seen: Set<String> = []
        for case (let item, .scalar(let name, _)) in items.map({ ($0, $0.content) }) {
            clusters.check(name, at: item.place, from: service.title, log: log)
            if !seen.insert(name).inserted { log.add(item.place, "\(service.title) names the cluster \(quoted(name)) twice") }
        }
        return service.list("clusters", Form<ClusterName>.id) ?? []
    }
}
