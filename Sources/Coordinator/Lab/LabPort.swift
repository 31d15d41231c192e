// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A TCP port of the loopback interface that nobody uses at the moment.
enum LabPort {
    static func free() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw LabError.system(doing: "make a socket", on: "127.0.0.1", errno: errno) }
        defer { close(descriptor) }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let outcome = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 ? getsockname(descriptor, address, &length) : -1
            }
        }
        guard outcome == 0 else { throw LabError.system(doing: "find a free port", on: "127.0.0.1", errno: errno) }
        return UInt16(bigEndian: name.sin_port)
    }
}
