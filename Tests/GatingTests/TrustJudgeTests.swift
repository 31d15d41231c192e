// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

/// Whom clusters trust while their CAs are brought to one.
@Suite("The judge of trust")
struct TrustJudgeTests {
    private let east: ClusterName
    private let west: ClusterName
    private let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 0)

    init() throws {
        east = try SmallMesh.need(ClusterName("east"))
        west = try SmallMesh.need(ClusterName("west"))
    }

    private func digest(_ byte: UInt8) throws -> Digest { try SmallMesh.need(Digest([UInt8](repeating: byte, count: 32))) }

    private func anchor(_ byte: UInt8) throws -> TrustAnchor {
        TrustAnchor(
            pem: "pem \(byte)", fingerprint: try digest(byte), subject: "/CN=Cilium CA", notAfter: Timestamp(seconds: 1_900_000_000))
    }

    /// `9` is the mesh's one.
    private func trust(
        _ own: UInt8?, bundle: [UInt8]? = nil, issued: [UInt8]? = nil, late: [CiliumTrust.Straggler.Why]? = [], mesh: UInt8? = 9
    ) throws -> CiliumTrust {
        CiliumTrust(
            own: try own.map(anchor), bundle: try bundle.map { .init(anchors: try $0.map(anchor)) }, mesh: try mesh.map(anchor),
            issuers: ["clustermesh-apiserver-server-cert": try (issued ?? own.map { [$0] } ?? []).map(digest)],
            stragglers: late?.map { .init(pod: "cilium-abc", why: $0) })
    }

    private func judge(_ requirement: Requirement, _ east: CiliumTrust?, _ west: CiliumTrust?, installed: Bool = true) -> Verdict {
        var table = EvidenceTable()
        for (name, trust) in [(self.east, east), (self.west, west)] {
            var fact = ClusterFact(name: name)
            fact.cilium = CiliumFact(trust: trust)
            if installed { fact.releases["kube-system/cilium"] = .init(chart: "cilium", version: "1.18.4", status: "deployed") }
            table.take(Evidence(subject: .cluster(name), probe: .cluster, bootID: nil, takenAt: now, facts: [.cluster(fact)]))
        }
        return Judge(evidence: table, clusters: [self.east, self.west], maxAge: .seconds(60), now: now).judge(requirement)
    }

    private var trusted: Requirement { .authoritiesTrusted(east, of: [east, west]) }

    @Test("two CAs: trust is there when each cluster is given both and the one to come, and no pod is late")
    func trusting() throws {
        #expect(try judge(trusted, trust(1, bundle: [1, 2, 9]), trust(2)) == .pass)
        let missing = try judge(trusted, trust(1, bundle: [1, 9]), trust(2))
        #expect(missing.reasons.map(\.code) == [.absent] && missing.reasons[0].detail.contains("the CA of west"))
        #expect(try judge(trusted, trust(1), trust(2)).reasons.count == 2)
        #expect(try judge(trusted, trust(1, bundle: [1, 2]), trust(2)).reasons.first?.detail.contains("the mesh's one CA") == true)
        #expect(try judge(trusted, trust(1, bundle: [1, 2, 9], mesh: nil), trust(2)).reasons.first?.code == .absent)
    }

    @Test(
        "a pod that began before, or takes its trust from elsewhere, or is not ready, holds by name; one with an old certificate does not yet",
        arguments: [
            (CiliumTrust.Straggler.Why.beganBefore, false), (.otherSource, false), (.notReady, false), (.olderCertificate, true),
        ])
    func stragglers(_ why: CiliumTrust.Straggler.Why, _ passes: Bool) throws {
        let verdict = try judge(trusted, trust(1, bundle: [1, 2, 9], late: [why]), trust(2))
        #expect(verdict.passes == passes)
        if !passes { #expect(verdict.reasons.first?.detail.contains("pod kube-system/cilium-abc of east") == true) }
    }

    @Test("what nobody has seen is not taken for granted: pods, other clusters, certificates of nobody known")
    func unseen() throws {
        guard case .unknown = try judge(trusted, trust(1, bundle: [1, 2, 9], late: nil), trust(2)) else { return #expect(Bool(false)) }
        guard case .unknown = try judge(trusted, trust(1, bundle: [1, 2, 9]), nil) else { return #expect(Bool(false)) }
        let orphan = try judge(trusted, trust(1, bundle: [1, 2, 9]), trust(2, issued: []))
        #expect(orphan.reasons.first?.detail.contains("comes from no CA that is known there") == true && !orphan.passes)
    }

    @Test("one CA and nothing in its place is nothing to prove; once exchanged, old certificates in use still need their CA")
    func settled() throws {
        #expect(try judge(trusted, trust(1, late: nil), trust(1, late: nil)) == .pass)
        #expect(try judge(trusted, trust(9, issued: [1]), trust(9, bundle: [1, 2, 9], issued: [2])).passes == false)
        #expect(try judge(trusted, trust(9, bundle: [1, 2, 9], issued: [1]), trust(9, bundle: [1, 2, 9], issued: [2])) == .pass)
        #expect(try judge(trusted, trust(1), trust(2), installed: false) == .pass, "nothing runs that could turn anybody away")
    }

    @Test("the CA is exchanged where it is the mesh's one, or where all have the same anyway")
    func exchanged() throws {
        func verdict(_ east: UInt8?, _ west: UInt8?) throws -> Verdict {
            try judge(.authorityExchanged(self.east, of: [self.east, self.west]), trust(east), trust(west))
        }
        #expect(try verdict(9, 2) == .pass && verdict(1, 1) == .pass)
        #expect(try verdict(1, 2).reasons.map(\.code) == [.mismatch])
        #expect(try verdict(1, nil).reasons.map(\.code) == [.mismatch], "a cluster without one gets the mesh's, and then they differ")
        #expect(try verdict(nil, 1).reasons.map(\.code) == [.absent])
    }

    @Test("certificates are renewed when all come from the CA, and, while two are trusted, no pod began with an older one")
    func renewed() throws {
        let requirement = Requirement.leavesRenewed(east)
        #expect(try judge(requirement, trust(9, bundle: [1, 9]), trust(2)) == .pass)
        #expect(try judge(requirement, trust(9, bundle: [1, 9], issued: [1]), trust(2)).reasons.map(\.code) == [.mismatch])
        #expect(try !judge(requirement, trust(9, bundle: [1, 9], late: [.olderCertificate]), trust(2)).passes)
        #expect(try judge(requirement, trust(9, late: [.olderCertificate]), trust(2)) == .pass, "as every renewal leaves it")
    }

    @Test("an old CA is dropped when nothing gives it to pods any more and no pod takes it from where it was")
    func dropped() throws {
        let requirement = Requirement.authoritiesDropped(east)
        #expect(try judge(requirement, trust(9), trust(2)) == .pass)
        #expect(try judge(requirement, trust(9, bundle: [9]), trust(2)) == .pass)
        #expect(try judge(requirement, trust(9, bundle: [1, 9]), trust(2)).reasons.map(\.code) == [.mismatch])
        #expect(try !judge(requirement, trust(9, late: [.otherSource]), trust(2)).passes)
        #expect(try judge(requirement, trust(9, late: [.olderCertificate]), trust(2)) == .pass)
    }
}
