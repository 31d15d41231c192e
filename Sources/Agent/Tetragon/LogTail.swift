// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshSystem

/// Reads a log that is rotated by renaming, as Tetragon's is (lumberjack: `tetragon.log` becomes `tetragon-2026-08-22T09-14-04.002.log`), line
/// by line and file by file, wherever it was left. For one thread at a time.
///
///     reading --end of file--> same file under the name? --yes--> wait
///        ^                            | no: read once more to its end
///        `--- next newer file <-------'
package final class LogTail {
    /// What a look met besides lines.
    package enum Note: Hashable, Sendable {
        /// The file that was read last is no longer there: what stood behind our place in it is lost, nobody knows how much.
        case gap
        /// The file is shorter than what was read of it; it is read from its beginning.
        case truncated
        /// A file ended in the middle of a line.
        case torn
    }

    /// The longest line; longer ones are counted and left out.
    package static let longestLine = 1 << 20
    private static let mostBackups = 1000

    private let path: String
    private var resume: TailPosition?
    private var file: Int32 = -1
    private var identity: (device: UInt64, inode: UInt64) = (0, 0)
    private var readBytes: Int64 = 0
    private var lines = LineBuffer(limit: LogTail.longestLine)
    private var room = [UInt8](repeating: 0, count: 256 << 10)

    /// Goes on at `resume`, or begins with the oldest file that is still there.
    package init(path: String, resume: TailPosition?) {
        self.path = path
        self.resume = resume
    }

    deinit { leave() }

    /// Whether the last look came to the end of what is written.
    package private(set) var isAtEnd = false

    /// The end of the log under that name, behind its last whole line; `nil` where there is none or it cannot be read.
    package static func end(of path: String) -> TailPosition? {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        var end = Int64(status.st_size)
        var room = [UInt8](repeating: 0, count: 64 << 10)
        // Backwards to the last line break; a line is never longer than what is looked at here.
        while end > 0, Int64(status.st_size) - end <= Int64(longestLine) {
            let start = max(0, end - Int64(room.count))
            let count = room.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, Int(end - start), off_t(start)) }
            guard count == Int(end - start) else { return nil }
            if let index = room[..<count].lastIndex(of: UInt8(ascii: "\n")) {
                end = start + Int64(index) + 1
                break
            }
            end = start
        }
        return TailPosition(device: UInt64(status.st_dev), inode: UInt64(status.st_ino), offset: end)
    }

    /// Lines that were too long so far.
    package var oversized: UInt64 { lines.oversized }

    /// Where to go on after a restart; `nil` before there was a file.
    package var position: TailPosition? {
        guard file >= 0 else { return resume }
        return TailPosition(device: identity.device, inode: identity.inode, offset: readBytes - Int64(lines.pending))
    }

    /// Hands over the lines that came, and ends after about `most` bytes or when there is no more. Throws when a file cannot be read; a file
    /// that is not there yet is none.
    package func look(most: Int = 4 << 20, _ take: (UnsafeRawBufferPointer) -> Void) throws -> [Note] {
        var notes: [Note] = []
        var budget = most
        if file < 0 { try begin(&notes) }
        var isLast = false
        isAtEnd = false
        defer { if file < 0 { isAtEnd = true } }
        while file >= 0, budget > 0 {
            let count = room.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, min($0.count, budget)) }
            guard count >= 0 else {
                if errno == EINTR { continue }
                throw SystemError.failed(doing: "read the log", on: path, errno: errno)
            }
            if count > 0 {
                budget -= count
                readBytes += Int64(count)
                room.withUnsafeBytes { lines.append(UnsafeRawBufferPointer(rebasing: $0[..<count]), take) }
                isLast = false
            } else if try shrank() {
                notes.append(.truncated)
            } else if try hasTheName() {
                isAtEnd = true
                return notes
            } else if isLast {
                guard try goOn(&notes) else {
                    isAtEnd = true
                    return notes
                }
                isLast = false
            } else {
                // Once more: it may have been written to between our reading and its renaming.
                isLast = true
            }
        }
        return notes
    }

    private func begin(_ notes: inout [Note]) throws {
        // Whatever still is there came later than what is gone.
        func oldest() -> String { backups().first?.path ?? path }
        guard let resume else { return try open(oldest(), at: 0) }
        for name in [path] + backups().map(\.path) {
            guard let found = Self.identity(name), found == (resume.device, resume.inode) else { continue }
            try open(name, at: resume.offset)
            return
        }
        notes.append(.gap)
        self.resume = nil
        try open(oldest(), at: 0)
    }

    private func open(_ name: String, at offset: Int64) throws {
        leave()
        let descriptor = Glibc.open(name, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            // Between a renaming and the new file there is none; the next look finds it.
            if errno == ENOENT { return }
            throw SystemError.failed(doing: "open the log", on: name, errno: errno)
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw SystemError.failed(doing: "read the log, which is no plain file", on: name, errno: EINVAL)
        }
        file = descriptor
        identity = (UInt64(status.st_dev), UInt64(status.st_ino))
        readBytes = Int64(lseek(file, off_t(offset), SEEK_SET))
        resume = nil
    }

    private func shrank() throws -> Bool {
        var status = stat()
        guard fstat(file, &status) == 0 else { throw SystemError.failed(doing: "look at the log", on: path, errno: errno) }
        guard Int64(status.st_size) < readBytes else { return false }
        _ = lines.dropPending()
        readBytes = Int64(lseek(file, 0, SEEK_SET))
        return true
    }

    private func hasTheName() throws -> Bool {
        guard let named = Self.identity(path) else { return false }
        return named == identity
    }

    /// Opens the next file: the backup that follows ours, or the one that has the name. False when there is none yet.
    private func goOn(_ notes: inout [Note]) throws -> Bool {
        let backups = backups()
        var next: String?
        if let own = backups.firstIndex(where: { Self.identity($0.path).map { $0 == identity } ?? false }) {
            next = own + 1 < backups.count ? backups[own + 1].path : nil
        } else {
            // Ours was removed while we had it open: the first that was written to later than ours.
            var status = stat()
            let ours = fstat(file, &status) == 0 ? Self.modified(status) : .max
            next = backups.first { $0.modified > ours }?.path
        }
        // Renamed, and the new one is not there yet: stay with ours until it is.
        guard next != nil || Self.identity(path) != nil else { return false }
        if lines.dropPending() { notes.append(.torn) }
        try open(next ?? path, at: 0)
        return true
    }

    /// Files that had the name before, the oldest first; compressed ones are not read.
    private func backups() -> [(path: String, modified: Int64)] {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let directory = String(path[..<slash])
        let name = path[path.index(after: slash)...]
        let dot = name.lastIndex(of: ".") ?? name.endIndex
        let (stem, ending) = (name[..<dot] + "-", name[dot...])
        guard let entries = opendir(directory) else { return [] }
        defer { closedir(entries) }
        var found: [(path: String, modified: Int64)] = []
        while let entry = readdir(entries), found.count < Self.mostBackups {
            let file = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            guard file.hasPrefix(stem), file.hasSuffix(ending), file.utf8.count > stem.utf8.count + ending.utf8.count else { continue }
            var status = stat()
            if stat(directory + "/" + file, &status) == 0, status.st_mode & S_IFMT == S_IFREG {
                found.append((directory + "/" + file, Self.modified(status)))
            }
        }
        // Their names are times, which sort as text.
        return found.sorted { $0.path < $1.path }
    }

    private func leave() {
        if file >= 0 { close(file) }
        file = -1
    }

    private static func identity(_ path: String) -> (UInt64, UInt64)? {
        var status = stat()
        return stat(path, &status) == 0 ? (UInt64(status.st_dev), UInt64(status.st_ino)) : nil
    }

    private static func modified(_ status: stat) -> Int64 { Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec) }
}
