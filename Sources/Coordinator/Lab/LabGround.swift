// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The directory that a lab may stand in. Root runs programs from it, makes file systems in it and ends processes that are noted in it, so nobody
/// else may be able to change or swap anything there: it is ours and for us alone to write, and so is the way to it.
struct LabGround {
    let path: String

    init(_ path: String) { self.path = path }

    /// Makes what is missing of it. Each part is looked at before anything is made below, so nothing is ever made where somebody else could
    /// move it away.
    func make() throws {
        try walk { part in
            guard mkdir(part, 0o755) == 0 || errno == EEXIST else {
                throw LabError.system(doing: "make a directory", on: part, errno: errno)
            }
        }
    }

    /// What is there of it by now.
    func check() throws { try walk { _ in } }

    /// Whether it is there, and nobody but us can have put anything into it.
    var isOurs: Bool { LabFiles.exists(path) && (try? check()) != nil }

    private func walk(_ visit: (String) throws -> Void) throws {
        try judge("/", isLast: false)
        var part = ""
        let names = path.split(separator: "/")
        for (index, name) in names.enumerated() {
            guard name != "..", name != "." else { throw foreign(path, "say it without \(name)") }
            part += "/" + name
            try visit(part)
            guard LabFiles.exists(part) else { return }
            try judge(part, isLast: index == names.count - 1)
        }
    }

    private func judge(_ part: String, isLast: Bool) throws {
        var status = stat()
        guard lstat(part, &status) == 0 else { throw LabError.system(doing: "look at a directory", on: part, errno: errno) }
        // Links of the system itself (/var/run) are owned by root and lie where only root writes, as their parent was judged before.
        if status.st_mode & S_IFMT == S_IFLNK, !isLast {
            guard status.st_uid == 0, let target = LabFiles.resolved(part) else { throw foreign(part, "it is a symbolic link") }
            return try LabGround(target).asParent()
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw foreign(part, "it is no directory") }
        let isSticky = status.st_mode & 0o1000 != 0
        let othersWrite = status.st_mode & (S_IWGRP | S_IWOTH) != 0
        if isLast {
            guard status.st_uid == geteuid() else { throw foreign(part, "it belongs to user \(status.st_uid)") }
            guard !othersWrite else { throw foreign(part, "others may write to it") }
        } else {
            guard status.st_uid == 0 || status.st_uid == geteuid() else {
                throw foreign(part, "it belongs to user \(status.st_uid), who can move away what is in it")
            }
            guard !othersWrite || isSticky else { throw foreign(part, "others may write to it, and move away what is in it") }
        }
    }

    /// As the way to something else.
    private func asParent() throws {
        try judge("/", isLast: false)
        var part = ""
        for name in path.split(separator: "/") {
            part += "/" + name
            try judge(part, isLast: false)
        }
    }

    private func foreign(_ part: String, _ why: String) -> LabError {
        .foreignGround(path: path, why: part == path ? why : "\(part): \(why)")
    }
}

extension LabFiles {
    /// Where a path leads, without any symbolic link.
    static func resolved(_ path: String) -> String? {
        guard let found = realpath(path, nil) else { return nil }
        defer { free(found) }
        return String(cString: found)
    }
}
