// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel

/// Method `zero` and its read-back beside dd, blkdiscard and nwipe, on the same device, turn and turn about. Shares are medians of each
/// round's own, as the disk below is shared with others.
struct DiskBenchZero {
    let directory: String
    let gibibytes: Int
    let rounds: Int
    let withNwipe: Bool

    /// MB/s of each round.
    private struct Rates {
        var ddWrite: [Double] = []
        var ddRead: [Double] = []
        var ownWrite: [Double] = []
        var ownRead: [Double] = []
        var blkdiscard: [Double] = []
        var ddReadZeroed: [Double] = []
        var rangeWrite: [Double] = []
        var rangeRead: [Double] = []
        var ownWhole: [Double] = []
        var rangeWhole: [Double] = []
    }

    func run() async throws {
        try await DiskBenchPlace.with(directory) { place in
            for table in DiskBenchPlace.Table.allCases {
                let disk = try await place.disk("vdb", size: UInt64(gibibytes) << 30, table)
                try await measure(disk, place)
                try await place.detach(disk)
            }
        }
    }

    private func measure(_ disk: DiskBenchPlace.Disk, _ place: DiskBenchPlace) async throws {
        let load = Machine.load
        let handless = try await place.sysfsWithoutWriteZeroes(disk)
        // Allocates the image; nobody's time.
        _ = try dd(write: disk)
        var rates = Rates()
        for round in 0..<rounds {
            // Both on blocks that are allocated and written, and each first in every other round.
            for turn in [round % 2, (round + 1) % 2] {
                if turn == 0 {
                    rates.ddWrite.append(try rate(disk, try dd(write: disk)))
                    rates.ddRead.append(try rate(disk, try dd(read: disk)))
                } else {
                    let timeline = try await place.wipe(disk, .zero, sysroot: handless)
                    rates.ownWrite.append(timeline.writeRate)
                    rates.ownRead.append(timeline.readRate)
                    rates.ownWhole.append(timeline.end)
                }
            }
            // Both leave blocks of which the file system knows only that they are zero, hence the second pass of dd between them.
            for turn in [round % 2, (round + 1) % 2] {
                if turn == 0 {
                    rates.blkdiscard.append(try rate(disk, try DiskBenchTool.seconds(["blkdiscard", "-z", disk.loop])))
                    rates.ddReadZeroed.append(try rate(disk, try dd(read: disk)))
                } else {
                    let timeline = try await place.wipe(disk, .zero)
                    rates.rangeWrite.append(timeline.writeRate)
                    rates.rangeRead.append(timeline.readRate)
                    rates.rangeWhole.append(timeline.end)
                }
                _ = try dd(write: disk)
            }
        }
        report(rates, disk, load)
        if withNwipe { try await nwipe(disk) }
    }

    private func report(_ rates: Rates, _ disk: DiskBenchPlace.Disk, _ load: String) {
        func row(_ what: String, _ values: [Double], beside floor: [Double]? = nil, whole: [Double]? = nil) {
            let samples = Samples(values)
            let share = floor.map { Samples(zip(values, $0).map { $0 / $1 }) }
            Machine.row(
                disk.table.rawValue, what, samples.median.text(0), samples.range(0), share.map { $0.median.text(2) } ?? "1",
                share?.range(2) ?? "-", whole.map { Samples($0).median.text(1) } ?? "-", load)
        }
        row("dd oflag=direct bs=4M conv=fsync", rates.ddWrite)
        row("**zero, own writes**", rates.ownWrite, beside: rates.ddWrite, whole: rates.ownWhole)
        row("blkdiscard -z", rates.blkdiscard)
        row("**zero, by BLKZEROOUT**", rates.rangeWrite, beside: rates.blkdiscard, whole: rates.rangeWhole)
        row("dd iflag=direct bs=4M, written blocks", rates.ddRead)
        row("**read-back, written blocks**", rates.ownRead, beside: rates.ddRead)
        row("dd iflag=direct bs=4M, zeroed blocks", rates.ddReadZeroed)
        row("**read-back, zeroed blocks**", rates.rangeRead, beside: rates.ddReadZeroed)
    }

    private func rate(_ disk: DiskBenchPlace.Disk, _ seconds: Double) throws -> Double { Double(disk.size) / seconds / 1e6 }

    private func dd(write disk: DiskBenchPlace.Disk) throws -> Double {
        try DiskBenchTool.seconds([
            "dd", "if=/dev/zero", "of=\(disk.loop)", "bs=4M", "count=\(disk.size >> 22)", "oflag=direct", "conv=fsync",
        ])
    }

    private func dd(read disk: DiskBenchPlace.Disk) throws -> Double {
        try DiskBenchTool.seconds(["dd", "if=\(disk.loop)", "of=/dev/null", "bs=4M", "iflag=direct"])
    }

    /// Once, as it takes minutes: written and verified, by the times of its own log, in whole seconds.
    private func nwipe(_ disk: DiskBenchPlace.Disk) async throws {
        let load = Machine.load
        let log = "\(directory)/nwipe.log"
        unlink(log)
        let seconds = try DiskBenchTool.seconds([
            "nwipe", "--autonuke", "--nogui", "--nowait", "--method=zero", "--noblank", "--verify=last", "--rounds=1", "--logfile=\(log)",
            disk.loop,
        ])
        func time(_ event: String) -> Double {
            let line = Machine.read(log).split(separator: "\n").first { $0.contains(event) }
            let clock = line?.split(separator: " ").dropFirst().first?.prefix(8).split(separator: ":").compactMap { Double($0) } ?? []
            return clock.reduce(0) { $0 * 60 + $1 }
        }
        let (started, written, verified) = (time("Starting pass"), time("Verifying pass"), time("Verified pass"))
        Machine.row(
            disk.table.rawValue, "nwipe, writing", (Double(disk.size) / (written - started) / 1e6).text(0), "one run", "-", "-",
            seconds.text(1), load)
        Machine.row(
            disk.table.rawValue, "nwipe, verifying", (Double(disk.size) / (verified - written) / 1e6).text(0), "one run", "-", "-", "-",
            load)
    }
}
