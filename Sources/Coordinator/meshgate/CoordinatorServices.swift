// SPDX-License-Identifier: Apache-2.0

import FeedExport
import FleetGateway
import Logging
import MeshModel
import MeshSystem
import Running
import ServiceLifecycle

/// The one loop that owns the run. When the journal fails it throws, and the group ends the process.
struct LoopService: Service {
    let controller: RunController
    let boot: BootID

    func run() async throws {
        try await cancelWhenGracefulShutdown { try await controller.run(boot: boot) }
    }
}

/// Lets time pass for the run, once a second.
struct TickService: Service {
    let controller: RunController
    let feed: EventFeed
    let now: NowSource
    let log: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var count = 0
            while !Task.isCancelled {
                do {
                    try await Task.sleep(for: .seconds(1))
                    try await controller.tick()
                } catch is CancellationError {
                    return
                } catch RunController.ControllerError.closed {
                    return
                } catch {
                    log.error("tick failed", metadata: ["error": "\(error)"])
                }
                count += 1
                if count.isMultiple(of: 5) { feed.beat(at: now().wall) }
            }
        }
    }
}

/// The gateway until shutdown.
struct GatewayService: Service {
    let gateway: FleetGateway

    func run() async throws {
        try await cancelWhenGracefulShutdown { try await gateway.run() }
    }
}
