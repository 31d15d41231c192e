// SPDX-License-Identifier: Apache-2.0

import AgentLink
import FleetGateway
import MeshModel
import MeshTrust
import MeshWire
import NIOSSL
import Synchronization
import Testing

@Suite("Who is let in", .timeLimit(.minutes(2)))
struct DoorTests {
    @Test("an agent of this mesh, TLS 1.3, the right protocol: welcome")
    func welcome() async throws {
        try await Stage.with { stage in
            let east = try node("east-1")
            let peer = try await RawPeer.connect(stage.endpoint, RawPeer.tls(try stage.mesh.agent(east).identity))
            let seen = try await peer.greet(as: east)
            #expect(seen.welcomed)
            await peer.close()
        }
    }

    @Test("everything else is refused", arguments: WrongPeer.allCases)
    func refused(_ wrong: WrongPeer) async throws {
        try await Stage.with { stage in
            let east = try node("east-1")
            let peer = try await RawPeer.connect(stage.endpoint, try wrong.context(stage.mesh, east))
            let seen = try await peer.greet(as: east)
            #expect(!seen.welcomed)
            await peer.seen.until { $0.closed }
            #expect(stage.inbox.memory.value.opened.isEmpty)
            #expect(await stage.gateway.sessions().isEmpty)
        }
    }

    @Test("a revoked or expired certificate is refused in a full handshake", arguments: [true, false])
    func revoked(_ byRevocation: Bool) async throws {
        try await Stage.with { stage in
            let east = try node("east-1")
            let (identity, certificate) = try stage.mesh.agent(east, validFor: .seconds(600))
            let before = try await RawPeer.connect(stage.endpoint, RawPeer.tls(identity))
            let welcomed = try await before.greet(as: east).welcomed
            #expect(welcomed)
            await before.close()
            if byRevocation { stage.mesh.revoke(certificate.serial) } else { stage.mesh.advance(.seconds(601)) }
            let after = try await RawPeer.connect(stage.endpoint, RawPeer.tls(identity))
            let refused = try await after.greet(as: east)
            #expect(!refused.welcomed && refused.closed)
        }
    }

    @Test("the live session of a revoked or expired agent is cut within five seconds, with an alarm", arguments: [true, false])
    func cut(_ byRevocation: Bool) async throws {
        try await Stage.with { stage in
            let east = try node("east-1")
            let (identity, certificate) = try stage.mesh.agent(east, validFor: .seconds(600))
            let peer = try await RawPeer.connect(stage.endpoint, RawPeer.tls(identity))
            let welcomed = try await peer.greet(as: east).welcomed
            #expect(welcomed)
            let start = ContinuousClock.now
            if byRevocation { stage.mesh.revoke(certificate.serial) } else { stage.mesh.advance(.seconds(601)) }
            let seen = await peer.seen.until { $0.closed }
            #expect(ContinuousClock.now - start < .seconds(5))
            #expect(seen.rejection?.code == "turnedAway")
            let memory = await stage.inbox.memory.until { $0.closed.count == 1 }
            #expect(memory.alarms.contains { if case .turnedAway(east, _) = $0 { true } else { false } })
        }
    }

    @Test("the coordinator's new certificate is used by the next connection")
    func rotation() async throws {
        let identities = Mutex<[ServerIdentity]>([])
        let asked = Watched(0)
        try await Stage.with { configuration in
            let first = configuration.identity
            configuration.identity = {
                asked.change { $0 += 1 }
                return try identities.withLock { $0.last } ?? first()
            }
        } _: { stage in
            let east = try node("east-1")
            let agent = try stage.agent("east-1")
            try await stage.running(agent) {
                await stage.live("east-1")
                let fresh = try stage.mesh.coordinator()
                identities.withLock { $0.append(fresh) }
                await stage.gateway.disconnect(east, why: "to come back")
                await stage.live("east-1", times: 2)
            }
            #expect(asked.value >= 3)
        }
    }

    @Test("an agent refuses a coordinator of another authority and says why")
    func wrongCoordinator() async throws {
        let other = try TestMesh()
        let foreign = try other.coordinator()
        let lost = Watched<[String]>([])
        try await Stage.with {
            $0.identity = { foreign }
        } _: { stage in
            let agent = try stage.agent("east-1") { event in if case .lost(_, let why) = event { lost.change { $0.append(why) } } }
            try await stage.running(agent) {
                let reasons = await lost.until { !$0.isEmpty }
                #expect(reasons.first?.contains("not from an authority of this mesh") == true)
            }
            #expect(stage.inbox.memory.value.opened.isEmpty)
        }
    }

    @Test("a handshake that stalls, and a peer that never says Hello, are closed at their deadlines")
    func stalls() async throws {
        try await Stage.with {
            $0.timing.handshake = .milliseconds(300)
            $0.timing.greeting = .milliseconds(300)
        } _: { stage in
            let silent = try await RawPeer.connect(stage.endpoint, nil)
            let half = try await RawPeer.connect(stage.endpoint, nil)
            half.send([0x16, 0x03, 0x01, 0x02])
            let shy = try await RawPeer.connect(stage.endpoint, RawPeer.tls(try stage.mesh.agent(try node("east-1")).identity))
            for peer in [silent, half, shy] { await peer.seen.until { $0.closed } }
            #expect(shy.seen.value.rejection?.code ?? "tooLate" == "tooLate")
        }
    }

    @Test("connections above the caps are closed before TLS, and those that are in stay")
    func caps() async throws {
        try await Stage.with {
            $0.limits.connectionsPerAddress = 2
        } _: { stage in
            let east = try node("east-1")
            let first = try await RawPeer.connect(stage.endpoint, RawPeer.tls(try stage.mesh.agent(east).identity))
            let welcomed = try await first.greet(as: east).welcomed
            #expect(welcomed)
            // Welcomed and not only connected: the gateway may take connections in another order than they were made.
            let west = try node("west-1")
            let second = try await RawPeer.connect(stage.endpoint, RawPeer.tls(try stage.mesh.agent(west).identity))
            let secondWelcomed = try await second.greet(as: west).welcomed
            #expect(secondWelcomed)
            let third = try await RawPeer.connect(stage.endpoint, RawPeer.tls(nil))
            let closed = await third.seen.until { $0.closed }
            #expect(!closed.secured)
            #expect(stage.gateway.refusedConnections == 1)
            #expect(!first.seen.value.closed && !second.seen.value.closed)
            await second.close()
        }
    }
}

/// Peers that must not get in.
enum WrongPeer: CaseIterable, Sendable {
    case noCertificate, selfSigned, selfSignedToJoinThenHello, otherAuthority, coordinatorAsAgent, tls12, noALPN, otherALPN,
        joinWithCertificate
    case otherMesh, plainText

    func context(_ mesh: TestMesh, _ node: NodeID) throws -> NIOSSLContext? {
        let good = try mesh.agent(node).identity
        switch self {
        case .noCertificate: return try RawPeer.tls(nil)
        case .selfSigned: return try RawPeer.tls(try mesh.selfSigned(try PrivateKey.generate()))
        case .selfSignedToJoinThenHello: return try RawPeer.tls(try mesh.selfSigned(try PrivateKey.generate()), alpn: [LinkProtocol.join])
        case .otherAuthority: return try RawPeer.tls(try TestMesh().agent(node).identity)
        case .coordinatorAsAgent:
            let server = try mesh.coordinator()
            return try RawPeer.tls(AgentIdentity(chain: server.chain, privateKeyPEM: server.privateKeyPEM))
        case .tls12: return try RawPeer.tls(good, from: .tlsv12, to: .tlsv12)
        case .noALPN: return try RawPeer.tls(good, alpn: [])
        case .otherALPN: return try RawPeer.tls(good, alpn: ["h2"])
        case .joinWithCertificate: return try RawPeer.tls(good, alpn: [LinkProtocol.join])
        case .otherMesh:
            let key = try PrivateKey.generate()
            let certificate = try Certificate.issue(
                for: key.publicKey, profile: .agent(mesh: "other", node), notBefore: mesh.now.wall + .seconds(-60),
                notAfter: mesh.now.wall + .seconds(600), by: mesh.root, key: mesh.rootKey)
            return try RawPeer.tls(AgentIdentity(chain: [certificate.der, mesh.root.der], privateKeyPEM: try key.pem))
        case .plainText: return nil
        }
    }
}
