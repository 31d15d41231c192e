// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Telemetry

/// The counters of a spool, in a small file that is mapped into memory: counting costs no system call, and a killed agent leaves behind how far
/// it had counted, to the event. The file is allocated in full when it is made, so a full disk cannot take it away.
///
///     0     magic, checksum, instance, boot id      written once
///     512   per source: produced, spooled, acknowledged
///     4096  length, checksum, gaps: batches that only tell of losses
final class SpoolHeader: @unchecked Sendable {
    static let size = 64 << 10
    static let gapBytes = size - 4096 - 8
    private static let magic: UInt64 = 0x3130_4c4f_4f50_534d

    /// What is counted for each source.
    enum Counter: Int {
        /// The last number that was given out.
        case produced = 0
        /// The last number that is in the spool, as event or as gap.
        case spooled = 1
        /// The last number that the coordinator has.
        case acknowledged = 2
    }

    let instance: UInt64
    let boot: BootID
    // Each counter has one writer at a time: the lock of the spool's half that it belongs to.
    private let memory: UnsafeMutableRawPointer

    private init(memory: UnsafeMutableRawPointer, instance: UInt64, boot: BootID) {
        self.memory = memory
        self.instance = instance
        self.boot = boot
    }

    deinit { munmap(memory, Self.size) }

    func stream(_ source: TelemetrySource) -> TelemetryStream { TelemetryStream(source: source, boot: boot, instance: instance) }

    subscript(source: TelemetrySource, counter: Counter) -> UInt64 {
        get { memory.load(fromByteOffset: Self.place(source, counter), as: UInt64.self) }
        set { memory.storeBytes(of: newValue, toByteOffset: Self.place(source, counter), as: UInt64.self) }
    }

    private static func place(_ source: TelemetrySource, _ counter: Counter) -> Int {
        // Fixed for ever: a file of an older version must mean the same.
        let slot =
            switch source {
            case .tracer: 0
            case .tetragon: 1
            case .hubble: 2
            case .host: 3
            }
        return 512 + 64 * slot + 8 * counter.rawValue
    }

    // MARK: gaps

    /// The gaps that were kept; none when their record is damaged.
    var gaps: [TelemetryBatch] {
        let length = Int(memory.load(fromByteOffset: 4096, as: UInt32.self))
        guard length <= Self.gapBytes else { return [] }
        let bytes = [UInt8](UnsafeRawBufferPointer(start: memory + 4104, count: length))
        guard CRC32C.checksum(bytes) == memory.load(fromByteOffset: 4100, as: UInt32.self) else { return [] }
        return GapList.decode(bytes)
    }

    /// Keeps as many as there is room for, the oldest first; the others would be told as damage after a restart.
    func keep(gaps: [TelemetryBatch]) {
        let bytes = GapList.encode(gaps, limit: Self.gapBytes)
        memory.storeBytes(of: 0, toByteOffset: 4096, as: UInt32.self)
        (memory + 4104).copyMemory(from: bytes, byteCount: bytes.count)
        memory.storeBytes(of: CRC32C.checksum(bytes), toByteOffset: 4100, as: UInt32.self)
        memory.storeBytes(of: UInt32(bytes.count), toByteOffset: 4096, as: UInt32.self)
    }

    // MARK: files

    /// The file at `path`; `nil` when there is none or it is not a header of ours.
    static func open(_ path: String) throws -> SpoolHeader? {
        let file = Glibc.open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw SystemError.failed(doing: "open the spool's counters", on: path, errno: errno)
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size == size else { return nil }
        let memory = try map(file, path)
        guard memory.load(as: UInt64.self) == magic,
            memory.load(fromByteOffset: 8, as: UInt32.self) == identityChecksum(memory),
            let boot = BootID(String(decoding: UnsafeRawBufferPointer(start: memory + 24, count: 64).prefix { $0 != 0 }, as: UTF8.self))
        else {
            munmap(memory, size)
            return nil
        }
        return SpoolHeader(memory: memory, instance: memory.load(fromByteOffset: 16, as: UInt64.self), boot: boot)
    }

    /// Replaces the file at `path` by a new header of a new instance.
    static func create(_ path: String, boot: BootID) throws -> SpoolHeader {
        let temporary = path + ".new"
        unlink(temporary)
        let file = Glibc.open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw SystemError.failed(doing: "make the spool's counters", on: path, errno: errno) }
        defer { close(file) }
        let code = posix_fallocate(file, 0, off_t(size))
        guard code == 0 else {
            unlink(temporary)
            throw SystemError.failed(doing: "allocate the spool's counters", on: path, errno: code)
        }
        let memory = try map(file, path)
        let instance = try KernelEntropy().bytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        memory.storeBytes(of: magic, as: UInt64.self)
        memory.storeBytes(of: instance, toByteOffset: 16, as: UInt64.self)
        for (index, byte) in boot.text.utf8.enumerated() { memory.storeBytes(of: byte, toByteOffset: 24 + index, as: UInt8.self) }
        memory.storeBytes(of: identityChecksum(memory), toByteOffset: 8, as: UInt32.self)
        let header = SpoolHeader(memory: memory, instance: instance, boot: boot)
        header.keep(gaps: [])
        guard fsync(file) == 0, rename(temporary, path) == 0 else {
            unlink(temporary)
            throw SystemError.failed(doing: "keep the spool's counters", on: path, errno: errno)
        }
        return header
    }

    /// A header that no file stands behind: after a restart its numbers begin anew, in another instance.
    static func unkept(boot: BootID) throws -> SpoolHeader {
        let memory = UnsafeMutableRawPointer(mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        guard let memory, memory != MAP_FAILED else { throw SystemError.failed(doing: "find memory for counters", on: "-", errno: errno) }
        return SpoolHeader(memory: memory, instance: try KernelEntropy().bytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }, boot: boot)
    }

    private static func identityChecksum(_ memory: UnsafeMutableRawPointer) -> UInt32 {
        CRC32C.checksum(UnsafeRawBufferPointer(start: memory + 16, count: 8 + 64))
    }

    private static func map(_ file: Int32, _ path: String) throws -> UnsafeMutableRawPointer {
        guard let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), memory != MAP_FAILED else {
            throw SystemError.failed(doing: "map the spool's counters", on: path, errno: errno)
        }
        // Best effort: pages that stay in memory are not read again from a disk that may fail by then.
        mlock(memory, size)
        return memory
    }
}

/// Gaps one after the other, each with its length.
enum GapList {
    static func encode(_ gaps: [TelemetryBatch], limit: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for gap in gaps {
            let encoded = gap.encoded
            guard bytes.count + 4 + encoded.count <= limit else { break }
            withUnsafeBytes(of: UInt32(encoded.count).littleEndian) { bytes.append(contentsOf: $0) }
            bytes += encoded
        }
        return bytes
    }

    static func decode(_ bytes: [UInt8]) -> [TelemetryBatch] {
        var gaps: [TelemetryBatch] = []
        var rest = bytes[...]
        while rest.count >= 4 {
            let length = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(4)
            guard length <= rest.count, let gap = try? TelemetryBatch(decoding: Array(rest.prefix(length))) else { break }
            gaps.append(gap)
            rest = rest.dropFirst(length)
        }
        return gaps
    }
}
