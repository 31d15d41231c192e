// SPDX-License-Identifier: Apache-2.0

package import Gating
package import MeshModel
package import Planning

/// What the world tells a run. Everything that can change a decision arrives here, in one order.
package enum Input: Hashable, Sendable, Codable {
    /// The first input of a coordinator after it has replayed its journal.
    case started(boot: BootID)
    case apply(run: RunID, plan: Plan, by: String)
    case stop(by: String)
    case evidence(Evidence)
    case warrant(step: StepID, id: WarrantID, notAfter: Timestamp, envelope: WarrantEnvelope)
    case override(GateOverride)
    /// `run` is the run that gave the order: news of an earlier run is no news of this one.
    case outcome(run: RunID, step: StepID, attempt: Int, Outcome)
    /// A session said which boot of its node it belongs to.
    case booted(node: NodeID, boot: BootID)
    case enrolled(node: NodeID, serial: String, by: String)
    case revoked(node: NodeID, serial: String, by: String, reason: String)
    case alarm(subject: Subject, text: String)
    /// Time passes: evidence ages, deadlines come.
    case tick

    /// True for what cannot be refused and orders nothing.
    var onlyInforms: Bool {
        switch self {
        case .evidence, .booted, .tick: true
        case .started, .apply, .stop, .warrant, .override, .outcome, .enrolled, .revoked, .alarm: false
        }
    }
}

/// Why an input was not taken. It leaves no trace in the journal.
package enum InputRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    case runActive(RunID)
    /// The run was ended, and what it had begun is still under way.
    case windingDown(RunID, StepID)
    case noRun
    case planFaulty([String])
    case noSuchStep(StepID)
    case notAWipe(StepID)
    case stepOver(StepID, String)
    case warrantMismatch(StepID, String)
    case warrantKnown(WarrantID)
    case overrideImpossible(StepID, GateID)
    case overrideExpired(Timestamp)
    case overrideUnreasoned

    package var description: String {
        switch self {
        case .runActive(let run): "run \(run) is still going; follow it with `meshgate status`, or stop it with `meshgate stop`"
        case .windingDown(let run, let step):
            "run \(run) was ended, but \(step) is still under way; apply again when it has ended (`meshgate status`)"
        case .noRun: "there is no run; start one with `meshgate apply`"
        case .planFaulty(let faults): "the plan is not sound: \(faults.joined(separator: "; "))"
        case .noSuchStep(let step): "the running plan has no step \(step); `meshgate plan` lists them"
        case .notAWipe(let step): "\(step) destroys nothing and takes no warrant"
        case .stepOver(let step, let state): "\(step) is \(state) already"
        case .warrantMismatch(let step, let why): "the warrant does not fit \(step): \(why)"
        case .warrantKnown(let id): "warrant \(id) was handed in before; each one counts once"
        case .overrideImpossible(let step, let gate): "gate \(gate.rawValue) of \(step) guards data and cannot be overridden"
        case .overrideExpired(let until): "the override would have ended at \(until) already"
        case .overrideUnreasoned: "an override needs a reason"
        }
    }
}
