// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Testing

@testable import DiskWipe

@Suite("what Proxmox writes about its guests")
struct HypervisorFilesTests {
    private let guest = """
        # a comment
        agent: 1
        boot: order=virtio0
        cores: 4
        ide2: none,media=cdrom
        name: wrk-e-1
        net0: virtio=BC:24:11:00:15:21,bridge=vmbr0,tag=1500
        scsihw: virtio-scsi-single
        virtio0: local-lvm:vm-101-disk-0,iothread=1,size=32G
        virtio1: local-lvm:vm-101-disk-1,discard=on,iothread=1,serial=wrk%2De-1,size=128G
        scsi3: file=local:101/vm-101-disk-2.raw,ro=1,size=512M
        efidisk0: local-lvm:vm-101-disk-3,size=4M

        [before-upgrade]
        virtio1: local-lvm:vm-101-disk-9,serial=old,size=1G
        """

    @Test("disks with their options; no CD-ROM, no EFI variables, nothing of a snapshot")
    func drives() {
        let parsed = ProxmoxGuestFile(parsing: guest)
        #expect(parsed.settings["name"] == "wrk-e-1")
        #expect(parsed.drives.map(\.slot) == ["scsi3", "virtio0", "virtio1"])
        let data = parsed.drives[2]
        #expect(data.serial == "wrk-e-1" && data.size == .gibibytes(128) && data.discards && !data.readOnly)
        let other = parsed.drives[0]
        #expect(other.volume == "local:101/vm-101-disk-2.raw" && other.readOnly && other.size?.bytes == 512 << 20)
    }

    @Test("each storage says where its volumes lie, or why they are not read")
    func places() {
        let storages = StorageConfiguration(
            parsing: """
                dir: local
                \tpath /var/lib/vz
                \tcontent iso,images

                lvmthin: local-lvm
                \tthinpool data
                \tvgname pve

                zfspool: tank
                        pool rpool/data
                nfs: share
                \tserver 10.0.0.9
                rbd: ceph
                \tpool vms
                """)
        func place(_ volume: String) -> StorageConfiguration.Place { storages.place(of: volume, vmid: 101) }
        #expect(place("local-lvm:vm-101-disk-1") == .path("/dev/pve/vm-101-disk-1"))
        #expect(place("tank:vm-101-disk-1") == .path("/dev/zvol/rpool/data/vm-101-disk-1"))
        #expect(place("local:101/vm-101-disk-2.raw") == .path("/var/lib/vz/images/101/vm-101-disk-2.raw"))
        #expect(place("share:101/vm-101-disk-2.raw") == .path("/mnt/pve/share/images/101/vm-101-disk-2.raw"))
        #expect(place("/dev/disk/by-id/x") == .path("/dev/disk/by-id/x"))
        for volume in ["local:101/vm-101-disk-2.qcow2", "ceph:vm-101-disk-1", "gone:x", "local:../../etc/shadow.raw", "local:", ""] {
            guard case .unreadable = place(volume) else {
                Issue.record("\(volume)")
                continue
            }
        }
    }

    @Test("any bytes in any order are read to their end")
    func fuzz() {
        var random = SeededGenerator(seed: 11)
        let seeds = [Array(guest.utf8), Array("dir: local\n\tpath /x\n".utf8)]
        for round in 0..<3000 {
            var bytes = seeds[round % 2]
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let text = String(decoding: bytes, as: UTF8.self)
            let parsed = ProxmoxGuestFile(parsing: text)
            #expect(parsed.drives.count <= 8)
            for drive in parsed.drives { _ = StorageConfiguration(parsing: text).place(of: drive.volume, vmid: 1) }
        }
    }
}

extension DiskTests {
    @Suite("the second witness", .serialized)
    struct Witness {
        /// A Proxmox host whose one guest has the bench's disk.
        private func host(_ bench: Bench, _ disk: Bench.Disk, _ line: String? = nil) throws -> HypervisorWitness {
            let root = bench.directory + "/pve"
            try LinuxFileStore().createDirectory(root + "/qemu-server")
            let drive = line ?? "virtio1: \(disk.image),discard=on,serial=vdb-data,size=64M"
            try LinuxFileStore().write(Array("name: wrk-e-1\n\(drive)\n".utf8), to: root + "/qemu-server/101.conf")
            try LinuxFileStore().write([], to: root + "/storage.cfg")
            return HypervisorWitness(root: root)
        }

        @Test("sees by way of the volume the very content that the guest sees, and writes nothing")
        func sameContent() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 64 << 20)
                try await bench.tool("mkfs.ext4", "-q", "-L", "data01", disk.loop)
                let guest = try bench.fact()
                let hash = try await bench.hash(disk)
                let facts = try host(bench, disk).disks(lookingInto: ["vdb-data"])
                #expect(facts.count == 1 && facts[0].vmid == 101 && facts[0].machine == "wrk-e-1" && facts[0].slot == "virtio1")
                #expect(facts[0].fingerprint == guest.fingerprint && facts[0].sizeInBytes == 64 << 20 && facts[0].discards)
                #expect(facts[0].signatures == guest.signatures && facts[0].unread == nil)
                #expect(try await bench.hash(disk) == hash)
            }
        }

        @Test("looks only into what it was asked about, and says why a volume could not be read")
        func unread() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 64 << 20)
                #expect(try host(bench, disk).disks(lookingInto: ["other"])[0].fingerprint == nil)
                let gone = try host(bench, disk, "virtio1: /nowhere/x.raw,serial=vdb-data,size=64M").disks(lookingInto: ["vdb-data"])
                #expect(gone[0].unread?.contains("No such file") == true && gone[0].sizeInBytes == 64 << 20)
                #expect(throws: DiskWipeError.self) { try HypervisorWitness(root: bench.directory + "/none").disks(lookingInto: []) }
            }
        }
    }
}
