// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Helm values and objects of Cilium's own kinds, a cluster at a time.
package enum CiliumFiles {
    package static func files(of cluster: MeshSpec.Cluster, spec: MeshSpec) -> [RenderedFile] {
        let directory = "cilium/\(cluster.name)"
        let values = CiliumValues(spec: spec, cluster: cluster).values
        let resources = CiliumResources.of(cluster, cilium: spec.versions.cilium)
        var files = [RenderedFile(path: "\(directory)/values.yaml", form: .yaml([.map(values)]))]
        if !resources.isEmpty { files.append(RenderedFile(path: "\(directory)/resources.yaml", form: .yaml(resources.map(\.object)))) }
        return files
    }
}
