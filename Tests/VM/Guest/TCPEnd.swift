// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel

/// One end of a TCP connection, in the network namespace of the thread that makes it. Closed by whoever made it.
struct TCPEnd: Sendable {
    private let file: Int32

    private init(file: Int32) { self.file = file }

    /// Waits for connections at an address of this host.
    static func listening(_ address: IPAddress, _ port: UInt16) throws -> TCPEnd {
        let end = try TCPEnd(address.family)
        guard end.with(address, port, bind) == 0, listen(end.file, 4) == 0 else { throw Stuck("cannot listen at \(address): \(errno)") }
        return end
    }

    /// Not yet connected to anybody.
    init(_ family: IPAddress.Family) throws {
        file = socket(family == .v4 ? AF_INET : AF_INET6, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard file >= 0 else { throw Stuck("no socket: \(errno)") }
        var patience = timeval(tv_sec: 30, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(file, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    /// 0, or the errno of connect(2).
    func connect(to address: IPAddress, _ port: UInt16) -> Int32 { with(address, port, Glibc.connect) == 0 ? 0 : errno }

    func accept() throws -> TCPEnd {
        let other = Glibc.accept(file, nil, nil)
        guard other >= 0 else { throw Stuck("nobody connects: \(errno)") }
        return TCPEnd(file: other)
    }

    func send(_ bytes: [UInt8]) throws {
        guard write(file, bytes, bytes.count) == bytes.count else { throw Stuck("cannot send: \(errno)") }
    }

    func receive(_ count: Int) throws -> [UInt8] {
        var room = [UInt8](repeating: 0, count: count)
        let length = recv(file, &room, count, Int32(MSG_WAITALL))
        guard length >= 0 else { throw Stuck("nothing comes: \(errno)") }
        return Array(room.prefix(length))
    }

    func close() { Glibc.close(file) }

    private func with(
        _ address: IPAddress, _ port: UInt16, _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 { address.withSocketAddress(port) { body(file, $0, $1) } }
}

/// One datagram from a socket of its own.
func sendDatagram(_ bytes: [UInt8], to address: IPAddress, _ port: UInt16) throws {
    let file = socket(address.family == .v4 ? AF_INET : AF_INET6, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard file >= 0 else { throw Stuck("no socket: \(errno)") }
    defer { close(file) }
    let count = address.withSocketAddress(port) { sendto(file, bytes, bytes.count, 0, $0, $1) }
    guard count == bytes.count else { throw Stuck("cannot send to \(address): \(errno)") }
}

extension IPAddress {
    fileprivate func withSocketAddress<Result>(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        func call<Raw>(_ raw: Raw) -> Result {
            withUnsafePointer(to: raw) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<Raw>.size)) }
            }
        }
        switch family {
        case .v4:
            var raw = sockaddr_in()
            raw.sin_family = sa_family_t(AF_INET)
            raw.sin_port = port.bigEndian
            raw.sin_addr.s_addr = UInt32(truncatingIfNeeded: value).bigEndian
            return call(raw)
        case .v6:
            var raw = sockaddr_in6()
            raw.sin6_family = sa_family_t(AF_INET6)
            raw.sin6_port = port.bigEndian
            withUnsafeMutableBytes(of: &raw.sin6_addr) { $0.storeBytes(of: value.bigEndian, as: UInt128.self) }
            return call(raw)
        }
    }
}
