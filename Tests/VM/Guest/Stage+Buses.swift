// SPDX-License-Identifier: Apache-2.0

import DiskWipe
import MeshModel

/// Disks on every bus that we know, as the kernel shows them, and a wipe of each.
extension Stage {
    func buses() async throws {
        let virtio = try machine.disk("VIRTIO-1")
        expect(virtio, .virtio, name: "vdb", size: 64 << 20 + 512, sector: 512, below: "pci0000:00/0000:00:06.0/virtio")
        let scsi = try machine.disk("SCSI-1")
        expect(scsi, .scsi, name: "sda", size: 128 << 20, sector: 512, below: "pci0000:00/0000:00:07.0/virtio")
        let nvme = try machine.disk("NVME-1")
        expect(nvme, .nvme, name: nvme.name, size: 128 << 20, sector: 4096, below: "pci0000:00/0000:00:08.0/nvme/nvme")
        // A controller that shares its subsystem: the kernel then shows the disk as a virtual one over all paths.
        let shared = try machine.disk("NVME-2")
        expect(shared, .nvme, name: shared.name, size: 128 << 20, sector: 512, below: "")
        say("# \(shared.name) behind a subsystem: \(shared.identity)")

        let all = try machine.configuration.inventory.disks()
        let state = all.first { $0.name == "vda" }
        checks.expect(all.count == 5, "five disks", "\(all.map(\.name))")
        checks.expect(Set(all.map(\.identity.sequence)).count == all.count, "each disk has a diskseq of its own")
        checks.expect(state?.exclusiveOpen == false, "the mounted disk is not free", "\(String(describing: state))")
        checks.expect(
            state?.users.contains { $0.hasSuffix("mounted at /state (ext4)") } == true, "the mounted disk says where",
            "\(state?.users ?? [])")

        for disk in [virtio, scsi, nvme, shared] {
            let raw = RawDisk(disk)
            say(
                "# \(disk.name): discard \(raw.attribute("queue/discard_max_bytes")), "
                    + "write zeroes \(raw.attribute("queue/write_zeroes_max_bytes"))")
        }
        try await expectCleared(virtio, .zero)
        try await expectCleared(scsi, .discardVerify)
        try await expectCleared(nvme, .discardVerify)
        try await expectCleared(shared, .zero)
    }

    private func expect(
        _ disk: DiskFact, _ kind: DiskIdentity.Kind, name: String, size: UInt64, sector: UInt64, below path: String
    ) {
        let serial = disk.identity.serial ?? "-"
        checks.expect(disk.name == name, "\(serial): is called \(name)", disk.name)
        checks.expect(disk.identity.kind == kind, "\(serial): kind \(kind.rawValue)", disk.identity.kind.rawValue)
        checks.expect(disk.identity.sizeInBytes == size, "\(serial): size", "\(disk.identity.sizeInBytes)")
        checks.expect(disk.identity.sectorSize == sector, "\(serial): sectors of \(sector)", "\(disk.identity.sectorSize)")
        checks.expect(disk.identity.path.hasPrefix(path), "\(serial): hardware path", disk.identity.path)
        let sequence = RawDisk(disk).attribute("diskseq")
        checks.expect(
            disk.identity.sequence > 0 && String(disk.identity.sequence) == sequence, "\(serial): diskseq is the kernel's",
            "\(disk.identity.sequence) and \(sequence)")
        checks.expect(
            disk.exclusiveOpen && disk.users.isEmpty && !disk.readOnly && !disk.blank && disk.unreadable == nil,
            "\(serial): free, writable, with content", "\(disk)")
    }
}
