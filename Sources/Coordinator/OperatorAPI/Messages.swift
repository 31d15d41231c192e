// SPDX-License-Identifier: Apache-2.0

package import Gating
package import MeshModel
package import Planning

/// What travels over the admin surface, shared by server and client. The JSON keys are the property names; docs/openapi.yaml describes them.
/// A new property is optional until every client knows it.

/// One gate of a step, judged now.
package struct GateReply: Hashable, Sendable, Codable {
    package var gate: GateID
    package var title: String
    /// `pass`, `hold`, `deny` or `unknown`.
    package var verdict: String
    package var reasons: [Reason]
    /// True when a person's override lets it pass.
    package var overridden: Bool
    package init(gate: GateID, title: String, verdict: String, reasons: [Reason], overridden: Bool) {
        self.gate = gate
        self.title = title
        self.verdict = verdict
        self.reasons = reasons
        self.overridden = overridden
    }
}

/// One step of the present run.
package struct StepReply: Hashable, Sendable, Codable {
    package var id: StepID
    package var title: String
    /// `waiting`, `held`, `running`, `verifying`, `done`, `unchanged` or `failed`.
    package var state: String
    package var since: Timestamp?
    package var attempts: Int
    package var driver: String
    package var after: [StepID]
    /// Why it is held or failed.
    package var reasons: [Reason]
    package var detail: String
    /// Of a step that runs, when its agent or its tool tells.
    package var progress: StepProgress?
    /// What of the ground of a step that has begun has given way since; absent while it is good.
    package var lost: [Reason]?
    package init(
        id: StepID, title: String, state: String, since: Timestamp?, attempts: Int, driver: String, after: [StepID], reasons: [Reason],
        detail: String, progress: StepProgress? = nil, lost: [Reason]? = nil
    ) {
        self.id = id
        self.title = title
        self.state = state
        self.since = since
        self.attempts = attempts
        self.driver = driver
        self.after = after
        self.reasons = reasons
        self.detail = detail
        self.progress = progress
        self.lost = lost
    }
}

/// The present or last run.
package struct RunReply: Hashable, Sendable, Codable {
    package var id: RunID
    package var plan: Digest
    package var by: String
    package var startedAt: Timestamp
    package var endedAt: Timestamp?
    /// `succeeded`, `failed` or `stopped`; absent while it goes on.
    package var ending: String?
    /// Steps that changed something.
    package var changed: Int
    package var steps: [StepReply]
    /// `build`, `verify`, `drift` or `teardown`: what the run is for.
    package var purpose: String?
    package init(
        id: RunID, plan: Digest, by: String, startedAt: Timestamp, endedAt: Timestamp?, ending: String?, changed: Int, steps: [StepReply],
        purpose: String? = nil
    ) {
        self.id = id
        self.plan = plan
        self.by = by
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.ending = ending
        self.changed = changed
        self.steps = steps
        self.purpose = purpose
    }

    /// True when the run is a set of questions, and a failed step an answer.
    package var onlyLooks: Bool { purpose == "verify" || purpose == "drift" }
}

/// `GET /v1/status`.
package struct StatusReply: Hashable, Sendable, Codable {
    package var version: String
    package var mesh: String
    package var epoch: UInt64
    package var startedAt: Timestamp
    /// Where agents dial in, HOST:PORT.
    package var agents: String
    /// The base URL of metrics, events and health; empty when not served over TCP.
    package var http: String
    package var journal: JournalHead
    package var nodes: [NodeReply]
    package var run: RunReply?
    package init(
        version: String, mesh: String, epoch: UInt64, startedAt: Timestamp, agents: String, http: String, journal: JournalHead,
        nodes: [NodeReply], run: RunReply?
    ) {
        self.version = version
        self.mesh = mesh
        self.epoch = epoch
        self.startedAt = startedAt
        self.agents = agents
        self.http = http
        self.journal = journal
        self.nodes = nodes
        self.run = run
    }
}

/// One machine, planned or seen.
package struct NodeReply: Hashable, Sendable, Codable {
    package var name: NodeID
    package var cluster: ClusterName?
    package var planned: Bool
    package var connected: Bool
    package var address: String?
    package var agentVersion: String?
    package var connectedSince: Timestamp?
    package var certificateSerial: String?
    package var certificateEnds: Timestamp?
    package init(
        name: NodeID, cluster: ClusterName?, planned: Bool, connected: Bool, address: String? = nil, agentVersion: String? = nil,
        connectedSince: Timestamp? = nil, certificateSerial: String? = nil, certificateEnds: Timestamp? = nil
    ) {
        self.name = name
        self.cluster = cluster
        self.planned = planned
        self.connected = connected
        self.address = address
        self.agentVersion = agentVersion
        self.connectedSince = connectedSince
        self.certificateSerial = certificateSerial
        self.certificateEnds = certificateEnds
    }
}

/// `GET /v1/nodes`.
package struct NodesReply: Hashable, Sendable, Codable {
    package var nodes: [NodeReply]
    package init(nodes: [NodeReply]) { self.nodes = nodes }
}

/// `POST /v1/apply`.
package struct ApplyRequest: Hashable, Sendable, Codable {
    package var plan: Plan
    package init(plan: Plan) { self.plan = plan }
}

/// The answer to an accepted apply. `following` is true when the very same plan is being carried out already.
package struct ApplyReply: Hashable, Sendable, Codable {
    package var run: RunID
    package var following: Bool
    /// The journal's end before the run's first entry: follow the events from here.
    package var after: UInt64
    package init(run: RunID, following: Bool, after: UInt64) {
        self.run = run
        self.following = following
        self.after = after
    }
}

/// `GET /v1/explain?step=`.
package struct ExplainReply: Hashable, Sendable, Codable {
    package var step: StepReply
    /// Steps that must be done first and are not.
    package var waitsFor: [StepID]
    /// Every gate of the step, judged now.
    package var gates: [GateReply]
    /// What is true when the step is done, judged now.
    package var done: [GateReply]
    /// Ground that steps below it have lost, where the policy has it wait for that; absent when there is none.
    package var lostBelow: [Reason]?
    /// What is on record about it besides its gates, each in a sentence; absent for most steps.
    package var seen: [String]?
    package init(
        step: StepReply, waitsFor: [StepID], gates: [GateReply], done: [GateReply], lostBelow: [Reason]? = nil, seen: [String]? = nil
    ) {
        self.lostBelow = lostBelow
        self.step = step
        self.waitsFor = waitsFor
        self.gates = gates
        self.done = done
        self.seen = seen
    }
}

/// `POST /v1/nodes/{node}/invite`.
package struct InviteRequest: Hashable, Sendable, Codable {
    package var life: TimeSpan
    package init(life: TimeSpan) { self.life = life }
}

package struct InviteReply: Hashable, Sendable, Codable {
    package var node: NodeID
    /// Shown once.
    package var token: String
    package var until: Timestamp
    /// Where the agent dials, HOST:PORT.
    package var coordinator: String
    package init(node: NodeID, token: String, until: Timestamp, coordinator: String) {
        self.node = node
        self.token = token
        self.until = until
        self.coordinator = coordinator
    }
}

/// `POST /v1/nodes/{node}/revoke`.
package struct RevokeRequest: Hashable, Sendable, Codable {
    package var reason: String
    package init(reason: String) { self.reason = reason }
}

package struct RevokeReply: Hashable, Sendable, Codable {
    package var node: NodeID
    package var serials: [String]
    package init(node: NodeID, serials: [String]) {
        self.node = node
        self.serials = serials
    }
}

/// One wipe of the plan: `GET /v1/wipes`.
package struct WipeReply: Hashable, Sendable, Codable {
    package var step: StepID
    package var node: NodeID
    package var state: String
    package var plannedSerial: String?
    package var plannedSize: ByteCount
    package var method: WarrantTerms.Method
    /// How what was written is read back.
    package var verification: WarrantTerms.Verification
    /// The disk as the node's last inventory shows it.
    package var disk: DiskFact?
    /// The node's hypervisor, when it is to confirm the disk, and what it says.
    package var hypervisor: NodeID?
    package var witness: VirtualDiskFact?
    /// By how many seconds the hypervisor's look is older than the node's; negative where it is newer.
    package var witnessLag: Int64?
    /// The node's wiper.
    package var wiper: WiperFact?
    /// Why the wipe could not begin now, warrant apart.
    package var obstacles: [Reason]
    /// The text to sign; absent while something of it is not known, and `missing` says what.
    package var warrant: String?
    package var missing: [String]
    /// The warrant that was handed in.
    package var submitted: WarrantID?
    /// True where no agent is on the machine and Talos' own API does it.
    package var throughTalos: Bool
    package init(
        step: StepID, node: NodeID, state: String, plannedSerial: String?, plannedSize: ByteCount, method: WarrantTerms.Method,
        verification: WarrantTerms.Verification = .full, disk: DiskFact?, hypervisor: NodeID? = nil, witness: VirtualDiskFact? = nil,
        witnessLag: Int64? = nil, wiper: WiperFact? = nil, obstacles: [Reason] = [], warrant: String?, missing: [String],
        submitted: WarrantID?,
        throughTalos: Bool = false
    ) {
        self.step = step
        self.node = node
        self.state = state
        self.plannedSerial = plannedSerial
        self.plannedSize = plannedSize
        self.method = method
        self.verification = verification
        self.disk = disk
        self.hypervisor = hypervisor
        self.witness = witness
        self.witnessLag = witnessLag
        self.wiper = wiper
        self.obstacles = obstacles
        self.warrant = warrant
        self.missing = missing
        self.submitted = submitted
        self.throughTalos = throughTalos
    }
}

package struct WipesReply: Hashable, Sendable, Codable {
    package var wipes: [WipeReply]
    package init(wipes: [WipeReply]) { self.wipes = wipes }
}

/// One step that destroys something, disks apart: `GET /v1/losses`.
package struct LossReply: Hashable, Sendable, Codable {
    package var step: StepID
    package var title: String
    package var state: String
    package var destroys: [String]
    /// Why it could not begin now, warrant apart.
    package var obstacles: [Reason]
    /// The text to sign, good for half an hour; absent while it is not known what exactly would go.
    package var warrant: String?
    /// The warrant that was handed in.
    package var submitted: WarrantID?
    /// `TerraformLosses.digest`, where `destroys` are objects of Terraform's.
    package var objects: Digest?
    package init(
        step: StepID, title: String, state: String, destroys: [String], obstacles: [Reason], warrant: String?, submitted: WarrantID?,
        objects: Digest? = nil
    ) {
        self.step = step
        self.title = title
        self.state = state
        self.destroys = destroys
        self.obstacles = obstacles
        self.warrant = warrant
        self.submitted = submitted
        self.objects = objects
    }
}

package struct LossesReply: Hashable, Sendable, Codable {
    package var losses: [LossReply]
    package init(losses: [LossReply]) { self.losses = losses }
}

/// `POST /v1/warrants`.
package struct WarrantRequest: Hashable, Sendable, Codable {
    package var step: StepID
    package var envelope: WarrantEnvelope
    package init(step: StepID, envelope: WarrantEnvelope) {
        self.step = step
        self.envelope = envelope
    }
}

/// Whether a node's wiper is armed: `GET /v1/nodes/{node}/arming`, and the answer to `POST /v1/nodes/{node}/arm`.
package struct ArmingReply: Hashable, Sendable, Codable {
    package var node: NodeID
    /// Its replay store; absent while it is disarmed.
    package var store: ReplayStoreMark?
    /// Why nothing is wiped there.
    package var disarmed: String?
    /// The canonical text to sign; absent when it is armed, or while something of it is not known.
    package var text: String?
    package var missing: [String]
    package init(node: NodeID, store: ReplayStoreMark?, disarmed: String?, text: String?, missing: [String]) {
        self.node = node
        self.store = store
        self.disarmed = disarmed
        self.text = text
        self.missing = missing
    }
}

/// `POST /v1/nodes/{node}/arm`.
package struct ArmRequest: Hashable, Sendable, Codable {
    package var envelope: WarrantEnvelope
    package init(envelope: WarrantEnvelope) { self.envelope = envelope }
}

/// `POST /v1/overrides`.
package struct OverrideRequest: Hashable, Sendable, Codable {
    package var step: StepID
    package var gate: GateID
    package var reason: String
    package var life: TimeSpan
    package init(step: StepID, gate: GateID, reason: String, life: TimeSpan) {
        self.step = step
        self.gate = gate
        self.reason = reason
        self.life = life
    }
}

/// `GET /v1/evidence`.
package struct EvidenceReply: Hashable, Sendable, Codable {
    package var evidence: [Evidence]
    package init(evidence: [Evidence]) { self.evidence = evidence }
}

/// The answer to what was done and has nothing to add.
package struct DoneReply: Hashable, Sendable, Codable {
    /// The journal's end: what was asked is durable.
    package var journal: JournalHead
    package init(journal: JournalHead) { self.journal = journal }
}

/// The body of every answer that is not a success.
package struct ErrorReply: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    package struct Body: Hashable, Sendable, Codable {
        /// A short word such as `noSuchStep`.
        package var code: String
        package var message: String
        package var remedy: String?
    }
    package var error: Body
    package init(code: String, message: String, remedy: String? = nil) {
        error = Body(code: code, message: message, remedy: remedy)
    }
    package var description: String { error.message + (error.remedy.map { "; \($0)" } ?? "") }
}
