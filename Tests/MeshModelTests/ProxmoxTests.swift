// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Testing

@Suite("What Proxmox writes, read once for all")
struct ProxmoxTests {
    private static let guest = """
        #a note: virtio9: local:stolen
        cores: 4
        cpu: cputype=host,flags=+aes
        cdrom: none
        memory: current=8192
        name: wrk-e-1
        net0: virtio=BC:24:11:00:15:21,bridge=vmbr0,tag=1500
        scsihw: virtio-scsi-single
        smbios1: uuid=0
        unused0: local-lvm:vm-101-disk-5
        virtio0: local-lvm:vm-101-disk-0,iothread=1,size=32G
        virtio1: local-lvm:vm-101-disk-0,serial=overruled
        virtio1: local-lvm:vm-101-disk-1,discard=on,serial=wrk%2de-1%2Cdata,size=128G
        vmstate: local-lvm:vm-101-state-x

        [PENDING]
        net0: virtio=BC:24:11:00:15:21,bridge=vmbr0,tag=999
        delete: virtio1

        [special:cloudinit]
        name: not-me

        [before-upgrade]
        memory: 1
        virtio1: local-lvm:vm-101-disk-9,serial=old,size=1G
        """

    @Test("what runs is what stands before the first section: nothing pending, nothing of a snapshot, nothing special")
    func sections() throws {
        let file = ProxmoxGuestFile(parsing: Self.guest)
        let guest = HypervisorFact.Guest(vmid: 101, settings: file.settings, isRunning: true)
        #expect(guest.name == "wrk-e-1" && guest.cores == 4 && guest.memory == .gibibytes(8) && guest.cpu == "host")
        #expect(guest.cards.map(\.tag) == [1500] && guest.cards.first?.mac == MACAddress("bc:24:11:00:15:21"))
        #expect(guest.disks.map(\.slot) == ["virtio0", "virtio1"])
        #expect(guest.disks[1].volume == "local-lvm:vm-101-disk-1" && guest.disks[1].serial == "wrk-e-1,data")
        #expect(guest.disks[1].size == .gibibytes(128))
    }

    @Test("whatever names a volume names it, in any section and under any key")
    func volumes() {
        let volumes = ProxmoxGuestFile(parsing: Self.guest).volumes
        #expect(
            volumes.isSuperset(
                of: ["vm-101-disk-0", "vm-101-disk-1", "vm-101-disk-5", "vm-101-disk-9", "vm-101-state-x"].map { "local-lvm:" + $0 }))
        #expect(
            ProxmoxGuestFile(parsing: "rootfs: local:105/vm-105-disk-0.raw,size=8G\nmp0: volume=x,mp=/a\n").volumes == [
                "local:105/vm-105-disk-0.raw"
            ])
        #expect(GuestSelector.number(inVolume: "local-lvm:vm-101-disk-1") == 101)
        #expect(GuestSelector.number(inVolume: "local:9000/base-9000-disk-0.qcow2/101/vm-101-disk-0.qcow2") == 101)
        for other in ["local:iso/debian-12-netinst.iso", "local:vm-x-disk-1", "local-lvm:snap_vm-101-disk-1_a", "", ":", "vm--"] {
            #expect(GuestSelector.number(inVolume: other) == nil, "\(other)")
        }
    }

    @Test("what Proxmox leaves out is its default, not nothing")
    func defaults() {
        let guest = HypervisorFact.Guest(vmid: 1, settings: ["sockets": "2"], isRunning: false, otherwiseCalled: "a\u{1b}[31m")
        #expect(guest.cores == 2 && guest.memory == ByteCount(bytes: 512 << 20) && guest.cpu == nil && guest.name == "a [31m")
    }

    @Test(
        "%XX is one byte, and only when both are digits of it",
        arguments: [
            ("a%2Cb", "a,b"), ("%41%4a", "AJ"), ("%", "%"), ("%4", "%4"), ("%+5", "%+5"), ("%zz", "%zz"), ("%%41", "%A"), ("%C3%A4", "ä"),
        ])
    func decoding(text: (String, String)) {
        #expect(ProxmoxProperty.decoded(text.0) == text.1)
        // In a configuration, for the gates and for the wiper's witness alike.
        #expect(ProxmoxDrive(slot: "virtio1", "s:v,serial=\(text.0),size=1G")?.serial == text.1)
    }

    @Test("a line end of another system is none, and a line that only looks like a section is none either")
    func lineEnds() {
        let file = ProxmoxGuestFile(parsing: "name: a\r\nmemory: 64 \r\n[x\ncores: 3\r\n[snap] \r\ncores: 9\n")
        #expect(file.settings == ["name": "a", "memory": "64", "cores": "3"])
        let sections = ProxmoxSections(parsing: "dir: local\r\n\tpath /a\r\n\tshared\r\n\nnonsense\n\tpath /b\nlvm: x\n  vgname   v\n")
            .sections
        #expect(
            sections["local"]?.options == ["path": "/a", "shared": "1"] && sections["x"]?.options == ["vgname": "v"] && sections.count == 2)
    }

    @Test("any bytes in any order are read to their end, within bounds")
    func fuzz() {
        var random = SplitMix(seed: 12)
        for _ in 0..<3000 {
            var bytes = Array(Self.guest.utf8)
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let file = ProxmoxGuestFile(parsing: String(decoding: bytes, as: UTF8.self))
            let guest = HypervisorFact.Guest(vmid: 101, settings: file.settings, isRunning: true)
            #expect(guest.cards.count <= 4 && guest.disks.count <= 8 && file.volumes.count <= 16)
            #expect(guest.name.utf8.count <= 128 && guest.disks.allSatisfy { $0.volume.utf8.count <= 256 })
        }
        let long = ProxmoxProperty.plain(String(repeating: "ä\u{0}", count: 500), limit: 100)
        #expect(long.utf8.count <= 100 && !long.utf8.contains(0))
    }
}
