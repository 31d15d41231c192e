// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import MeshModel

/// Major and minor: the kernel's name for a block device, which no rename in /dev can change.
struct BlockNumber: Hashable, Sendable, CustomStringConvertible {
    let major: UInt32
    let minor: UInt32
    init(_ major: UInt32, _ minor: UInt32) {
        self.major = major
        self.minor = minor
    }
    /// From `8:16`, as sysfs and mountinfo write it.
    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let major = UInt32(parts[0]), let minor = UInt32(parts[1]) else { return nil }
        self.init(major, minor)
    }
    var description: String { "\(major):\(minor)" }

    /// The number of a device node; `nil` when the path is something else or nothing.
    static func ofNode(_ path: String, followingLinks: Bool = false) -> BlockNumber? {
        var major: UInt32 = 0
        var minor: UInt32 = 0
        let code =
            followingLinks ? meshgate_block_node_following(path, &major, &minor) : meshgate_block_node(path, &major, &minor)
        return code == 0 ? BlockNumber(major, minor) : nil
    }
}

/// Memory that O_DIRECT accepts: aligned to 4 KiB, zero at first.
final class AlignedBuffer {
    let bytes: UnsafeMutableRawBufferPointer
    init(count: Int) {
        bytes = .allocate(byteCount: count, alignment: 4096)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }
    deinit { bytes.deallocate() }
}

/// One open disk. All input and output bypasses the page cache. Belongs to one thread; the descriptor is closed with the value.
final class BlockDevice {
    enum Access { case reading, exclusiveReading, exclusiveWriting }

    /// The failing system call, for those who answer differently to EBUSY and to the rest.
    struct Failure: Error, Hashable {
        let doing: String
        let errno: Int32
    }

    let path: String
    let descriptor: Int32

    init(_ path: String, _ access: Access) throws(Failure) {
        self.path = path
        let result = meshgate_block_open(path, access == .exclusiveWriting ? 1 : 0, access == .reading ? 0 : 1)
        guard result >= 0 else { throw Failure(doing: "open", errno: -result) }
        descriptor = result
    }

    /// Opens exclusively, with patience for those who hold a disk for a moment only: another inventory, or udev.
    static func exclusive(_ path: String, _ access: Access) throws(Failure) -> BlockDevice {
        for _ in 1...5 {
            do throws(Failure) {
                return try BlockDevice(path, access)
            } catch {
                guard error.errno == EBUSY else { throw error }
                poll(nil, 0, 20)
            }
        }
        return try BlockDevice(path, access)
    }

    deinit { close(descriptor) }

    /// What the descriptor itself says, now.
    struct Facts: Hashable {
        let number: BlockNumber
        let size: UInt64
        let sector: UInt64
        let sequence: UInt64
        let readOnly: Bool

        /// In words, what is so in `other` and was not here.
        func differences(from other: Facts) -> String {
            if other.size == 0 { return "it went away" }
            var words: [String] = []
            if number != other.number { words.append("device number \(other.number) instead of \(number)") }
            if size != other.size { words.append("size \(other.size) instead of \(size)") }
            if sector != other.sector { words.append("sector size \(other.sector) instead of \(sector)") }
            if sequence != other.sequence { words.append("disk sequence \(other.sequence) instead of \(sequence)") }
            if readOnly != other.readOnly { words.append(other.readOnly ? "it is read-only now" : "it is writable now") }
            return words.joined(separator: ", ")
        }
    }

    func facts() throws(Failure) -> Facts {
        var raw = meshgate_block_facts()
        try check(meshgate_block_facts_of(descriptor, &raw), "ask for size and sequence of")
        return Facts(
            number: BlockNumber(raw.major, raw.minor), size: raw.size, sector: UInt64(raw.sector), sequence: raw.sequence,
            readOnly: raw.read_only != 0)
    }

    /// Bytes of whatever is behind the descriptor: for a volume that is a file and no device.
    func volumeSize() throws(Failure) -> UInt64 {
        var size: UInt64 = 0
        try check(meshgate_volume_size(descriptor, &size), "ask for the size of")
        return size
    }

    /// Fills the first `count` bytes of the buffer.
    func read(into buffer: AlignedBuffer, count: Int, at offset: UInt64) throws(Failure) {
        precondition(count <= buffer.bytes.count, "the buffer is too small")
        try check(meshgate_block_read(descriptor, buffer.bytes.baseAddress, count, offset), "read")
    }

    /// Writes the first `count` bytes of the buffer.
    func write(_ buffer: AlignedBuffer, count: Int, at offset: UInt64) throws(Failure) {
        precondition(count <= buffer.bytes.count, "the buffer is too small")
        try check(meshgate_block_write(descriptor, buffer.bytes.baseAddress, count, offset), "write")
    }

    func discard(_ area: WipeReport.Area) throws(Failure) {
        try check(meshgate_block_discard(descriptor, area.offset, area.length), "discard")
    }

    func zeroOut(_ area: WipeReport.Area) throws(Failure) {
        try check(meshgate_block_zero_out(descriptor, area.offset, area.length), "zero")
    }

    /// Brings everything to the medium. After an error nothing about earlier writes is known, and asking again would lie (fsync says
    /// an error once and then "ok"), so the caller must give up.
    func synchronise() throws(Failure) {
        if fsync(descriptor) != 0 { throw Failure(doing: "bring to disk", errno: errno) }
    }

    /// False when somebody else holds the lock that udev and others take while they work on a disk.
    func lock() -> Bool { flock(descriptor, LOCK_EX | LOCK_NB) == 0 }

    /// Hands the areas to `use` piece by piece, read past the page cache; `use` says whether to go on.
    func read(_ areas: some Sequence<WipeReport.Area>, buffer: AlignedBuffer, _ use: (UnsafeRawBufferPointer, UInt64) throws -> Bool) throws
    {
        for area in areas {
            var offset = area.offset
            let end = area.offset + area.length
            while offset < end {
                let count = Int(min(UInt64(buffer.bytes.count), end - offset))
                try read(into: buffer, count: count, at: offset)
                guard try use(UnsafeRawBufferPointer(rebasing: buffer.bytes[..<count]), offset) else { return }
                offset += UInt64(count)
            }
        }
    }

    /// Runs `body` with reads through the page cache allowed, for libblkid, which reads at odd offsets.
    func withCachedReads<Value>(forgettingCache: Bool, _ body: (Int32) throws -> Value) throws -> Value {
        if forgettingCache { try check(meshgate_block_forget_cache(descriptor), "drop cached pages of") }
        try check(meshgate_block_direct(descriptor, 0), "allow cached reads of")
        do {
            let value = try body(descriptor)
            try check(meshgate_block_direct(descriptor, 1), "forbid cached reads of")
            return value
        } catch {
            // Nobody may go on with a cached descriptor; this error is then the one that counts.
            try check(meshgate_block_direct(descriptor, 1), "forbid cached reads of")
            throw error
        }
    }

    private func check(_ code: Int32, _ doing: String) throws(Failure) {
        guard code == 0 else { throw Failure(doing: doing, errno: -code) }
    }
}

/// Index of the first byte of `bytes` that is not zero.
func firstNonzero(_ bytes: UnsafeRawBufferPointer) -> Int? {
    let index = meshgate_block_first_nonzero(bytes.baseAddress, bytes.count)
    return index == bytes.count ? nil : index
}
