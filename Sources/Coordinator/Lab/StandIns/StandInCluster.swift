// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// One stand-in cluster: the objects, the API that reads and changes them, and the little life that makes them ready.
actor StandInCluster {
    let seed: LabSeed
    /// `world/CLUSTER`.
    let directory: String
    var store: StandInStore
    /// When what is wanted of an object was last changed; see `StandInCluster+Life`.
    var changes: [StandInPath: Change] = [:]
    /// The machines under the cluster.
    var talos: StandInMachines

    init(directory: String) throws {
        self.directory = directory
        seed = try LabSeed.load(directory)
        store = try StandInStore(directory: directory + "/objects")
        talos = try StandInMachines(directory: directory, seed: seed, faults: StandInFaults.load(directory))
        if store.objects.isEmpty {
            store = try Self.seeded(store, with: seed, faults: StandInFaults.load(directory))
        }
    }

    func answer(_ question: StandInQuestion, faults: StandInFaults) throws -> StandInAnswer {
        do {
            try live(faults)
            let answer = try handle(question, faults)
            if question.method != "GET" { try live(faults) }
            return answer
        } catch let refusal as StandInRefusal {
            return .refusal(refusal)
        }
    }

    private func handle(_ question: StandInQuestion, _ faults: StandInFaults) throws -> StandInAnswer {
        if let fixed = wellKnown(question.path) ?? beyondObjects(question) { return fixed }
        if question.path.hasPrefix(StandInMachines.path) { return try machines(question, faults) }
        guard let path = StandInPath(question.path), serves(path) else { throw StandInRefusal.noSuchResource }
        switch (question.method, path.name) {
        case ("GET", nil): return StandInAnswer(status: 200, json: try list(path, question.query))
        case ("GET", _):
            guard let object = store[path] else { throw StandInRefusal.notFound(path) }
            return StandInAnswer(status: 200, json: object)
        case ("POST", nil): return StandInAnswer(status: 201, json: try create(body(question), in: path))
        case ("PUT", .some): return StandInAnswer(status: 200, json: try replace(body(question), at: path))
        case ("PATCH", .some): return try patch(question, at: path)
        case ("DELETE", .some):
            guard let object = store[path] else { throw StandInRefusal.notFound(path) }
            let wanted = StandInJSON.decode(question.body)?["preconditions", "uid"]?.text
            guard wanted == nil || wanted == object["metadata", "uid"]?.text else { throw StandInRefusal.changed(path) }
            try store.remove(path)
            return StandInAnswer(status: 200, json: ["kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Success"])
        default: throw StandInRefusal.notAllowed(question.method)
        }
    }

    private func wellKnown(_ path: String) -> StandInAnswer? {
        switch path {
        case "/readyz", "/livez", "/healthz": StandInAnswer(status: 200, json: "ok")
        case "/version":
            StandInAnswer(status: 200, json: ["major": "1", "minor": "34", "gitVersion": "v1.34.1", "platform": "meshgate-lab/stand-in"])
        case "/api": StandInAnswer(status: 200, json: ["kind": "APIVersions", "versions": ["v1"]])
        case "/apis":
            StandInAnswer(
                status: 200,
                json: [
                    "kind": "APIGroupList", "apiVersion": "v1",
                    "groups": .list(
                        StandInKinds.groups.sorted().compactMap { group in
                            group.split(separator: "/").dropFirst().dropLast().first.map { ["name": .string(String($0))] }
                        }),
                ])
        default: nil
        }
    }

    /// Built-in groups are always served, others once their definition is there.
    private func serves(_ path: StandInPath) -> Bool {
        if StandInKinds.groups.contains(path.group) { return true }
        return store[StandInPath.definitions.named(path.fullResource)] != nil
    }

    private func body(_ question: StandInQuestion) throws -> HelmValue {
        guard let object = StandInJSON.decode(question.body), case .map = object else {
            throw StandInRefusal.bad("the object provided is unrecognized: it is not JSON")
        }
        return object
    }

    private func create(_ object: HelmValue, in collection: StandInPath) throws -> HelmValue {
        guard let name = object["metadata", "name"]?.text, !name.isEmpty, !name.contains("/") else {
            throw StandInRefusal.invalid(collection, "metadata.name: Required value: name or generateName is required")
        }
        let path = collection.named(name)
        guard store[path] == nil else { throw StandInRefusal.exists(path) }
        return try admit(object, at: path)
    }

    private func replace(_ object: HelmValue, at path: StandInPath) throws -> HelmValue {
        guard let old = store[path] else { throw StandInRefusal.notFound(path) }
        if let wanted = object["metadata", "resourceVersion"], wanted != old["metadata", "resourceVersion"] {
            throw StandInRefusal.changed(path)
        }
        var new = object
        if new["status"] == nil { new["status"] = old["status"] }
        return try admit(new, at: path)
    }

    /// Server-side apply is a merge here: who owns a field is not kept, so nothing that an applier leaves out is removed.
    private func patch(_ question: StandInQuestion, at path: StandInPath) throws -> StandInAnswer {
        let patch = try body(question)
        let old = store[path]
        switch question.contentType.split(separator: ";").first ?? "" {
        case "application/apply-patch+yaml":
            guard question.query["fieldManager"]?.isEmpty == false else {
                throw StandInRefusal.bad(
                    "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch")
            }
            let merged = managed((old ?? .map([:])).merged(with: patch), by: question.query["fieldManager"] ?? "")
            return StandInAnswer(status: old == nil ? 201 : 200, json: try admit(merged, at: path))
        case "application/merge-patch+json", "application/strategic-merge-patch+json":
            guard let old else { throw StandInRefusal.notFound(path) }
            return StandInAnswer(status: 200, json: try admit(old.merged(with: patch, nullRemoves: true), at: path))
        default: throw StandInRefusal.mediaType
        }
    }

    /// Notes who applied; of which fields is not kept.
    private func managed(_ object: HelmValue, by manager: String) -> HelmValue {
        var object = object
        let entries = object["metadata", "managedFields"]?.elements ?? []
        if !entries.contains(where: { $0["manager"]?.text == manager }) {
            object["metadata", "managedFields"] = .list(entries + [["manager": .string(manager), "operation": "Apply"]])
        }
        return object
    }

    /// What a real server checks of every object, and of NodePorts.
    private func admit(_ object: HelmValue, at path: StandInPath) throws -> HelmValue {
        guard object["kind"]?.text != nil, let version = object["apiVersion"]?.text else {
            throw StandInRefusal.bad("Object 'Kind' or 'apiVersion' is missing")
        }
        guard version == path.apiVersion else {
            throw StandInRefusal.bad(
                "the API version in the data (\(version)) does not match the expected API version (\(path.apiVersion))")
        }
        if let name = object["metadata", "name"]?.text, name != path.name {
            throw StandInRefusal.bad("the name of the object (\(name)) does not match the name on the URL (\(path.name ?? ""))")
        }
        if let namespace = path.namespace, store[.namespace(namespace)] == nil { throw StandInRefusal.notFound(.namespace(namespace)) }
        if path.resource == "services" { try checkNodePorts(object, at: path) }
        return try store.save(object, at: path)
    }

    private func checkNodePorts(_ service: HelmValue, at path: StandInPath) throws {
        func ports(_ object: HelmValue) -> [Int] { (object["spec", "ports"]?.elements ?? []).compactMap { $0["nodePort"]?.number } }
        let wanted = ports(service)
        if let port = wanted.first(where: { !(30000...32767).contains($0) }) {
            throw StandInRefusal.invalid(
                path,
                "spec.ports[0].nodePort: Invalid value: \(port): provided port is not in the valid range. The range of valid ports is 30000-32767"
            )
        }
        let services = StandInPath(group: "api/v1", resource: "services")
        for (other, object) in store.list(services) where other != path {
            if let port = ports(object).first(where: wanted.contains) {
                throw StandInRefusal.invalid(path, "spec.ports[0].nodePort: Invalid value: \(port): provided port is already allocated")
            }
        }
    }
}
