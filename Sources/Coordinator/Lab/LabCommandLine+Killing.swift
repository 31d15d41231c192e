// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshSystem
internal import Synchronization

extension LabCommandLine {
    package func killAtBoundaries(every: Int, upTo isDone: @escaping @Sendable () -> Bool) async throws -> LabDeaths {
        let newest = try await call(["events", "--since", "0"]).split(separator: "\n").last.map(String.init) ?? ""
        var start = LabBoundaries(every: 1, after: 0)
        _ = start.dies(at: newest)
        let boundaries = Mutex(LabBoundaries(every: every, after: start.last))
        while !isDone() {
            let (last, isOver) = boundaries.withLock { ($0.last, $0.isOver) }
            if isOver { break }
            // Ends when the coordinator dies, and after a while in any case, so that an order that came to nothing is noticed.
            let following = invocation(["events", "--since", String(last), "--follow"], deadline: .seconds(5))
            _ = try await runner.run(following) { line in
                // In the callback itself: the next entry may be a millisecond away.
                if line.stream == .standardOutput, boundaries.withLock({ $0.dies(at: line.text) }) { strike() }
            }
            guard !isCoordinatorAlive else { continue }
            boundaries.withLock { $0.died() }
            try await startCoordinator()
        }
        return boundaries.withLock { LabDeaths(boundaries: $0.met, deaths: $0.deaths) }
    }
}
