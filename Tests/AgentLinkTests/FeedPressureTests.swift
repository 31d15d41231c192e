// SPDX-License-Identifier: Apache-2.0

import MeshModel
import NIOCore
import NIOPosix
import Telemetry
import Testing

@testable import FleetGateway

@Suite("What waits of a feed", .timeLimit(.minutes(1)))
struct FeedPressureTests {
    private static func statement(_ number: UInt64) throws -> Session.Item {
        let stream = TelemetryStream(source: .tracer, boot: try #require(BootID("0f6f2c1e-8a53")), instance: 1)
        return .statement(
            number: number, SpoolStatement(streams: [stream: number]), receivedAt: Moment(wall: Timestamp(seconds: 1), boot: 1), size: 100)
    }

    @Test(
        "an agent that states without end is not read any more until what waits is settled, be it many or long ones",
        arguments: [true, false])
    func statements(isMany: Bool) async throws {
        var limits = FleetGatewayConfiguration.Limits()
        if isMany { limits.waitingReports = 20 } else { limits.waitingReportBytes = 2000 }
        let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).get()
        let session = Session(number: 1, channel: channel, limits: limits)
        for number in 1..<20 as Range<UInt64> { #expect(!session.push(try Self.statement(number)).pauseReading) }
        #expect(session.push(try Self.statement(20)).pauseReading && session.isReadingPaused)
        await session.drain(into: RememberingInbox(), telemetry: RememberingTelemetry())
        #expect(!session.isReadingPaused)
        try await channel.close()
    }
}
