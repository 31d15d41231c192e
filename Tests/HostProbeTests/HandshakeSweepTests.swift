// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import MeshModel
import MeshTrust
import Testing

@testable import HostProbe

/// Against real servers: openssl's own, etcd, and played ones that real servers are not.
@Suite("A sweep of handshakes")
struct HandshakeSweepTests {
    private let lab: TLSLab
    private let now = Timestamp(seconds: Int64(Date().timeIntervalSince1970))

    init() throws { lab = try TLSLab() }

    private func shake(_ targets: HandshakeTarget..., deadline: Duration = .seconds(3)) throws -> [HandshakeFact] {
        HandshakeSweep(targets: targets, anchors: [try lab.anchor("other").pem, try lab.anchor().pem], deadline: deadline).run()
    }

    private func faults(_ fact: HandshakeFact) throws -> [HandshakeFact.Fault] {
        fact.faults(trusting: [try lab.anchor().fingerprint], now: now)
    }

    @Test("a certificate of the authority, under the right name, is good, whether a client certificate is asked for or not")
    func good() throws {
        try lab.issue("server")
        let plain = try lab.serve("server")
        let asking = try lab.serve("server", "-Verify", "1", "-CAfile", "ca.crt")
        let asking12 = try lab.serve("server", "-Verify", "1", "-CAfile", "ca.crt", "-tls1_2")
        let facts = try shake(lab.target(plain), lab.target(asking), lab.target(asking12))
        for fact in facts {
            #expect(try faults(fact) == [], "\(fact)")
            #expect(fact.trusted == [try lab.anchor().fingerprint])
        }
        #expect(facts.map(\.wantsClientCertificate) == [false, true, true])
        #expect(facts.map(\.version) == ["TLSv1.3", "TLSv1.3", "TLSv1.2"])
        #expect(facts[0].leaf?.names == ["clustermesh-apiserver.cilium.io", "*.mesh.cilium.io", "127.0.0.1"])
    }

    @Test("another authority of the same name, another name, and wrong dates are told apart")
    func bad() throws {
        try lab.issue("foreign", by: "other")
        try lab.issue("named", san: "DNS:east.mesh.cilium.io")
        try lab.issue("ended", dates: "-startdate 20200101000000Z -enddate 20210101000000Z")
        try lab.issue("early", dates: "-startdate 20990101000000Z -enddate 20991231000000Z")
        let ports = try ["foreign", "named", "ended", "early"].map { try lab.serve($0) }
        let facts = HandshakeSweep(
            targets: try ports.map { try lab.target($0) }, anchors: [try lab.anchor("other").pem, try lab.anchor().pem]
        ).run()
        #expect(facts.allSatisfy { $0.outcome == .shaken }, "\(facts)")
        #expect(try facts.map(faults) == [[.otherAuthority], [.otherName], [.ended], [.notYetValid]])
        #expect(facts[0].trusted == [try lab.anchor("other").fingerprint], "whose it is instead is told")
        #expect(facts[2].leaf?.notAfter == Timestamp(seconds: 1_609_459_200))
    }

    @Test("old TLS, plain HTTP, closed ports and silence are told apart, each in its time")
    func noHandshake() throws {
        let http = try PlayedServer { connection in
            _ = PlayedServer.say(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8), to: connection)
        }
        let hangsUp = try PlayedServer { _ in }
        let silent = try Listener(address: "127.0.0.1")
        let closed = try Listener(address: "127.0.0.1")
        closed.end()
        defer { silent.end() }
        try lab.issue("server")
        let old = try lab.serve("server", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        let began = ContinuousClock.now
        let facts = try shake(
            lab.target(http.port), lab.target(hangsUp.port), lab.target(silent.port), lab.target(closed.port), lab.target(old),
            deadline: .milliseconds(600))
        let took = ContinuousClock.now - began
        #expect(facts.map(\.outcome) == [.notTLS, .broken, .stalled, .refused, .broken], "\(facts)")
        #expect(facts[0].problem == "it says \"HTTP/1.1 400 Bad Request\"")
        #expect(facts[2].problem?.hasPrefix("not a byte within") == true)
        #expect(facts[4].problem?.contains("protocol version") == true, "\(facts[4].problem ?? "")")
        #expect(took >= .milliseconds(600) && took < .seconds(20), "\(took)")
        for fact in facts { #expect(try faults(fact).count == 1) }
    }

    @Test("a server that sends without end, trickles, or stops in the middle costs its time and no more")
    func hostile() throws {
        // Well formed records that never end a handshake.
        let record: [UInt8] = [0x16, 0x03, 0x03, 0x40, 0x00] + [0x02, 0x00, 0xff, 0xff] + [UInt8](repeating: 0x41, count: (16 << 10) - 4)
        let flood = try PlayedServer { connection in
            while PlayedServer.say(record, to: connection) {}
        }
        let trickle = try PlayedServer { connection in
            for byte in record where PlayedServer.say([byte], to: connection) { usleep(20_000) }
        }
        let facts = try shake(lab.target(flood.port), lab.target(trickle.port), deadline: .milliseconds(700))
        #expect(facts.map(\.outcome) == [.broken, .stalled], "\(facts)")
        #expect(facts[0].took < TimeSpan(.milliseconds(700)), "it is cut off and not waited for")
        #expect(facts[1].problem?.contains("no end") == true)
    }

    @Test("a chain of megabytes is not taken in")
    func longChain() throws {
        try lab.issue("server")
        // The server sends its leaf and 200 copies of an authority.
        let chain = try String(contentsOfFile: lab.path + "/ca.crt", encoding: .utf8)
        try String(repeating: chain, count: 200).write(toFile: lab.path + "/chain.pem", atomically: true, encoding: .utf8)
        let port = try lab.serve("server", "-cert_chain", "chain.pem")
        let fact = try #require(try shake(lab.target(port)).first)
        #expect(fact.outcome == .broken && fact.leaf == nil, "\(fact)")
    }

    @Test("real etcd with client certificates demanded, as the clustermesh API server runs it, is good; without TLS it is told")
    func etcd() throws {
        guard access("/usr/bin/etcd", X_OK) == 0 else {
            print("not run: no etcd here")
            return
        }
        try lab.issue("server")
        // Its ports are chosen before it starts; somebody else may be quicker once in a long time, and then it says so and ends.
        let ports = try (0..<4).map { _ in try Listener(address: "127.0.0.1") }
        let numbers = ports.map(\.port)
        ports.forEach { $0.end() }
        func start(_ name: String, _ client: UInt16, _ peer: UInt16, _ scheme: String, _ more: [String]) throws {
            let url = "\(scheme)://127.0.0.1:\(client)"
            try lab.start(
                "/usr/bin/etcd",
                [
                    "--name", name, "--data-dir", name, "--listen-client-urls", url, "--advertise-client-urls", url, "--listen-peer-urls",
                    "http://127.0.0.1:\(peer)", "--initial-advertise-peer-urls", "http://127.0.0.1:\(peer)", "--initial-cluster",
                    "\(name)=http://127.0.0.1:\(peer)",
                ] + more
            ) { $0.contains("ready to serve client requests") }
        }
        try start(
            "mtls", numbers[0], numbers[1], "https",
            ["--cert-file", "server.crt", "--key-file", "server.key", "--client-cert-auth", "--trusted-ca-file", "ca.crt"])
        try start("plain", numbers[2], numbers[3], "http", [])
        let facts = try shake(lab.target(numbers[0]), lab.target(numbers[2]))
        #expect(try faults(facts[0]) == [], "\(facts[0])")
        #expect(facts[0].wantsClientCertificate)
        #expect(facts[1].outcome == .notTLS || facts[1].outcome == .broken, "\(facts[1])")
    }

    @Test("hundreds of servers are spoken to side by side, and more than the limit are refused as one unavailable fact")
    func many() async throws {
        let silent = try Listener(address: "127.0.0.1")
        defer { silent.end() }
        let targets = try Array(repeating: lab.target(silent.port), count: HandshakeSweep.parallel * 2)
        let began = ContinuousClock.now
        let facts = HandshakeSweep(targets: targets, anchors: [], deadline: .milliseconds(200)).run()
        #expect(facts.count == targets.count && facts.allSatisfy { $0.outcome == .stalled || $0.outcome == .timedOut })
        // One after the other they would take twice as long.
        #expect(ContinuousClock.now - began < .milliseconds(100 * targets.count))
        let tooMany = try Array(repeating: lab.target(1), count: HandshakeFact.mostTargets + 1)
        let refused = await HostProber(agentVersion: "test").answer(.handshakes(tooMany, anchors: []))
        #expect(refused == [.unavailable("cannot test 513 targets at once, the limit is 512; ask in parts")])
    }

    @Test("a cancelled sweep ends at once and says that the rest was stopped")
    func cancelled() async throws {
        let silent = try Listener(address: "127.0.0.1")
        defer { silent.end() }
        let sweep = HandshakeSweep(targets: [try lab.target(silent.port)], anchors: [], deadline: .seconds(60))
        let task = Task { try await sweep.facts() }
        task.cancel()
        guard case .handshake(let fact)? = try await task.value.first else { return #expect(Bool(false), "no fact") }
        #expect(fact.outcome == .failed && fact.problem == "the probe was stopped")
    }
}
