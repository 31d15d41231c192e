// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// The Star Wars demonstration as objects: a death star in every cluster behind one global service that prefers the others' death stars, a
/// ship of the empire, a ship of the alliance, and the policy that lets the first one land and nobody reach the exhaust port.
enum StarWars {
    static let namespace = "star-wars"
    static let landing = "/v1/request-landing"
    static let exhaustPort = "/v1/exhaust-port"
    static let host = "deathstar.\(namespace).svc.cluster.local"

    /// The images of Cilium's own demonstration, by digest.
    private static let station =
        "quay.io/cilium/starwars:v2.1@sha256:833d915ec68fca3ce83668fc5dae97c455b2134d8f23ef96586f55b894cfb1e8"
    private static let ship = "quay.io/cilium/json-mock:v1.3.8@sha256:5aad04835eda9025fe4561ad31be77fd55309af8158ca8663a72f6abb78c2603"

    /// A `List`, in JSON.
    static func manifest(clusters: [ClusterName]) throws -> [UInt8] {
        let items: [HelmValue] = [
            workload("deathstar", org: "empire", image: station, replicas: 2), workload("tiefighter", org: "empire", image: ship),
            workload("xwing", org: "alliance", image: ship), service, policy(clusters),
        ]
        return try JSON.encode(.map(["apiVersion": .string("v1"), "kind": .string("List"), "items": .list(items)]))
    }

    private static func workload(_ name: String, org: String, image: String, replicas: Int64 = 1) -> HelmValue {
        let labels: HelmValue = .map(["org": .string(org), "class": .string(name)])
        let container: HelmValue = .map([
            "name": .string(name), "image": .string(image),
            "securityContext": .map(["allowPrivilegeEscalation": .bool(false)]),
        ])
        return .map([
            "apiVersion": .string("apps/v1"), "kind": .string("Deployment"), "metadata": metadata(name),
            "spec": .map([
                "replicas": .integer(replicas), "selector": .map(["matchLabels": labels]),
                "template": .map(["metadata": .map(["labels": labels]), "spec": .map(["containers": .list([container])])]),
            ]),
        ])
    }

    /// With affinity for remote endpoints, so that a request crosses the mesh though a death star is next door.
    private static var service: HelmValue {
        .map([
            "apiVersion": .string("v1"), "kind": .string("Service"),
            "metadata": metadata(
                "deathstar",
                annotations: ["service.cilium.io/global": .string("true"), "service.cilium.io/affinity": .string("remote")]),
            "spec": .map([
                "type": .string("ClusterIP"), "ports": .list([.map(["port": .integer(80), "protocol": .string("TCP")])]),
                "selector": .map(["org": .string("empire"), "class": .string("deathstar")]),
            ]),
        ])
    }

    /// From Cilium 1.19 on a selector that names no cluster means the local one only, so that every cluster of the mesh is named.
    private static func policy(_ clusters: [ClusterName]) -> HelmValue {
        let from: HelmValue = .map([
            "matchLabels": .map(["org": .string("empire")]),
            "matchExpressions": .list([
                .map([
                    "key": .string("io.cilium.k8s.policy.cluster"), "operator": .string("In"),
                    "values": .list(clusters.map { .string($0.text) }),
                ])
            ]),
        ])
        let http: HelmValue = .map(["http": .list([.map(["method": .string("POST"), "path": .string(landing)])])])
        let ports: HelmValue = .map([
            "ports": .list([.map(["port": .string("80"), "protocol": .string("TCP")])]), "rules": http,
        ])
        return .map([
            "apiVersion": .string("cilium.io/v2"), "kind": .string("CiliumNetworkPolicy"), "metadata": metadata("deathstar-landing"),
            "spec": .map([
                "description": .string("ships of the empire may ask to land, and nothing else"),
                "endpointSelector": .map(["matchLabels": .map(["org": .string("empire"), "class": .string("deathstar")])]),
                "ingress": .list([.map(["fromEndpoints": .list([from]), "toPorts": .list([ports])])]),
            ]),
        ])
    }

    private static func metadata(_ name: String, annotations: [String: HelmValue] = [:]) -> HelmValue {
        var metadata: [String: HelmValue] = ["name": .string(name), "namespace": .string(namespace)]
        if !annotations.isEmpty { metadata["annotations"] = .map(annotations) }
        return .map(metadata)
    }
}
