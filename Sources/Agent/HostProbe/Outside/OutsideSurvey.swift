// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
import MeshModel
import MeshSystem

/// Asks names, time servers and registries at once: names of the host's resolver, time by SNTP, registries for a TCP connection.
struct OutsideSurvey {
    static let targetLimit = 32
    private static let resolving = Duration.seconds(5)
    private static let connecting = Duration.seconds(2)
    /// Questions to a time server, and how long each is waited for.
    private static let timeTries = 3
    private static let timeWindow = Duration.milliseconds(700)

    let targets: [OutsideTarget]
    let resolver: NameResolver
    let entropy: any Entropy
    /// Tests have no right to the real one.
    var timePort = OutsideTarget.timePort

    /// One fact for each target, in their order.
    func run() throws -> [OutsideFact] {
        guard targets.count <= Self.targetLimit else { throw HostProbeError.tooManyTargets(targets.count, limit: Self.targetLimit) }
        let answers = try resolver.answers(Set(targets.map(\.host)), within: Self.resolving)
        var addresses: [OutsideTarget: [IPAddress]] = [:]
        var facts: [OutsideTarget: OutsideFact] = [:]
        for target in targets {
            switch answers[target.host] {
            case .addresses(let found) where target.kind == .name:
                facts[target] = OutsideFact(target: target, result: .answered, address: found.first)
            case .addresses(let found): addresses[target] = found
            case .failed(let why): facts[target] = OutsideFact(target: target, result: .unresolved, detail: why)
            case nil:
                facts[target] = OutsideFact(
                    target: target, result: .unresolved, detail: "the resolver has not answered within \(Self.resolving.briefly)")
            }
        }
        facts.merge(connect(addresses.filter { $0.key.kind == .registry })) { first, _ in first }
        facts.merge(try askTime(addresses.filter { $0.key.kind == .time })) { first, _ in first }
        return targets.compactMap { facts[$0] }
    }

    /// One address that takes a connection is enough.
    private func connect(_ addresses: [OutsideTarget: [IPAddress]]) -> [OutsideTarget: OutsideFact] {
        guard let node = NodeID("outside") else { return [:] }
        let tries = addresses.flatMap { target, all in all.map { (target, ReachTarget(node: node, address: $0, port: target.port ?? 443)) }
        }
        let results = ConnectSweep(targets: tries.map(\.1), attempts: 1, timeout: Self.connecting).run()
        var facts: [OutsideTarget: OutsideFact] = [:]
        for ((target, _), fact) in zip(tries, results) where facts[target]?.result != .answered {
            facts[target] = OutsideFact(target: target, result: Self.result(fact.result), address: fact.target.address)
        }
        return facts
    }

    private static func result(_ result: ReachFact.Result) -> OutsideFact.Result {
        switch result {
        case .connected: .answered
        case .refused: .refused
        case .timedOut: .timedOut
        case .unreachable: .unreachable
        case .failed: .failed
        }
    }

    private func askTime(_ addresses: [OutsideTarget: [IPAddress]]) throws -> [OutsideTarget: OutsideFact] {
        var open: [(target: OutsideTarget, address: IPAddress, descriptor: Int32, packet: TimePacket)] = []
        defer { for item in open { close(item.descriptor) } }
        var facts: [OutsideTarget: OutsideFact] = [:]
        for (target, all) in addresses {
            for address in all {
                let descriptor = meshgate_udp_connect(address.family.number, address.octets, timePort)
                guard descriptor >= 0 else {
                    facts[target] = facts[target] ?? Self.failure(target, address, -descriptor)
                    continue
                }
                open.append((target, address, descriptor, TimePacket(originate: try entropy.bytes(8))))
            }
        }
        func isSettled(_ target: OutsideTarget) -> Bool { facts[target]?.result == .answered }
        var buffer = [UInt8](repeating: 0, count: 128)
        for _ in 0..<Self.timeTries {
            for item in open where !isSettled(item.target) {
                let bytes = item.packet.bytes
                let sent = send(item.descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
                if sent < 0, facts[item.target] == nil { facts[item.target] = Self.failure(item.target, item.address, errno) }
            }
            let end = ContinuousClock.now + Self.timeWindow
            while open.contains(where: { !isSettled($0.target) }) {
                let left = end - ContinuousClock.now
                guard left > .zero else { break }
                let waiting = open.filter { !isSettled($0.target) }
                var polled = waiting.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
                guard poll(&polled, nfds_t(polled.count), Int32(left.inMilliseconds + 1)) > 0 else { break }
                for item in waiting {
                    let got = recv(item.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                    if got < 0 {
                        if errno != EAGAIN { facts[item.target] = Self.failure(item.target, item.address, errno) }
                        continue
                    }
                    guard let verdict = item.packet.verdict(on: buffer[..<got]) else { continue }
                    facts[item.target] = OutsideFact(
                        target: item.target, result: verdict == .synchronised ? .answered : .unsynchronised, address: item.address)
                }
            }
        }
        for item in open where facts[item.target] == nil {
            facts[item.target] = OutsideFact(target: item.target, result: .timedOut, address: item.address)
        }
        return facts
    }

    private static func failure(_ target: OutsideTarget, _ address: IPAddress, _ number: Int32) -> OutsideFact {
        let result: OutsideFact.Result =
            switch number {
            case ECONNREFUSED: .refused
            case ENETUNREACH, EHOSTUNREACH: .unreachable
            default: .failed
            }
        return OutsideFact(target: target, result: result, address: address, detail: words(number))
    }
}
