// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// What the authority cannot do, and what helps.
package enum AuthorityError: Error, CustomStringConvertible {
    case unreadable(path: String, cause: any Error)
    case damaged(path: String, problem: String)
    case otherMesh(path: String, found: String, wanted: String)
    case expired(Timestamp)

    package var description: String {
        switch self {
        case .unreadable(let path, let cause): "cannot read or write \(path): \(cause)"
        case .damaged(let path, let problem): "\(path) is damaged (\(problem)); restore it from a backup of the state directory"
        case .otherMesh(let path, let found, let wanted):
            "the authority in \(path) belongs to mesh \"\(found)\", not \"\(wanted)\"; use another --state-dir for another mesh"
        case .expired(let end): "the authority's certificate ended at \(end); make a new authority and enrol the agents again"
        }
    }
}

/// Why an agent may not join. Nothing of it tells a stranger whether a token exists.
package enum EnrolmentProblem: Error, Hashable, Sendable, CustomStringConvertible {
    case unknownToken
    case expiredToken(Timestamp)
    case spentToken
    case otherNode(NodeID)
    case badRequest(String)
    case keyMismatch
    case revokedKey

    package var code: String {
        switch self {
        case .unknownToken: "unknownToken"
        case .expiredToken: "expiredToken"
        case .spentToken: "spentToken"
        case .otherNode: "otherNode"
        case .badRequest: "badRequest"
        case .keyMismatch: "keyMismatch"
        case .revokedKey: "revokedKey"
        }
    }

    package var description: String {
        switch self {
        case .unknownToken: "this join token is not known here; make a new one with `meshgate node invite NODE`"
        case .expiredToken(let end): "this join token expired at \(end); make a new one with `meshgate node invite NODE`"
        case .spentToken: "this join token was used already by another key; if that was not you, revoke that agent, then invite again"
        case .otherNode(let node): "this join token was made for another node, not for \(node)"
        case .badRequest(let problem): "the certificate request is not acceptable: \(problem)"
        case .keyMismatch: "the certificate request is for another key than the connection's"
        case .revokedKey: "this agent's key was revoked; remove its state directory, so that it makes a new key, and invite again"
        }
    }
}
