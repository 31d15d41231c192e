// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// What the stand-in clusters of a lab hold, in a form in which two moments can be compared: without uids, versions and times, which differ
/// between two ways to the same end, and without the number of a release's revision.
struct LabWorldState: Hashable, Sendable {
    /// By cluster and path of the API.
    private var objects: [String: String] = [:]

    init(_ topology: LabTopology, _ paths: LabPaths) throws {
        for cluster in topology.clusters {
            let store = try StandInStore(directory: paths.world(of: cluster) + "/objects")
            var releases: [String: StandInRelease] = [:]
            for (path, object) in store.objects {
                if let release = StandInRelease.decode(object) {
                    let key = "release \(release.namespace)/\(release.name)"
                    if release.revision > releases[key]?.revision ?? 0 { releases[key] = release }
                } else {
                    objects["\(cluster.name): \(path.text)"] = try StandInJSON.encode(Self.comparable(path, object))
                }
            }
            for (key, release) in releases { objects["\(cluster.name): \(key)"] = try StandInJSON.encode(release.end) }
        }
    }

    var count: Int { objects.count }

    /// What is there and was not, is not there and was, or has changed; in words, sorted.
    func differences(from other: LabWorldState) -> [String] {
        Set(objects.keys).union(other.objects.keys).sorted().compactMap { key in
            switch (objects[key], other.objects[key]) {
            case (.some(let here), .some(let there)): here == there ? nil : "\(key) is \(here) in place of \(there)"
            case (.some, nil): "\(key) is there"
            case (nil, _): "\(key) is missing"
            }
        }
    }

    private static func comparable(_ path: StandInPath, _ object: HelmValue) -> HelmValue {
        var object = object
        for key in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] { object["metadata", key] = nil }
        object["status", "observedGeneration"] = nil
        // When a pod began is chance.
        if path.resource == "pods" { object["status"] = nil }
        // Keys and certificates are made anew; that they are there is what counts.
        if path.resource == "secrets" { object["data"] = .list((object["data"]?.entries ?? [:]).keys.sorted().map { .string($0) }) }
        if let list = object["data", "objects"]?.text.flatMap({ StandInJSON.decode(Array($0.utf8)) })?.elements {
            object["data", "objects"] = .list(
                list.map { item in
                    var item = item
                    item["uid"] = nil
                    return item
                })
        }
        return object
    }
}

extension StandInRelease {
    /// Where the release stands; how many revisions it took is not part of it.
    fileprivate var end: HelmValue {
        ["chart": .string(chart), "version": .string(chartVersion), "values": config, "status": .string(status)]
    }
}
