// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshSystem
import Testing

@Suite("small files that must survive")
struct FileStoreTests {
    let files = LinuxFileStore()

    private func mode(_ path: String) throws -> UInt32 {
        var status = stat()
        try #require(lstat(path, &status) == 0)
        return status.st_mode & 0o7777
    }

    @Test("what is written is read back, with the mode asked for, and no temporary file stays")
    func roundTrip() throws {
        let scratch = try ScratchDirectory()
        let before = umask(0o077)
        defer { umask(before) }
        try files.write([1, 2, 3], to: scratch.file("a"))
        try files.write([UInt8](repeating: 7, count: 300_000), to: scratch.file("a"))
        try files.write([], to: scratch.file("b"), mode: 0o644)
        #expect(try files.read(scratch.file("a"), limit: 300_000)?.count == 300_000)
        #expect(try files.read(scratch.file("b"), limit: 0) == [])
        #expect(try mode(scratch.file("a")) == 0o600)
        #expect(try mode(scratch.file("b")) == 0o644)
        #expect(try files.list(scratch.path) == ["a", "b"])
    }

    @Test("a file that is not there is nil, removing it is fine")
    func absent() throws {
        let scratch = try ScratchDirectory()
        #expect(try files.read(scratch.file("none"), limit: 10) == nil)
        #expect(try files.list(scratch.file("none")) == nil)
        try files.remove(scratch.file("none"))
        try files.write([1], to: scratch.file("some"))
        try files.remove(scratch.file("some"))
        #expect(try files.list(scratch.path) == [])
    }

    @Test("too much, links, pipes, directories and relative paths are refused")
    func refusals() throws {
        let scratch = try ScratchDirectory()
        try files.write([1, 2, 3], to: scratch.file("a"))
        #expect(throws: SystemError.fileTooLarge(path: scratch.file("a"), limit: 2)) { try files.read(scratch.file("a"), limit: 2) }
        try #require(symlink(scratch.file("a"), scratch.file("link")) == 0)
        #expect(throws: SystemError.notRegularFile(path: scratch.file("link"))) { try files.read(scratch.file("link"), limit: 9) }
        try #require(mkfifo(scratch.file("fifo"), 0o600) == 0)
        #expect(throws: SystemError.notRegularFile(path: scratch.file("fifo"))) { try files.read(scratch.file("fifo"), limit: 9) }
        #expect(throws: SystemError.notRegularFile(path: scratch.path)) { try files.read(scratch.path, limit: 9) }
        #expect(throws: SystemError.notAbsolute(path: "a")) { try files.read("a", limit: 9) }
    }

    @Test("writing over a link replaces the link and leaves its target alone")
    func writeOverLink() throws {
        let scratch = try ScratchDirectory()
        try files.write([1], to: scratch.file("target"))
        try #require(symlink(scratch.file("target"), scratch.file("link")) == 0)
        try files.write([2], to: scratch.file("link"))
        #expect(try files.read(scratch.file("target"), limit: 9) == [1])
        #expect(try files.read(scratch.file("link"), limit: 9) == [2])
    }

    @Test("a write that cannot finish leaves the old file and no remains")
    func failedWrite() throws {
        let scratch = try ScratchDirectory()
        try files.createDirectory(scratch.file("taken"))
        #expect(throws: SystemError.failed(doing: "replace", on: scratch.file("taken"), errno: EISDIR)) {
            try files.write([1], to: scratch.file("taken"))
        }
        #expect(try files.list(scratch.path) == ["taken"])
    }

    @Test("kernel files, whose size says nothing, are read whole")
    func kernelFile() throws {
        #expect(try files.read("/proc/self/status", limit: 1 << 16)?.isEmpty == false)
    }

    @Test("directories are made private, with their parents, and an open one is closed")
    func directories() throws {
        let scratch = try ScratchDirectory()
        try files.createDirectory(scratch.file("x/y/z"))
        #expect(try mode(scratch.file("x")) == 0o700)
        #expect(try mode(scratch.file("x/y/z")) == 0o700)
        try #require(chmod(scratch.file("x"), 0o755) == 0)
        try files.createDirectory(scratch.file("x"))
        #expect(try mode(scratch.file("x")) == 0o700)
        try files.write([1], to: scratch.file("file"))
        #expect(throws: SystemError.self) { try files.createDirectory(scratch.file("file")) }
    }

    @Test("a second holder of a directory is refused and told who has it; release lets it in")
    func lock() throws {
        let scratch = try ScratchDirectory()
        let first = try DirectoryLock(directory: scratch.path)
        let error = #expect(throws: SystemError.lockHeld(path: scratch.file("lock"), holder: getpid())) {
            try DirectoryLock(directory: scratch.path)
        }
        #expect(error?.description.contains("process \(getpid())") == true)
        first.release()
        first.release()
        _ = try DirectoryLock(directory: scratch.path)
    }

    @Test("a lock ends with its value")
    func lockEnds() throws {
        let scratch = try ScratchDirectory()
        do { _ = try DirectoryLock(directory: scratch.path) }
        _ = try DirectoryLock(directory: scratch.path)
    }
}
