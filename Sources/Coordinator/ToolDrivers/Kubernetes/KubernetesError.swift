// SPDX-License-Identifier: Apache-2.0

/// Why a call of an API server has no usable answer. Connection errors stay `HTTPClientError`.
package enum KubernetesError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The server said no, and why.
    case refused(call: String, server: String, KubernetesStatus)
    /// Something answered, but not as an API server does.
    case unreadable(call: String, server: String, problem: String)
    /// We have nothing to identify ourselves with.
    case credential(context: String, problem: String)

    package var description: String {
        switch self {
        case .refused(let call, let server, let status): "\(call) at \(server) was answered with \(status)"
        case .unreadable(let call, let server, let problem):
            "the answer to \(call) from \(server) is not an API server's: \(problem); check the address, and what stands before it"
        case .credential(let context, let problem): "context \(context) cannot be used: \(problem)"
        }
    }
}
