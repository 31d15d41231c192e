// SPDX-License-Identifier: Apache-2.0

/// Asks an HTTP server. The port; `CurlHTTPClient` is the real one. Redirects are answers like any other and are never followed.
package protocol HTTPClient: Sendable {
    /// The whole response. Any status is a response; an error means that there was none, or that it broke a limit.
    func send(_ request: HTTPRequest) async throws -> HTTPResponse
    /// Hands over the body as it arrives, each piece with the head it belongs to; the server waits while `onChunk` works. Returns at the
    /// end of the body; cancellation and an error thrown by `onChunk` cut the connection. `responseLimit` bounds nothing here.
    @discardableResult
    func stream(_ request: HTTPRequest, onChunk: @Sendable (HTTPHead, [UInt8]) async throws -> Void) async throws -> HTTPHead
}
