// SPDX-License-Identifier: Apache-2.0

package import MeshHTTP
import MeshModel
package import MeshSystem

/// OTLP/HTTP with protobuf bodies.
package struct HTTPTransport: OTLPTransport {
    private let configuration: OTLPConfiguration
    private let client: any HTTPClient
    private let now: NowSource

    package init(_ configuration: OTLPConfiguration, client: any HTTPClient, now: @escaping NowSource) {
        self.configuration = configuration
        self.client = client
        self.now = now
    }

    package func export(_ signal: OTLPSignal, _ message: [UInt8]) async -> OTLPReply {
        do {
            let response = try await client.send(try request(signal, message))
            return RetryTable.judge(response, now: now().wall.seconds)
        } catch let error as HTTPClientError {
            if case .malformed = error { return .refused("\(error)") }
            return .retry(after: nil, why: "\(error)")
        } catch {
            return .retry(after: nil, why: "\(error)")
        }
    }

    private func request(_ signal: OTLPSignal, _ message: [UInt8]) throws -> HTTPRequest {
        var headers = configuration.headers.map { HTTPHeader($0.name, $0.value) }
        headers.append(HTTPHeader("content-type", "application/x-protobuf"))
        var body = message
        if configuration.isCompressed {
            body = try Gzip.compress(message, level: 1)
            headers.append(HTTPHeader("content-encoding", "gzip"))
        }
        var tls = HTTPTLS()
        if let roots = configuration.roots { tls.roots = .pem(roots) }
        tls.identity = configuration.identity
        return HTTPRequest(
            .post, configuration.endpoint.description + signal.path, headers: headers, body: body, deadline: configuration.timeout,
            connectTimeout: min(configuration.timeout, .seconds(10)), responseLimit: 1 << 20, tls: tls)
    }

    /// libcurl keeps its connections by itself.
    package func run() async throws {}
}
