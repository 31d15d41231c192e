// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshModel
internal import MeshSystem

/// The objects of one stand-in cluster, in memory and as one JSON file each below `world/CLUSTER/objects`, so that a cluster survives the
/// restart of its server and scenarios can look.
struct StandInStore: Sendable {
    private(set) var objects: [StandInPath: HelmValue] = [:]
    private let directory: String
    private var version = 1

    init(directory: String) throws {
        self.directory = directory
        try LabFiles.makePath(directory)
        try load("")
        version = objects.values.compactMap { $0["metadata", "resourceVersion"]?.number }.max() ?? 1
    }

    var latestVersion: String { String(version) }
    subscript(path: StandInPath) -> HelmValue? { objects[path] }

    /// By namespace and name. A collection without a namespace holds the objects of all.
    func list(_ collection: StandInPath) -> [(path: StandInPath, object: HelmValue)] {
        objects.filter {
            $0.key.group == collection.group && $0.key.resource == collection.resource
                && (collection.namespace == nil || $0.key.namespace == collection.namespace)
        }.sorted { ($0.key.namespace ?? "", $0.key.name ?? "") < ($1.key.namespace ?? "", $1.key.name ?? "") }
            .map { ($0.key, $0.value) }
    }

    /// Completes the metadata as an API server does, keeps the object and gives it back. An unchanged object keeps its version.
    @discardableResult
    mutating func save(_ object: HelmValue, at path: StandInPath) throws -> HelmValue {
        let old = objects[path]
        var new = object
        new["metadata", "name"] = path.name.map { .string($0) }
        new["metadata", "namespace"] = path.namespace.map { .string($0) }
        new["metadata", "uid"] = try old?["metadata", "uid"] ?? .string(Self.uid())
        new["metadata", "creationTimestamp"] = old?["metadata", "creationTimestamp"] ?? .string(Self.now())
        new["metadata", "resourceVersion"] = old?["metadata", "resourceVersion"]
        if new["spec"] != nil {
            let generation = old?["metadata", "generation"]?.number ?? 0
            new["metadata", "generation"] = .count(old?["spec"] == new["spec"] ? max(1, generation) : generation + 1)
        }
        if new == old { return new }
        if path.resource == "secrets" || path.resource == "configmaps", old?["data"] != new["data"] { new.noteChange() }
        version += 1
        new["metadata", "resourceVersion"] = .string(String(version))
        let file = directory + "/" + path.text + ".json"
        try LabFiles.makePath(file.split(separator: "/").dropLast().map { "/" + $0 }.joined())
        try LabFiles.write(StandInJSON.encode(new, pretty: true) + "\n", to: file + ".new", mode: 0o600)
        try LabFiles.rename(file + ".new", to: file)
        objects[path] = new
        return new
    }

    /// What lives in a removed namespace goes with it.
    mutating func remove(_ path: StandInPath) throws {
        let doomed = objects.keys.filter { $0 == path || (path.resource == "namespaces" && $0.namespace == path.name) }
        for key in doomed {
            try LabFiles.removeTree(directory + "/" + key.text + ".json")
            objects[key] = nil
        }
    }

    private mutating func load(_ below: String) throws {
        for name in LabFiles.names(in: directory + below) {
            let place = below + "/" + name
            guard name.hasSuffix(".json") else {
                try load(place)
                continue
            }
            guard let path = StandInPath(String(place.dropLast(5))), let bytes = LabFiles.bytes(directory + place, limit: 64 << 20),
                let object = StandInJSON.decode(bytes)
            else { throw LabError.unexpected(doing: "read an object of a stand-in cluster", found: directory + place) }
            objects[path] = object
        }
    }

    /// `2026-11-23T08:40:01Z`: Kubernetes writes no fractions.
    static func now() -> String { String(SystemClock.now().wall.description.prefix(19)) + "Z" }

    private static func uid() throws -> String {
        let hex = Array(try KernelEntropy().hexID(byteCount: 16))
        var groups: [String] = []
        var start = 0
        for length in [8, 4, 4, 4, 12] {
            groups.append(String(hex[start..<start + length]))
            start += length
        }
        return groups.joined(separator: "-")
    }
}

extension HelmValue {
    /// As an API server notes it of every field's manager; only the time is looked at. Finer than Kubernetes tells it: nothing could be told apart in a
    /// cluster as quick as this one.
    fileprivate mutating func noteChange() {
        let others = (self["metadata", "managedFields"]?.elements ?? []).filter { $0["manager"] != "stand-in" }
        let entry: HelmValue = ["manager": "stand-in", "operation": "Update", "time": .string(SystemClock.now().wall.description)]
        self["metadata", "managedFields"] = .list(others + [entry])
    }
}

extension LabFiles {
    /// Puts a file in the place of another in one step.
    static func rename(_ path: String, to target: String) throws {
        guard Glibc.rename(path, target) == 0 else { throw LabError.system(doing: "replace a file", on: target, errno: errno) }
    }
}
