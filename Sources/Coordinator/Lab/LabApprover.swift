// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshModel
internal import MeshSystem

/// The person of the story who may permit a wipe: an SSH key of their own, whose public half every node's own configuration lists.
struct LabApprover {
    static let principal = "lab-admin"
    let paths: LabPaths
    let tools: LabTools

    private var key: String { paths.approver + "/id_ed25519" }

    /// Makes the key, and the `allowed_signers` file that reaches the nodes with their configuration, never through the coordinator.
    func prepare() async throws {
        guard chmod(paths.approver, 0o700) == 0 else {
            throw LabError.system(doing: "set the mode of a directory", on: paths.approver, errno: errno)
        }
        try await tools.run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", Self.principal, "-f", key])
        guard let line = LabFiles.text(key + ".pub") else {
            throw LabError.unexpected(doing: "read the approver's public key", found: "no \(key).pub")
        }
        let words = line.split(separator: " ").prefix(2).joined(separator: " ")
        try LabFiles.write("\(Self.principal) namespaces=\"\(WarrantTerms.namespace)\" \(words)\n", to: paths.allowedSigners)
    }

    /// The armored SSH signature over a warrant's text, as `ssh-keygen -Y sign` writes it.
    func sign(_ text: String) async throws -> String {
        try await tools.run("ssh-keygen", ["-Y", "sign", "-n", WarrantTerms.namespace, "-f", key], input: text)
    }
}
