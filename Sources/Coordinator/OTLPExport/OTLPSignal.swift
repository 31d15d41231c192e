// SPDX-License-Identifier: Apache-2.0

/// One of the three kinds of data, and where each transport sends it.
package enum OTLPSignal: String, Hashable, Sendable, CaseIterable {
    case logs, metrics, traces

    /// Appended to the endpoint's URL.
    var path: String { "/v1/\(rawValue)" }

    /// The gRPC service; its method is `Export`.
    package var service: String {
        switch self {
        case .logs: "opentelemetry.proto.collector.logs.v1.LogsService"
        case .metrics: "opentelemetry.proto.collector.metrics.v1.MetricsService"
        case .traces: "opentelemetry.proto.collector.trace.v1.TraceService"
        }
    }
}

/// What a collector made of one request, sorted by what is to be done next.
package enum OTLPReply: Hashable, Sendable {
    /// It has them, all but `rejected`, which it will not have later either; `said` is its remark, if any.
    case accepted(rejected: UInt64, said: String)
    /// The same request may succeed later, after `wait` if it named one.
    case retry(after: Duration?, why: String)
    /// It will not have this request; sending it again would be wrong.
    case refused(String)
    /// As `refused`, because of the request's size.
    case tooLarge(String)
}

/// Sends one request of a signal to the collector. The port; `HTTPTransport` and `GRPCTransport` are the real ones. Returns within its own timeout.
package protocol OTLPTransport: Sendable {
    /// - Parameter message: the signal's Export…ServiceRequest.
    func export(_ signal: OTLPSignal, _ message: [UInt8]) async -> OTLPReply
    /// Holds connections until the task is cancelled.
    func run() async throws
}

/// Why exporting cannot begin.
package enum OTLPFault: Error, Hashable, Sendable, CustomStringConvertible {
    case endpoint(String)
    case headers(String)
    case option(String, value: String, wanted: String)
    case file(String, problem: String)
    case transport(String)

    package var description: String {
        switch self {
        case .endpoint(let text): "\"\(text)\" is no endpoint such as http://collector:4318 or https://api.honeycomb.io"
        case .headers(let problem): "the headers for the collector cannot be used: \(problem)"
        case .option(let name, let value, let wanted): "\(name) is \"\(value)\", and wants \(wanted)"
        case .file(let path, let problem): "cannot use \(path): \(problem)"
        case .transport(let problem): "cannot prepare the connection to the collector: \(problem)"
        }
    }
}
