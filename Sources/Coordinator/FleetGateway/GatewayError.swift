// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore

/// Why the gateway cannot work at all. What goes wrong with one agent ends that session and is never an error of the gateway.
package enum GatewayError: Error, CustomStringConvertible {
    case cannotListen(host: String, port: Int, cause: any Error)
    /// `run` ended before the listener was bound.
    case notListening
    /// The coordinator's own certificate or key cannot be used for TLS.
    case unusableIdentity(cause: any Error)

    package var description: String {
        switch self {
        case .cannotListen(let host, let port, let cause):
            "cannot listen for agents on \(host) port \(port): \(words(cause)); is another program on that port, or the address not of this machine?"
        case .notListening:
            "cannot ask where agents are listened for: the gateway has stopped, or could not listen; see the error of its run"
        case .unusableIdentity(let cause):
            "cannot use the coordinator's certificate and key for TLS: \(cause); look at the authority's files in the state directory"
        }
    }
}

/// The kernel's own words where it has some.
private func words(_ error: any Error) -> String {
    (error as? IOError).flatMap { strerror($0.errnoCode) }.map { String(cString: $0) } ?? "\(error)"
}
