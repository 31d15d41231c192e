// SPDX-License-Identifier: Apache-2.0

package import MeshModel
import MeshWire
import NIOCore
import NIOPosix

/// What a granted join brings: certificates in DER.
package struct JoinedIdentity: Hashable, Sendable {
    /// The agent's certificate first.
    package var chain: [[UInt8]]
    /// The only authorities to trust from now on.
    package var roots: [[UInt8]]
}

extension AgentLink {
    /// First meeting: shows a self-signed certificate for `identity`'s key, sends the token with a certificate request for the same key, and returns
    /// what the coordinator issued. `judge` must know the coordinator by something that came with the token, such as the root's digest.
    package static func join(
        _ endpoint: Endpoint, token: String, node: NodeID, request: [UInt8], identity: AgentIdentity, judge: @escaping CoordinatorJudge,
        deadline: Duration = .seconds(40)
    ) async throws -> JoinedIdentity {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let (events, inlet) = AsyncStream.makeStream(of: ConnectionEvent.self)
        let connection = LinkConnection.open(
            endpoint, alpn: LinkProtocol.join, identity: identity, judge: judge, timeout: deadline, on: group, events: { inlet.yield($0) })
        let limit = group.next().scheduleTask(in: .milliseconds(deadline.inMilliseconds)) {
            connection.tell(.closed("no answer came within \(deadline.briefly)"))
        }
        var result: Result<JoinedIdentity, AgentLinkError> = .failure(.joinFailed(endpoint, why: "it was cancelled"))
        waiting: for await event in events {
            switch event {
            case .secured: connection.send(.join(Join(token: token, node: node, request: request)))
            case .frame(.joined(let joined)):
                result = .success(JoinedIdentity(chain: joined.chain, roots: joined.roots))
                break waiting
            case .frame(.rejected(let rejected)):
                result = .failure(.joinRefused(endpoint, code: rejected.code, words: rejected.words))
                break waiting
            case .frame, .feed:
                result = .failure(.joinFailed(endpoint, why: "the other side answered with a frame that has no place in a join"))
                break waiting
            case .closed(let why):
                result = .failure(.joinFailed(endpoint, why: why))
                break waiting
            }
        }
        limit.cancel()
        connection.close()
        try await group.shutdownGracefully()
        return try result.get()
    }
}
