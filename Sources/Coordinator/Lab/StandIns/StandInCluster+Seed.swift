// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshSystem
internal import MeshTrust

/// What a cluster has before anybody installs anything.
extension StandInCluster {
    static func seeded(_ empty: StandInStore, with seed: LabSeed, faults: StandInFaults) throws -> StandInStore {
        var store = empty
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            try store.save(
                ["apiVersion": "v1", "kind": "Namespace", "metadata": ["labels": ["kubernetes.io/metadata.name": .string(name)]]],
                at: .namespace(name))
        }
        for node in seed.nodes { try store.save(self.node(node), at: StandInPath.nodes.named(node.name)) }
        if faults.kubeProxy {
            try store.save(
                StandInChart.workload("DaemonSet", "kube-proxy", labels: ["k8s-app": "kube-proxy"], images: ["kube-proxy": "stand-in"]),
                at: .daemonSet("kube-system", "kube-proxy"))
        }
        if seed.foreignCA || faults.foreignCA {
            try store.save(StandInChart.newCA(owned: false), at: .secret("kube-system", "cilium-ca"))
        }
        return store
    }

    private static func node(_ node: LabSeed.Node) -> HelmValue {
        var labels: HelmValue = ["kubernetes.io/hostname": .string(node.name), "kubernetes.io/os": "linux"]
        if node.controlPlane { labels["node-role.kubernetes.io/control-plane"] = "" }
        return [
            "apiVersion": "v1", "kind": "Node", "metadata": ["labels": labels],
            "spec": ["podCIDR": .string(node.podCIDR), "podCIDRs": [.string(node.podCIDR)]],
            "status": [
                "addresses": [
                    ["type": "InternalIP", "address": .string(node.address)], ["type": "Hostname", "address": .string(node.name)],
                ],
                "nodeInfo": ["kubeletVersion": "v1.34.1", "osImage": "Talos (stand-in of the Meshgate Lab)"],
            ],
        ]
    }
}
