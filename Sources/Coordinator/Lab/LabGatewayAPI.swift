// SPDX-License-Identifier: Apache-2.0

package import MeshModel
internal import MeshTrust

/// What stands for a release of the Gateway API in a lab, which has no way to the web: the kinds that Cilium looks for, without schemas.
package enum LabGatewayAPI {
    private static let kinds = ["GatewayClass", "Gateway", "HTTPRoute", "GRPCRoute", "ReferenceGrant"]

    /// Documents in JSON, which is YAML too.
    package static func manifest(_ version: SemanticVersion) throws -> String {
        try kinds.map { kind in
            var definition = StandInDefinition.make(
                kind: kind, group: "gateway.networking.k8s.io", version: "v1", isNamespaced: kind != "GatewayClass")
            definition["metadata", "annotations"] = [
                "gateway.networking.k8s.io/bundle-version": "v\(version)", "gateway.networking.k8s.io/channel": "standard",
            ]
            return try StandInJSON.encode(definition) + "\n"
        }.joined(separator: "---\n")
    }

    /// Puts the release and its pin beside a mesh.yaml, in `manifests`.
    package static func write(_ version: SemanticVersion, beside directory: String) throws {
        let text = try manifest(version)
        let path = "\(directory)/manifests/gateway-api-\(version)"
        try LabFiles.write(text, to: path + ".yaml")
        try LabFiles.write("\(Digest.sha256(Array(text.utf8)).hex)  standard-install.yaml\n", to: path + ".sha256")
    }
}
