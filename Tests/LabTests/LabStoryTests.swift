// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshSystem
import Testing

@testable import Lab

/// The whole product in a whole lab, by its command line: minutes of work for the machine, and the one test that has everything in it.
@Suite(
    "Stories from nothing to nothing", .serialized,
    .enabled(if: RealLab.isPossible && RealLab.isAgentBuilt, "needs root, the lab's tools and both programs built"))
struct LabStoryTests {
    private static let isLong = getenv("MESHGATE_LONG_TESTS").map { String(cString: $0) } == "1"

    @Test(
        "goes as promised and leaves nothing behind", .timeLimit(.minutes(5)),
        arguments: [
            LabScenario.tour, .clockSkew, .caMismatch, .caMigration, .missingOption, .defaultRoutes, .lostLink, .afterRun, .mtuHole,
            .droppedUDP, .nat, .vlanPorts, .leftovers, .wrongGuest, .silentTracer,
        ])
    func story(scenario: LabScenario) async throws { try await play(scenario) }

    @Test(
        "the whole catalogue on two and on five clusters", .enabled(if: isLong, "minutes; MESHGATE_LONG_TESTS=1"), .timeLimit(.minutes(15)),
        arguments: [LabScenario.catalogue, .five])
    func catalogue(scenario: LabScenario) async throws { try await play(scenario) }

    @Test(
        "dropped packets, which the gate remembers for a minute", .enabled(if: isLong, "over a minute; MESHGATE_LONG_TESTS=1"),
        .timeLimit(.minutes(5)))
    func drops() async throws { try await play(.packetDrops) }

    @Test(
        "killed at every boundary of every step, with the whole catalogue",
        .enabled(if: isLong, "minutes; MESHGATE_LONG_TESTS=1"), .timeLimit(.minutes(30)))
    func killedEverywhere() async throws { try await play(.killedAtEveryStep, "--catalogue") }

    private func play(_ scenario: LabScenario, _ more: String...) async throws {
        if scenario.skewsClock, LabPreflight.fakeTimeLibrary == nil { return }
        let directory = try Scratch()
        let prefix = RealLab.ownPrefix("s")
        let result = try await ProcessCommandRunner().run(
            Invocation(
                RealLab.program, ["lab", "run", scenario.rawValue, "--directory", directory.path + "/lab", "--prefix", prefix] + more,
                environment: LabTools.environment, deadline: .seconds(1800)))
        try await LabBuilder.down(prefix: prefix)
        let isAsPromised = result.succeeded && result.outputText.contains("\(scenario.rawValue): as promised")
        #expect(isAsPromised, "\(result.outputText)\n\(result.errorText)")
        #expect(LabFiles.names(in: "/run/netns").allSatisfy { !$0.hasPrefix(prefix + "-") })
        #expect(LabFiles.names(in: directory.path) == [])
    }
}
