// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// What the agent's network process may ask the wiper. It can ask for nothing else.
package enum WiperRequest: Hashable, Sendable, Codable {
    case inventory
    case wipe(WarrantEnvelope, node: NodeID)
    case status
}

/// What the wiper answers: any number of `progress` or `disks` with `more`, then one final answer.
package enum WiperResponse: Hashable, Sendable, Codable {
    /// A part of the inventory; `more` parts follow.
    case disks([DiskFact], more: Bool)
    case progress(bytes: UInt64, total: UInt64)
    case result(TaskReport.Result)
    case status(WiperStatus)
    /// The request could not be answered; the text says why.
    case failed(String)

    var isFinal: Bool {
        switch self {
        case .disks(_, let more): !more
        case .progress: false
        case .result, .status, .failed: true
        }
    }
}

/// Whether the wiper may wipe, and what it did so far.
package struct WiperStatus: Hashable, Sendable, Codable {
    /// One warrant that was claimed here.
    package struct Claim: Hashable, Sendable, Codable {
        package var warrant: WarrantID
        package var fate: ReplayStore.Fate
        package init(warrant: WarrantID, fate: ReplayStore.Fate) {
            self.warrant = warrant
            self.fate = fate
        }
    }
    /// Why nothing may be wiped; `nil` when the replay store is armed.
    package var disarmedBecause: String?
    /// Those that did not end well first, then the others, at most 200.
    package var claims: [Claim]
    package init(disarmedBecause: String?, claims: [Claim]) {
        self.disarmedBecause = disarmedBecause
        self.claims = claims
    }
}
