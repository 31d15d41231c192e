// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What can go wrong between us and the machine.
package enum SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    case failed(doing: String, on: String, errno: Int32)
    case unexpectedContent(path: String, found: String, wanted: String)
    case notRegularFile(path: String)
    case fileTooLarge(path: String, limit: Int)
    case notAbsolute(path: String)
    case notOurs(path: String, owner: UInt32)
    case lockHeld(path: String, holder: Int32?)
    case commandNotFound(name: String, searched: [String])
    case commandNotStarted(path: String, doing: String, errno: Int32)
    case commandMalformed(executable: String, reason: String)
    case gzip(GzipFault)

    package var description: String {
        switch self {
        case .failed(let doing, let on, let number):
            "cannot \(doing) (\(on)): \(explain(number))"
        case .unexpectedContent(let path, let found, let wanted):
            "\(path) holds \"\(found.prefix(80))\", which is not \(wanted)"
        case .notRegularFile(let path):
            "\(path) is a symbolic link or not a regular file; refusing to follow it, put a plain file there"
        case .fileTooLarge(let path, let limit):
            "\(path) is larger than \(limit) bytes; refusing to read it, check that it is the right file"
        case .notAbsolute(let path):
            "\"\(path)\" is not an absolute path without NUL bytes"
        case .notOurs(let path, let owner):
            "\(path) belongs to user id \(owner), we run as \(geteuid()); change its owner or choose another directory"
        case .lockHeld(let path, let holder):
            "\(path) is locked by \(holder.map { "process \($0)" } ?? "another process"), which already uses this directory; stop it first"
        case .commandNotFound(let name, let searched):
            "there is no executable \(name)\(searched.isEmpty ? "" : " in \(searched.joined(separator: ":"))"); install it or correct the path"
        case .commandNotStarted(let path, let doing, let number):
            "cannot start \(path) (\(doing)): \(explain(number))"
        case .commandMalformed(let executable, let reason):
            "refusing to start \(executable): \(reason)"
        case .gzip(let fault):
            fault.description
        }
    }
}

/// What the kernel's error number means, with what to do where that is known.
package func explain(_ number: Int32) -> String {
    let text = strerror(number).map { String(cString: $0) } ?? "error \(number)"
    switch number {
    case EACCES, EPERM: return text + "; run as a user who may, or correct the owner and mode"
    case ENOSPC, EDQUOT: return text + "; free some space"
    case EROFS: return text + "; choose a directory that can be written"
    case EMFILE, ENFILE: return text + "; raise the limit of open files"
    default: return text
    }
}
