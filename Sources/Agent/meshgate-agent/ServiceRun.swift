// SPDX-License-Identifier: Apache-2.0

import Logging
import ServiceLifecycle
import UnixSignals

/// Runs one service until it ends, or until SIGTERM or SIGINT asks it to stop gracefully.
func runUntilSignal(_ service: any Service) async throws {
    let group = ServiceGroup(
        configuration: ServiceGroupConfiguration(
            services: [.init(service: service, successTerminationBehavior: .gracefullyShutdownGroup)],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: "lifecycle") { _ in SwiftLogNoOpLogHandler() }))
    do {
        try await group.run()
    } catch let failure as AgentFailure {
        throw failure
    } catch {
        throw AgentFailure(.internalError, "\(error)")
    }
}
