// SPDX-License-Identifier: Apache-2.0

/// Why the link cannot begin at all, or a join did not succeed. A lost connection is not an error: the link tries again.
package enum AgentLinkError: Error, CustomStringConvertible {
    case noCoordinators
    /// The kept state or outbox cannot be read or written. Starting without it would forget the epoch and unacknowledged evidence.
    case storage(what: String, cause: any Error)
    case joinRefused(Endpoint, code: String, words: String)
    case joinFailed(Endpoint, why: String)

    package var description: String {
        switch self {
        case .noCoordinators: "start the agent link: no coordinator is configured; name at least one as HOST:PORT"
        case .storage(let what, let cause):
            "use the agent's \(what): \(cause); repair the state directory, or remove the agent's state and join the node again"
        case .joinRefused(let endpoint, let code, let words): "join at \(endpoint): refused: \(words) (\(code))"
        case .joinFailed(let endpoint, let why):
            "join at \(endpoint): \(why)\(why.contains("?") ? "" : "; is this the coordinator's address, and does it run?")"
        }
    }
}
