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
        let stream = try await sources.telemetry(try asked(request))
        var headers = HTTPFields()
        headers[.contentType] = "application/x-ndjson"
        headers[.cacheControl] = "no-store"
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody { writer in
                while let text = try await stream.next() { try await writer.write(ByteBuffer(string: text)) }
                try await writer.finish(nil)
            })
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
