// SPDX-License-Identifier: Apache-2.0

import Gating
package import MeshModel

extension Planner {
    /// A plan of questions: what every step of the build leaves behind, asked again, step by step under the same ids.
    ///
    /// - Parameter onlyConfiguration: ask only what compares configuration with the spec, and not how well it works.
    package static func lookingOver(
        _ spec: MeshSpec, onlyConfiguration: Bool, hash: Digester? = nil, digest: (Plan.Body) throws -> Digest
    ) rethrows -> Plan {
        let build = try plan(spec, hash: hash, digest: digest)
        let steps = build.steps.compactMap { step -> Step? in
            // A question is answered by one look.
            let all = (step.done + (step.proof ?? [])).filter { !$0.takesTime }
            let questions = onlyConfiguration ? all.filter(\.comparesConfiguration) : all
            guard !questions.isEmpty else { return nil }
            let reads = questions.contains { $0.gate == .blankProven }
            // Reading a disk back takes as long as the wipe's own read-back may.
            return Step(
                id: step.id, title: "look whether it is still so: \(step.title)", place: step.place, action: .look, done: questions,
                deadline: reads ? step.deadline : TimeSpan(.seconds(120)))
        }
        let purpose: Purpose = onlyConfiguration ? .drift(of: build.digest) : .verify(of: build.digest)
        let body = Plan.Body(spec: spec, planner: version, steps: steps, purpose: purpose)
        return Plan(body: body, digest: try digest(body))
    }
}
