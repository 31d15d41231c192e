// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import MeshTesting
import MeshTrust
import Planning
import Testing

@Suite("The digest of a plan")
struct PlanDigestTests {
    private func plan(_ spec: MeshSpec) throws -> Plan { try Planner.plan(spec) { Digest.sha256(try CanonicalJSON.encode($0)) } }

    @Test("is the same on every machine: this value is compared with the one that was computed elsewhere")
    func golden() throws {
        let digest = try plan(try SmallMesh.spec()).digest
        #expect(digest.hex == "14a82f19e5b6c7c0b570817bd02a1ceb4e4544a8d864de393519c2a134b144ca")
    }

    @Test("changes with any wish, and with nothing else")
    func sensitive() throws {
        let spec = try SmallMesh.spec()
        var other = spec
        other.clusters[1].nodes[2].disks[0].size = .gibibytes(13)
        #expect(try plan(spec).digest == plan(spec).digest)
        #expect(try plan(spec).digest != plan(other).digest)
    }

    @Test("covers exactly what is read back")
    func roundTrip() throws {
        let plan = try plan(try SmallMesh.spec())
        let again = try CanonicalJSON.decode(Plan.self, from: try CanonicalJSON.encode(plan))
        #expect(again == plan)
        #expect(Digest.sha256(try CanonicalJSON.encode(again.body)) == plan.digest)
        #expect(!String(decoding: try CanonicalJSON.encode(plan), as: UTF8.self).contains("\"_0\""))
    }
}
