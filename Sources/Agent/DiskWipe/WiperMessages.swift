// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// What the agent's network process may ask the wiper. It can ask for nothing else.
package enum WiperRequest: Hashable, Sendable, Codable {
    /// The disks, and whether this wiper is armed.
    case inventory
    case blankness([BlanknessCheck], seed: Digest)
    case virtualDisks(serials: [String])
    case hypervisorFiles(GuestSelector)
    case wipe(WarrantEnvelope, node: NodeID)
    case arm(WarrantEnvelope, node: NodeID)
    case status
}

/// What the wiper answers: any number of `progress` or `facts` with `more`, then one final answer.
package enum WiperResponse: Hashable, Sendable, Codable {
    /// Some of the facts; `more` follow.
    case facts([Fact], more: Bool)
    case progress(TaskProgress.Phase, bytes: UInt64, total: UInt64)
    case result(TaskReport.Result)
    case status(WiperStatus)
    /// The request could not be answered; the text says why.
    case failed(String)
    /// The request was not looked at, for too many others are under way: nothing was begun.
    case busy(String)

    var isFinal: Bool {
        switch self {
        case .facts(_, let more): !more
        case .progress: false
        case .result, .status, .failed, .busy: true
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
    /// Its replay store; `nil` while it is disarmed.
    package var store: ReplayStoreMark?
    /// Why nothing may be wiped; `nil` when the replay store is armed.
    package var disarmedBecause: String?
    /// Those that did not end well first, then the others, at most 200.
    package var claims: [Claim]
    package init(store: ReplayStoreMark?, disarmedBecause: String?, claims: [Claim]) {
        self.store = store
        self.disarmedBecause = disarmedBecause
        self.claims = claims
    }
}
