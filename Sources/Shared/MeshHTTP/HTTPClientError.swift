// SPDX-License-Identifier: Apache-2.0

/// Why there was no response. `url` is without user, password and query.
package enum HTTPClientError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The request cannot be sent as it is.
    case malformed(url: String, reason: String)
    /// Nobody answered there: name, route, port or socket.
    case unreachable(url: String, said: String)
    /// One side did not trust the other.
    case untrusted(url: String, said: String)
    case timedOut(url: String, said: String)
    case responseTooLarge(url: String, limit: Int)
    /// The exchange broke off or was not HTTP; whether the server acted is unknown.
    case brokenOff(url: String, said: String)

    package var description: String {
        switch self {
        case .malformed(let url, let reason): "cannot send a request to \(url): \(reason)"
        case .unreachable(let url, let said): "cannot reach \(url): \(said); check the address and that the server runs"
        case .untrusted(let url, let said):
            "no trusted connection to \(url): \(said); check the root certificates, the name in the URL, our client certificate and the clocks"
        case .timedOut(let url, let said):
            "no complete answer from \(url) in time: \(said); check that the server is well, or allow it more time"
        case .responseTooLarge(let url, let limit): "\(url) answered with more than the allowed \(limit) bytes; ask for less"
        case .brokenOff(let url, let said): "the exchange with \(url) broke off: \(said); look whether it took effect before asking again"
        }
    }
}
