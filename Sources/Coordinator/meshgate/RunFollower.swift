// SPDX-License-Identifier: Apache-2.0

import MeshModel
import OperatorAPI

/// Follows one run to its end, also across a restart of the coordinator.
struct RunFollower {
    let client: OperatorClient
    let run: RunID
    let printer: RunPrinter

    /// A coordinator that stays away longer is given up.
    private static let patience = Duration.seconds(90)
    private static let pause = Duration.milliseconds(250)

    /// Returns the run's ending.
    func follow() async throws -> String {
        var lostSince: ContinuousClock.Instant?
        while true {
            do {
                let status = try await client.status()
                if lostSince != nil {
                    printer.note("the coordinator is back, epoch \(status.epoch)")
                    printer.showOpenAgain()
                }
                lostSince = nil
                guard let current = status.run, current.id == run else {
                    printer.note("another run has taken over")
                    return "superseded"
                }
                printer.show(current)
                if let ending = current.ending {
                    printer.end(current)
                    return ending
                }
            } catch let error as OperatorClientError where error.isUnreachable {
                let since = lostSince ?? .now
                if lostSince == nil { printer.note("the coordinator does not answer; waiting for it (the run is in its journal)") }
                lostSince = since
                if since.duration(to: .now) > Self.patience { throw Failure(.unavailable, "\(error)") }
            }
            try await Task.sleep(for: Self.pause)
        }
    }
}
