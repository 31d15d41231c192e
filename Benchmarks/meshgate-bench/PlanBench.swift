// SPDX-License-Identifier: Apache-2.0

import Linting
import MeshConfig
import MeshModel
import MeshSystem
import MeshTesting
import MeshTrust
import Planning
import Yams

/// From the bytes of mesh.yaml to a plan with its digest. The floor is Yams alone, which only builds a tree of the same text.
struct PlanBench {
    let clusters: Int
    let nodes: Int
    private static let rounds = 5

    func run() throws {
        let bytes = Array(makeLargeMesh(clusters: clusters, nodesPerCluster: nodes).yaml.utf8)
        let load = Machine.load
        var floor: [Double] = []
        var reading: [Double] = []
        var linting: [Double] = []
        var planning: [Double] = []
        var total: [Double] = []
        var steps = 0
        // The first round alone stands for the program: memory is taken after it, time is the median of all.
        var peak = 0.0
        for round in 0..<Self.rounds {
            let (file, readTime) = try Machine.timed { try readMesh(bytes: bytes, file: "mesh.yaml") }
            let (findings, lintTime) = Machine.timed { lint(file.spec) }
            guard findings.isEmpty else { throw BenchError.failed("the mesh is not clean: \(findings[0].message)") }
            let (plan, planTime) = try Machine.timed {
                try Planner.plan(file.spec) { body in sha256(try CanonicalJSON.encode(body)) }
            }
            reading.append(readTime * 1000)
            linting.append(lintTime * 1000)
            planning.append(planTime * 1000)
            total.append((readTime + lintTime + planTime) * 1000)
            steps = plan.steps.count
            if round == 0 { peak = Machine.memory("VmHWM") }
        }
        let text = String(decoding: bytes, as: UTF8.self)
        for _ in 0..<Self.rounds {
            let (_, time) = try Machine.timed { try Yams.compose(yaml: text) }
            floor.append(time * 1000)
        }
        let (all, tree) = (Samples(total), Samples(floor))
        Machine.row(
            "\(clusters)", "\(clusters * nodes)", (Double(bytes.count) / 1000).text(0), "\(steps)", Samples(reading).median.text(1),
            Samples(linting).median.text(1), Samples(planning).median.text(1), all.median.text(1), all.range(0), tree.median.text(1),
            (all.median / tree.median).text(1), (peak / 1000).text(0), load)
    }
}
