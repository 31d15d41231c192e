// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// Plays the cluster: what is wanted becomes ready after a while, unless a fault keeps it down.
///
///     DaemonSet, Deployment   wanted ──(readyAfter)──> ready
///     Job for certificates    wanted ──(readyAfter)──> succeeded, the Secrets are there ──> clustermesh-apiserver may become ready
///     CephCluster             Progressing ──(3 x readyAfter, operator ready)──> Ready, HEALTH_OK
///     Node                    NotReady ──(agents of Cilium ready)──> Ready
extension StandInCluster {
    struct Change {
        var spec: HelmValue?
        /// `nil` when the object was ready when we first saw it: it survived our restart.
        var at: ContinuousClock.Instant?
    }

    /// One look at everything. Changes only what differs.
    func live(_ faults: StandInFaults) throws {
        for (path, object) in store.objects.sorted(by: { $0.key.text < $1.key.text }) {
            guard let status = status(of: object, at: path, faults), status != object["status"] else { continue }
            var new = object
            new["status"] = status
            try store.save(new, at: path)
        }
        try issueMeshCertificates()
        try keepPods(faults)
        try markClustermesh(faults)
    }

    /// What the chart's Job does once its pod has run: until then the Secrets do not exist.
    private func issueMeshCertificates() throws {
        let label = "clustermesh-apiserver-generate-certs"
        let done = store.list(StandInPath(group: "apis/batch/v1", namespace: "kube-system", resource: "jobs")).filter { _, job in
            job["metadata", "labels", "k8s-app"]?.text == label && job["status", "succeeded"] == 1
                && job["metadata", "annotations", Self.issuedMark] == nil
        }
        guard !done.isEmpty else { return }
        for (path, job) in done {
            var marked = job
            marked["metadata", "annotations", Self.issuedMark] = "true"
            try store.save(marked, at: path)
        }
        for secret in StandInChart.meshCertificates(cluster: seed.cluster, ca: store[.secret("kube-system", "cilium-ca")]) {
            guard let name = secret["metadata", "name"]?.text else { continue }
            try store.save(secret, at: .secret("kube-system", name))
        }
    }

    /// On a Job of which the certificates are there.
    private static let issuedMark = "stand-in/issued"

    private func status(of object: HelmValue, at path: StandInPath, _ faults: StandInFaults) -> HelmValue? {
        switch path.resource {
        case "daemonsets": return workloadStatus(object, count: seed.nodes.count, isDaemonSet: true, at: path, faults)
        case "deployments":
            return workloadStatus(object, count: object["spec", "replicas"]?.number ?? 1, isDaemonSet: false, at: path, faults)
        case "jobs":
            let done = isDue(object, at: path, faults)
            return done ? ["succeeded": 1, "conditions": [["type": "Complete", "status": "True"]]] : ["active": 1]
        case "cephclusters": return cephStatus(object, at: path, faults)
        case "customresourcedefinitions":
            return ["conditions": [["type": "Established", "status": "True"], ["type": "NamesAccepted", "status": "True"]]]
        case "apiservices": return apiServiceStatus(object)
        case "nodes": return nodeStatus(object, at: path, faults)
        default: return nil
        }
    }

    /// True when the wanted state is old enough. A change of the spec begins anew.
    private func isDue(_ object: HelmValue, times factor: Int = 1, at path: StandInPath, _ faults: StandInFaults) -> Bool {
        if faults.keepsDown(path) { return false }
        let now = ContinuousClock().now
        let known = changes[path]
        if known == nil || known?.spec != object["spec"] {
            let survived = known == nil && object["status", "standInReady"]?.truth == true
            changes[path] = Change(spec: object["spec"], at: survived ? nil : now)
        }
        guard let since = changes[path]?.at else { return true }
        return since.duration(to: now) >= .milliseconds(faults.readyAfter * factor)
    }

    private func workloadStatus(
        _ object: HelmValue, count: Int, isDaemonSet: Bool, at path: StandInPath, _ faults: StandInFaults
    ) -> HelmValue {
        let due = isDue(object, at: path, faults) && isAdmitted(object, at: path)
        let ready = due && (path != .deployment("kube-system", "clustermesh-apiserver") || hasMeshCertificates)
        var status: HelmValue = ["observedGeneration": object["metadata", "generation"] ?? 1, "standInReady": .bool(ready)]
        let up = HelmValue.count(ready ? count : 0)
        if isDaemonSet {
            status["desiredNumberScheduled"] = .count(count)
            status["currentNumberScheduled"] = .count(count)
            status["updatedNumberScheduled"] = .count(count)
            status["numberMisscheduled"] = 0
            status["numberReady"] = up
        } else {
            status["replicas"] = .count(count)
            status["updatedReplicas"] = .count(count)
        }
        // As in the real API, counts of zero are left out.
        if ready {
            status[isDaemonSet ? "numberAvailable" : "availableReplicas"] = up
            if !isDaemonSet { status["readyReplicas"] = up }
        } else if count > 0 {
            status[isDaemonSet ? "numberUnavailable" : "unavailableReplicas"] = .count(count)
        }
        return status
    }

    private var hasMeshCertificates: Bool { store[.secret("kube-system", "clustermesh-apiserver-server-cert")] != nil }

    private func cephStatus(_ object: HelmValue, at path: StandInPath, _ faults: StandInFaults) -> HelmValue {
        let operatorReady = store[.deployment("rook-ceph", "rook-ceph-operator")]?["status", "readyReplicas"]?.number ?? 0 > 0
        guard isDue(object, times: 3, at: path, faults), operatorReady else {
            return ["phase": "Progressing", "message": "Configuring Ceph Mons", "standInReady": false]
        }
        let devices = (object["spec", "storage", "nodes"]?.elements ?? []).reduce(0) { $0 + ($1["devices"]?.elements.count ?? 0) }
        return [
            "phase": "Ready", "state": "Created", "message": "Cluster created successfully", "standInReady": true,
            "ceph": ["health": "HEALTH_OK", "fsid": "00000000-0000-4000-8000-000000000000"],
            "storage": ["deviceClasses": [["name": "ssd"]], "osd": ["storeType": ["bluestore": .count(devices)]]],
        ]
    }

    private func nodeStatus(_ object: HelmValue, at path: StandInPath, _ faults: StandInFaults) -> HelmValue {
        let agents = store[.daemonSet("kube-system", "cilium")]?["status", "numberReady"]?.number ?? 0
        let ready = agents > 0 && !faults.keepsDown(path)
        var status = object["status"] ?? .map([:])
        status["conditions"] = [
            [
                "type": "Ready", "status": ready ? "True" : "False", "reason": ready ? "KubeletReady" : "NetworkPluginNotReady",
                "message": ready ? "kubelet is posting ready status" : "container runtime network not ready: cni plugin not initialized",
            ]
        ]
        return status
    }

    /// What the nodes' servers show: the Secret's certificate, as the pod would have it mounted, or what it had before and has not let go of.
    private func showCertificate(_ faults: StandInFaults) throws {
        guard let secret = store[.secret("kube-system", "clustermesh-apiserver-server-cert")],
            let shown = faults.showsStaleCertificate ? try stale() : LabServerCertificate(secret),
            shown != LabServerCertificate(reading: directory)
        else { return }
        try shown.write(to: directory)
    }

    /// Of a CA that is nowhere else, and stays the same.
    private func stale() throws -> LabServerCertificate? {
        if let shown = LabServerCertificate(reading: directory), shown.isStale { return shown }
        let secrets = StandInChart.meshCertificates(cluster: seed.cluster, ca: try StandInChart.newCA(owned: false))
        var shown = secrets.first { $0["metadata", "name"] == "clustermesh-apiserver-server-cert" }.flatMap(LabServerCertificate.init)
        shown?.isStale = true
        return shown
    }

    /// The nodes of a lab listen on the NodePort while this file is there (see `LabStandInClusters`).
    private func markClustermesh(_ faults: StandInFaults) throws {
        let ready = store[.deployment("kube-system", "clustermesh-apiserver")]?["status", "readyReplicas"]?.number ?? 0
        let wanted = ready > 0 && store[.service("kube-system", "clustermesh-apiserver")] != nil
        let mark = directory + "/clustermesh-enabled"
        if wanted { try showCertificate(faults) }
        guard wanted != LabFiles.exists(mark) else { return }
        if wanted { try LabFiles.write("", to: mark) } else { try LabFiles.removeTree(mark) }
    }
}
