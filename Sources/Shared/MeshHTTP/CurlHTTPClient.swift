// SPDX-License-Identifier: Apache-2.0

/// HTTP through libcurl. One thread serves all exchanges of a client without blocking on any, and keeps connections for the next request;
/// it ends with the client.
package final class CurlHTTPClient: HTTPClient {
    private let loop: CurlLoop

    /// Throws when libcurl or the thread cannot be started.
    package init() throws {
        loop = try CurlLoop()
        try loop.start()
    }

    deinit { loop.stop() }

    package func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        var body: [UInt8] = []
        let head = try await exchange(request) { _, chunk in
            guard body.count + chunk.count <= request.responseLimit else {
                throw HTTPClientError.responseTooLarge(url: request.place, limit: request.responseLimit)
            }
            body += chunk
        }
        return HTTPResponse(head: head, body: body)
    }

    @discardableResult
    package func stream(
        _ request: HTTPRequest, onChunk: @Sendable (HTTPHead, [UInt8]) async throws -> Void
    ) async throws -> HTTPHead {
        try await exchange(request, onChunk: onChunk)
    }

    private func exchange(
        _ request: HTTPRequest, onChunk: (HTTPHead, [UInt8]) async throws -> Void
    ) async throws -> HTTPHead {
        try Task.checkCancellation()
        try request.check()
        let loop = loop
        let exchange = Exchange()
        loop.post(.begin(exchange, request))
        // Whatever ends us ends the transfer; when it has ended already this does nothing.
        defer { loop.post(.drop(exchange.id)) }
        return try await withTaskCancellationHandler {
            while let (head, chunk) = try await exchange.next(resume: { loop.post(.resume(exchange.id)) }) {
                try await onChunk(head, chunk)
            }
            return try exchange.finishedHead(of: request)
        } onCancel: {
            exchange.end(.failure(CancellationError()))
        }
    }
}
