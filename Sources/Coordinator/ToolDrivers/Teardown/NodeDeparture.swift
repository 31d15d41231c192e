// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Running

/// Takes one worker out of its cluster the way `kubectl drain` and `kubectl delete node` do, and only while Ceph keeps nothing on it. Pods are
/// evicted, which respects PodDisruptionBudgets (kubernetes.io/docs/concepts/scheduling-eviction/api-eviction), and never deleted.
struct NodeDeparture: Sendable {
    let client: KubernetesClient
    let node: NodeID
    /// Between two attempts at pods that a budget holds back; `kubectl drain` waits as long.
    var pause = Duration.seconds(5)

    private var path: String { "/api/v1/nodes/\(node)" }

    // MARK: looking

    func observe() async throws -> ClusterFact.Departure {
        guard let object = try await client.get(path) else { return ClusterFact.Departure(node: node, uid: nil, osds: try await osds()) }
        let pods = try await pods()
        return ClusterFact.Departure(
            node: node, uid: object["metadata", "uid"]?.string, cordoned: object["spec", "unschedulable"]?.bool == true,
            pods: pods.map(\.name), unowned: pods.filter { !$0.isOwned }.map(\.name), osds: try await osds())
    }

    private struct Pod {
        var namespace: String
        var title: String
        var uid: String
        /// Somebody makes it anew elsewhere.
        var isOwned: Bool
        var name: String { "\(namespace)/\(title)" }
    }

    /// Those that have to move, sorted.
    private func pods() async throws -> [Pod] {
        try await client.list(KubernetesCall.adding(["fieldSelector": "spec.nodeName=\(node)"], to: "/api/v1/pods")).compactMap { item in
            guard let title = item["metadata", "name"]?.string, let namespace = item["metadata", "namespace"]?.string,
                let uid = item["metadata", "uid"]?.string, item["spec", "nodeName"]?.string == node.text
            else { return nil }
            // The kubelet's own, and those that have ended, go with the node.
            if item["metadata", "annotations"]?["kubernetes.io/config.mirror"] != nil { return nil }
            if ["Succeeded", "Failed"].contains(item["status", "phase"]?.string) { return nil }
            let owner = item["metadata", "ownerReferences"]?.list.first { $0["controller"]?.bool == true }
            if owner?["kind"]?.string == "DaemonSet" { return nil }
            return Pod(namespace: namespace, title: title, uid: uid, isOwned: owner != nil)
        }.sorted { $0.name < $1.name }
    }

    /// Rook binds each OSD's Deployment to its node by the hostname label (rook: pkg/operator/ceph/cluster/osd/spec.go).
    private func osds() async throws -> [Int] {
        let deployments = try await client.list(
            KubernetesCall.adding(["labelSelector": "app=rook-ceph-osd"], to: "/apis/apps/v1/deployments"))
        return deployments.compactMap { item -> Int? in
            guard let id = item["metadata", "labels"]?["ceph-osd-id"]?.string.flatMap({ Int($0) }) else { return nil }
            let home = item["spec", "template", "spec", "nodeSelector"]?["kubernetes.io/hostname"]?.string
            return home == node.text ? id : nil
        }.sorted()
    }

    // MARK: leaving

    /// Cordons the node and evicts its pods until none is left.
    func drain(within deadline: Duration) async throws -> Outcome {
        let fact = try await observe()
        guard let uid = fact.uid else { return .succeeded("\(node) is not registered any more") }
        if let problem = obstacle(fact) { return .failed(problem) }
        if !fact.cordoned {
            // With the uid: a node of the same name that has come meanwhile is another one.
            _ = try await client.apply(
                .map([
                    "apiVersion": .string("v1"), "kind": .string("Node"),
                    "metadata": .map(["name": .string(node.text), "uid": .string(uid)]), "spec": .map(["unschedulable": .bool(true)]),
                ]), at: path)
        }
        let end = ContinuousClock.now.advanced(by: deadline)
        var moved: Set<String> = []
        while true {
            let left = try await pods()
            if left.isEmpty { return .succeeded("cordoned; \(moved.count) pod\(moved.count == 1 ? "" : "s") moved") }
            if let naked = left.first(where: { !$0.isOwned }) { return .failed(Self.unowned([naked.name])) }
            var held: [String] = []
            for pod in left {
                if let reason = try await evict(pod) { held.append("\(pod.name): \(reason)") }
                moved.insert(pod.uid)
            }
            guard ContinuousClock.now.advanced(by: pause) < end else {
                let first = held.first ?? "\(left[0].name) is still ending"
                return .failed(
                    "\(left.count) pods are still on \(node), which stays cordoned (`kubectl uncordon \(node)` takes it back): \(first)")
            }
            try await Task.sleep(for: pause)
        }
    }

    /// What holds it back, when something does.
    private func evict(_ pod: Pod) async throws -> String? {
        let eviction = HelmValue.map([
            "apiVersion": .string("policy/v1"), "kind": .string("Eviction"),
            "metadata": .map(["name": .string(pod.title), "namespace": .string(pod.namespace)]),
            // A pod of a StatefulSet comes back under its name.
            "deleteOptions": .map(["preconditions": .map(["uid": .string(pod.uid)])]),
        ])
        do {
            try await client.create(eviction, in: "/api/v1/namespaces/\(pod.namespace)/pods/\(pod.title)/eviction")
            return nil
        } catch KubernetesError.refused(_, _, let status) where status.code == 429 {
            return status.message.isEmpty ? "a PodDisruptionBudget does not let it go" : status.message
        } catch KubernetesError.refused(_, _, let status) where status.code == 404 || status.code == 409 {
            return nil
        }
    }

    /// Deletes the node's own object, by uid, once nothing runs on it.
    func remove() async throws -> Outcome {
        let fact = try await observe()
        guard let uid = fact.uid else { return .succeeded("it was not registered") }
        if let problem = obstacle(fact) { return .failed(problem) }
        guard fact.cordoned, fact.pods.isEmpty else { return .failed("\(node) is not drained") }
        try await client.delete(path, uid: uid)
        return .succeeded("removed; its machine still runs, and comes back when its kubelet starts anew")
    }

    /// Looked at again right before each act: a gate's evidence may be minutes old.
    private func obstacle(_ fact: ClusterFact.Departure) -> String? {
        if !fact.osds.isEmpty { return "Ceph has \(fact.osds.map { "osd.\($0)" }.joined(separator: ", ")) on \(node)" }
        return fact.unowned.isEmpty ? nil : Self.unowned(fact.unowned)
    }

    private static func unowned(_ names: [String]) -> String {
        "nobody would make these pods anew elsewhere: \(names.prefix(5).joined(separator: ", ")); save what they hold, and delete them by hand"
    }
}
