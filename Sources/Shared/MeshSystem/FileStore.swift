// SPDX-License-Identifier: Apache-2.0

/// Small files that must survive a power cut. The port; `LinuxFileStore` is the real one. Paths are absolute.
package protocol FileStore: Sendable {
    /// The whole file, or `nil` when there is none. Refuses symbolic links, anything but a regular file, and more than `limit` bytes.
    func read(_ path: String, limit: Int) throws -> [UInt8]?
    /// Replaces the file in one step: after a crash there is the old content or the new, and after the return the new is on disk.
    func write(_ bytes: [UInt8], to path: String, mode: UInt32) throws
    /// Makes the directory and its missing parents with mode 0700; an existing directory of ours is made 0700 too.
    func createDirectory(_ path: String) throws
    /// The names in a directory, sorted, without `.` and `..`; `nil` when there is no such directory.
    func list(_ directory: String) throws -> [String]?
    /// Removes a file, durably. A file that is not there is fine.
    func remove(_ path: String) throws
}

extension FileStore {
    /// Writes with mode 0600.
    package func write(_ bytes: [UInt8], to path: String) throws { try write(bytes, to: path, mode: 0o600) }
}
