// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The machine's log on a Unix datagram socket. Never waits: a log that is full or away is an error, and the caller tries again later.
package final class SystemLogSocket: Sendable {
    /// Which of the two languages is spoken there.
    package enum Form: String, Hashable, Sendable, CaseIterable {
        case journald, syslog

        /// Where it listens.
        package var usualPath: String {
            switch self {
            case .journald: "/run/systemd/journal/socket"
            case .syslog: "/dev/log"
            }
        }
    }

    /// The log did not take an entry.
    package struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
        package let path: String
        package let problem: String
        package var description: String { "cannot write to the log at \(path): \(problem)" }
    }

    package let form: Form
    private let path: String
    private let file: Int32
    private let host: String

    package init(_ form: Form, path: String? = nil) throws(Fault) {
        self.form = form
        self.path = path ?? form.usualPath
        guard self.path.utf8.count < 108, !self.path.utf8.contains(0) else { throw Fault(path: self.path, problem: "the path is too long") }
        file = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard file >= 0 else { throw Fault(path: self.path, problem: String(cString: strerror(errno))) }
        var name = [CChar](repeating: 0, count: 256)
        host = gethostname(&name, 255) == 0 ? String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self) : ""
    }

    deinit { close(file) }

    /// Hands one entry over.
    package func send(_ entry: SystemLogEntry) throws(Fault) {
        let bytes = form == .journald ? entry.journald : entry.syslog(host: host, process: getpid())
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let count = bytes.withUnsafeBytes { data in
            withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(file, data.baseAddress, data.count, Int32(MSG_DONTWAIT), $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        }
        guard count == bytes.count else { throw Fault(path: path, problem: String(cString: strerror(errno))) }
    }
}
