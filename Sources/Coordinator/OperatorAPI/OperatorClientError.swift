// SPDX-License-Identifier: Apache-2.0

package import MeshHTTP

/// Why the coordinator did not do what was asked.
package enum OperatorClientError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Its own answer.
    case refused(status: Int, ErrorReply)
    /// There was no answer.
    case failed(HTTPClientError)
    /// Something answered that is not this coordinator's version, or not a coordinator.
    case notUnderstood(path: String, said: String)
    /// The feed cut us off for being too slow; `after` is the last event there was before the gap.
    case cut(after: UInt64, words: String)

    /// True when nobody was there; a coordinator that restarts is.
    package var isUnreachable: Bool {
        switch self {
        case .failed(.unreachable), .failed(.brokenOff), .failed(.timedOut): true
        case .refused(let status, _): status == 503
        case .failed, .notUnderstood, .cut: false
        }
    }

    package var description: String {
        switch self {
        case .refused(_, let reply): reply.description
        case .failed(let error): "\(error)"
        case .notUnderstood(let path, let said):
            "the answer to \(path) cannot be understood (\(said)); is it a coordinator, and of this version? see `meshgate version`"
        case .cut(_, let words): words
        }
    }
}
