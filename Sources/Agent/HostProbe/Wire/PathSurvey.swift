// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
import MeshModel
import MeshSystem
import Synchronization

/// Measures the ways to many nodes at once: datagrams, ICMP echoes, and a TCP connect to the port of Cilium's health checks.
struct PathSurvey: Sendable {
    static let targetLimit = 64
    /// Whatever happens, a survey is over then.
    static let patience = Duration.seconds(8)
    private static let healthTimeout = Duration.seconds(1)

    let targets: [PathTarget]
    let tokens: [NodeID: Digest]
    let entropy: any Entropy

    /// One fact for each target, in their order.
    func facts() async throws -> [Fact] {
        guard targets.count <= Self.targetLimit else { throw HostProbeError.tooManyTargets(targets.count, limit: Self.targetLimit) }
        return try await OwnThread.run(named: "paths") { try run().map(Fact.path) }
    }

    /// The same on the calling thread, in its network namespace.
    func run() throws -> [PathFact] {
        let sweep = ConnectSweep(
            targets: targets.map { ReachTarget(node: $0.node, address: $0.address, port: PathFact.healthPort) }, attempts: 1,
            timeout: Self.healthTimeout)
        let probes = try targets.map { try Probe($0, token: tokens[$0.node], entropy: entropy) }
        let pinger = try Pinger(targets.map(\.address), entropy: entropy)
        // On a thread beside this one, in the same network namespace.
        let connects = try Beside { sweep.run() }
        drive(probes, pinger)
        let health = connects.value(within: Self.healthTimeout * 3) ?? []
        return zip(targets.indices, probes).map { index, probe in
            let echo = probe.echo
            let pinged = pinger.answered.contains(targets[index].address)
            let problem = echo == nil ? probe.problem ?? (pinged ? nil : pinger.problem) : (pinged ? nil : pinger.problem)
            return PathFact(
                target: targets[index], echo: echo, pinged: pinged, health: index < health.count ? health[index].result : .failed,
                problem: problem)
        }
    }

    private func drive(_ probes: [Probe], _ pinger: Pinger) {
        let clock = ContinuousClock()
        let began = clock.now
        while true {
            let now = clock.now - began
            // What has come meanwhile is looked at before anything is given up.
            for probe in probes {
                probe.receive(at: now)
                probe.send(at: now)
            }
            pinger.send(at: now)
            let isDone = probes.allSatisfy(\.isDone) && pinger.isDone(at: now)
            guard !isDone, now < Self.patience else { return }
            let wake = (probes.filter { !$0.isDone }.map { $0.wake(after: now) } + [pinger.wake(after: now)]).min() ?? now
            let descriptors = probes.flatMap(\.descriptors) + pinger.descriptors
            var waiting = descriptors.map { pollfd(fd: $0.0, events: $0.1, revents: 0) }
            // Rounded up: a wait that ends too early would only go round once more.
            let left = max(0, min((wake - now).inMicroseconds + 999, 100_000) / 1000)
            _ = poll(&waiting, nfds_t(waiting.count), Int32(left))
            pinger.receive()
        }
    }

    /// The sockets and the meter of one target.
    private final class Probe {
        private let target: PathTarget
        private let token: Digest?
        private let nonce: UInt64
        private var meter: PathMeter
        /// To the planned port and to its substitute.
        private var sockets: [(descriptor: Int32, port: UInt16)] = []
        private(set) var problem: String?
        private var buffer = [UInt8](repeating: 0, count: EchoDatagram.headLength)

        init(_ target: PathTarget, token: Digest?, entropy: any Entropy) throws {
            self.target = target
            self.token = token
            nonce = try entropy.bytes(8).reduce(0) { $0 << 8 | UInt64($1) }
            meter = PathMeter(target)
            guard let port = target.port else { return }
            guard token != nil else {
                problem = "\(target.node) was not told to answer"
                return
            }
            for port in [port, PathTarget.substitute(for: port)] {
                let descriptor = meshgate_udp_connect(target.address.family.number, target.address.octets, port)
                guard descriptor >= 0 else {
                    problem = "cannot send to \(target.address): \(words(-descriptor))"
                    return
                }
                sockets.append((descriptor, port))
            }
        }

        deinit { for socket in sockets { close(socket.descriptor) } }

        var isDone: Bool { sockets.count < 2 || meter.isDone }
        var descriptors: [(Int32, Int16)] { isDone ? [] : sockets.map { ($0.descriptor, Int16(POLLIN)) } }
        func wake(after now: Duration) -> Duration { meter.wake(after: now) }

        var echo: PathFact.Echo? {
            guard sockets.count == 2 else { return nil }
            let socket = sockets[meter.usesSubstitute ? 1 : 0]
            var local = [UInt8](repeating: 0, count: 16)
            guard meshgate_udp_local(socket.descriptor, &local) == 0 else { return nil }
            let family = target.address.family
            return meter.echo(port: socket.port, local: IPAddress(octets: local.prefix(family == .v4 ? 4 : 16), family))
        }

        func send(at now: Duration) {
            guard !isDone, let token else { return }
            for shot in meter.due(at: now) {
                let bytes = EchoDatagram(
                    kind: shot.kind, size: UInt16(clamping: shot.size), nonce: nonce, sequence: shot.sequence, rest: token.bytes
                ).bytes(target.address.family)
                let descriptor = sockets[shot.toSubstitute ? 1 : 0].descriptor
                var number = transmit(bytes, descriptor)
                // An error of an earlier datagram (a router's "too big", a closed port) is told at the next call, once.
                if number != 0 { number = transmit(bytes, descriptor) }
                switch number {
                case 0, EAGAIN, ENOBUFS, ECONNREFUSED: break
                case EMSGSIZE: meter.refused(shot)
                default: problem = "cannot send to \(target.address): \(words(number))"
                }
            }
        }

        private func transmit(_ bytes: [UInt8], _ descriptor: Int32) -> Int32 {
            bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)) } < 0
                ? errno : 0
        }

        func receive(at now: Duration) {
            guard !isDone else { return }
            for (index, socket) in sockets.enumerated() {
                // Bounded: whoever floods us must not keep us here.
                for _ in 0..<512 {
                    // Only the head is wanted; the kernel drops the rest of the datagram.
                    let got = recv(socket.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                    if got < 0 {
                        if errno == EAGAIN { break }
                        continue
                    }
                    guard let answer = EchoDatagram(buffer[..<got]), answer.nonce == nonce, let seen = answer.seen else { continue }
                    meter.answered(answer.sequence, from: seen, bySubstitute: index == 1, at: now)
                }
            }
        }
    }
}

/// Work on a thread beside the calling one.
private final class Beside<Value: Sendable>: Sendable {
    private let result = Mutex<Value?>(nil)
    private let done: Int32

    init(_ body: @escaping @Sendable () -> Value) throws {
        done = meshgate_wakeup()
        guard done >= 0 else { throw HostProbeError.cannotRead(what: "a wakeup", path: "eventfd(2)", cause: words(-done)) }
        try OwnThread.start(named: "probe") { [self] in
            let value = body()
            result.withLock { $0 = value }
            meshgate_wake(done)
        }
    }

    deinit { close(done) }

    /// `nil` when it is not there in time.
    func value(within patience: Duration) -> Value? {
        var waiting = pollfd(fd: done, events: Int16(POLLIN), revents: 0)
        _ = poll(&waiting, 1, Int32(patience.inMicroseconds / 1000))
        return result.withLock { $0 }
    }
}

extension IPAddress.Family {
    var number: Int32 { self == .v4 ? AF_INET : AF_INET6 }
}
