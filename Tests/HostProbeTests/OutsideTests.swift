// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Synchronization
import Testing

@testable import HostProbe

/// What a host needs from outside, with stand-ins on the loopback.
@Suite("outside of the mesh")
struct OutsideTests {
    private let loopback: IPAddress
    private let near: HostName
    private let far: HostName

    init() throws {
        loopback = try #require(IPAddress("127.0.0.1"))
        near = try #require(HostName("near.example"))
        far = try #require(HostName("far.example"))
    }

    private func survey(_ targets: [OutsideTarget], timePort: UInt16 = 123) throws -> [OutsideFact] {
        let (near, loopback) = (near, loopback)
        let resolver = NameResolver { $0 == near ? .addresses([loopback]) : .failed("Name or service not known") }
        return try OutsideSurvey(targets: targets, resolver: resolver, entropy: KernelEntropy(), timePort: timePort).run()
    }

    @Test("names are found or not, registries take a connection or refuse it, in the order of the questions")
    func registries() throws {
        let listener = try Listener(address: "127.0.0.1")
        defer { listener.end() }
        let closed = try Listener(address: "127.0.0.1")
        closed.end()
        let targets = [
            OutsideTarget(.registry, near, port: listener.port), OutsideTarget(.registry, near, port: closed.port),
            OutsideTarget(.name, near), OutsideTarget(.name, far), OutsideTarget(.registry, far, port: 443),
        ]
        let facts = try survey(targets)
        #expect(facts.map(\.target) == targets)
        #expect(facts.map(\.result) == [.answered, .refused, .answered, .unresolved, .unresolved])
        #expect(facts[0].address == loopback && facts[3].detail == "Name or service not known")
    }

    @Test("a time server that knows the time answers; one that does not says so; a forged answer is none; silence costs two seconds")
    func timeServers() throws {
        let target = OutsideTarget(.time, near)
        for (answer, result) in [
            (TimeServer.Answer.right, OutsideFact.Result.answered), (.unsynchronised, .unsynchronised), (.kissOfDeath, .unsynchronised),
        ] {
            let server = try TimeServer(answer)
            defer { server.stop() }
            #expect(try survey([target], timePort: server.port).first?.result == result)
        }
        for answer in [TimeServer.Answer.foreign, .short, .silent] {
            let server = try TimeServer(answer)
            defer { server.stop() }
            let began = ContinuousClock.now
            #expect(try survey([target], timePort: server.port).first?.result == .timedOut)
            #expect(ContinuousClock.now - began < .seconds(4))
        }
    }

    @Test("a resolver that hangs keeps one thread, is not asked again meanwhile, and others are answered beside it")
    func hanging() throws {
        let asked = Mutex(0)
        let release = DispatchedGate()
        let (near, loopback) = (near, loopback)
        let resolver = NameResolver { name in
            if name == near { return .addresses([loopback]) }
            asked.withLock { $0 += 1 }
            release.wait()
            return .failed("late")
        }
        for _ in 0..<3 {
            // Long enough for a busy machine; only the first round waits for the one that hangs.
            let answers = try resolver.answers([near, far], within: .seconds(2))
            #expect(answers == [near: .addresses([loopback])])
        }
        #expect(asked.withLock(\.self) == 1)
        release.open()
        // Once it has answered it may be asked anew.
        var rest = 15_000
        while try resolver.answers([far], within: .milliseconds(50))[far] == nil, rest > 0 {
            usleep(2000)
            rest -= 1
        }
        #expect(rest > 0 && asked.withLock(\.self) >= 2)
    }

    @Test("addresses need no resolver, and this host's own finds the loopback")
    func own() throws {
        let address = try #require(HostName("192.0.2.7"))
        #expect(try NameResolver().answers([address], within: .seconds(5)) == [address: .addresses([try #require(IPAddress("192.0.2.7"))])])
    }

    @Test("more targets than a survey takes are refused")
    func bounded() throws {
        let many = (1...33).map { OutsideTarget(.registry, near, port: UInt16($0)) }
        #expect(throws: HostProbeError.tooManyTargets(33, limit: 32)) { try survey(many) }
    }

    @Test("whatever comes from a time server is read without harm", arguments: [1, 2] as [UInt64])
    func fuzzed(seed: UInt64) {
        var random = SplitMix(state: seed)
        let packet = TimePacket(originate: [1, 2, 3, 4, 5, 6, 7, 8])
        for _ in 0..<5000 {
            var bytes = (0..<Int.random(in: 0...80, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            if bytes.count >= 32, Bool.random(using: &random) { bytes.replaceSubrange(24..<32, with: packet.originate) }
            let verdict = packet.verdict(on: bytes[...])
            if bytes.count < TimePacket.length { #expect(verdict == nil) }
        }
        #expect(packet.bytes.count == TimePacket.length && packet.bytes[0] == 0x23)
    }
}

/// Opens once, for all.
private final class DispatchedGate: Sendable {
    private let isOpen = Atomic<Bool>(false)
    func open() { isOpen.store(true, ordering: .releasing) }
    func wait() { while !isOpen.load(ordering: .acquiring) { usleep(1000) } }
}

/// A time server on the loopback that answers as it is told.
private final class TimeServer: Sendable {
    enum Answer: Sendable { case right, unsynchronised, kissOfDeath, foreign, short, silent }
    let port: UInt16
    private let stopped = Atomic<Bool>(false)

    init(_ answer: Answer) throws {
        let file = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(file, $0, length) == 0 && getsockname(file, $0, &length) == 0
            }
        }
        guard file >= 0, bound else { throw ShellFailure(description: "bind: \(errno)") }
        port = UInt16(bigEndian: name.sin_port)
        try OwnThread.start(named: "time") { [self] in
            defer { close(file) }
            while !self.stopped.load(ordering: .relaxed) {
                var waiting = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
                guard poll(&waiting, 1, 50) > 0 else { continue }
                var from = sockaddr_storage()
                var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
                var buffer = [UInt8](repeating: 0, count: 128)
                withUnsafeMutablePointer(to: &from) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { peer in
                        let got = recvfrom(file, &buffer, buffer.count, 0, peer, &size)
                        guard got == TimePacket.length, let bytes = Self.bytes(answer, to: buffer) else { return }
                        _ = sendto(file, bytes, bytes.count, 0, peer, size)
                    }
                }
            }
        }
    }

    private static func bytes(_ answer: Answer, to question: [UInt8]) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: TimePacket.length)
        bytes[0] = 0x24
        bytes[1] = 2
        bytes.replaceSubrange(24..<32, with: question[40..<48])
        switch answer {
        case .right: break
        case .unsynchronised: bytes[0] = 0xe4
        case .kissOfDeath: bytes[1] = 0
        case .foreign: bytes[24] ^= 1
        case .short: bytes.removeLast()
        case .silent: return nil
        }
        return bytes
    }

    func stop() { stopped.store(true, ordering: .relaxed) }
}
