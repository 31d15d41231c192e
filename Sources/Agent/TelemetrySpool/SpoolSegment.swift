// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshSystem
import Telemetry

/// One file of the spool: a mark, then records of length, checksum and an encoded batch. Only ever appended to, and removed as a whole.
struct SpoolSegment {
    static let mark: [UInt8] = Array("MGSPOOL1".utf8)
    static let recordHeader = 8
    static let longestRecord = BatchLimits.packedBytes + (64 << 10)

    let number: UInt64
    let path: String
    /// Bytes of whole records and the mark.
    private(set) var length: Int
    /// Another instance of the counters, or an earlier boot, wrote records into it: then it is emptied and removed, never written to.
    var isTakenOver = false
    private let handle: Handle
    private var file: Int32 { handle.file }

    /// The open file: closed with the last who holds it, so that it can be brought to disk while it is removed.
    private final class Handle: Sendable {
        let file: Int32
        init(_ file: Int32) { self.file = file }
        deinit { if file >= 0 { close(file) } }
    }

    static func name(_ number: UInt64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: 20 - digits.count) + digits + ".spool"
    }

    /// The number in a file's name; `nil` for files that are not ours.
    static func number(of name: String) -> UInt64? {
        guard name.utf8.count == 26, name.hasSuffix(".spool"), let number = UInt64(name.dropLast(6)) else { return nil }
        return number
    }

    /// Begins a new file.
    init(creating number: UInt64, in directory: String) throws {
        self.number = number
        path = directory + "/" + Self.name(number)
        handle = Handle(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600))
        guard handle.file >= 0 else { throw SystemError.failed(doing: "begin a segment of the spool", on: path, errno: errno) }
        length = 0
        do {
            try write(Self.mark)
        } catch {
            unlink(path)
            throw error
        }
        Self.syncDirectory(directory)
    }

    /// Opens an existing file and calls `found` for each whole record. What follows the last whole record is cut off when `mayCut`: its writing
    /// was interrupted. Returns how many bytes that was.
    init(
        opening number: UInt64, in directory: String, mayCut: Bool, found: (_ offset: Int, _ batch: TelemetryBatch, _ length: Int) -> Void
    ) throws {
        self.number = number
        path = directory + "/" + Self.name(number)
        handle = Handle(open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW))
        guard handle.file >= 0 else { throw SystemError.failed(doing: "open a segment of the spool", on: path, errno: errno) }
        length = 0
        var position = Self.mark.count
        guard Self.read(file, Self.mark.count, at: 0) == Self.mark else { return }
        while let record = Self.record(file, at: position) {
            // A record that is whole and yet no batch is passed over: its numbers come out as missing from their stream.
            if let batch = try? TelemetryBatch(decoding: record) { found(position + Self.recordHeader, batch, record.count) }
            position += Self.recordHeader + record.count
        }
        length = position
        var status = stat()
        if fstat(file, &status) == 0, status.st_size > position {
            tornBytes = Int(status.st_size) - position
            if mayCut { ftruncate(file, off_t(position)) }
        }
    }

    /// Bytes that followed the last whole record when the file was opened.
    private(set) var tornBytes = 0

    /// True when the file can be appended to: it begins with our mark.
    var isSound: Bool { length >= Self.mark.count }

    /// Appends a record and returns the place of its batch. After an error the file is as it was before, or must not be used any more.
    mutating func append(_ batch: [UInt8]) throws -> Int {
        var record: [UInt8] = []
        record.reserveCapacity(Self.recordHeader + batch.count)
        withUnsafeBytes(of: UInt32(batch.count).littleEndian) { record.append(contentsOf: $0) }
        withUnsafeBytes(of: CRC32C.checksum(batch).littleEndian) { record.append(contentsOf: $0) }
        record += batch
        try write(record)
        return length - batch.count
    }

    private mutating func write(_ bytes: [UInt8]) throws {
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, off_t(length + written)) }
            if count > 0 {
                written += count
            } else if errno != EINTR {
                let number = errno
                ftruncate(file, off_t(length))
                throw SystemError.failed(doing: "write the spool", on: path, errno: number)
            }
        }
        length += bytes.count
    }

    /// The batch at `offset`; `nil` when what is there now is not what was written.
    func read(offset: Int, length: Int) -> [UInt8]? {
        guard let record = Self.record(file, at: offset - Self.recordHeader), record.count == length else { return nil }
        return record
    }

    /// Brings what was written to the disk.
    func sync() throws {
        guard fdatasync(file) == 0 else { throw SystemError.failed(doing: "bring the spool to disk", on: path, errno: errno) }
    }

    /// Removes the file.
    func remove() { unlink(path) }

    private static func record(_ file: Int32, at position: Int) -> [UInt8]? {
        guard let header = read(file, recordHeader, at: position) else { return nil }
        let (length, checksum) = header.withUnsafeBytes { bytes in
            (Int(UInt32(littleEndian: bytes.load(as: UInt32.self))), UInt32(littleEndian: bytes.load(fromByteOffset: 4, as: UInt32.self)))
        }
        guard length > 0, length <= longestRecord, let bytes = read(file, length, at: position + recordHeader) else { return nil }
        return CRC32C.checksum(bytes) == checksum ? bytes : nil
    }

    /// Exactly `count` bytes, or `nil`.
    private static func read(_ file: Int32, _ count: Int, at position: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var got = 0
        while got < count {
            let more = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress.map { $0 + got }, count - got, off_t(position + got)) }
            if more > 0 { got += more } else if more == 0 || errno != EINTR { return nil }
        }
        return bytes
    }

    /// Makes what came and went in the directory durable.
    static func syncDirectory(_ path: String) {
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { return }
        fsync(directory)
        _ = Glibc.close(directory)
    }
}
