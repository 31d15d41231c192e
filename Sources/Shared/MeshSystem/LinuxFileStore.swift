// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel

/// The machine's own disk. Calls block; files are small, so they may be called from anywhere except inside a lock.
package struct LinuxFileStore: FileStore {
    package init() {}

    package func read(_ path: String, limit: Int) throws -> [UInt8]? {
        try check(path)
        // O_NONBLOCK: a FIFO put in place of the file must not hold us up before the check below.
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard file >= 0 else {
            switch errno {
            case ENOENT, ENOTDIR: return nil
            case ELOOP: throw SystemError.notRegularFile(path: path)
            default: throw SystemError.failed(doing: "open the file", on: path, errno: errno)
            }
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw SystemError.failed(doing: "look at the file", on: path, errno: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw SystemError.notRegularFile(path: path) }
        return try readAll(file, path, limit: limit, expecting: Int(status.st_size))
    }

    /// Reads to the end instead of trusting the size: files in /proc and /sys say zero or a page.
    private func readAll(_ file: Int32, _ path: String, limit: Int, expecting size: Int) throws -> [UInt8] {
        var content: [UInt8] = []
        content.reserveCapacity(min(size, limit))
        var buffer = [UInt8](repeating: 0, count: min(max(limit + 1, 1), 1 << 16))
        while true {
            let got = Glibc.read(file, &buffer, buffer.count)
            if got < 0 {
                if errno == EINTR { continue }
                throw SystemError.failed(doing: "read the file", on: path, errno: errno)
            }
            if got == 0 { return content }
            guard content.count + got <= limit else { throw SystemError.fileTooLarge(path: path, limit: limit) }
            content += buffer[..<got]
        }
    }

    package func write(_ bytes: [UInt8], to path: String, mode: UInt32) throws {
        try check(path)
        let (parent, name) = split(path)
        let directory = try openDirectory(parent)
        defer { close(directory) }
        let temporary = ".\(name.prefix(200)).\(try KernelEntropy().hexID(byteCount: 8))"
        let file = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard file >= 0 else { throw SystemError.failed(doing: "create a temporary file for", on: path, errno: errno) }
        do {
            defer { close(file) }
            // The umask may have taken bits away.
            guard fchmod(file, mode) == 0 else { throw SystemError.failed(doing: "set the mode of", on: path, errno: errno) }
            try writeAll(bytes, to: file, path)
            guard fsync(file) == 0 else { throw SystemError.failed(doing: "bring to disk", on: path, errno: errno) }
            guard renameat(directory, temporary, directory, name) == 0 else {
                throw SystemError.failed(doing: "replace", on: path, errno: errno)
            }
        } catch {
            unlinkat(directory, temporary, 0)
            throw error
        }
        guard fsync(directory) == 0 else { throw SystemError.failed(doing: "bring the directory to disk", on: parent, errno: errno) }
    }

    private func writeAll(_ bytes: [UInt8], to file: Int32, _ path: String) throws {
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count >= 0 {
                written += count
            } else if errno != EINTR {
                throw SystemError.failed(doing: "write the file", on: path, errno: errno)
            }
        }
    }

    package func createDirectory(_ path: String) throws {
        try check(path)
        let (parent, _) = split(path)
        if mkdir(path, 0o700) != 0 {
            switch errno {
            case EEXIST:
                break
            case ENOENT where parent != path:
                try createDirectory(parent)
                return try createDirectory(path)
            default:
                throw SystemError.failed(doing: "create the directory", on: path, errno: errno)
            }
        } else {
            let above = try openDirectory(parent)
            defer { close(above) }
            guard fsync(above) == 0 else { throw SystemError.failed(doing: "bring the directory to disk", on: parent, errno: errno) }
        }
        try makePrivate(path)
    }

    private func makePrivate(_ path: String) throws {
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard directory >= 0 else { throw SystemError.failed(doing: "open the directory", on: path, errno: errno) }
        defer { close(directory) }
        var status = stat()
        guard fstat(directory, &status) == 0 else { throw SystemError.failed(doing: "look at the directory", on: path, errno: errno) }
        guard status.st_uid == geteuid() else { throw SystemError.notOurs(path: path, owner: status.st_uid) }
        guard status.st_mode & 0o777 == 0o700 || fchmod(directory, 0o700) == 0 else {
            throw SystemError.failed(doing: "make private", on: path, errno: errno)
        }
    }

    package func list(_ directory: String) throws -> [String]? {
        try check(directory)
        guard let stream = opendir(directory) else {
            if errno == ENOENT { return nil }
            throw SystemError.failed(doing: "list the directory", on: directory, errno: errno)
        }
        defer { closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw SystemError.failed(doing: "list the directory", on: directory, errno: errno) }
        return names.sorted()
    }

    package func remove(_ path: String) throws {
        try check(path)
        let (parent, name) = split(path)
        guard unlink(path) == 0 else {
            if errno == ENOENT { return }
            throw SystemError.failed(doing: "remove the file \(name)", on: path, errno: errno)
        }
        let directory = try openDirectory(parent)
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw SystemError.failed(doing: "bring the directory to disk", on: parent, errno: errno) }
    }

    private func openDirectory(_ path: String) throws -> Int32 {
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw SystemError.failed(doing: "open the directory", on: path, errno: errno) }
        return directory
    }

    private func check(_ path: String) throws {
        guard path.hasPrefix("/"), !path.utf8.contains(0) else { throw SystemError.notAbsolute(path: path) }
    }

    private func split(_ path: String) -> (parent: String, name: String) {
        let parts = path.split(separator: "/")
        return ("/" + parts.dropLast().joined(separator: "/"), parts.last.map(String.init) ?? "")
    }
}
