// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Reading what the kernel and earlier labs left. A file that cannot be read is `nil`: whoever asks decides what that means.
enum LabFiles {
    static func bytes(_ path: String, limit: Int = 1 << 20) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while result.count < limit {
            let got = read(descriptor, &chunk, chunk.count)
            if got < 0, errno == EINTR { continue }
            if got < 0 { return nil }
            if got == 0 { break }
            result += chunk.prefix(got)
        }
        return result
    }

    /// Without the line end.
    static func text(_ path: String) -> String? {
        guard let bytes = bytes(path) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }

    static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// Sorted, without `.` and `..`; empty when the directory cannot be read.
    static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        return names(stream)
    }

    /// Closes the stream.
    private static func names(_ stream: OpaquePointer) -> [String] {
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// What a symbolic link points to.
    static func link(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink(path, &buffer, buffer.count)
        return count < 0 ? nil : String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Removes a tree. Each directory is opened from its parent and never through a symbolic link, so one that is swapped for a link meanwhile
    /// leads nowhere. What is not there is fine.
    static func removeTree(_ path: String) throws { try remove(path, from: AT_FDCWD, path) }

    private static func remove(_ name: String, from parent: Int32, _ path: String) throws {
        if unlinkat(parent, name, 0) == 0 || errno == ENOENT { return }
        guard errno == EISDIR else { throw LabError.system(doing: "remove a file", on: path, errno: errno) }
        let directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard directory >= 0 else { throw LabError.system(doing: "open a directory to remove it", on: path, errno: errno) }
        defer { close(directory) }
        // The stream takes a descriptor for itself.
        guard let stream = fdopendir(dup(directory)) else { throw LabError.system(doing: "read a directory", on: path, errno: errno) }
        for entry in names(stream) { try remove(entry, from: directory, path + "/" + entry) }
        guard unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT else {
            throw LabError.system(doing: "remove a directory", on: path, errno: errno)
        }
    }

    static func makeDirectory(_ path: String, mode: mode_t = 0o755) throws {
        guard mkdir(path, mode) == 0 || errno == EEXIST else { throw LabError.system(doing: "make a directory", on: path, errno: errno) }
    }

    /// Makes missing parents too.
    static func makePath(_ path: String) throws {
        var built = ""
        for part in path.split(separator: "/") {
            built += "/" + part
            try makeDirectory(built)
        }
    }

    /// Replaces or makes a plain file; nothing here has to survive a power cut.
    static func write(_ text: String, to path: String, mode: mode_t = 0o644) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw LabError.system(doing: "write a file", on: path, errno: errno) }
        defer { close(descriptor) }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw LabError.system(doing: "write a file", on: path, errno: errno) }
            rest = rest.dropFirst(count)
        }
    }
}
