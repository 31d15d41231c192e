// SPDX-License-Identifier: Apache-2.0

import AgentLink
import Glibc
import MeshModel
import MeshSystem
import MeshTrust
import Synchronization

/// Makes this host a member: key, request, the pinned coordinator, and everything kept at the end in one file.
struct FirstMeeting {
    let settings: AgentSettings
    let home: AgentHome

    func join(_ token: JoinToken) async throws -> Membership {
        guard let coordinator = settings.coordinator else {
            throw AgentFailure(
                .configuration, "say where the coordinator is: --coordinator HOST:PORT, or `coordinator = HOST:PORT` in the settings")
        }
        let node = try self.node()
        let key = try home.joinKey()
        let membership = try await meet(coordinator, token: token, node: node, key: key)
        try home.forget(unlessOf: membership)
        try home.keep(membership)
        return membership
    }

    /// Shows the token to nobody but the coordinator whose authority it pins, and takes nothing back that does not fit key, node and pin.
    private func meet(_ coordinator: Endpoint, token: JoinToken, node: NodeID, key: PrivateKey) async throws -> Membership {
        let now = SystemClock.now().wall
        let seen = Mutex<PinnedCoordinator?>(nil)
        let certificate = try Certificate.makeSelfSigned(
            key: key, commonName: node.text, notBefore: now + .seconds(-300), notAfter: now + .seconds(3600))
        let answer: JoinedIdentity
        do {
            answer = try await AgentLink.join(
                coordinator, token: token.text, node: node,
                request: try CertificateSigningRequest.make(key: key, commonName: node.text).der,
                identity: AgentIdentity(chain: [certificate.der], privateKeyPEM: try key.pem)
            ) { chain in
                switch PeerJudge.judgePinned(chain, pin: token.pin, mesh: nil, now: SystemClock.now().wall) {
                case .success(let pinned):
                    seen.withLock { $0 = pinned }
                    return nil
                case .failure(let refusal): return "\(refusal)"
                }
            }
        } catch let error as AgentLinkError {
            if case .joinRefused = error { throw AgentFailure(.notPermitted, "cannot \(error)") }
            throw AgentFailure(.unavailable, "cannot \(error)")
        }
        guard let pinned = seen.withLock({ $0 }) else {
            throw AgentFailure(.internalError, "the coordinator answered without having been judged; nothing was kept")
        }
        return try accept(answer, from: pinned, at: coordinator, node: node, key: key)
    }

    private func accept(
        _ answer: JoinedIdentity, from pinned: PinnedCoordinator, at coordinator: Endpoint, node: NodeID, key: PrivateKey
    ) throws -> Membership {
        func refuse(_ why: String) -> AgentFailure {
            AgentFailure(
                .unavailable, "the coordinator at \(coordinator) granted the join, and its answer cannot be taken: \(why); nothing was kept"
            )
        }
        do {
            let chain = try answer.chain.map { try Certificate(der: $0) }
            let roots = try answer.roots.map { try Certificate(der: $0) }
            guard roots.contains(pinned.root) else { throw refuse("the authority that the token names is not among its roots") }
            let mesh = pinned.identity.mesh
            let judged = PeerJudge.judge(
                answer.chain, roots: roots, as: .agent, mesh: mesh, now: SystemClock.now().wall, isRevoked: { _ in false })
            guard case .success(let identity) = judged else { throw refuse("our own certificate is not good: \(judged)") }
            guard identity.node == node, identity.key == key.spkiDigest else { throw refuse("the certificate is for another node or key") }
            return Membership(mesh: mesh, node: node, coordinator: coordinator, key: key, chain: chain, roots: roots)
        } catch let error as TrustError {
            throw refuse("\(error)")
        }
    }

    /// The name that was set, or the host's own name before the first dot.
    private func node() throws -> NodeID {
        if let node = settings.node { return node }
        let path = "/proc/sys/kernel/hostname"
        let bytes = try AgentHome.reporting { try LinuxFileStore().read(path, limit: 256) } ?? []
        let name = String(decoding: bytes.prefix { $0 > 0x20 && $0 != UInt8(ascii: ".") }, as: UTF8.self).lowercased()
        guard let node = NodeID(name) else {
            throw AgentFailure(.configuration, "the host name \"\(printable(name))\" is not \(NodeID.grammar); say --node NAME")
        }
        return node
    }

    static func token(_ text: String, from place: String) throws -> JoinToken {
        // The text stays out of the message: it may be a good token with one character too many.
        guard let token = JoinToken(text) else { throw AgentFailure(.configuration, "\(place) does not hold \(JoinToken.form)") }
        return token
    }

    static func token(in settings: AgentSettings) throws -> JoinToken {
        guard let path = settings.joinTokenFile else {
            throw AgentFailure(.configuration, "say which token to join with: --token-file FILE")
        }
        let bytes: [UInt8]?
        if path == "/dev/stdin" || path == "/proc/self/fd/0" {
            bytes = readStandardInput(limit: 4096)
        } else {
            bytes = try AgentHome.reporting { try LinuxFileStore().read(path, limit: 4096) }
        }
        guard let bytes else { throw AgentFailure(.inputOutput, "cannot read the join token: there is no file \(path)") }
        let text = String(decoding: bytes.filter { $0 > 0x20 }, as: UTF8.self)
        return try token(text, from: path)
    }
}

/// At most `limit` bytes of standard input, up to its end.
private func readStandardInput(limit: Int) -> [UInt8] {
    var content: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: limit)
    while content.count < limit {
        let got = read(STDIN_FILENO, &buffer, limit - content.count)
        if got < 0, errno == EINTR { continue }
        guard got > 0 else { break }
        content += buffer[..<got]
    }
    return content
}
