// SPDX-License-Identifier: Apache-2.0

import DiskWipe
import Glibc
import MeshModel

/// Method `labels` beside `wipefs -a` and `sgdisk -Z`, on the same device and over the same content, turn and turn about.
struct DiskBenchLabels {
    let directory: String
    let gibibytes: Int
    let rounds: Int

    enum Content: String, CaseIterable {
        case fileSystem = "GPT + ext4"
        case blueStore = "BlueStore labels"
    }

    func run() async throws {
        try await DiskBenchPlace.with(directory) { place in
            for table in DiskBenchPlace.Table.allCases {
                let disk = try await place.disk("vdb", size: UInt64(gibibytes) << 30, table)
                for content in Content.allCases { try await measure(content, disk, place) }
                try await place.detach(disk)
            }
        }
    }

    private func measure(_ content: Content, _ disk: DiskBenchPlace.Disk, _ place: DiskBenchPlace) async throws {
        let load = Machine.load
        var ours: [DiskBenchPlace.Timeline] = []
        var first = 0.0
        var (wipefs, sgdisk): ([Double], [Double]) = ([], [])
        var (leftByUs, leftByThem) = (0, 0)
        for round in 0...rounds {
            try await Self.plant(content, disk)
            let timeline = try await place.wipe(disk, .labels)
            leftByUs = try place.fact(disk).signatures.count
            try await Self.plant(content, disk)
            let one = try DiskBenchTool.seconds(["wipefs", "-a", disk.loop])
            // It complains, by its status, of a table that wipefs has taken away, and clears both ends all the same.
            let other = try DiskBenchTool.seconds(["sgdisk", "-Z", disk.loop], tolerating: 0...8)
            leftByThem = try place.fact(disk).signatures.count
            // The first round finds a sparse image, later ones find it allocated where labels lie.
            if round == 0 {
                first = timeline.end
                continue
            }
            ours.append(timeline)
            wipefs.append(one)
            sgdisk.append(other)
        }
        func median(_ value: (DiskBenchPlace.Timeline) -> Double) -> String { Samples(ours.map { value($0) * 1000 }).median.text(0) }
        let (all, theirs) = (Samples(ours.map { $0.end * 1000 }), Samples(zip(wipefs, sgdisk).map { ($0 + $1) * 1000 }))
        Machine.row(
            "\(gibibytes) GiB", disk.table.rawValue, content.rawValue, all.median.text(0), all.range(0), median { $0.firstWritten },
            median { $0.firstRead - $0.firstWritten }, median { $0.lastRead - $0.firstRead }, median { $0.end - $0.lastRead },
            (first * 1000).text(0), (Double(ours.last?.bytesWritten ?? 0) / 1_048_576).text(0),
            Samples(wipefs.map { $0 * 1000 }).median.text(0), Samples(sgdisk.map { $0 * 1000 }).median.text(0),
            (all.median / theirs.median).text(2), "\(leftByUs) / \(leftByThem)", load)
    }

    /// Through the page cache, then all of it to the image, so that nobody pays for what was left unwritten here.
    private static func plant(_ content: Content, _ disk: DiskBenchPlace.Disk) async throws {
        switch content {
        case .fileSystem:
            try await DiskBenchTool.run("sgdisk", "-Z", "-o", "-n", "1:2048:0", "-t", "1:8300", disk.loop)
            try await DiskBenchTool.run(
                "mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "offset=1048576,nodiscard,lazy_itable_init=1,lazy_journal_init=1", disk.loop,
                String((disk.size - (4 << 20)) / 4096))
        case .blueStore:
            let label = BlueStoreLabel(
                osdUUID: Array(1...16), sizeInBytes: disk.size, created: Timestamp(seconds: 1_767_225_600), description: "main",
                meta: ["ceph_fsid": "4a1c2f2e-0000-4000-8000-000000000001", "whoami": "3", "osd_key": "SECRET", "ready": "ready"])
            let bytes = BlueStoreLabel.encode(label)
            let file = open(disk.loop, O_WRONLY | O_CLOEXEC)
            guard file >= 0 else { throw BenchError.failed("cannot write \(disk.loop)") }
            defer { close(file) }
            for offset in BlueStoreLabel.offsets(onDiskOf: disk.size) {
                guard pwrite(file, bytes, bytes.count, off_t(offset)) == bytes.count else { throw BenchError.failed("the disk refuses") }
            }
        }
        try await DiskBenchTool.run("blockdev", "--flushbufs", disk.loop)
        try await DiskBenchTool.run("sync", disk.loop)
    }
}
