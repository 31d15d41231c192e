// SPDX-License-Identifier: Apache-2.0

import DiskWipe
import Glibc
import MeshModel
import MeshSystem
import MeshTrust

/// A disk handled past the wiper: what a scenario puts on it beforehand and asks it directly.
struct RawDisk {
    let name: String
    private var path: String { "/dev/\(name)" }

    init(_ disk: DiskFact) { name = disk.name }
    init(_ name: String) { self.name = name }

    func plant(_ bytes: [UInt8], at offset: UInt64) throws {
        try opened(O_WRONLY) { file in
            guard pwrite(file, bytes, bytes.count, off_t(offset)) == bytes.count, fsync(file) == 0 else {
                throw Stuck("cannot write \(path) at \(offset): \(errno)")
            }
        }
    }

    /// A label as an OSD leaves it, at each place that a newer Ceph uses and the disk has.
    func plantLabels(size: UInt64) throws {
        let label = BlueStoreLabel(
            osdUUID: Array(1...16), sizeInBytes: size, created: Timestamp(seconds: 1_767_225_600), description: "main",
            meta: ["ceph_fsid": "4a1c2f2e-0000-4000-8000-000000000001", "whoami": "3", "ready": "ready"])
        for offset in BlueStoreLabel.offsets(onDiskOf: size) { try plant(BlueStoreLabel.encode(label), at: offset) }
    }

    /// What the kernel answers to BLKDISCARD of the whole disk: 0, or the errno.
    func discard(size: UInt64) throws -> Int32 {
        try opened(O_WRONLY) { file in
            var range = (UInt64(0), size)
            return ioctl(file, 0x1277, &range) == 0 ? 0 : errno
        }
    }

    /// SHA-256 of the medium from end to end, past the page cache.
    func digest() throws -> Digest {
        try opened(O_RDONLY | Self.direct) { file in
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
            defer { buffer.deallocate() }
            var hasher = SHA256Hasher()
            while true {
                let count = read(file, buffer.baseAddress, buffer.count)
                guard count >= 0 else { throw Stuck("cannot read \(path): \(errno)") }
                if count == 0 { return hasher.finish() }
                hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
        }
    }

    /// The first bytes at `offset`, from the medium.
    func bytes(at offset: UInt64, count: Int) throws -> [UInt8] {
        try opened(O_RDONLY | Self.direct) { file in
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 4096)
            defer { buffer.deallocate() }
            guard pread(file, buffer.baseAddress, count, off_t(offset)) == count else { throw Stuck("cannot read \(path): \(errno)") }
            return Array(buffer)
        }
    }

    /// An attribute in sysfs, such as `queue/discard_max_bytes`.
    func attribute(_ file: String) -> String {
        let bytes = (try? LinuxFileStore().read("/sys/block/\(name)/\(file)", limit: 4096)) ?? nil
        return String(decoding: (bytes ?? []).prefix { $0 > 0x20 }, as: UTF8.self)
    }

    /// Glibc's module leaves O_DIRECT out; this is x86's.
    private static let direct: Int32 = 0o40000

    private func opened<Value>(_ flags: Int32, _ body: (Int32) throws -> Value) throws -> Value {
        let file = open(path, flags | O_CLOEXEC)
        guard file >= 0 else { throw Stuck("cannot open \(path): \(errno)") }
        defer { close(file) }
        return try body(file)
    }
}
