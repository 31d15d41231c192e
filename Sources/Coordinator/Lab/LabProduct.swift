// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// What a story asks of the product, as a person would at the command line. The port; `LabCommandLine` is the real one.
package protocol LabProduct: Sendable {
    /// Starts the coordinator, or starts it again after a kill; returns when it answers.
    func startCoordinator() async throws
    /// SIGKILL.
    func killCoordinator() async throws
    /// A one-time join token for the node.
    func invite(_ node: NodeID) async throws -> String
    /// The nodes whose agents are connected now.
    func connectedNodes() async throws -> Set<String>
    /// What `meshgate plan` says, in short.
    func planSummary() async throws -> String
    /// Gives the order, or follows the run of it that is going on. Returns when the command ends; throws nothing when it lost the coordinator.
    func carryOut(_ order: LabOrder, onEvent: @escaping @Sendable (LabEvent) -> Void) async throws
    /// Kills the coordinator at every N-th boundary of the run that begins now, and starts it again each time, until that run is over or `isDone`.
    func killAtBoundaries(every: Int, upTo isDone: @escaping @Sendable () -> Bool) async throws -> LabDeaths
    /// What `meshgate explain STEP` says.
    func explain(_ step: StepID) async throws -> String
    /// What `meshgate check net` says of these nodes, whatever it finds.
    func checkNetwork(_ nodes: [NodeID]) async throws -> String
    /// What `meshgate check host` says of these nodes, whatever it finds.
    func checkHost(_ nodes: [NodeID]) async throws -> String
    /// What `meshgate status` says, whatever it finds.
    func statusText() async throws -> String
    /// When the first event of this kind was journaled; `nil` while there is none.
    func timeOfEvent(_ kind: String) async throws -> Timestamp?
    /// The canonical text of a warrant for the step, for a person to read and sign.
    func requestWarrant(_ step: StepID) async throws -> String
    /// Hands in a signed warrant.
    func submitWarrant(_ step: StepID, text: String, signature: String) async throws
    /// What came over the feed from all machines.
    func telemetry() async throws -> LabTelemetry
    /// What `meshgate feed query` finds of the last minutes with these restrictions.
    func feed(_ restrictions: [String]) async throws -> String
    /// Where dashboard, metrics and the event feed are, as a URL.
    func feedAddress() async throws -> String
}

/// What the product says of telemetry, over all machines.
package struct LabTelemetry: Hashable, Sendable {
    /// Machines whose own eBPF programs told of anything.
    package var machines: Int
    /// Events of these programs that are stored, and those that the books have as lost, limits included.
    package var delivered: UInt64
    package var lost: UInt64
}

/// How often a coordinator died in one run.
package struct LabDeaths: Hashable, Sendable {
    /// Entries that moved a step or the run, each counted once.
    package var boundaries: Int
    package var deaths: Int
}

/// What a person tells the product to do with the whole mesh.
package enum LabOrder: String, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    case apply, verify, destroy
    case destroyMachines = "destroy the machines"

    package var description: String { rawValue }

    /// The product's command, without what is the same for all.
    package var words: [String] {
        switch self {
        case .apply, .verify: [rawValue]
        case .destroy: ["destroy", "--confirm", LabMeshFile.meshName]
        case .destroyMachines: ["destroy", "--machines-only", "--confirm", LabMeshFile.meshName]
        }
    }

    /// Whether a person signs for what is lost.
    package var takesAway: Bool { self == .destroy || self == .destroyMachines }

    /// Whether the step undoes something, and so is signed for under another command.
    package static func undoes(_ step: StepID) -> Bool { step.text.hasSuffix("/undo") }
}

/// One thing that `meshgate apply` shows.
package enum LabEvent: Hashable, Sendable {
    /// A step stands where it did not stand before. `state` is the product's word: waiting, held, running, verifying, done, unchanged, failed.
    case step(StepID, state: String, reasons: [Reason], detail: String)
    /// The run is over. `changed` counts the steps that changed something.
    case ended(ending: String, changed: Int)
    /// Anything else worth a line.
    case note(String)

    /// Why a step is held, in the product's own codes.
    package struct Reason: Hashable, Sendable {
        package var gate: String
        package var code: String
        package var subject: String
        package var detail: String
        package init(gate: String, code: String, subject: String, detail: String) {
            self.gate = gate
            self.code = code
            self.subject = subject
            self.detail = detail
        }
    }
}
