// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshSystem

/// What a lab has made outside its own directory, noted before it is made: after a kill at any moment `down` still knows everything.
///
/// One per name prefix of the machine, under /run, because namespaces and links do not outlive a boot either. Line form:
/// `lab ID DIRECTORY` first, then `netns NAME` and `link NAME`.
package struct LabLedger: Hashable, Sendable {
    package let prefix: String
    package private(set) var labID: String
    package private(set) var directory: String
    package private(set) var namespaces: [String] = []
    package private(set) var links: [String] = []

    /// Root's is where only root can write; anybody else's is checked to be their own before it is used.
    private static var root: String { geteuid() == 0 ? "/run/meshgate-lab" : "/tmp/meshgate-lab-\(geteuid())" }
    private static func home(_ prefix: String) -> String { "\(root)/\(prefix)" }
    private static func path(_ prefix: String) -> String { home(prefix) + "/ledger" }

    /// In the environment of every process of this lab, and so the way to find them all.
    package var marker: (name: String, value: String) { ("MESHGATE_LAB", labID) }

    /// Keeps a second `up` or `down` with the same prefix out.
    static func lock(_ prefix: String) throws -> DirectoryLock {
        try LabFiles.makeDirectory(root, mode: 0o700)
        var status = stat()
        guard lstat(root, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid() else {
            throw LabError.notOurs(what: root)
        }
        try LabFiles.makeDirectory(home(prefix), mode: 0o700)
        return try DirectoryLock(directory: home(prefix))
    }

    /// The lab that is up under this prefix, whole or in part.
    package static func current(_ prefix: String) -> LabLedger? {
        guard let text = LabFiles.text(path(prefix)) else { return nil }
        let lines = text.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 2).map(String.init) }
        guard let first = lines.first, first.count == 3, first[0] == "lab" else { return nil }
        var ledger = LabLedger(prefix: prefix, labID: first[1], directory: first[2])
        for line in lines.dropFirst() where line.count == 2 {
            if line[0] == "netns" { ledger.namespaces.append(line[1]) }
            if line[0] == "link" { ledger.links.append(line[1]) }
        }
        return ledger
    }

    static func begin(prefix: String, labID: String, directory: String) throws -> LabLedger {
        let ledger = LabLedger(prefix: prefix, labID: labID, directory: directory)
        try append("lab \(labID) \(directory)", to: prefix, flags: O_EXCL)
        return ledger
    }

    mutating func willMake(namespace: String) throws {
        try Self.append("netns \(namespace)", to: prefix)
        namespaces.append(namespace)
    }

    mutating func willMake(link: String) throws {
        try Self.append("link \(link)", to: prefix)
        links.append(link)
    }

    /// Forgets the lab. The caller holds `lock` and has removed everything.
    static func forget(_ prefix: String) throws {
        try LabFiles.removeTree(home(prefix))
        rmdir(root)  // Stays when another lab uses it.
    }

    private init(prefix: String, labID: String, directory: String) {
        self.prefix = prefix
        self.labID = labID
        self.directory = directory
    }

    private static func append(_ line: String, to prefix: String, flags: Int32 = 0) throws {
        let path = path(prefix)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | flags, 0o600)
        guard descriptor >= 0 else { throw LabError.system(doing: "note what the lab makes", on: path, errno: errno) }
        defer { close(descriptor) }
        let bytes = Array("\(line)\n".utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count else {
            throw LabError.system(doing: "note what the lab makes", on: path, errno: errno)
        }
    }
}
