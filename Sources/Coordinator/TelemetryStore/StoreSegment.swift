// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Telemetry

/// Where a block lies in its segment, and what is known of it.
struct IndexEntry: Hashable, Sendable {
    /// Of the block's bytes.
    var offset: Int
    var length: Int
    var head: BlockHead
}

/// One file of the store. Records are appended to it by one writer and read by many; a closed one ends with its index.
///
///     mark | books | block | block | ... | index | length and place of the index, mark
///
/// A record is length, checksum, one byte of type, content. Whoever holds a segment can read it, also after retention has removed its name.
final class StoreSegment: Sendable {
    enum RecordType: UInt8 {
        case books = 1
        case block = 2
        case index = 3
    }

    static let mark: [UInt8] = Array("MGSTORE1".utf8)
    static let indexMark: [UInt8] = Array("MGINDEX1".utf8)
    static let recordHeader = 9
    static let longestRecord = 256 << 20

    let number: UInt64
    let path: String
    private let file: Int32

    static func syncDirectory(_ path: String) throws {
        let directory = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { if directory >= 0 { Glibc.close(directory) } }
        guard directory >= 0, fsync(directory) == 0 else {
            throw SystemError.failed(doing: "bring a new segment's name to disk", on: path, errno: errno)
        }
    }

    private init(number: UInt64, path: String, file: Int32) {
        self.number = number
        self.path = path
        self.file = file
    }

    deinit { close(file) }

    static func name(_ number: UInt64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: 20 - digits.count) + digits + ".segment"
    }

    /// The number in a file's name; `nil` for files that are not ours.
    static func number(of name: String) -> UInt64? {
        guard name.utf8.count == 28, name.hasSuffix(".segment") else { return nil }
        return UInt64(name.dropLast(8))
    }

    /// Begins a new file.
    static func create(_ number: UInt64, in directory: String) throws -> StoreSegment {
        let path = directory + "/" + name(number)
        let file = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw SystemError.failed(doing: "begin a segment of the store", on: path, errno: errno) }
        // Or a power loss takes the name, and with it all that was acknowledged in the file.
        try syncDirectory(directory)
        return StoreSegment(number: number, path: path, file: file)
    }

    static func open(_ number: UInt64, in directory: String) throws -> StoreSegment {
        let path = directory + "/" + name(number)
        let file = Glibc.open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { throw SystemError.failed(doing: "open a segment of the store", on: path, errno: errno) }
        return StoreSegment(number: number, path: path, file: file)
    }

    var size: Int {
        var status = stat()
        return fstat(file, &status) == 0 ? Int(status.st_size) : 0
    }

    // MARK: writing

    /// A record as it lies in the file.
    static func record(_ type: RecordType, _ content: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(recordHeader + content.count)
        withUnsafeBytes(of: UInt32(content.count).littleEndian) { bytes.append(contentsOf: $0) }
        withUnsafeBytes(of: CRC32C.checksum(content, seed: CRC32C.checksum([type.rawValue])).littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(type.rawValue)
        bytes += content
        return bytes
    }

    /// Writes at `position`. After an error the file is cut back to it.
    func write(_ bytes: [UInt8], at position: Int) throws {
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, off_t(position + written)) }
            if count > 0 {
                written += count
            } else if errno != EINTR {
                let number = errno
                cut(to: position)
                throw SystemError.failed(doing: "write the telemetry store", on: path, errno: number)
            }
        }
    }

    func cut(to position: Int) { ftruncate(file, off_t(position)) }

    func sync() throws {
        guard fdatasync(file) == 0 else { throw SystemError.failed(doing: "bring the telemetry store to disk", on: path, errno: errno) }
    }

    /// Closes the file's content with the index of its blocks.
    func seal(_ entries: [IndexEntry], at position: Int) throws {
        var writer = ProtoWriter()
        for entry in entries {
            writer.message(1) {
                $0.number(1, UInt64(entry.offset))
                $0.number(2, UInt64(entry.length))
                $0.message(3) { entry.head.write(to: &$0) }
            }
        }
        var bytes = Self.record(.index, writer.bytes)
        withUnsafeBytes(of: UInt64(position).littleEndian) { bytes.append(contentsOf: $0) }
        bytes += Self.indexMark
        try write(bytes, at: position)
        try sync()
    }

    // MARK: reading

    /// The content of the record at `position`; `nil` when there is none that is whole.
    func record(at position: Int) -> (type: RecordType, content: [UInt8])? {
        guard let header = read(Self.recordHeader, at: position) else { return nil }
        let (length, checksum) = header.withUnsafeBytes { bytes in
            (
                Int(UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self))),
                UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            )
        }
        guard let type = RecordType(rawValue: header[8]), length <= min(Self.longestRecord, size),
            let content = read(length, at: position + Self.recordHeader),
            CRC32C.checksum(content, seed: CRC32C.checksum([type.rawValue])) == checksum
        else { return nil }
        return (type, content)
    }

    /// The bytes of a block; `nil` when they are not what was written.
    func block(_ entry: IndexEntry) -> StoredBlock? { block(at: entry.offset, length: entry.length) }

    func block(at offset: Int, length: Int) -> StoredBlock? {
        guard let (type, content) = record(at: offset - Self.recordHeader), type == .block, content.count == length else { return nil }
        return try? StoredBlock(decoding: content)
    }

    /// The index that a closed file ends with.
    func sealedIndex() -> [IndexEntry]? {
        let size = size
        guard size > 16, let trailer = read(16, at: size - 16), Array(trailer[8...]) == Self.indexMark else { return nil }
        let position = trailer.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
        guard position < UInt64(size), let (type, content) = record(at: Int(position)), type == .index else { return nil }
        return try? Self.entries(content)
    }

    private static func entries(_ content: [UInt8]) throws -> [IndexEntry] {
        try content.withUnsafeBytes { bytes in
            var entries: [IndexEntry] = []
            var reader = ProtoReader(bytes, in: 0..<bytes.count, of: "an index")
            while let field = try reader.next() {
                guard field.id == 1, field.type == .block else { continue }
                var (offset, length): (Int, Int) = (0, 0)
                var head: BlockHead?
                var inner = ProtoReader(bytes, in: field.range, of: "an index")
                while let part = try inner.next() {
                    switch (part.id, part.type) {
                    case (1, .varint): offset = Int(clamping: part.number)
                    case (2, .varint): length = Int(clamping: part.number)
                    case (3, .block): head = try BlockHead(bytes, in: part.range)
                    default: break
                    }
                }
                if let head { entries.append(IndexEntry(offset: offset, length: length, head: head)) }
            }
            return entries
        }
    }

    /// Every whole record from the beginning on, and where the last one ends; `nil` when the file is not one of ours.
    func scan(_ found: (_ type: RecordType, _ offset: Int, _ content: [UInt8]) -> Void) -> Int? {
        guard read(Self.mark.count, at: 0) == Self.mark else { return nil }
        var position = Self.mark.count
        while let (type, content) = record(at: position) {
            found(type, position + Self.recordHeader, content)
            position += Self.recordHeader + content.count
        }
        return position
    }

    /// Exactly `count` bytes, or `nil`.
    func read(_ count: Int, at position: Int) -> [UInt8]? {
        guard count >= 0, position >= 0 else { return nil }
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let more = pread(file, buffer.baseAddress.map { $0 + filled }, count - filled, off_t(position + filled))
                if more > 0 {
                    filled += more
                } else if more == 0 || errno != EINTR {
                    failed = true
                    return
                }
            }
        }
        return failed ? nil : bytes
    }
}
