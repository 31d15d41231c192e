// SPDX-License-Identifier: Apache-2.0

import MeshSystem
import Testing

@testable import Lab

/// The whole product in a whole lab, by its command line: minutes of work for the machine, and the one test that has everything in it.
@Suite(
    "Stories from nothing to nothing", .serialized,
    .enabled(if: RealLab.isPossible && RealLab.isAgentBuilt, "needs root, the lab's tools and both programs built"))
struct LabStoryTests {
    @Test("goes as promised and leaves nothing behind", .timeLimit(.minutes(5)), arguments: [LabScenario.tour, .clockSkew, .caMismatch])
    func story(scenario: LabScenario) async throws {
        if scenario.skewsClock, LabPreflight.fakeTimeLibrary == nil { return }
        let directory = try Scratch()
        let prefix = RealLab.ownPrefix("s")
        let result = try await ProcessCommandRunner().run(
            Invocation(
                RealLab.program, ["lab", "run", scenario.rawValue, "--directory", directory.path + "/lab", "--prefix", prefix],
                environment: LabTools.environment, deadline: .seconds(280)))
        try await LabBuilder.down(prefix: prefix)
        #expect(result.succeeded, "\(result.outputText)\n\(result.errorText)")
        #expect(result.outputText.contains("\(scenario.rawValue): as promised"))
        #expect(LabFiles.names(in: "/run/netns").allSatisfy { !$0.hasPrefix(prefix + "-") })
        #expect(LabFiles.names(in: directory.path) == [])
    }
}
