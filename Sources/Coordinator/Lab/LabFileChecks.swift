// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshSystem

/// What a lab can show about disks and warrants without any rights: on plain sparse files.
struct LabFileChecks {
    let paths: LabPaths
    let tools: LabTools

    func run(say: (String) -> Void) async throws {
        let image = paths.disks + "/sample.img"
        let size: UInt64 = 12 << 30
        try LabDisks.makeSparse(image, size: size)
        let entropy = KernelEntropy()
        let fsid = BlueStoreLabel.text(ofUUID: try entropy.bytes(16))
        let label = BlueStoreLabel.osd(0, ofCluster: fsid, uuid: try entropy.bytes(16), size: size, bornAt: SystemClock.now().wall)
        try LabDisks.plant(label, on: image, size: size)
        for offset in BlueStoreLabel.offsets where offset < size {
            guard BlueStoreLabel.isGenuine(try LabDisks.block(of: image, at: offset)) else {
                throw LabError.unexpected(doing: "read a BlueStore label back", found: "something else at \(offset) of \(image)")
            }
        }
        say("BlueStore labels at 0, 1 and 10 GiB of a sparse file read back with a right checksum")
        let text = "\(WarrantTerms.magic)\nsample\n"
        let signature = paths.approver + "/sample.sig"
        try LabFiles.write(try await LabApprover(paths: paths, tools: tools).sign(text), to: signature)
        try await tools.run(
            "ssh-keygen",
            ["-Y", "verify", "-f", paths.allowedSigners, "-I", LabApprover.principal, "-n", WarrantTerms.namespace, "-s", signature],
            input: text)
        say("a text signed with ssh-keygen is accepted by the allowed_signers file of the nodes")
    }
}
