// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Planning
import Rehearsal
import Running
import Testing

@Suite("Cilium over the time of a run")
struct CiliumRunTests {
    private func play(_ spec: MeshSpec, _ change: (inout RehearsedWorld) -> Void = { _ in }) throws -> Play {
        var world = RehearsedWorld(spec: spec)
        change(&world)
        var play = Play(plan: Planner.plan(spec) { _ in .zero }, world: world)
        play.start()
        play.apply(run: try SmallMesh.need(RunID("r1")))
        return play
    }

    /// Ticks until the line stands in the transcript; its second, or nothing after ten minutes.
    private func second(of line: String, in play: inout Play, _ each: (inout Play) -> Void = { _ in }) -> Int64? {
        let end = play.seconds + 600
        while play.seconds < end {
            play.tick()
            each(&play)
            if let found = play.transcript.first(where: { $0.hasSuffix(line) }) {
                return Int64(found.split(separator: "s", maxSplits: 1)[0].drop { $0 == " " })
            }
        }
        return nil
    }

    private func diskless(_ clusters: Int = 2) throws -> MeshSpec {
        var spec = try SmallMesh.spec(clusters: clusters, services: false)
        for cluster in spec.clusters.indices {
            for node in spec.clusters[cluster].nodes.indices { spec.clusters[cluster].nodes[node].disks = [] }
        }
        return spec
    }

    @Test("the mesh is connected only when it has stayed so for a minute, without filling the journal")
    func steady() throws {
        var play = try play(diskless())
        let reported = try #require(second(of: "mesh/connect reported: exit code 0", in: &play))
        let before = play.journal.count
        let done = try #require(second(of: "mesh/connect done", in: &play))
        #expect((60...80).contains(done - reported), "\(done - reported) s")
        // A look each two seconds at two clusters is no news thirty times.
        #expect(play.journal.count - before < 30)
    }

    @Test("a connection that comes and goes begins the minute anew")
    func flapping() throws {
        var play = try play(diskless())
        let reported = try #require(second(of: "mesh/connect reported: exit code 0", in: &play))
        let names = play.plan.spec.clusters.map(\.name)
        let done = try #require(
            second(of: "mesh/connect done", in: &play) { play in
                if play.seconds == reported + 30 { play.world.clusters[names[0]]?.remotes = [] }
                if play.seconds == reported + 40 { play.world.clusters[names[0]]?.remotes = [names[1]] }
            })
        #expect(done - reported >= 100, "\(done - reported) s")
    }

    @Test("an upgrade goes cluster by cluster in the order of mesh.yaml, a first installation all at once")
    func upgrades() throws {
        let spec = try diskless(3)
        var first = try play(spec)
        _ = second(of: "north/cilium started", in: &first)
        let lines = first.transcript
        // The first one's CA comes before all others'; then nobody waits for anybody.
        #expect(lines.contains { $0.hasSuffix("west/cilium started") } && !lines.contains { $0.hasSuffix("west/cilium done") }, "\(lines)")

        var upgrade = try play(spec) { world in
            for name in world.clusters.keys {
                world.clusters[name]?.gateway = spec.versions.gatewayAPI
                world.clusters[name]?.authority = "mesh"
                world.clusters[name]?.cilium = true
                world.clusters[name]?.ciliumRelease = SemanticVersion(1, 17, 9)
            }
        }
        _ = second(of: "north/cilium done", in: &upgrade)
        let order = upgrade.transcript.compactMap { line in
            ["east", "west", "north"].first {
                line.hasSuffix("\($0)/cilium started") || line.hasSuffix("\($0)/cilium reported: exit code 0")
            }
        }
        #expect(order == ["east", "east", "west", "west", "north", "north"], "\(upgrade.transcript)")
        #expect(upgrade.transcript.contains { $0.contains("west/cilium held: west is upgraded after east, which runs Cilium 1.17.9 yet") })
    }

    @Test("a release two minors away is refused before anything is touched")
    func jump() throws {
        var play = try play(diskless()) { world in
            for name in world.clusters.keys {
                world.clusters[name]?.authority = "mesh"
                world.clusters[name]?.cilium = true
                world.clusters[name]?.ciliumRelease = SemanticVersion(1, 16, 9)
            }
        }
        for _ in 0..<60 { play.tick() }
        #expect(!play.transcript.contains { $0.contains("/cilium started") })
        #expect(play.transcript.contains { $0.contains("east/cilium denied: east runs Cilium 1.16.9") })
    }
}
