// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshModel
internal import MeshSystem

/// Makes the data disks of a lab: sparse images, what an earlier life left on them, and the loop devices in front.
struct LabDisks {
    let paths: LabPaths
    let tools: LabTools
    let entropy: any Entropy
    let now: NowSource

    /// Makes every data disk. Those with BlueStore labels are OSDs of one former Ceph cluster, numbered from 0.
    func make(_ nodes: [LabTopology.Node]) async throws {
        let fsid = BlueStoreLabel.text(ofUUID: try entropy.bytes(16))
        var number = 0
        for disk in nodes.compactMap(\.disk) {
            let image = paths.image(disk)
            try Self.makeSparse(image, size: disk.size.bytes)
            switch disk.content {
            case .blank, .lvm: break
            case .bluestore:
                let label = BlueStoreLabel.osd(
                    number, ofCluster: fsid, uuid: try entropy.bytes(16), size: disk.size.bytes, bornAt: now().wall + .seconds(-86_400 * 41)
                )
                try Self.plant(label, on: image, size: disk.size.bytes)
                number += 1
            case .ext4:
                try await tools.run("mkfs.ext4", ["-q", "-F", "-L", "old-data", image], deadline: .seconds(120))
            }
            let loop = try await LabLoop.attach(image, with: tools)
            if disk.content == .lvm { try await makePhysicalVolume(loop) }
        }
    }

    /// Puts a label wherever Ceph would have put one.
    static func plant(_ label: BlueStoreLabel, on image: String, size: UInt64) throws {
        let descriptor = open(image, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw LabError.system(doing: "open a disk image", on: image, errno: errno) }
        defer { close(descriptor) }
        let block = label.block
        for offset in BlueStoreLabel.offsets where offset + UInt64(block.count) <= size {
            guard pwrite(descriptor, block, block.count, off_t(offset)) == block.count else {
                throw LabError.system(doing: "write a BlueStore label", on: image, errno: errno)
            }
        }
    }

    /// One block of an image or device.
    static func block(of path: String, at offset: UInt64) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw LabError.system(doing: "open a disk", on: path, errno: errno) }
        defer { close(descriptor) }
        var block = [UInt8](repeating: 0, count: BlueStoreLabel.blockSize)
        guard pread(descriptor, &block, block.count, off_t(offset)) == block.count else {
            throw LabError.system(doing: "read a disk", on: path, errno: errno)
        }
        return block
    }

    static func makeSparse(_ image: String, size: UInt64) throws {
        let descriptor = open(image, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw LabError.system(doing: "make a disk image", on: image, errno: errno) }
        defer { close(descriptor) }
        guard ftruncate(descriptor, off_t(size)) == 0 else {
            throw LabError.system(doing: "give a disk image its size", on: image, errno: errno)
        }
    }

    /// LVM looks at this one device only and notes nothing in the machine's own device list.
    private func makePhysicalVolume(_ loop: LabLoop) async throws {
        let configuration =
            "devices { use_devicesfile=0 filter=[\"a|^\(loop.path)$|\",\"r|.*|\"] global_filter=[\"a|^\(loop.path)$|\",\"r|.*|\"] }"
            + " backup { backup=0 archive=0 }"
        try await tools.run("pvcreate", ["--yes", "--config", configuration, loop.path], deadline: .seconds(60))
    }
}
