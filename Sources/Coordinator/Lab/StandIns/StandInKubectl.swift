// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// The stand-in kubectl: apply, get, delete and version. Manifests are JSON files, and it opens no connection but to a stand-in API server.
struct StandInKubectl: Sendable {
    private let call: StandInCall
    private let arguments: StandInArguments

    init(_ call: StandInCall) throws {
        self.call = call
        // What comes after `--` is another program's.
        arguments = try StandInArguments(
            call.arguments.split(separator: "--", maxSplits: 1).first.map(Array.init) ?? [],
            valued: ["--kubeconfig", "--context", "--namespace", "--filename", "--output", "--field-manager", "--selector"],
            switches: ["--server-side", "--force-conflicts", "--all-namespaces", "--ignore-not-found", "--client", "--help", "--wait"],
            short: [
                "-n": "--namespace", "-f": "--filename", "-o": "--output", "-A": "--all-namespaces", "-l": "--selector", "-h": "--help",
            ])
    }

    func run() async throws {
        if arguments.has("--help") || arguments.words.isEmpty {
            return call.say("The stand-in kubectl of the Meshgate Lab: apply -f FILE, get KIND [NAME], delete KIND NAME, version.")
        }
        if arguments.words == ["version"], arguments.has("--client") {
            return call.say("Client Version: stand-in of the Meshgate Lab, as v1.34.1")
        }
        let client = try await call.client(kubeconfig: arguments["--kubeconfig"], context: arguments["--context"])
        switch arguments.words.first {
        case "apply": try await apply(client)
        case "get": try await get(client)
        case "delete": try await delete(client)
        case "exec": try await StandInExec(call, client).run(words: arguments.words, namespace: arguments["--namespace"] ?? "default")
        case "version": call.say("Client Version: stand-in of the Meshgate Lab, as v1.34.1\nServer Version: v1.34.1")
        default: throw StandInFailure.plain("error: unknown command \"\(arguments.words[0])\" for \"kubectl\"")
        }
    }

    private func apply(_ client: StandInClient) async throws {
        guard let source = arguments["--filename"] else { throw StandInFailure.plain("error: must specify one of -f and -k") }
        var applied: [HelmValue] = []
        for object in try manifest(source) {
            guard let version = object["apiVersion"]?.text, let kind = object["kind"]?.text, let name = object["metadata", "name"]?.text
            else {
                throw StandInFailure.plain("error: error validating \"\(source)\": apiVersion, kind or metadata.name not set")
            }
            let path = StandInKinds.path(
                apiVersion: version, kind: kind, namespace: object["metadata", "namespace"]?.text ?? arguments["--namespace"], name: name)
            let (made, isNew) = try await client.applied(object, at: path, manager: arguments["--field-manager"] ?? "kubectl")
            applied.append(made)
            if arguments["--output"] == "json" { continue }
            let group = path.fullResource.dropFirst(path.resource.count)
            let verb = arguments.has("--server-side") ? "serverside-applied" : isNew ? "created" : "configured"
            call.say("\(kind.lowercased())\(group)/\(name) \(verb)")
        }
        guard arguments["--output"] == "json" else { return }
        // As the real one: a List only of several.
        let list: HelmValue = ["apiVersion": "v1", "kind": "List", "items": .list(applied)]
        call.say(try StandInJSON.encode(applied.count == 1 ? applied[0] : list, pretty: true))
    }

    /// Several objects stand in a `List`.
    private func manifest(_ source: String) throws -> [HelmValue] {
        if source.contains("://") {
            throw StandInFailure.plain("error: unable to read URL \"\(source)\": the stand-in kubectl has no network")
        }
        guard let bytes = LabFiles.bytes(call.absolute(source), limit: 16 << 20) else {
            throw StandInFailure.plain("error: the path \"\(source)\" does not exist")
        }
        guard let tree = StandInJSON.decode(bytes) else {
            let documents = String(decoding: bytes, as: UTF8.self).split(separator: "---\n").map { StandInJSON.decode(Array($0.utf8)) }
            if !documents.isEmpty, documents.allSatisfy({ $0 != nil }) { return documents.compactMap(\.self) }
            throw StandInFailure.plain("error: error parsing \(source): the stand-in kubectl reads manifests in JSON only")
        }
        return tree["kind"]?.text == "List" ? tree["items"]?.elements ?? [] : [tree]
    }

    private func path() throws -> StandInPath {
        let word = arguments.words.dropFirst().first ?? ""
        guard let known = StandInKinds.group(ofWord: word) else {
            throw StandInFailure.plain("error: the server doesn't have a resource type \"\(word)\"")
        }
        let everywhere = StandInKinds.isClusterWide(known.kind) || arguments.has("--all-namespaces")
        return StandInPath(
            group: known.group, namespace: everywhere ? nil : arguments["--namespace"] ?? "default",
            resource: StandInKinds.plural(known.kind), name: arguments.words.dropFirst(2).first)
    }

    /// `get -f FILE`: what is there of what the file holds.
    private func getFile(_ source: String, _ client: StandInClient) async throws {
        var found: [HelmValue] = []
        for object in try manifest(source) {
            guard let version = object["apiVersion"]?.text, let kind = object["kind"]?.text, let name = object["metadata", "name"]?.text
            else { continue }
            let path = StandInKinds.path(
                apiVersion: version, kind: kind, namespace: object["metadata", "namespace"]?.text ?? arguments["--namespace"], name: name)
            if let object = try await client.get(path) {
                found.append(object)
            } else if !arguments.has("--ignore-not-found") {
                throw notFound(path)
            }
        }
        guard !found.isEmpty else { return }
        let list: HelmValue = ["apiVersion": "v1", "kind": "List", "items": .list(found)]
        call.say(try StandInJSON.encode(found.count == 1 ? found[0] : list, pretty: true))
    }

    private func get(_ client: StandInClient) async throws {
        if let source = arguments["--filename"] { return try await getFile(source, client) }
        let path = try path()
        let objects: [HelmValue]
        if path.name != nil {
            guard let object = try await client.get(path) else { throw notFound(path) }
            objects = [object]
        } else {
            objects = try await client.list(path, selector: arguments["--selector"] ?? "")
        }
        if arguments["--output"] == "json" {
            let list: HelmValue = ["apiVersion": "v1", "kind": "List", "items": .list(objects)]
            return call.say(try StandInJSON.encode(path.name == nil ? list : objects[0], pretty: true))
        }
        if objects.isEmpty { return call.warn("No resources found") }
        call.say("NAME")
        for object in objects { call.say(object["metadata", "name"]?.text ?? "") }
    }

    private func delete(_ client: StandInClient) async throws {
        if let source = arguments["--filename"] { return try await delete(client, named: source) }
        let path = try path()
        guard path.name != nil else { throw StandInFailure.plain("error: resource(s) were provided, but no name was specified") }
        if try await client.delete(path) {
            call.say("\(StandInKinds.kind(path.resource)?.lowercased() ?? path.resource) \"\(path.name ?? "")\" deleted")
        } else if !arguments.has("--ignore-not-found") {
            throw notFound(path)
        }
    }

    private func delete(_ client: StandInClient, named source: String) async throws {
        for object in try manifest(source) {
            guard let version = object["apiVersion"]?.text, let kind = object["kind"]?.text, let name = object["metadata", "name"]?.text
            else { throw StandInFailure.plain("error: error validating \"\(source)\": apiVersion, kind or metadata.name not set") }
            let path = StandInKinds.path(
                apiVersion: version, kind: kind, namespace: object["metadata", "namespace"]?.text ?? arguments["--namespace"], name: name)
            if try await client.delete(path) {
                call.say("\(kind.lowercased()) \"\(name)\" deleted")
            } else if !arguments.has("--ignore-not-found") {
                throw notFound(path)
            }
        }
    }

    private func notFound(_ path: StandInPath) -> StandInFailure {
        .plain("Error from server (NotFound): \(path.fullResource) \"\(path.name ?? "")\" not found")
    }
}

/// A CustomResourceDefinition.
enum StandInDefinition {
    static func make(kind: String, group: String, version: String, isNamespaced: Bool) -> HelmValue {
        let plural = StandInKinds.plural(kind)
        return [
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": ["name": "\(plural).\(group)"],
            "spec": [
                "group": .string(group), "scope": isNamespaced ? "Namespaced" : "Cluster",
                "names": ["kind": .string(kind), "plural": .string(plural)],
                "versions": [["name": .string(version), "served": true, "storage": true]],
            ],
        ]
    }
}
