// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Hummingbird
import HummingbirdCore
import MeshModel
import NIOCore

extension OperatorResponder {
    /// Stored events as NDJSON. They hold what programs were started with, passwords included, so they are not for the listener without TLS.
    func telemetry(_ request: Request) async throws -> Response {
        if case .readOnly = door {
            throw SurfaceError(
                403, "notHere", "events of hosts are not shown on the listener without TLS",
                remedy: "use `meshgate feed query`, which asks on the Unix socket or with an operator's certificate")
        }
        let asked = try asked(request)
        guard let place = queries.take() else {
            throw SurfaceError(
                503, "tooManyQueries", "\(queries.limit) queries read stored telemetry already",
                remedy: "ask again when one of them has ended")
        }
        let stream = try await sources.telemetry(asked)
        return Self.following(
            EventStream(
                next: stream.next,
                cancel: {
                    stream.cancel()
                    place.leave()
                }), as: "application/x-ndjson")
    }

    /// Outlines of events as they come: when, where, which program, why. Never with what a program was started with, so every listener may.
    func live(_ request: Request) async throws -> Response {
        Self.following(try await sources.live(try asked(request).query), as: "text/event-stream")
    }

    private func asked(_ request: Request) throws -> TelemetryRequest {
        let parameters = request.uri.queryParameters
        return try TelemetryRequest({ name in parameters[name[...]].map(String.init) }, now: sources.now())
    }
}
