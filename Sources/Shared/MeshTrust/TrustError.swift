// SPDX-License-Identifier: Apache-2.0

/// What can go wrong when keys and certificates are made or read. Peers and warrants are refused with data instead: `PeerRefusal`,
/// `WarrantRefusal`.
package enum TrustError: Error, Hashable, Sendable, CustomStringConvertible {
    case openSSL(doing: String, reason: String)
    case notPEM(wanted: String, problem: String)
    case notAKey(problem: String)
    case notACertificate(problem: String)
    case notARequest(problem: String)
    case cannotIssue(String, problem: String)

    package var description: String {
        switch self {
        case .openSSL(let doing, let reason): "cannot \(doing): OpenSSL says \(reason)"
        case .notPEM(let wanted, let problem): "cannot read a PEM block \"\(wanted)\": \(problem)"
        case .notAKey(let problem): "cannot take this key: \(problem); keys are ECDSA on the curve P-256"
        case .notACertificate(let problem): "cannot take this certificate: \(problem)"
        case .notARequest(let problem): "cannot take this certificate request: \(problem)"
        case .cannotIssue(let name, let problem): "cannot issue a certificate for \(name): \(problem)"
        }
    }
}
