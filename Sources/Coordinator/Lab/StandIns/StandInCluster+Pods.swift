// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshSystem

/// The pods of workloads that mount certificates, as far as anybody looks: where their volumes come from, when they began, whether they are ready.
///
/// A pod begins anew when its workload's template changes or when it is deleted, unless a fault has it left out.
extension StandInCluster {
    func keepPods(_ faults: StandInFaults) throws {
        let collection = StandInPath(group: "api/v1", namespace: "kube-system", resource: "pods")
        var wanted: Set<StandInPath> = []
        for (path, object) in store.objects where ["daemonsets", "deployments"].contains(path.resource) && path.namespace == "kube-system" {
            guard let name = path.name, let template = object["spec", "template"], template["spec", "volumes"] != nil else { continue }
            let count = path.resource == "daemonsets" ? seed.nodes.count : object["spec", "replicas"]?.number ?? 1
            let isReady = object["status", "standInReady"]?.truth == true
            for number in 0..<count {
                let pod = collection.named("\(name)-\(number)")
                wanted.insert(pod)
                try keepPod(pod, template, isReady: isReady, isLeftOut: faults.leftOut.contains(pod.name ?? ""))
            }
        }
        for (path, _) in store.list(collection) where path.namespace == "kube-system" && !wanted.contains(path) { try store.remove(path) }
    }

    private func keepPod(_ path: StandInPath, _ template: HelmValue, isReady: Bool, isLeftOut: Bool) throws {
        let old = store[path]
        var pod = old ?? [:]
        if old == nil || old?[Self.templateMark] != template && !isLeftOut {
            pod = [
                "apiVersion": "v1", "kind": "Pod", "metadata": ["labels": template["metadata", "labels"] ?? [:]],
                "spec": template["spec"] ?? [:],
                // Finer than Kubernetes tells it, or nothing could be told apart in a cluster as quick as this one.
                "status": ["phase": "Running", "startTime": .string(SystemClock.now().wall.description)],
            ]
            pod[Self.templateMark] = template
        }
        pod["status", "conditions"] = [["type": "Ready", "status": isReady ? "True" : "False"]]
        if pod != old { try store.save(pod, at: path) }
    }

    /// What the pod was made from.
    private static let templateMark = "standInTemplate"
}
