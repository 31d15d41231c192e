// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
import MeshModel
import MeshSystem
import Synchronization

/// Asks the host's own resolver (getaddrinfo(3)), which can be neither hurried nor stopped: each name has a thread of its own until the resolver
/// answers, and is not asked again before.
final class NameResolver: Sendable {
    enum Answer: Hashable, Sendable {
        case addresses([IPAddress])
        /// In the resolver's words.
        case failed(String)
    }

    private let pending = Mutex<Set<HostName>>([])
    private let resolve: @Sendable (HostName) -> Answer

    /// - Parameter resolve: may take its time.
    init(resolve: @escaping @Sendable (HostName) -> Answer = NameResolver.system) { self.resolve = resolve }

    /// What is known within `patience`; a name that is missing was not answered in time.
    func answers(_ names: Set<HostName>, within patience: Duration) throws -> [HostName: Answer] {
        let wakeup = meshgate_wakeup()
        guard wakeup >= 0 else { throw HostProbeError.cannotRead(what: "a wakeup", path: "eventfd(2)", cause: words(-wakeup)) }
        let board = Board(wakeup)
        let asked = pending.withLock { pending in
            let new = names.subtracting(pending)
            pending.formUnion(new)
            return new
        }
        for name in asked {
            do {
                try OwnThread.start(named: "resolver") { [self] in
                    let answer = resolve(name)
                    // Before it is told: whoever has the answer may ask anew at once.
                    pending.withLock { _ = $0.remove(name) }
                    board.put(name, answer)
                }
            } catch {
                pending.withLock { _ = $0.remove(name) }
                throw error
            }
        }
        let end = ContinuousClock.now + patience
        while board.answers.count < asked.count {
            let left = end - ContinuousClock.now
            guard left > .zero else { break }
            var waiting = pollfd(fd: wakeup, events: Int16(POLLIN), revents: 0)
            _ = poll(&waiting, 1, Int32(min(left.inMilliseconds + 1, 100)))
            var count: UInt64 = 0
            _ = read(wakeup, &count, 8)
        }
        return board.answers
    }

    /// Outlives the question, for answers that come too late.
    private final class Board: Sendable {
        private let wakeup: Int32
        private let known = Mutex<[HostName: Answer]>([:])
        init(_ wakeup: Int32) { self.wakeup = wakeup }
        deinit { close(wakeup) }
        var answers: [HostName: Answer] { known.withLock(\.self) }
        func put(_ name: HostName, _ answer: Answer) {
            known.withLock { $0[name] = answer }
            meshgate_wake(wakeup)
        }
    }

    private static let mostAddresses = 8

    @Sendable private static func system(_ name: HostName) -> Answer {
        if let address = name.address { return .addresses([address]) }
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(name.description, nil, &hints, &list)
        guard code == 0 else { return .failed(gai_strerror(code).map { String(cString: $0) } ?? "error \(code)") }
        defer { freeaddrinfo(list) }
        var found: [IPAddress] = []
        var next = list
        while let entry = next?.pointee, found.count < mostAddresses {
            if let address = entry.ai_addr.flatMap(address), !found.contains(address) { found.append(address) }
            next = entry.ai_next
        }
        return found.isEmpty ? .failed("no address") : .addresses(found)
    }

    private static func address(_ pointer: UnsafeMutablePointer<sockaddr>) -> IPAddress? {
        switch Int32(pointer.pointee.sa_family) {
        case AF_INET:
            pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { name in
                withUnsafeBytes(of: name.pointee.sin_addr) { IPAddress(octets: Array($0), .v4) }
            }
        case AF_INET6:
            pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { name in
                withUnsafeBytes(of: name.pointee.sin6_addr) { IPAddress(octets: Array($0), .v6) }
            }
        default: nil
        }
    }
}
