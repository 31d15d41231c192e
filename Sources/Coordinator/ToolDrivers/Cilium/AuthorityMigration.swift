// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import MeshTrust
import Running

/// What the rounds of a change of CAs do to one cluster. Each looks first and changes only what is not so yet, so that any of them may be cut off and
/// begun anew; whether it reached its end is judged from what is seen afterwards.
///
/// Releases keep their version and all of their values but `tls.caBundle`.
struct AuthorityMigration: Sendable {
    let tools: Toolbox
    let cluster: MeshSpec.Cluster

    private static let namespace = "kube-system"

    // MARK: rounds

    /// Gives the pods every CA of these clusters and the mesh's own, besides whatever they are given already, and restarts those that are late.
    func trust(_ clusters: [MeshSpec.Cluster], step: StepID, deadline: Duration) async throws -> Outcome {
        guard let release = try await release() else { return .succeeded("no Cilium is installed: there is nobody to be told") }
        var anchors = try await currentBundle(release.values)
        for other in clusters { anchors += try await authority(of: other) }
        anchors += TrustAnchor.all(in: try tools.meshCA().certificate)
        var seen: Set<Digest> = []
        anchors = anchors.filter { seen.insert($0.fingerprint).inserted }
        guard anchors.count <= HandshakeFact.mostAnchors else {
            return .refused(
                "the mesh has \(anchors.count) CAs, more than \(HandshakeFact.mostAnchors): bring clusters to fewer by hand first")
        }
        let content = anchors.map(\.pem).joined()
        var words = "the bundle was in place"
        if try await !isBundle(anchors, release.values) {
            var bundle = release.values["tls", "caBundle"]?.map ?? [:]
            bundle["enabled"] = .bool(true)
            bundle["content"] = .string(content)
            let outcome = try await upgrade(release, bundle: bundle, step: step, deadline: deadline)
            guard case .succeeded = outcome else { return outcome }
            words = "\(anchors.count) CAs are trusted"
        }
        return .succeeded(words + (try await restart([.beganBefore, .otherSource])))
    }

    /// Has every certificate issued by the CA that is in kube-system/cilium-ca now: Hubble's by the release, those of the API server by the CronJob.
    func reissue(step: StepID, deadline: Duration) async throws -> Outcome {
        guard let release = try await release() else { return .succeeded("no Cilium is installed: no certificate was issued") }
        var words: [String] = []
        let old = try await strangers()
        if old.contains(where: { $0.hasPrefix("hubble-") }) {
            let outcome = try await upgrade(release, bundle: release.values["tls", "caBundle"]?.map ?? [:], step: step, deadline: deadline)
            guard case .succeeded = outcome else { return outcome }
            words.append("the release was rolled out anew")
        }
        let certificates = MeshCertificates(tools: tools, cluster: cluster)
        if let renewal = try await certificates.renew() { words.append(renewal) }
        if let renewal = try await certificates.renewHubble() { words.append(renewal) }
        // The Job takes a pod. What it does not do in this time the step's end waits for, and the next attempt looks again.
        let began = tools.now()
        while try await !strangers().isEmpty, tools.now().age(of: began) < min(deadline, .seconds(180)) {
            try await Task.sleep(for: .seconds(2))
        }
        let late = try await restart([.olderCertificate])
        return .succeeded((words.isEmpty ? "every certificate came from it" : words.joined(separator: "; ")) + late)
    }

    /// Takes the bundle away: the CA that comes with each certificate counts again.
    func drop(step: StepID, deadline: Duration) async throws -> Outcome {
        guard let release = try await release() else { return .succeeded("no Cilium is installed") }
        var words = "there was no bundle"
        if release.values["tls", "caBundle", "enabled"]?.bool == true {
            let outcome = try await upgrade(release, bundle: ["enabled": .bool(false)], step: step, deadline: deadline)
            guard case .succeeded = outcome else { return outcome }
            words = "the bundle is gone"
        }
        return .succeeded(words + (try await restart([.otherSource])))
    }

    // MARK: what there is

    private struct Release {
        var version: String
        var values: HelmValue
    }

    private func release() async throws -> Release? {
        guard let newest = try await HelmReleases(client: tools.client(for: cluster)).all()["\(Self.namespace)/cilium"],
            let values = newest.values
        else { return nil }
        return Release(version: newest.release.version, values: values)
    }

    private func authority(of other: MeshSpec.Cluster) async throws -> [TrustAnchor] {
        let secret = try await tools.client(for: other).get("/api/v1/namespaces/\(Self.namespace)/secrets/cilium-ca")
        guard let bytes = secret?["data", "ca.crt"]?.string.flatMap(JSON.unbase64) else { return [] }
        let anchors = TrustAnchor.all(in: String(decoding: bytes, as: UTF8.self))
        guard !anchors.isEmpty else { throw DriverError.unreadable(what: "ca.crt of Secret cilium-ca", where: "cluster \(other.name)") }
        return anchors
    }

    private func trustSeen(_ values: HelmValue?, watchesPods: Bool = false) async throws -> CiliumTrust {
        let client = try tools.client(for: cluster)
        let shown = try await CiliumObserver(tools: tools, client: client, cluster: cluster).certificates()
        return try await TrustObserver(tools: tools, client: client).observe(values: values, leaves: shown, watchesPods: watchesPods)
    }

    private func currentBundle(_ values: HelmValue) async throws -> [TrustAnchor] { try await trustSeen(values).bundle?.anchors ?? [] }

    /// Both the values, which the next upgrade goes by, and the object, which pods read.
    private func isBundle(_ anchors: [TrustAnchor], _ values: HelmValue) async throws -> Bool {
        let wanted = Set(anchors.map(\.fingerprint))
        let said = TrustAnchor.all(in: values["tls", "caBundle", "content"]?.string ?? "")
        guard values["tls", "caBundle", "enabled"]?.bool == true, Set(said.map(\.fingerprint)) == wanted else { return false }
        return Set(try await currentBundle(values).map(\.fingerprint)) == wanted
    }

    /// Secrets whose certificate does not come from the CA of the cluster.
    private func strangers() async throws -> [String] {
        let trust = try await trustSeen(nil)
        guard let own = trust.own?.fingerprint else {
            throw DriverError.unreadable(what: "Secret cilium-ca", where: "cluster \(cluster.name)")
        }
        return trust.issuers.filter { !$0.value.contains(own) }.keys.sorted()
    }

    // MARK: changing

    private func upgrade(_ release: Release, bundle: [String: HelmValue], step: StepID, deadline: Duration) async throws -> Outcome {
        var values = release.values.map
        var tls = values["tls"]?.map ?? [:]
        tls["caBundle"] = bundle.isEmpty ? nil : .map(bundle)
        values["tls"] = tls.isEmpty ? nil : .map(tls)
        let file = "\(tools.workDirectory)/values-\(cluster.name)-ca.json"
        try tools.files.write(JSON.encode(.map(values)), to: file)
        let cilium = CiliumDriver(tools: tools)
        let result = try await cilium.operation.run(on: [cluster]) {
            try await tools.run(
                "cilium",
                cilium.global(cluster) + [
                    "upgrade", "--version", release.version, "--values", file, "--reset-values", "--wait", "--wait-duration", "10m",
                ], step: step, deadline: deadline)
        }
        return Outcome(result, command: "cilium upgrade", done: "upgraded")
    }

    /// Has the workloads of late pods begin their pods anew, as `kubectl rollout restart` does; words about it, which may be none.
    private func restart(_ why: Set<CiliumTrust.Straggler.Why>) async throws -> String {
        let client = try tools.client(for: cluster)
        guard let release = try await release() else { return "" }
        let late = try await trustSeen(release.values, watchesPods: true).stragglers?.filter { why.contains($0.why) }.map(\.pod) ?? []
        guard !late.isEmpty else { return "" }
        // Times have whole seconds: what begins in the second of the last change would be late again.
        try await Task.sleep(for: .milliseconds(1100))
        var workloads: [(kind: String, plural: String, name: String)] = []
        for (kind, plural) in [("DaemonSet", "daemonsets"), ("Deployment", "deployments")] {
            workloads += try await client.list("/apis/apps/v1/namespaces/\(Self.namespace)/\(plural)").compactMap {
                $0["metadata", "name"]?.string
            }.map { (kind, plural, $0) }
        }
        // The longest name that fits: pods of cilium-operator are not those of cilium.
        let owners = Set(
            late.compactMap { pod in
                workloads.indices.filter { pod.hasPrefix(workloads[$0].name + "-") }.max {
                    workloads[$0].name.count < workloads[$1].name.count
                }
            })
        for index in owners.sorted() {
            let (kind, plural, name) = workloads[index]
            let mark: HelmValue = .map(["meshgate.dev/restarted": .string(tools.now().wall.description)])
            let object: HelmValue = .map([
                "apiVersion": .string("apps/v1"), "kind": .string(kind),
                "metadata": .map(["name": .string(name), "namespace": .string(Self.namespace)]),
                "spec": .map(["template": .map(["metadata": .map(["annotations": mark])])]),
            ])
            try await client.apply(object, at: "/apis/apps/v1/namespaces/\(Self.namespace)/\(plural)/\(name)")
        }
        return "; \(owners.map { workloads[$0].name }.sorted().joined(separator: ", ")) restarted for \(late.count) pods"
    }
}
