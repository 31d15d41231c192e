// SPDX-License-Identifier: Apache-2.0

/// What the real cilium CLI v0.19.7 printed, as recorded; image digests and the CA are shortened.
enum Recorded {
    /// `cilium --context east status -o json`, exit 1.
    static let statusEmpty = #"""
        {"collection_errors": [{"ErrStatus": {"code": 404, "details": {"group": "apps", "kind": "daemonsets",
        "name": "cilium"}, "message": "daemonsets.apps \"cilium\" not found", "metadata": {}, "reason": "NotFound",
        "status": "Failure"}}, {}], "errors": {"cilium": {"cilium": {"Disabled": false,
        "Errors": ["daemonsets.apps \"cilium\" not found"], "Warnings": []}},
        "cilium-envoy": {"cilium-envoy": {"Disabled": true, "Errors": [], "Warnings": []}},
        "cilium-operator": {"cilium-operator": {"Disabled": true, "Errors": [], "Warnings": []}},
        "clustermesh-apiserver": {"clustermesh-apiserver": {"Disabled": true, "Errors": [], "Warnings": []}},
        "hubble-relay": {"hubble-relay": {"Disabled": true, "Errors": [], "Warnings": []}},
        "hubble-ui": {"hubble-ui": {"Disabled": true, "Errors": [], "Warnings": []}}}, "image_count": {"cilium": {},
        "cilium-operator": {}, "clustermesh-apiserver": {}, "hubble-relay": {}}, "phase_count": {"cilium": {},
        "cilium-operator": {}, "clustermesh-apiserver": {}, "hubble-relay": {}}, "pods_count": {"all": 0, "by_cilium": 0}}
        """#

    /// `cilium --context west status -o json`, exit 0.
    static let statusPending = #"""
        {"errors": {"cilium": {"cilium": {"Disabled": false, "Errors": ["1 pods of DaemonSet cilium are not ready"],
        "Warnings": []}, "cilium-d4vz5": {"Disabled": false, "Errors": [], "Warnings": ["pod is pending"]}},
        "cilium-envoy": {"cilium-envoy": {"Disabled": false,
        "Errors": ["1 pods of DaemonSet cilium-envoy are not ready"], "Warnings": []},
        "cilium-envoy-r7nkp": {"Disabled": false, "Errors": [], "Warnings": ["pod is pending"]}},
        "cilium-operator": {"cilium-operator": {"Disabled": false,
        "Errors": ["1 pods of Deployment cilium-operator are not ready"], "Warnings": []},
        "cilium-operator-6b76d4c5c9-nkptp": {"Disabled": false, "Errors": [], "Warnings": ["pod is pending",
        "pod is pending"]}}, "clustermesh-apiserver": {"clustermesh-apiserver": {"Disabled": true, "Errors": [],
        "Warnings": []}}, "hubble-relay": {"hubble-relay": {"Disabled": true, "Errors": [], "Warnings": []}},
        "hubble-ui": {"hubble-ui": {"Disabled": true, "Errors": [], "Warnings": []}}}, "helm_chart_version": "1.19.5",
        "image_count": {"cilium": {"quay.io/cilium/cilium:v1.19.5": 1},
        "cilium-envoy": {"quay.io/cilium/cilium-envoy:v1.19.5": 1},
        "cilium-operator": {"quay.io/cilium/operator-generic:v1.19.5": 1}, "clustermesh-apiserver": {},
        "hubble-relay": {}}, "phase_count": {"cilium": {"Pending": 1}, "cilium-envoy": {"Pending": 1},
        "cilium-operator": {"Pending": 1}, "clustermesh-apiserver": {}, "hubble-relay": {}},
        "pod_state": {"cilium": {"Available": 0, "Desired": 1, "Ready": 0, "Type": "DaemonSet", "Unavailable": 1},
        "cilium-envoy": {"Available": 0, "Desired": 1, "Ready": 0, "Type": "DaemonSet", "Unavailable": 1},
        "cilium-operator": {"Available": 0, "Desired": 1, "Ready": 0, "Type": "Deployment", "Unavailable": 1}},
        "pods_count": {"all": 0, "by_cilium": 0}}
        """#

    /// `cilium --context east clustermesh status -o json`, exit 0.
    static let meshWithoutConnectivity = #"""
        {"access_information": {"ca": "CA", "cluster_id": "1", "cluster_name": "east", "max_connected_clusters": 255,
        "service_ips": ["172.20.0.11"], "service_port": 32379, "service_type": "NodePort", "tunnel": "vxlan"},
        "kvstoremesh": {"enabled": true}}
        """#

    /// `cilium --context east status -o json`, stderr, exit 1.
    static let statusEmptyErrors = #"""
        status check failed: [daemonsets.apps "cilium" not found, unable to retrieve ConfigMap "cilium-config": \#
        configmaps "cilium-config" not found]

        """#

    /// `cilium --context east install --version 1.19.5 --set cluster.name=east --set cluster.id=1`, stdout, exit 1.
    static let install = #"""
        ℹ️  Using Cilium version 1.19.5
        ℹ️  Using cluster name "east"
        🔮 Auto-detected kube-proxy has not been installed
        ℹ️  Cilium will fully replace all functionalities of kube-proxy

        """#

    /// `cilium --context east install --version 1.19.5 --set cluster.name=east --set cluster.id=1`, stderr, exit 1.
    static let installAgain = #"""

        Error: Unable to install Cilium: release name check failed: cannot reuse a name that is still in use

        """#

    /// `cilium --context east upgrade --reuse-values --set clustermesh.apiserver.tls.auto.method=helm`, stdout, exit 0.
    static let upgrade = #"""
        ℹ️  Using Cilium version 1.19.5
        🔮 Auto-detected cluster name: east
        🔮 Auto-detected kube-proxy has not been installed
        ℹ️  Cilium will fully replace all functionalities of kube-proxy
        ⚠️  You maybe need to restart Cilium pods for configmap changes to take effect

        """#

    /// `cilium install --version 1.19.5 --set cluster.name=east --set cluster.id=1`, stderr, exit 1.
    static let installWithoutKey = #"""

        Error: Unable to install Cilium: cilium/templates/hubble/tls-helm/server-secret.yaml:2:10
          executing "cilium/templates/hubble/tls-helm/server-secret.yaml" at <include "cilium.ca.setup" .>:
            error calling include:
        cilium/templates/_helpers.tpl:82:39
          executing "cilium.ca.setup" at <$key>:
            invalid value; expected string

        """#

    /// `cilium --context east clustermesh status`, stderr, exit 1.
    static let meshStatusBefore = #"""

        Error: Unable to determine status:  unable to get clustermesh service "clustermesh-apiserver": services \#
        "clustermesh-apiserver" not found

        """#

    /// `cilium clustermesh status -o json`, stderr, exit 1.
    static let meshStatusWithoutCilium = #"""

        Error: Unable to determine status:  unable to retrieve ConfigMap "cilium-config": configmaps "cilium-config" \#
        not found

        """#

    /// `cilium --context east clustermesh enable --service-type NodePort`, stdout, exit 0.
    static let enable = #"""
        ⚠️  Using service type NodePort may fail when nodes are removed from the cluster!

        """#

    /// `cilium --context east clustermesh enable`, stderr, exit 1.
    static let enableWithoutType = #"""

        Error: Unable to enable ClusterMesh: cannot auto-detect service type, please specify using '--service-type' \#
        option

        """#

    /// `cilium clustermesh enable --service-type NodePort`, stderr, exit 1.
    static let enableWithoutCilium = #"""

        Error: Unable to enable ClusterMesh: release: not found

        """#

    /// `cilium --context east clustermesh status -o json`, stderr, exit 1.
    static let meshStatusWithoutCertificates = #"""
        Trying to get secret clustermesh-apiserver-remote-cert by deprecated name clustermesh-apiserver-client-cert
        Trying to get secret clustermesh-apiserver-client-cert by deprecated name clustermesh-apiserver-client-certs

        Error: Unable to determine status:  unable to get client secret to access clustermesh service: unable to get \#
        secret "clustermesh-apiserver-client-certs" and no deprecated names to try

        """#

    /// `cilium --context east clustermesh status -o json`, stderr, exit 1.
    static let meshStatusNotReady = #"""
        ⚠️  Service type NodePort detected! Service may fail when nodes are removed from the cluster!
        ✅ Service "clustermesh-apiserver" of type "NodePort" found
        ✅ Cluster access information is available:
          - 172.20.0.11:32379

        Error: Unable to determine status:  deployment clustermesh-apiserver is not ready: only 0 of 1 replicas are \#
        available

        """#

    /// `cilium clustermesh connect --context east --destination-context west`, stdout, exit 1.
    static let connectMismatch = #"""
        ✨ Extracting access information of cluster east...
        🔑 Extracting secrets from cluster east...
        ⚠️  Service type NodePort detected! Service may fail when nodes are removed from the cluster!
        ℹ️  Found ClusterMesh service IPs: [172.20.0.11]
        ✨ Extracting access information of cluster west...
        🔑 Extracting secrets from cluster west...
        ⚠️  Service type NodePort detected! Service may fail when nodes are removed from the cluster!
        ℹ️  Found ClusterMesh service IPs: [172.21.0.11]

        """#

    /// `cilium clustermesh connect --context east --destination-context west`, stderr, exit 1.
    static let connectMismatchError = #"""

        Error: Unable to connect cluster: Cilium CA certificates do not match between clusters east and west. Use \#
        --allow-mismatching-ca to allow this by adding remote CAs to the CA bundle

        """#

    /// `cilium clustermesh connect --context east --destination-context west`, stdout, exit 0.
    static let connect = #"""
        ✨ Extracting access information of cluster east...
        🔑 Extracting secrets from cluster east...
        ⚠️  Service type NodePort detected! Service may fail when nodes are removed from the cluster!
        ℹ️  Found ClusterMesh service IPs: [172.20.0.11]
        ✨ Extracting access information of cluster west...
        🔑 Extracting secrets from cluster west...
        ⚠️  Service type NodePort detected! Service may fail when nodes are removed from the cluster!
        ℹ️  Found ClusterMesh service IPs: [172.21.0.11]
        ℹ️ Configuring Cilium in cluster east to connect to cluster west
        ℹ️ Configuring Cilium in cluster west to connect to cluster east
        ✅ Connected cluster east <=> west!

        """#

    /// `cilium --context east clustermesh status -o json`, stderr, exit 0.
    static let meshWithoutConnectivityLog = #"""
        ⚠️  Service type NodePort detected! Service may fail when nodes are removed from the cluster!
        ✅ Service "clustermesh-apiserver" of type "NodePort" found
        ✅ Cluster access information is available:
          - 172.20.0.11:32379
        ✅ Deployment clustermesh-apiserver is ready
        ℹ️  KVStoreMesh is enabled

        """#

    /// `cilium version -o json`, stderr, exit 1.
    static let versionJSON = #"""
        unknown shorthand flag: 'o' in -o

        """#
}
