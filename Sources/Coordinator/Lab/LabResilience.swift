// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import Synchronization

/// An apply and a teardown in which the coordinator dies at every boundary of a step, then the same two undisturbed: both ways come to the
/// same ends, object by object.
struct LabResilience {
    typealias CarryOut = (LabOrder, LabCrew, inout LabDirector) async throws -> Void

    private let crew: LabCrew
    private let builder: LabBuilder
    private let story: LabStory
    private let every: Int

    init(_ crew: LabCrew, _ builder: LabBuilder, _ story: LabStory, every: Int) {
        self.crew = crew
        self.builder = builder
        self.story = story
        self.every = every
    }

    /// What was promised and did not happen.
    func prove(from before: LabWorldState, _ carryOut: CarryOut) async throws -> [String] {
        var ends: [LabOrder: LabWorldState] = [:]
        var missing: [String] = []
        for order in [LabOrder.apply, .destroy] {
            story.chapter("\(order), killed at \(every == 1 ? "every boundary" : "every boundary number \(every)")")
            missing += try await disturbed(order, carryOut)
            ends[order] = try LabWorldState(builder.topology, builder.paths)
            guard missing.isEmpty else { return missing }
        }
        // The disks are blank by now: what was wiped under fire is not wiped again.
        for order in [LabOrder.apply, .destroy] {
            story.chapter("\(order), undisturbed")
            var director = LabDirector(.happy, during: order, tellsUnchanged: false)
            try await carryOut(order, crew, &director)
            missing += director.missing.map { "undisturbed \(order): \($0)" }
            let end = try LabWorldState(builder.topology, builder.paths)
            let differences = ends[order]?.differences(from: end) ?? ["there is no end to compare"]
            missing += differences.map { "after the disturbed \(order) \($0)" }
            if differences.isEmpty { story.tell("the same end: \(end.count) objects, none of them different", .good) }
        }
        return missing + (ends[.destroy]?.differences(from: before) ?? []).map { "after the teardown \($0)" }
    }

    private func disturbed(_ order: LabOrder, _ carryOut: CarryOut) async throws -> [String] {
        var director = LabDirector(.killedAtEveryStep, during: order)
        let isOver = Flag()
        async let killing = crew.product.killAtBoundaries(every: every) { isOver.isUp }
        do {
            try await carryOut(order, crew, &director)
        } catch {
            isOver.raise()
            _ = try? await killing
            throw error
        }
        isOver.raise()
        let deaths = try await killing
        story.tell(
            "the coordinator died \(deaths.deaths) times at \(deaths.boundaries) boundaries, and the \(order) came to its end", .good)
        let missing = director.missing.map { "\(order): \($0)" }
        return missing
            + (deaths.deaths == deaths.boundaries / every && deaths.deaths > 0
                ? [] : ["\(deaths.deaths) deaths at \(deaths.boundaries) boundaries"])
    }

    private final class Flag: Sendable {
        private let state = Mutex(false)
        var isUp: Bool { state.withLock { $0 } }
        func raise() { state.withLock { $0 = true } }
    }
}
