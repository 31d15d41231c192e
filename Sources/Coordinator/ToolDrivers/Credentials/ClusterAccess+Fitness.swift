// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshHTTP
import MeshModel
import MeshTrust

extension ClusterAccess {
    /// What may be said of a context whose server has just answered as `cluster`. Nothing of it is secret.
    func seen(as cluster: ClusterFact, kubeconfig: String) -> ClusterFact.Credentials {
        let certificate = credential.certificate.flatMap { try? Certificate(pem: String(decoding: $0.certificate, as: UTF8.self)) }
        return ClusterFact.Credentials(
            hasAuthority: authority != nil, isLocal: isLocal, mismatch: pin.flatMap { mismatch($0, cluster) },
            certificateEnds: certificate?.notAfter, mode: Self.mode(kubeconfig))
    }

    private func mismatch(_ pin: Pin, _ cluster: ClusterFact) -> String? {
        if let found = cluster.apiCA?.hex, found != pin.apiCA { return "its CA is another one" }
        if let wanted = pin.systemUID, let found = cluster.systemUID, wanted != found {
            return "kube-system has uid \(found), not \(wanted)"
        }
        return nil
    }

    /// A server of this machine's own needs no CA: nobody is in between.
    private var isLocal: Bool {
        ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"].contains { server.hasPrefix($0) }
    }

    /// Permissions of a file, links followed.
    private static func mode(_ path: String) -> Int? {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_mode & 0o777) : nil
    }
}
