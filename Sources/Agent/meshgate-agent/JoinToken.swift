// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// What an admin hands to a new host: `mgj1.SECRET.PIN`. The secret is spent at the first join; the pin, the SHA-256 of the authority's public
/// key, lets the host recognise its coordinator before it has any certificate. Never logged, never in an error.
struct JoinToken: Sendable, CustomStringConvertible {
    static let form = "a join token as `meshgate node invite` prints it (mgj1.SECRET.PIN)"
    /// The token as it was given; the coordinator looks it up by its hash.
    let text: String
    let pin: Digest

    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "mgj1", (16...128).contains(parts[1].utf8.count),
            parts[1].allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }),
            let pin = Digest(hex: String(parts[2]))
        else { return nil }
        self.text = text
        self.pin = pin
    }

    var description: String { "join token for the authority \(pin.short)" }
}
