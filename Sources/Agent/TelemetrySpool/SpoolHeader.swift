// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Synchronization
import Telemetry

/// The counters of a spool, in memory and in a small file that follows them at once: a killed agent leaves behind how far it had counted, to the
/// event. The file is written, not mapped: under a mapped file a full copy-on-write disk, or one that turned read-only, is a SIGBUS.
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
    private let file: Int32
    private let path: String
    /// Why the file is no more; from then on the counters live in memory only.
    private let gone = Mutex<String?>(nil)

    private init(memory: UnsafeMutableRawPointer, file: Int32, path: String, instance: UInt64, boot: BootID) {
        self.memory = memory
        self.file = file
        self.path = path
        self.instance = instance
        self.boot = boot
    }

    deinit {
        memory.deallocate()
        if file >= 0 { close(file) }
    }

    /// Why the counters cannot be kept over a restart; `nil` while they are.
    var problem: String? { gone.withLock { $0 } }

    func stream(_ source: TelemetrySource) -> TelemetryStream { TelemetryStream(source: source, boot: boot, instance: instance) }

    /// In memory; `save` brings it to the file.
    subscript(source: TelemetrySource, counter: Counter) -> UInt64 {
        get { memory.load(fromByteOffset: Self.place(source, counter), as: UInt64.self) }
        set { memory.storeBytes(of: newValue, toByteOffset: Self.place(source, counter), as: UInt64.self) }
    }

    func save(_ source: TelemetrySource, _ counter: Counter) { write(Self.place(source, counter), 8) }

    /// Counters that cannot be written must not be found by the next start either: it would give the same numbers out again.
    private func write(_ start: Int, _ count: Int) {
        guard file >= 0, problem == nil, let why = Self.write(memory, start, count, to: file) else { return }
        gone.withLock { gone in
            guard gone == nil else { return }
            gone = "\(SystemError.failed(doing: "write the spool's counters", on: path, errno: why))"
            ftruncate(file, 0)
            unlink(path)
        }
    }

    /// The error number when it fails.
    private static func write(_ memory: UnsafeMutableRawPointer, _ start: Int, _ count: Int, to file: Int32) -> Int32? {
        var written = 0
        while written < count {
            let more = pwrite(file, memory + start + written, count - written, off_t(start + written))
            if more > 0 { written += more } else if errno != EINTR { return errno }
        }
        return nil
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
        put(gaps)
        // A write that is interrupted leaves a checksum that does not fit.
        write(4096, 8 + Int(memory.load(fromByteOffset: 4096, as: UInt32.self)))
    }

    private func put(_ gaps: [TelemetryBatch]) {
        let bytes = GapList.encode(gaps, limit: Self.gapBytes)
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
        let memory = emptyMemory()
        var status = stat()
        var got = 0
        if fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size == size {
            while got < size {
                let more = pread(file, memory + got, size - got, off_t(got))
                if more > 0 { got += more } else if more == 0 || errno != EINTR { break }
            }
        }
        guard got == size, memory.load(as: UInt64.self) == magic,
            memory.load(fromByteOffset: 8, as: UInt32.self) == identityChecksum(memory),
            let boot = BootID(String(decoding: UnsafeRawBufferPointer(start: memory + 24, count: 64).prefix { $0 != 0 }, as: UTF8.self))
        else {
            memory.deallocate()
            close(file)
            return nil
        }
        let instance = memory.load(fromByteOffset: 16, as: UInt64.self)
        let header = SpoolHeader(memory: memory, file: file, path: path, instance: instance, boot: boot)
        return header.isCredible ? header : nil
    }

    /// Whether the counters can be what we wrote: no stream gets to its last number, and nothing comes before it was counted.
    private var isCredible: Bool {
        TelemetrySource.allCases.allSatisfy { source in
            let produced = self[source, .produced]
            return produced < BatchLimits.lastNumber && self[source, .spooled] <= produced && self[source, .acknowledged] <= produced
        }
    }

    /// Replaces the file at `path` by a new header of a new instance that has `gaps` to tell of.
    static func create(_ path: String, boot: BootID, gaps: [TelemetryBatch]) throws -> SpoolHeader {
        let temporary = path + ".new"
        unlink(temporary)
        let header = try SpoolHeader(
            memory: emptyMemory(), file: Glibc.open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600), path: path,
            instance: newInstance(), boot: boot)
        guard header.file >= 0 else { throw SystemError.failed(doing: "make the spool's counters", on: path, errno: errno) }
        let memory = header.memory
        memory.storeBytes(of: magic, as: UInt64.self)
        memory.storeBytes(of: header.instance, toByteOffset: 16, as: UInt64.self)
        for (index, byte) in boot.text.utf8.enumerated() { memory.storeBytes(of: byte, toByteOffset: 24 + index, as: UInt8.self) }
        memory.storeBytes(of: identityChecksum(memory), toByteOffset: 8, as: UInt32.self)
        header.put(gaps)
        // All of it, so that most file systems need no new room for what is written later.
        if let why = write(memory, 0, size, to: header.file) {
            unlink(temporary)
            throw SystemError.failed(doing: "write the spool's counters", on: path, errno: why)
        }
        guard fsync(header.file) == 0, rename(temporary, path) == 0 else {
            let why = errno
            unlink(temporary)
            throw SystemError.failed(doing: "keep the spool's counters", on: path, errno: why)
        }
        return header
    }

    /// A header that no file stands behind: after a restart its numbers begin anew, in another instance.
    static func unkept(boot: BootID) throws -> SpoolHeader {
        SpoolHeader(memory: emptyMemory(), file: -1, path: "-", instance: try newInstance(), boot: boot)
    }

    private static func newInstance() throws -> UInt64 { try KernelEntropy().bytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }

    private static func emptyMemory() -> UnsafeMutableRawPointer {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 4096)
        memset(memory, 0, size)
        return memory
    }

    private static func identityChecksum(_ memory: UnsafeMutableRawPointer) -> UInt32 {
        CRC32C.checksum(UnsafeRawBufferPointer(start: memory + 16, count: 8 + 64))
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
