// SPDX-License-Identifier: Apache-2.0

internal import MeshSystem

/// What can go wrong between the processes of one agent. `role` is the serving one: `wiper`, `prober` or `tracer`.
package enum LocalLinkError: Error, Hashable, Sendable, CustomStringConvertible {
    case socketPath(String)
    case socket(doing: String, on: String, errno: Int32)
    case frameTooLong(role: String, bytes: Int, limit: Int)
    case frameMalformed(role: String, problem: String)
    case connectionEnded(role: String, path: String)
    case timedOut(role: String, path: String, waited: Duration)
    case unexpectedAnswer(role: String, String)
    /// It could not do what it was asked; the text says why.
    case failed(role: String, String)
    case hardening(errno: Int32)

    package var description: String {
        switch self {
        case .socketPath(let path):
            "\"\(path)\" is no path for a Unix socket (absolute, at most \(LocalSocket.longestPath) bytes)"
        case .socket(let doing, let on, let number):
            "cannot \(doing) (\(on)): \(explain(number))"
        case .frameTooLong(let role, let bytes, let limit):
            "a message of \(bytes) bytes on the \(role)'s socket is longer than the \(limit) allowed; use programs of the same version"
        case .frameMalformed(let role, let problem):
            "a message on the \(role)'s socket cannot be read: \(problem); use programs of the same version"
        case .connectionEnded(let role, let path):
            "the \(role) at \(path) closed the connection without an answer; is it running, and is our user allowed to ask it?"
        case .timedOut(let role, let path, let waited):
            "the \(role) at \(path) said nothing for \(waited); look at its log"
        case .unexpectedAnswer(let role, let what):
            "the \(role) answered something else than was asked: \(what); use programs of the same version"
        case .failed(let role, let problem): "the \(role) could not: \(problem)"
        case .hardening(let number):
            "cannot give up privileges at the start: \(explain(number))"
        }
    }
}
