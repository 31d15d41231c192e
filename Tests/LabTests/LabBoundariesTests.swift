// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Lab

@Suite("Where the coordinator dies")
struct LabBoundariesTests {
    private func line(_ sequence: Int, _ kind: String, _ step: String? = nil) -> String {
        "{\"seq\":\(sequence),\"kind\":\"\(kind)\"\(step.map { ",\"step\":\"\($0)\"" } ?? ""),\"text\":\"\"}"
    }

    private func deaths(_ boundaries: inout LabBoundaries, _ lines: [String]) -> [Bool] { lines.map { boundaries.dies(at: $0) } }

    @Test("at entries that move a step, once each, and at no others")
    func once() {
        var boundaries = LabBoundaries(every: 1, after: 3)
        let lines = [
            // What was before, what begins, what moves nothing.
            line(3, "runStarted"), line(4, "runStarted"), line(5, "evidenceTaken"), line(6, "stepHeld", "a/b"),
            // A second attempt is no new boundary.
            line(7, "stepStarted", "a/b"), line(8, "stepStarted", "a/b"), line(9, "stepReported", "a/b"), line(10, "stepStarted", "a/c"),
            "not json", "",
        ]
        #expect(deaths(&boundaries, lines) == [false, true, false, false, true, false, true, true, false, false])
        #expect(boundaries.met == 4 && boundaries.deaths == 4 && boundaries.last == 10 && !boundaries.isOver)
    }

    @Test("not of what fell into the moment of a death: nobody dies before the next coordinator has taken over")
    func replay() {
        var boundaries = LabBoundaries(every: 1, after: 0)
        #expect(deaths(&boundaries, [line(1, "stepStarted", "a/b")]) == [true])
        boundaries.died()
        let lines = [
            line(2, "stepStarted", "a/c"), line(3, "coordinatorStarted"), line(4, "stepStarted", "a/c"), line(5, "stepReported", "a/c"),
        ]
        #expect(deaths(&boundaries, lines) == [false, false, false, true])
        #expect(boundaries.met == 2)
    }

    @Test("at every third one where that is wished, and the end of the run ends it")
    func everyThird() {
        var boundaries = LabBoundaries(every: 3, after: 0)
        let skipped = (1...9).map { line($0, "stepSkipped", "a/s\($0)") }
        #expect(deaths(&boundaries, skipped) == [false, false, true, false, false, true, false, false, true])
        #expect(!boundaries.isOver)
        #expect(deaths(&boundaries, [line(10, "runFinished")]) == [false])
        #expect(boundaries.isOver && boundaries.met == 10 && boundaries.deaths == 3)
    }
}
