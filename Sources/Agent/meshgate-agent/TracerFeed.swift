// SPDX-License-Identifier: Apache-2.0

import Glibc
import HostTrace
import LocalLink
import Logging
import MeshSystem
import Telemetry

/// Takes what the tracer sees into the agent's intake. A tracer that is not there is waited for, more and more patiently; a host without one
/// has no such events, which is said once.
struct TracerFeed: Sendable {
    let socketPath: String
    let intake: any TelemetryIntake
    let logger: Logger

    /// Until cancelled, and then until the tracer's next word, which is a matter of seconds: what it handed over is in the intake.
    func run() async throws {
        let stop = StopSignal()
        try await withTaskCancellationHandler {
            try await OwnThread.run(named: "tracer-feed") { follow(until: stop) }
        } onCancel: {
            stop.set()
        }
    }

    private func follow(until stop: StopSignal) {
        let client = TracerClient(socketPath: socketPath)
        var backoff = Backoff(base: .milliseconds(250), cap: .seconds(10))
        var generator = SystemRandomNumberGenerator()
        var told: String?
        while !stop.isSet {
            let began = ContinuousClock.now
            do {
                try client.follow(into: intake, until: stop)
            } catch {
                let why = "\(error)"
                if why != told {
                    logger.notice("tracer away", metadata: ["why": "\(why)", "remedy": "start meshgate-tracer on this host"])
                }
                told = why
            }
            // One that lasted was a real one.
            if ContinuousClock.now - began > .seconds(10) {
                backoff.reset()
                told = nil
            }
            let again = ContinuousClock.now + backoff.next(using: &generator)
            while !stop.isSet, ContinuousClock.now < again { poll(nil, 0, 100) }
        }
    }
}
