// SPDX-License-Identifier: Apache-2.0

/// The constants of the agent link that both ends must agree on.
package enum LinkProtocol {
    /// The version this build speaks; it changes when an old peer could misunderstand.
    package static let version: UInt32 = 1
    /// ALPN of a session between an enrolled agent and the coordinator.
    package static let session = "meshgate/1"
    /// ALPN of a first meeting: one join, one answer.
    package static let join = "meshgate-join/1"
    /// ALPN of an enrolled agent's telemetry, on a connection of its own.
    package static let feed = "meshgate-feed/1"
    /// The longest frame in bytes after Hello was accepted.
    package static let longestFrame = 1 << 20
    /// The longest frame in bytes before that.
    package static let longestEarlyFrame = 64 << 10
    /// Facts in one report and targets in one order: enough to ask one node about every node of the largest mesh.
    package static let mostFacts = 16_384
}
