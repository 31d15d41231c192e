// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Testing

@testable import DiskWipe

extension DiskTests {
    /// An OSD that Ceph itself made, judged before and after by Ceph's own tool.
    @Suite("a real OSD", .serialized, .enabled(if: Finder.has("ceph-osd", "ceph-bluestore-tool"), "needs Debian's ceph-osd"))
    struct RealOSD {
        private static let cluster = "4a1c2f2e-0000-4000-8000-000000000001"

        /// Formats the disk as OSD 0 of a cluster that never ran; needs no monitor.
        private func makeOSD(_ bench: Bench, _ disk: Bench.Disk, database: Bench.Disk? = nil) async throws {
            let data = "\(bench.directory)/osd"
            try LinuxFileStore().createDirectory(data)
            try #require(symlink(disk.loop, "\(data)/block") == 0)
            if let database { try #require(symlink(database.loop, "\(data)/block.db") == 0) }
            let settings = """
                [global]
                fsid = \(Self.cluster)
                run dir = \(data)
                log file = /dev/null
                keyring = \(data)/keyring
                [osd]
                bluestore block create = false

                """
            try LinuxFileStore().write(Array(settings.utf8), to: "\(bench.directory)/ceph.conf")
            try await bench.tool(
                "ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", "11111111-2222-4333-8444-555555555555", "--no-mon-config", "-c",
                "\(bench.directory)/ceph.conf", "--osd-data", data, "--setuser", "root", "--setgroup", "root")
        }

        /// What Ceph reads at an offset, `nil` when it finds no label there. Through a copy of the block: its tool only looks at offset 0.
        private func label(_ bench: Bench, _ disk: Bench.Disk, at offset: UInt64) async throws -> String? {
            let copy = "\(bench.directory)/block-\(offset)"
            try LinuxFileStore().write(try bench.bytes(of: disk, at: offset, count: 4096), to: copy)
            let shown = try await bench.attempt("ceph-bluestore-tool", ["show-label", "--dev", copy])
            return shown.succeeded ? shown.outputText : nil
        }

        private func shows(_ bench: Bench, _ device: String) async throws -> Bool {
            try await bench.attempt("ceph-bluestore-tool", ["show-label", "--dev", device]).succeeded
        }

        @Test("is told with number, cluster and place, and after method labels Ceph itself finds no label")
        func genuine() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 4 << 30)
                try await makeOSD(bench, disk)
                let fact = try bench.fact()
                let made = try #require(try BlueStoreLabel(parsing: try bench.bytes(of: disk, at: 0, count: 4096)))
                #expect(
                    fact.signatures.map(\.words) == ["BlueStore OSD 0 of cluster fsid \(Self.cluster), created \(made.created), label at 0"]
                )
                #expect(made.sizeInBytes == 4 << 30 && made.created > SystemClock.now().wall + .seconds(-60))
                #expect(try await shows(bench, disk.loop))
                #expect(try await bench.wipe().ending == .cleared)
                #expect(try await shows(bench, disk.loop) == false)
                let left = try await bench.leftovers(on: disk)
                #expect(left.isEmpty, "\(left)")
            }
        }

        @Test(
            "with copies of its label at every place that fits, is told with all of them and leaves none",
            arguments: [(64, [0, 1, 10]), (128, [0, 1, 10, 100])] as [(UInt64, [UInt64])])
        func copies(_ sizeInGiB: UInt64, _ places: [UInt64]) async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: sizeInGiB << 30)
                try await makeOSD(bench, disk)
                let genuine = try bench.bytes(of: disk, at: 0, count: 4096)
                for place in places.dropFirst() { try bench.plant(genuine, at: place << 30, on: disk) }
                for place in places {
                    #expect(try await label(bench, disk, at: place << 30)?.contains("\"ceph_fsid\": \"\(Self.cluster)\"") == true)
                }
                let signatures = try bench.fact().signatures
                let told = "labels at " + places.map { $0 == 0 ? "0" : "\($0) GiB" }.joined(separator: ", ")
                #expect(signatures.map(\.offset) == places.map { $0 << 30 } && signatures.first?.words.hasSuffix(told) == true)
                #expect(try await bench.wipe().ending == .cleared)
                for place in places { #expect(try await label(bench, disk, at: place << 30) == nil, "at \(place) GiB") }
                #expect(try bench.fact().blank)
            }
        }

        @Test("seen by Ceph through a device that begins at 10 GiB, as a tool that looks for copies would, is gone after the wipe")
        func throughAnOffset() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 64 << 30)
                try bench.plant(BlueStoreLabel.encode(Bench.label(osd: 0)), at: 10 << 30, on: disk)
                let look = {
                    try await bench.part(of: disk, at: 10 << 30, length: 1 << 30, readOnly: true) { try await shows(bench, $0) }
                }
                let before = try await look()
                #expect(try await bench.wipe().ending == .cleared)
                let after = try await look()
                #expect(before && !after)
            }
        }

        @Test("with its database on another disk: that disk is told as BlueStore's, and wiped alone it leaves the OSD whole")
        func database() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk("vdc", size: 4 << 30)
                let database = try await bench.disk(size: 2 << 30)
                try await makeOSD(bench, disk, database: database)
                let made = try #require(try BlueStoreLabel(parsing: try bench.bytes(of: database, at: 0, count: 4096)))
                #expect(made.description == "bluefs db" && made.osd == nil)
                #expect(try bench.fact().signatures.map(\.words) == ["BlueStore device, created \(made.created), label at 0"])
                let head = try bench.bytes(of: disk, at: 0, count: 1 << 20)
                #expect(try await bench.wipe().ending == .cleared)
                #expect(try await shows(bench, database.loop) == false)
                let isWhole = try bench.bytes(of: disk, at: 0, count: 1 << 20) == head
                #expect(isWhole)
                #expect(try await shows(bench, disk.loop))
            }
        }

        @Test("is wiped to the last byte by discard+verify")
        func discarded() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 1 << 30)
                try await makeOSD(bench, disk)
                #expect(try await bench.wipe(.discardVerify).ending == .cleared)
                #expect(try await bench.tool("cmp", "-n", String(1 << 30), disk.image, "/dev/zero").isEmpty)
            }
        }
    }
}
