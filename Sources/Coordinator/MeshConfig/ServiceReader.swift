// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// One item of `spec.services`: where it comes from, and for which clusters.
struct ServiceReader {
    let log: FaultLog
    let clusters: NameBook
    /// What `clusters: all` stands for.
    let all: [ClusterName]

    private static let keys = [
        "name", "chart", "manifest", "playbook", "terraform", "clusters", "namespace", "values", "secretValues", "sha256", "venv",
        "egress",
    ]
    private static let sources = ["chart", "manifest", "playbook", "terraform"]

    func read(_ item: YAMLTree, _ index: Int) -> MeshSpec.Service? {
        guard let section = Section(item, item.title("service", index), keys: Self.keys, log: log) else { return nil }
        let name = section.required("name", .name)
        let source = readSource(section, known: name.flatMap(ServiceCatalogue.service))
        let targets = readTargets(section)
        guard let name, let source else { return nil }
        var service = MeshSpec.Service(name: name, source: source, clusters: targets)
        readDetails(section, into: &service)
        return service
    }

    private func readSource(_ service: Section, known: CatalogueService?) -> MeshSpec.Service.Source? {
        let given = Self.sources.filter(service.has)
        if given.isEmpty, let known { return readDefault(service, known) }
        guard given.count == 1 else {
            let problem = given.isEmpty ? "has no source" : "has more than one source (\(given.joined(separator: ", ")))"
            let hint = given.isEmpty ? unknownName(service) : ""
            log.add(service.place, "\(service.title) \(problem); it wants one of chart, manifest, playbook or terraform\(hint)")
            return nil
        }
        if given == ["manifest"] { return service.required("manifest", .text).map { .manifest(path: $0) } }
        if given == ["playbook"] { return service.required("playbook", .text).map { .playbook(path: $0) } }
        if given == ["terraform"] { return readPhase(service, known) }
        guard let chart = service.section("chart", keys: ["repo", "name", "version"]) else { return nil }
        var origin: (repository: String, name: String)?
        if case .chart(let repository, let name, _)? = known?.origin { origin = (repository, name) }
        let repository = origin == nil ? chart.required("repo", .text) : chart.optional("repo", .text) ?? origin?.repository
        let name = origin == nil ? chart.required("name", .text) : chart.optional("name", .text) ?? origin?.name
        guard let version = chart.required("version", .text), let repository, let name else { return nil }
        return .chart(repository: repository, name: name, version: version)
    }

    private func readPhase(_ service: Section, _ known: CatalogueService?) -> MeshSpec.Service.Source? {
        guard let section = service.section("terraform", keys: ["phase"]) else { return nil }
        if known?.origin == .builtIn {
            log.add(section.place, "\(service.title) is what Meshgate itself brings; \"terraform\" means nothing for it")
            return nil
        }
        return section.required("phase", .name).map { .terraform(phase: $0) }
    }

    /// What the catalogue says is written into the spec, so that a plan means the same for ever.
    private func readDefault(_ service: Section, _ known: CatalogueService) -> MeshSpec.Service.Source? {
        if let source = known.source { return source }
        switch known.origin {
        case .manifest(let published):
            log.add(service.place, "\(service.title) wants a manifest and its sha256; it is published at \(published)")
        case .chart(let repository, let name, _):
            log.add(
                service.place,
                "\(service.title) wants a version: chart: { version: ... } of \(name) in \(repository); no release is known here to be right"
            )
        case .builtIn: break
        }
        return nil
    }

    private func unknownName(_ service: Section) -> String {
        guard case .scalar(let name, _)? = service.value("name")?.content, log.wantsSuggestions else { return "" }
        return suggestion(nearest(name, of: ServiceCatalogue.all.map(\.name)))
    }

    private func readDetails(_ section: Section, into service: inout MeshSpec.Service) {
        service.namespace = section.optional("namespace", .name)
        service.sha256 = section.optional("sha256", Form<Digest>.sha256)
        service.virtualEnvironment = section.optional("venv", .text)
        service.egress = section.list("egress", Form<HostPattern>.value)
        if let values = section.value("values") { service.values = HelmValueReader(log: log).readMap(values, title: section.title) }
        if let secrets = section.value("secretValues") { service.secretValues = readSecrets(secrets, section) }
        switch service.source {
        case .chart: unwanted(["venv"], section, "a chart")
        case .manifest: unwanted(["venv", "values", "secretValues"], section, "a manifest")
        case .playbook: unwanted(["sha256", "namespace"], section, "a playbook")
        case .terraform: unwanted(["venv", "values", "secretValues", "sha256"], section, "a phase of Terraform")
        case .builtIn: unwanted(["venv", "values", "secretValues", "sha256", "namespace"], section, "what Meshgate itself brings")
        }
    }

    private func unwanted(_ keys: [String], _ section: Section, _ what: String) {
        for key in keys where section.has(key) {
            log.add(section.place(of: key), "\(quoted(key)) of \(section.title) means nothing for \(what)")
        }
    }

    private func readSecrets(_ tree: YAMLTree, _ service: Section) -> [String: MeshSpec.Service.SecretReference] {
        let title = "\"secretValues\" of \(service.title)"
        guard case .map(let entries) = tree.content else {
            log.add(tree.place, "\(title) wants a map of keys, each { env: VARIABLE } or { file: PATH }, not \(tree.kindInWords)")
            return [:]
        }
        var result: [String: MeshSpec.Service.SecretReference] = [:]
        for entry in entries { result[entry.key] = readSecretReference(entry.value, "\(quoted(entry.key)) in \(title)", log: log) }
        return result
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

/// Where a secret is read. One that was written here by mistake is not repeated in the message.
func readSecretReference(_ tree: YAMLTree, _ title: String, log: FaultLog) -> MeshSpec.Service.SecretReference? {
    guard case .map = tree.content else {
        log.add(tree.place, "\(title) wants { env: VARIABLE } or { file: PATH }; the secret itself stands nowhere")
        return nil
    }
    guard let place = Section(tree, title, keys: ["env", "file"], log: log) else { return nil }
    switch (place.optional("env", .text), place.optional("file", .text)) {
    case (let variable?, nil): return .environment(variable: variable)
    case (nil, let file?): return .file(path: file)
    default:
        log.add(tree.place, "\(title) wants one of env or file; the secret itself stands nowhere")
        return nil
    }
}

extension Form where Value == Digest {
    fileprivate static var sha256: Self {
        Form(wanted: "a SHA-256 of 64 hexadecimal digits") { text, _ in Digest(hex: text.lowercased()) }
    }
}
