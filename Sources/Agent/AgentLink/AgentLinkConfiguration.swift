// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import MeshSystem

/// Where a coordinator listens.
package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// A name or a literal address.
    package var host: String
    package var port: Int
    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// The agent's own certificate and key.
package struct AgentIdentity: Hashable, Sendable {
    /// DER, leaf first.
    package var chain: [[UInt8]]
    package var privateKeyPEM: String
    package init(chain: [[UInt8]], privateKeyPEM: String) {
        self.chain = chain
        self.privateKeyPEM = privateKeyPEM
    }
}

/// Judges the coordinator's chain (DER, leaf first) in the handshake: `nil` lets it pass, a sentence refuses it. It is called on an event
/// loop, so it must not wait.
package typealias CoordinatorJudge = @Sendable (_ chain: [[UInt8]]) -> String?

/// Everything the link needs to know.
package struct AgentLinkConfiguration: Sendable {
    package var node: NodeID
    package var agentVersion: String
    /// Of this boot of the machine.
    package var bootID: BootID
    /// Tried one after the other.
    package var coordinators: [Endpoint]
    /// Asked for every connection, so that a renewed certificate is used by the next one.
    package var identity: @Sendable () throws -> AgentIdentity
    package var judge: CoordinatorJudge
    package var now: NowSource
    /// From the first packet to the finished TLS handshake, and again from Hello to Welcome.
    package var handshake = Duration.seconds(5)
    /// Waits between tries: full jitter between zero and a doubling ceiling.
    package var backoff = Backoff()
    /// Orders carried out at once; more are refused as `overloaded`.
    package var concurrentTasks = 8
    /// Uses the process-wide threads for connections in place of one of its own; for processes with many links.
    package var sharesThreads = false
    /// Reports sent and not yet acknowledged.
    package var window = 64

    package init(
        node: NodeID, agentVersion: String, bootID: BootID, coordinators: [Endpoint],
        identity: @escaping @Sendable () throws -> AgentIdentity, judge: @escaping CoordinatorJudge, now: @escaping NowSource
    ) {
        self.node = node
        self.agentVersion = agentVersion
        self.bootID = bootID
        self.coordinators = coordinators
        self.identity = identity
        self.judge = judge
        self.now = now
    }
}
