// SPDX-License-Identifier: Apache-2.0

/// Why the admin surface could not be opened.
package enum OperatorServerError: Error, Hashable, Sendable, CustomStringConvertible {
    case cannotListen(on: String, said: String)
    case socketInUse(path: String)
    case unusableIdentity(said: String)

    package var description: String {
        switch self {
        case .cannotListen(let place, let said):
            "cannot listen on \(place): \(said); is another coordinator or program using it? stop that, or choose another address"
        case .socketInUse(let path): "a coordinator answers on \(path) already; stop it first, or use another state directory"
        case .unusableIdentity(let said): "cannot use the coordinator's certificate and key: \(said); check the authority directory"
        }
    }
}
