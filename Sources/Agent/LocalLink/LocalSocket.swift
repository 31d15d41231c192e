// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import FoundationEssentials
internal import Glibc
internal import MeshModel

/// One end of the Unix socket between two processes of an agent: JSON messages, each after its length (u32, big endian), at most 256 KiB.
/// Blocking, for one thread at a time; the descriptor is closed with the value.
package final class LocalSocket: Sendable {
    /// The longest message in bytes.
    package static let limit = 256 << 10
    /// What a listening socket is named until it listens.
    private static let fresh = ".new"
    /// The longest path in bytes: the name with which it begins, and a NUL, must fit into the kernel's 108.
    package static let longestPath = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1 - fresh.utf8.count
    /// Open as long as this value lives.
    package let descriptor: Int32
    private let path: String
    /// Who serves on it, for messages.
    private let role: String

    init(descriptor: Int32, path: String, role: String) {
        self.descriptor = descriptor
        self.path = path
        self.role = role
    }

    deinit { close(descriptor) }

    /// To the process that serves as `role`.
    package static func connect(_ path: String, to role: String) throws -> LocalSocket {
        try check(path)
        let socket = LocalSocket(descriptor: try make(path), path: path, role: role)
        var address = address(path)
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket.descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard code == 0 else { throw LocalLinkError.socket(doing: "connect to the \(role)", on: path, errno: errno) }
        return socket
    }

    /// A listening socket that only our own user, or the members of `group`, can open. It appears at `path` when it listens, so that whoever sees
    /// it can connect.
    static func listen(_ path: String, role: String, group: UInt32?) throws -> LocalSocket {
        try check(path)
        let socket = LocalSocket(descriptor: try make(path), path: path, role: role)
        let fresh = path + Self.fresh
        var address = address(fresh)
        // Linux gives the file the mode of the socket, so there is no moment at which others could connect.
        guard fchmod(socket.descriptor, 0o600) == 0 else { throw failed("set the mode of the socket", path) }
        guard unlink(fresh) == 0 || errno == ENOENT else { throw failed("remove the old socket", fresh) }
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket.descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard code == 0 else { throw failed("bind the socket", fresh) }
        do {
            if let group {
                guard lchown(fresh, uid_t.max, group) == 0 else { throw failed("give the socket to group \(group)", fresh) }
                guard chmod(fresh, 0o660) == 0 else { throw failed("open the socket to its group", fresh) }
            }
            guard Glibc.listen(socket.descriptor, 16) == 0 else { throw failed("listen", fresh) }
            guard rename(fresh, path) == 0 else { throw failed("put the socket in its place", path) }
        } catch {
            unlink(fresh)
            throw error
        }
        return socket
    }

    /// The user at the other end, as the kernel knows it.
    func peerUser() throws -> UInt32 {
        var user: UInt32 = 0
        var group: UInt32 = 0
        var process: Int32 = 0
        let code = meshgate_socket_peer(descriptor, &user, &group, &process)
        guard code == 0 else { throw LocalLinkError.socket(doing: "ask who connected", on: path, errno: -code) }
        return user
    }

    /// The next message; `nil` at the end of the stream. Waits at most `patience`, for the whole of it.
    package func receive<Message: Decodable>(_ type: Message.Type, patience: Duration) throws -> Message? {
        guard let body = try receiveBytes(patience: patience) else { return nil }
        do {
            return try JSONDecoder().decode(type, from: Data(body))
        } catch {
            throw LocalLinkError.frameMalformed(role: role, problem: String("\(error)".prefix(200)))
        }
    }

    /// The next message as it came, for those that are no JSON; `nil` at the end of the stream.
    package func receiveBytes(patience: Duration) throws -> [UInt8]? {
        let deadline = ContinuousClock.now + patience
        guard let header = try bytes(4, deadline, patience, endIsFine: true) else { return nil }
        let length = header.reduce(0) { $0 << 8 | Int($1) }
        guard length <= Self.limit else { throw LocalLinkError.frameTooLong(role: role, bytes: length, limit: Self.limit) }
        return try bytes(length, deadline, patience, endIsFine: false)
    }

    /// All of the message within `patience`, or an error.
    package func send(_ message: some Encodable, patience: Duration = .seconds(10)) throws {
        try send(bytes: Array(try JSONEncoder().encode(message)), patience: patience)
    }

    /// The same for what is no JSON.
    package func send(bytes body: [UInt8], patience: Duration = .seconds(10)) throws {
        guard body.count <= Self.limit else { throw LocalLinkError.frameTooLong(role: role, bytes: body.count, limit: Self.limit) }
        let frame = withUnsafeBytes(of: UInt32(body.count).bigEndian, Array.init) + body
        let deadline = ContinuousClock.now + patience
        var sent = 0
        while sent < frame.count {
            try wait(for: Int16(POLLOUT), deadline, patience)
            let count = frame[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count >= 0 {
                sent += count
            } else if errno != EINTR, errno != EAGAIN {
                throw LocalLinkError.socket(doing: "send to the other end", on: path, errno: errno)
            }
        }
    }

    private func bytes(_ count: Int, _ deadline: ContinuousClock.Instant, _ patience: Duration, endIsFine: Bool) throws -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            try wait(for: Int16(POLLIN), deadline, patience)
            let got = buffer.withUnsafeMutableBytes { room in
                recv(descriptor, UnsafeMutableRawBufferPointer(rebasing: room[filled...]).baseAddress, count - filled, Int32(MSG_DONTWAIT))
            }
            if got > 0 {
                filled += got
            } else if got == 0 {
                if filled == 0, endIsFine { return nil }
                throw LocalLinkError.frameMalformed(role: role, problem: "it ends in the middle")
            } else if errno != EINTR, errno != EAGAIN {
                throw LocalLinkError.socket(doing: "receive from the other end", on: path, errno: errno)
            }
        }
        return buffer
    }

    private func wait(for events: Int16, _ deadline: ContinuousClock.Instant, _ patience: Duration) throws {
        while true {
            let left = (deadline - ContinuousClock.now).inMilliseconds
            guard left > 0 else { throw LocalLinkError.timedOut(role: role, path: path, waited: patience) }
            var request = pollfd(fd: descriptor, events: events, revents: 0)
            let ready = poll(&request, 1, Int32(min(left, 60_000)))
            if ready > 0 { return }
            if ready < 0, errno != EINTR { throw LocalLinkError.socket(doing: "wait for the other end", on: path, errno: errno) }
        }
    }

    private static func make(_ path: String) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failed("make a socket", path) }
        return descriptor
    }

    /// The same on both sides: whoever could not listen there is not to be waited for.
    private static func check(_ path: String) throws {
        guard path.hasPrefix("/"), path.utf8.count <= longestPath, !path.utf8.contains(0) else { throw LocalLinkError.socketPath(path) }
    }

    /// Of a path that was checked, or the name that it begins with.
    private static func address(_ path: String) -> sockaddr_un {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return address
    }

    private static func failed(_ doing: String, _ path: String) -> LocalLinkError { .socket(doing: doing, on: path, errno: errno) }
}
