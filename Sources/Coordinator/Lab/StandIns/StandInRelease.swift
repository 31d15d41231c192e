// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import MeshModel
internal import MeshSystem

/// One revision of a Helm release, kept as Helm keeps it: a Secret whose `data.release` is base64 of base64 of gzip of JSON.
struct StandInRelease: Sendable {
    var name: String
    var namespace: String
    var chart: String
    var chartVersion: String
    /// The values that were given, without the chart's defaults.
    var config: HelmValue
    var revision: Int
    var status: String
    /// What was rendered: documents in JSON, which is YAML too.
    var manifest = ""

    var path: StandInPath { .secret(namespace, "sh.helm.release.v1.\(name).v\(revision)") }

    /// The newest revision.
    static func latest(_ name: String, in namespace: String, _ client: StandInClient) async throws -> StandInRelease? {
        let secrets = StandInPath(group: "api/v1", namespace: namespace, resource: "secrets")
        return try await client.list(secrets, selector: "owner=helm,name=\(name)").compactMap(decode).max { $0.revision < $1.revision }
    }

    /// The next revision, not yet kept.
    func next(version: String, config: HelmValue) -> StandInRelease {
        var next = self
        next.chartVersion = version
        next.config = config
        next.revision += 1
        return next
    }

    /// Keeps this revision under a status; the one before it is superseded once this one is deployed.
    func save(status: String, _ client: StandInClient) async throws {
        var release = self
        release.status = status
        try await client.put(release.secret(), at: path)
        guard status == "deployed", revision > 1 else { return }
        let before = StandInPath.secret(namespace, "sh.helm.release.v1.\(name).v\(revision - 1)")
        if let old = try await client.get(before).flatMap(Self.decode), old.status == "deployed" {
            try await old.save(status: "superseded", client)
        }
    }

    /// Helm's only lock: a revision before this one that is pending.
    func refuseDuringAnother(_ client: StandInClient, doing: String) async throws {
        guard let newest = try await Self.latest(name, in: namespace, client), newest.status.hasPrefix("pending-") else { return }
        throw StandInFailure.error("\(doing): another operation (install/upgrade/rollback) is in progress")
    }

    private func secret() throws -> HelmValue {
        let tree: HelmValue = [
            "name": .string(name), "namespace": .string(namespace), "version": .count(revision), "config": config,
            "manifest": .string(manifest),
            "info": [
                "status": .string(status), "last_deployed": .string(StandInStore.now()), "description": "stand-in of the Meshgate Lab",
            ],
            "chart": ["metadata": ["name": .string(chart), "version": .string(chartVersion), "appVersion": .string(chartVersion)]],
        ]
        let packed = try Gzip.compress(Array(StandInJSON.encode(tree).utf8))
        return [
            "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
            "metadata": [
                "name": .string(path.name ?? ""),
                "labels": ["owner": "helm", "name": .string(name), "status": .string(status), "version": "\(revision)"],
            ],
            "data": ["release": .string(StandInJSON.base64(StandInJSON.base64(packed)))],
        ]
    }

    /// `nil` for what is no revision.
    static func decode(_ secret: HelmValue) -> StandInRelease? {
        guard let outer = secret["data", "release"]?.text.flatMap(StandInJSON.unbase64),
            let packed = StandInJSON.unbase64(String(decoding: outer, as: UTF8.self)),
            let bytes = try? Gzip.decompress(packed, limits: Gzip.Limits(outputBytes: 32 << 20, ratio: 1000)),
            let tree = StandInJSON.decode(bytes), let name = tree["name"]?.text, let namespace = tree["namespace"]?.text,
            let revision = tree["version"]?.number
        else { return nil }
        return StandInRelease(
            name: name, namespace: namespace, chart: tree["chart", "metadata", "name"]?.text ?? "",
            chartVersion: tree["chart", "metadata", "version"]?.text ?? "", config: tree["config"] ?? .map([:]), revision: revision,
            status: tree["info", "status"]?.text ?? "unknown", manifest: tree["manifest"]?.text ?? "")
    }
}
