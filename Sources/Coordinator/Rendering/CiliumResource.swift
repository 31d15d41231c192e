// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// One object of Cilium's own kinds that a cluster is to hold.
package struct CiliumResource: Hashable, Sendable {
    /// The kinds that Meshgate renders; the order in which they are applied.
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        case pool = "CiliumLoadBalancerIPPool"
        case l2Policy = "CiliumL2AnnouncementPolicy"
        case advertisement = "CiliumBGPAdvertisement"
        case peerConfig = "CiliumBGPPeerConfig"
        case nodeOverride = "CiliumBGPNodeConfigOverride"
        case clusterConfig = "CiliumBGPClusterConfig"

        private var plural: String {
            switch self {
            case .pool: "ciliumloadbalancerippools"
            case .l2Policy: "ciliuml2announcementpolicies"
            case .advertisement: "ciliumbgpadvertisements"
            case .peerConfig: "ciliumbgppeerconfigs"
            case .nodeOverride: "ciliumbgpnodeconfigoverrides"
            case .clusterConfig: "ciliumbgpclusterconfigs"
            }
        }

        /// All but the L2 policy became v2 with Cilium 1.18, which still serves v2alpha1 but says that it goes.
        package func apiVersion(_ cilium: SemanticVersion) -> String {
            self == .l2Policy || cilium < SemanticVersion(1, 18, 0) ? "cilium.io/v2alpha1" : "cilium.io/v2"
        }

        /// Where the API server lists them.
        package func path(_ cilium: SemanticVersion) -> String { "/apis/\(apiVersion(cilium))/\(plural)" }
    }

    package let kind: Kind
    package let name: String
    package let apiVersion: String
    package let spec: [String: HelmValue]

    /// The label by which we know again what we made, and what to remove when mesh.yaml no longer has it.
    package static let owner = (label: "app.kubernetes.io/managed-by", value: "meshgate")

    /// The whole object.
    package var object: HelmValue {
        .map([
            "apiVersion": .string(apiVersion), "kind": .string(kind.rawValue),
            "metadata": .map([
                "name": .string(name), "labels": .map(labels.mapValues { .string($0) }),
            ]),
            "spec": .map(spec),
        ])
    }

    private var labels: [String: String] {
        var labels = [Self.owner.label: Self.owner.value]
        // A peer's families choose advertisements by label.
        if kind == .advertisement { labels[Self.advertisementLabel] = name }
        return labels
    }

    static let advertisementLabel = "meshgate.dev/advertisement"

    init(_ kind: Kind, _ name: String, cilium: SemanticVersion, spec: [String: HelmValue]) {
        self.kind = kind
        self.name = name
        apiVersion = kind.apiVersion(cilium)
        self.spec = spec
    }
}
