// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// The rule about Tetragon's tracing policies: they see and stop nothing on a node where they are not loaded.
extension Judge {
    /// Tetragon is asked every half minute; the coordinator counts in whole minutes.
    private static let longestUnheard = Duration.seconds(120)

    func policiesEnabled(_ node: NodeID, _ names: [String], _ found: Found, _ say: Findings) -> Verdict {
        guard let (fact, age) = look(node, found) else { return say.nothing(about: "its telemetry", .node(node)) }
        if let verdict = tooOld(age, atMost: Self.longestUnheard, node, say) { return verdict }
        let remedy =
            "`meshgate-agent tracer status` on \(node) says how Tetragon is read; its policies are told over gRPC only, not by its log"
        guard let tetragon = fact.tetragon else {
            return .unknown([say.reason(.node(node), .unavailable, "nothing was heard of Tetragon on \(node)", remedy)])
        }
        guard tetragon.heard.duration + age <= Self.longestUnheard else {
            return .unknown([
                say.reason(
                    .node(node), .unavailable, "Tetragon on \(node) was not heard for more than \(Self.longestUnheard.briefly)", remedy)
            ])
        }
        guard let states = tetragon.policies else {
            return .unknown([
                say.reason(
                    .node(node), .unavailable, "Tetragon on \(node) does not list its policies",
                    "its certificate must let the agent list them; \(remedy)")
            ])
        }
        let reasons = names.compactMap { name in
            guard let state = states[name] else {
                return say.reason(
                    .node(node), .absent, "Tetragon on \(node) has no policy \(name)",
                    "apply it to the cluster; `tetra tracingpolicy list` on \(node) shows what is loaded")
            }
            guard state != "enabled" else { return nil }
            return say.reason(
                .node(node), .unhealthy, "the policy \(name) of Tetragon on \(node) is not enabled but \(state)",
                "`tetra tracingpolicy list` on \(node) says why; `meshgate feed query --node \(node) --kind tetragon_state` too")
        }
        return reasons.isEmpty ? .pass : .hold(reasons)
    }
}
