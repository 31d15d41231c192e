// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LocalLink
internal import MeshModel
internal import MeshTrust

/// Why a wipe that had begun did not reach its end.
enum WipeStop: Error {
    case failed(String)
    case interrupted
}

/// Writes zero and reads it back, on one descriptor, in chunks. Before each chunk the descriptor must still be the same disk instance; the
/// first error of any kind is final.
final class WipePass {
    private let device: BlockDevice
    private let wanted: BlockDevice.Facts
    private let stop: StopSignal
    private let progress: (TaskProgress.Phase, UInt64) -> Void
    private let buffer = AlignedBuffer(count: WipePass.chunk)
    private var pace: Pace
    private(set) var bytesWritten: UInt64 = 0
    private(set) var bytesVerified: UInt64 = 0
    /// Read before the last reading, to know what a discard left: it counts for the bar and proves nothing.
    private var bytesLookedAt: UInt64 = 0
    /// What the device was asked to forget, and said yes to.
    private(set) var bytesDiscarded: UInt64 = 0
    private var unsynchronised: UInt64 = 0

    private static let chunk = 4 << 20
    /// One ioctl covers more than one write: the kernel needs no buffer for it.
    private static let rangeChunk: UInt64 = 64 << 20
    private static let synchroniseEvery: UInt64 = 256 << 20

    init(
        _ device: BlockDevice, _ wanted: BlockDevice.Facts, rate: UInt64?, stop: StopSignal,
        progress: @escaping (TaskProgress.Phase, UInt64) -> Void
    ) {
        pace = Pace(rate)
        self.device = device
        self.wanted = wanted
        self.stop = stop
        self.progress = progress
    }

    /// Writes zero over the areas. With `byRange` the device is asked to do it, and our own writes take over where it cannot.
    func zero(_ areas: [WipeReport.Area], byRange: Bool) throws(WipeStop) {
        clear()
        var byRange = byRange
        for area in areas {
            var done: UInt64 = 0
            while done < area.length {
                let rest = WipeReport.Area(offset: area.offset + done, length: pace.piece(min(Self.rangeChunk, area.length - done)))
                try check()
                if byRange { byRange = try zeroedByDevice(rest) }
                let length = byRange ? rest.length : min(rest.length, UInt64(Self.chunk))
                if !byRange { try write(length, at: rest.offset) }
                try count(length)
                done += length
            }
        }
        try synchronise()
    }

    /// False when the device has no such command; every other answer than success is an error like that of a write.
    private func zeroedByDevice(_ area: WipeReport.Area) throws(WipeStop) -> Bool {
        do throws(BlockDevice.Failure) {
            try device.zeroOut(area)
            return true
        } catch {
            guard error.errno == EOPNOTSUPP || error.errno == ENOTTY else { throw failure(error, at: area.offset) }
            return false
        }
    }

    private func write(_ length: UInt64, at offset: UInt64) throws(WipeStop) {
        do throws(BlockDevice.Failure) {
            try device.write(buffer, count: Int(length), at: offset)
        } catch {
            throw failure(error, at: offset)
        }
    }

    /// Asks the device to forget everything. Its "yes" proves nothing (QEMU's default says yes and keeps all), its "no" is no fault.
    func discard(size: UInt64) throws(WipeStop) {
        var offset: UInt64 = 0
        while offset < size {
            try check()
            let area = WipeReport.Area(offset: offset, length: min(Self.rangeChunk, size - offset))
            guard (try? device.discard(area)) != nil else { return }
            offset += area.length
            bytesDiscarded = offset
            progress(.writing, bytesWritten + bytesLookedAt + bytesVerified)
        }
        try synchronise()
    }

    /// Reads the areas from the medium and says where the first byte was that is not zero. Without `hashing` only zeroes are looked for, at
    /// the device's own speed; their hash says nothing.
    func readBack(_ name: String, _ areas: [WipeReport.Area], hashing: Bool) throws(WipeStop) -> Stratum {
        var hasher = SHA256Hasher()
        let before = bytesVerified
        let nonzero = try firstNonzeroByte(areas) { if hashing { hasher.update($0) } }
        return Stratum(
            name: name, ranges: areas.count, bytes: bytesVerified - before, sha256: hashing ? hasher.finish() : nil, firstNonzero: nonzero)
    }

    /// A look before the last one: what it reads does not count as verified.
    func isZero(_ areas: [WipeReport.Area]) throws(WipeStop) -> Bool {
        defer {
            bytesLookedAt = bytesVerified
            bytesVerified = 0
        }
        return try firstNonzeroByte(areas) { _ in } == nil
    }

    private func firstNonzeroByte(_ areas: [WipeReport.Area], _ use: (UnsafeRawBufferPointer) -> Void) throws(WipeStop) -> UInt64? {
        defer { clear() }
        for area in areas {
            var done: UInt64 = 0
            while done < area.length {
                try check()
                let offset = area.offset + done
                let count = Int(pace.piece(min(UInt64(Self.chunk), area.length - done)))
                do throws(BlockDevice.Failure) {
                    try device.read(into: buffer, count: count, at: offset)
                } catch {
                    throw failure(error, at: offset)
                }
                let bytes = UnsafeRawBufferPointer(rebasing: buffer.bytes[..<count])
                if let index = firstNonzero(bytes) { return offset + UInt64(index) }
                use(bytes)
                bytesVerified += UInt64(count)
                done += UInt64(count)
                progress(.verifying, bytesWritten + bytesLookedAt + bytesVerified)
                pace.spend(UInt64(count)) { stop.isSet }
            }
        }
        return nil
    }

    /// Before each chunk: nobody asked to stop, and this is still the disk.
    private func check() throws(WipeStop) {
        if stop.isSet { throw .interrupted }
        let facts: BlockDevice.Facts
        do throws(BlockDevice.Failure) {
            facts = try device.facts()
        } catch {
            throw .failed("the disk no longer answers: \(words(error))")
        }
        guard facts == wanted else { throw .failed("the disk changed under the wipe: \(wanted.differences(from: facts))") }
    }

    private func count(_ length: UInt64) throws(WipeStop) {
        bytesWritten += length
        unsynchronised += length
        if unsynchronised >= Self.synchroniseEvery { try synchronise() }
        progress(.writing, bytesWritten + bytesLookedAt)
        pace.spend(length) { stop.isSet }
    }

    func synchronise() throws(WipeStop) {
        do throws(BlockDevice.Failure) {
            try device.synchronise()
        } catch {
            throw .failed("\(words(error)), so what was written cannot be trusted")
        }
        unsynchronised = 0
    }

    /// What was destroyed at least, written or discarded.
    var bytesTouched: UInt64 { max(bytesWritten, bytesDiscarded) }

    /// The buffer serves reads too; before it is written it must be zero again.
    private func clear() { buffer.bytes.initializeMemory(as: UInt8.self, repeating: 0) }

    private func failure(_ error: BlockDevice.Failure, at offset: UInt64) -> WipeStop { .failed("\(words(error)) at byte \(offset)") }

    private func words(_ error: BlockDevice.Failure) -> String {
        // What the kernel answers for a disk that was pulled out or shrank; its own words speak of full file systems.
        if [ENOSPC, ENODATA, ENXIO, ENODEV].contains(error.errno) {
            return "cannot \(error.doing) (\(device.path)): the disk went away or became smaller"
        }
        return "\(DiskWipeError.device(doing: error.doing, on: device.path, errno: error.errno))"
    }
}
