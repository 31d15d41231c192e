// SPDX-License-Identifier: Apache-2.0

import MeshModel
import NIOCore
import Synchronization

/// Who is connected: every connection for the caps, every live session by its node.
final class FleetRoster: Sendable {
    private struct State {
        var nextNumber: UInt64 = 1
        var connections: [UInt64: Session] = [:]
        var perAddress: [String: Int] = [:]
        var live: [NodeID: Session] = [:]
        var feeds: [NodeID: Session] = [:]
        var refused: UInt64 = 0
    }
    private let limits: FleetGatewayConfiguration.Limits
    private let state = Mutex(State())

    init(limits: FleetGatewayConfiguration.Limits) { self.limits = limits }

    /// `nil` when a cap is reached: the connection is closed before TLS costs anything.
    func admit(_ channel: any Channel) -> Session? {
        state.withLock { state in
            let session = Session(number: state.nextNumber, channel: channel, limits: limits)
            let fromThere = state.perAddress[session.address, default: 0]
            guard state.connections.count < limits.connections, fromThere < limits.connectionsPerAddress,
                state.connections.count - state.live.count - state.feeds.count < limits.unproven
            else {
                state.refused += 1
                return nil
            }
            state.nextNumber += 1
            state.connections[session.number] = session
            state.perAddress[session.address] = fromThere + 1
            return session
        }
    }

    /// The connection's socket is gone.
    func departed(_ session: Session) {
        state.withLock { state in
            guard state.connections.removeValue(forKey: session.number) != nil else { return }
            let left = state.perAddress[session.address, default: 1] - 1
            state.perAddress[session.address] = left > 0 ? left : nil
        }
    }

    /// Takes the node's place; returns the session that already has it.
    func claim(_ node: NodeID, for session: Session) -> Session? {
        state.withLock { state in
            if let other = state.live[node], other !== session { return other }
            state.live[node] = session
            return nil
        }
    }

    /// Takes the place of the node's feed; returns the one that had it.
    func claimFeed(_ node: NodeID, for session: Session) -> Session? {
        state.withLock { state in
            defer { state.feeds[node] = session }
            return state.feeds[node]
        }
    }

    /// Gives the node's places back, if this session has them.
    func release(_ node: NodeID, by session: Session) {
        state.withLock { state in
            if state.live[node] === session { state.live[node] = nil }
            if state.feeds[node] === session { state.feeds[node] = nil }
        }
    }

    func session(of node: NodeID) -> Session? { state.withLock { $0.live[node] } }
    var live: [Session] { state.withLock { Array($0.live.values) } }
    var feeds: [Session] { state.withLock { Array($0.feeds.values) } }
    var everyone: [Session] { state.withLock { Array($0.connections.values) } }
    /// Connections that a cap refused so far.
    var refused: UInt64 { state.withLock { $0.refused } }
    var connectionCount: Int { state.withLock { $0.connections.count } }
}
