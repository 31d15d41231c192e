// SPDX-License-Identifier: Apache-2.0

import Logging
import MeshSystem
import Testing

@testable import meshgate_agent

@Suite(.timeLimit(.minutes(1))) struct LinkServiceTests {
    private let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    @Test("telemetry that cannot run, for want of a thread, does not end the orders") func withoutTelemetry() async throws {
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        let (carried, carry) = AsyncStream.makeStream(of: Void.self)
        try await LinkService.run(
            orders: {
                for await _ in ended { break }
                try Task.checkCancellation()
                carry.yield()
            },
            telemetry: {
                defer { end.yield() }
                throw SystemError.failed(doing: "start a thread", on: "feed", errno: 11)
            }, log: log)
        var orders = 0
        carry.finish()
        for await _ in carried { orders += 1 }
        #expect(orders == 1)
    }

    @Test("orders that end with an error end the agent") func withoutOrders() async {
        struct Broken: Error {}
        await #expect(throws: Broken.self) {
            try await LinkService.run(
                orders: { throw Broken() }, telemetry: { try await Task.sleep(for: .seconds(3600)) }, log: log)
        }
    }
}
