// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// What the clustermesh API server of a stand-in cluster shows, in `world/CLUSTER/clustermesh-server.json`: written by the stand-in, read by the
/// nodes at every connection, as a server does whose certificate may be renewed under it.
struct LabServerCertificate: Hashable, Sendable {
    /// PEM, all of them.
    var certificate: String
    var key: String
    /// By which clients are judged.
    var authority: String
    /// It is not the one of the cluster's Secret.
    var isStale = false

    /// From a Secret of the kind kubernetes.io/tls.
    init?(_ secret: HelmValue) {
        func text(_ key: String) -> String? {
            secret["data", key]?.text.flatMap(StandInJSON.unbase64).map { String(decoding: $0, as: UTF8.self) }
        }
        guard let certificate = text("tls.crt"), let key = text("tls.key"), let authority = text("ca.crt") else { return nil }
        (self.certificate, self.key, self.authority) = (certificate, key, authority)
    }

    /// `nil` while there is none.
    init?(reading directory: String) {
        guard let json = LabFiles.bytes(Self.path(directory)).flatMap(StandInJSON.decode), let certificate = json["certificate"]?.text,
            let key = json["key"]?.text, let authority = json["authority"]?.text
        else { return nil }
        (self.certificate, self.key, self.authority) = (certificate, key, authority)
        isStale = json["stale"]?.truth == true
    }

    func write(to directory: String) throws {
        let json: HelmValue = [
            "certificate": .string(certificate), "key": .string(key), "authority": .string(authority), "stale": .bool(isStale),
        ]
        let path = Self.path(directory)
        try LabFiles.write(StandInJSON.encode(json), to: path + ".new", mode: 0o600)
        try LabFiles.rename(path + ".new", to: path)
    }

    private static func path(_ directory: String) -> String { directory + "/clustermesh-server.json" }
}
