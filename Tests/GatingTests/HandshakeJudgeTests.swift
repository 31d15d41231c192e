// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

/// What the clustermesh API servers of other clusters have shown a node, against what the node's own cluster trusts.
@Suite("The judge of handshakes")
struct HandshakeJudgeTests {
    private let node: NodeID
    private let east: ClusterName
    private let west: ClusterName
    private let target: HandshakeTarget
    private let boot: BootID
    private let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 0)

    init() throws {
        node = try SmallMesh.need(NodeID("wrk-e-1"))
        east = try SmallMesh.need(ClusterName("east"))
        west = try SmallMesh.need(ClusterName("west"))
        boot = try SmallMesh.need(BootID("aaaaaaaa"))
        target = HandshakeTarget(
            cluster: west, address: try SmallMesh.need(IPAddress("10.2.0.21")), port: 32380, serverName: "west.mesh.cilium.io")
    }

    private func digest(_ byte: UInt8) throws -> Digest { try SmallMesh.need(Digest([UInt8](repeating: byte, count: 32))) }

    private func anchor(_ byte: UInt8) throws -> TrustAnchor {
        TrustAnchor(
            pem: "pem \(byte)", fingerprint: try digest(byte), subject: "/CN=Cilium CA", notAfter: Timestamp(seconds: 1_900_000_000))
    }

    private func fact(
        _ outcome: HandshakeFact.Outcome = .shaken, problem: String? = nil, trusted: [UInt8] = [1], names: [String] = ["*.mesh.cilium.io"],
        proves: Bool = true, from: Int64 = 1_700_000_000, to: Int64 = 1_850_000_000, serves: Bool = true, target: HandshakeTarget? = nil
    ) throws -> Fact {
        let leaf = ShownCertificate(
            fingerprint: try digest(9), subject: "/CN=clustermesh-apiserver.cilium.io", issuer: "/CN=Cilium CA", issuerKey: "0badcafe",
            names: names,
            namesLeftOut: 0, notBefore: Timestamp(seconds: from), notAfter: Timestamp(seconds: to), servesServers: serves)
        return .handshake(
            HandshakeFact(
                target: target ?? self.target, outcome: outcome, problem: problem, version: outcome == .shaken ? "TLSv1.3" : nil,
                wantsClientCertificate: outcome == .shaken, leaf: outcome == .shaken ? leaf : nil, trusted: try trusted.map(digest),
                provesName: proves))
    }

    private func judge(
        _ facts: [Fact], trust: CiliumTrust?, west other: CiliumTrust? = nil, balancers: [IPAddress]? = nil,
        balanced: [BalancedServer] = [],
        targets: [HandshakeTarget]? = nil
    ) -> Verdict {
        var table = EvidenceTable()
        table.take(Evidence(subject: .node(node), probe: .handshakes, bootID: boot, takenAt: now, facts: facts))
        for (name, trust) in [(east, trust), (west, other)] {
            var cluster = ClusterFact(name: name)
            cluster.cilium = CiliumFact(trust: trust)
            cluster.clustermesh = .init(
                serviceType: "LoadBalancer", nodePort: nil, apiserverReady: true, remotes: [:], connectivityKnown: true, notReady: 0,
                connectedMinimum: 0, errors: [], balancers: balancers)
            table.take(Evidence(subject: .cluster(name), probe: .cluster, bootID: nil, takenAt: now, facts: [.cluster(cluster)]))
        }
        let requirement = Requirement.handshakes(node, of: east, targets ?? [target], balanced: balanced)
        return Judge(evidence: table, clusters: [east, west], maxAge: .seconds(60), now: now).judge(requirement)
    }

    @Test("a certificate of the own cluster's CA under the right name passes, and one of a bundle too")
    func good() throws {
        #expect(try judge([fact()], trust: CiliumTrust(own: anchor(1))) == .pass)
        let both = CiliumTrust(own: try anchor(2), bundle: .init(anchors: [try anchor(2), try anchor(1)]))
        #expect(try judge([fact()], trust: both) == .pass)
        // A bundle takes the place of the own CA, whatever that is.
        let bundle = CiliumTrust(own: try anchor(1), bundle: .init(anchors: [try anchor(2)]))
        #expect(try judge([fact()], trust: bundle) != .pass)
    }

    @Test("a certificate of another CA holds and names whose it is where that is known, and its fingerprint")
    func otherAuthority() throws {
        let verdict = try judge([fact(trusted: [2])], trust: CiliumTrust(own: anchor(1)), west: CiliumTrust(own: anchor(2)))
        let reason = try #require(verdict.reasons.first)
        #expect(reason.gate == .meshHandshake && reason.code == .mismatch && reason.subject == .node(node))
        #expect(
            reason.detail
                == "the clustermesh API server of west at 10.2.0.21:32380 shows wrk-e-1 a certificate (SHA-256 090909090909) of the CA of west, and east trusts only /CN=Cilium CA (010101010101)"
        )
        #expect(reason.remedy.contains("clustermesh-apiserver-generate-certs"))
        let unknown = try judge([fact(trusted: [])], trust: CiliumTrust(own: anchor(1)), west: CiliumTrust(own: anchor(1)))
        #expect(unknown.reasons.first?.detail.contains("of /CN=Cilium CA, key 0badcafe, which is none of the mesh's CAs") == true)
    }

    @Test(
        "every other fault has its own words and code",
        arguments: [
            (HandshakeFact.Outcome.refused, Reason.Code.unreachable, "the connection is refused"),
            (.timedOut, .unreachable, "nothing answers"), (.unreachable, .unreachable, "there is no route"),
            (.stalled, .unhealthy, "says too little: why"), (.notTLS, .unhealthy, "does not speak TLS: why"),
            (.broken, .unhealthy, "comes to no end: why"), (.failed, .unreachable, "no connection could be made: why"),
        ])
    func noHandshake(_ outcome: HandshakeFact.Outcome, _ code: Reason.Code, _ words: String) throws {
        let verdict = try judge([fact(outcome, problem: "why")], trust: CiliumTrust(own: anchor(1)))
        #expect(verdict.reasons.map(\.code) == [code])
        #expect(verdict.reasons.first?.detail.contains(words) == true, "\(verdict)")
        #expect(verdict.reasons.first?.detail.contains("west at 10.2.0.21:32380") == true)
        #expect(!verdict.passes)
    }

    @Test("wrong name, wrong use and wrong dates hold, by the coordinator's clock, and all at once where all are wrong")
    func certificates() throws {
        let trust = CiliumTrust(own: try anchor(1))
        let name = try judge([fact(names: ["east.mesh.cilium.io"], proves: false)], trust: trust)
        #expect(name.reasons.first?.detail.contains("that it is east.mesh.cilium.io, and not west.mesh.cilium.io") == true)
        #expect(try judge([fact(to: 1_799_999_999)], trust: trust).reasons.map(\.code) == [.unfit])
        #expect(try judge([fact(from: 1_800_000_001)], trust: trust).reasons.map(\.code) == [.skewed])
        #expect(try judge([fact(serves: false)], trust: trust).reasons.map(\.code) == [.unfit])
        let all = try judge([fact(trusted: [], proves: false, to: 1_700_000_001, serves: false)], trust: trust)
        #expect(all.reasons.count == 4)
    }

    @Test("what was not asked, and whom nobody knows the trust of, is unknown; a cluster without a CA holds")
    func unknown() throws {
        guard case .unknown = try judge([], trust: CiliumTrust(own: anchor(1))) else { return #expect(Bool(false)) }
        guard case .unknown = try judge([fact()], trust: nil) else { return #expect(Bool(false)) }
        guard case .hold = try judge([fact()], trust: CiliumTrust()) else { return #expect(Bool(false)) }
        // Another port was asked for: that says nothing of this one.
        var other = target
        other.port = 32381
        guard case .unknown = try judge([fact(target: other)], trust: CiliumTrust(own: anchor(1))) else { return #expect(Bool(false)) }
        guard case .unknown(let reasons) = try judge([.unavailable("the agent refused")], trust: CiliumTrust(own: anchor(1))) else {
            return #expect(Bool(false))
        }
        #expect(reasons.first?.code == .unavailable)
    }

    @Test("behind a load balancer the address comes from its cluster, and until there is one it holds")
    func balancer() throws {
        let server = BalancedServer(cluster: west, serverName: "west.mesh.cilium.io")
        let address = try SmallMesh.need(IPAddress("10.2.0.200"))
        let seen = HandshakeTarget(cluster: west, address: address, port: 2379, serverName: "west.mesh.cilium.io")
        let trust = CiliumTrust(own: try anchor(1))
        #expect(try judge([fact(target: seen)], trust: trust, balancers: [address], balanced: [server], targets: []) == .pass)
        let without = try judge([fact(target: seen)], trust: trust, balanced: [server], targets: [])
        #expect(without.reasons.map(\.code) == [.absent] && without.reasons.first?.subject == .cluster(west))
    }

    @Test("an order carries the node's own cluster's CAs first, each once, and not more than it may")
    func anchors() throws {
        var table = EvidenceTable()
        for index in 0..<60 {
            let name = try SmallMesh.need(ClusterName("c\(index)"))
            var cluster = ClusterFact(name: name)
            cluster.cilium = CiliumFact(trust: CiliumTrust(own: try anchor(UInt8(index / 2 + 1)), mesh: try anchor(200)))
            table.take(Evidence(subject: .cluster(name), probe: .cluster, bootID: nil, takenAt: now, facts: [.cluster(cluster)]))
        }
        let last = try SmallMesh.need(ClusterName("c59"))
        let anchors = table.anchors(first: last)
        #expect(anchors.prefix(2).map(\.fingerprint) == [try digest(30), try digest(200)])
        #expect(Set(anchors.map(\.fingerprint)).count == anchors.count && anchors.count == 31)
        #expect(table.anchors(first: last) == anchors, "the same state makes the same order")
    }
}
