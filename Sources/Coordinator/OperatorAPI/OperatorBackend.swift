// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Who asks, and what they may do.
package struct Caller: Hashable, Sendable {
    package enum Role: String, Hashable, Sendable { case admin, viewer }
    /// For the journal: an operator's certificate name, or `uid 1000` on the Unix socket.
    package var name: String
    package var role: Role
    package init(name: String, role: Role) {
        self.name = name
        self.role = role
    }
}

/// A refusal with the HTTP status it becomes.
package struct BackendRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Int, Hashable, Sendable {
        case badRequest = 400
        case forbidden = 403
        case notFound = 404
        case conflict = 409
        case unavailable = 503
    }
    package var kind: Kind
    package var reply: ErrorReply
    package init(_ kind: Kind, code: String, _ message: String, remedy: String? = nil) {
        self.kind = kind
        reply = ErrorReply(code: code, message: message, remedy: remedy)
    }
    package var description: String { reply.description }
}

/// What the admin surface asks of the coordinator; main implements it. A refusal is thrown as `BackendRefusal`.
package protocol OperatorBackend: Sendable {
    func status() async throws -> StatusReply
    func nodes() async throws -> NodesReply
    /// The server has compared the digest with the body before it asks.
    func apply(_ request: ApplyRequest, by caller: Caller) async throws -> ApplyReply
    func stop(by caller: Caller) async throws -> DoneReply
    func explain(_ step: StepID) async throws -> ExplainReply
    func invite(_ node: NodeID, _ request: InviteRequest, by caller: Caller) async throws -> InviteReply
    func revoke(_ node: NodeID, _ request: RevokeRequest, by caller: Caller) async throws -> RevokeReply
    /// Asks the node's wiper whether it is armed, and writes what a person must sign to arm it.
    func arming(_ node: NodeID) async throws -> ArmingReply
    /// Hands a signed message to the node's wiper and waits for its answer.
    func arm(_ node: NodeID, _ request: ArmRequest, by caller: Caller) async throws -> ArmingReply
    /// Puts the questions of one topic to the node, and to its hypervisor where the plan wants that, and waits for the answers. Changes nothing.
    func check(_ node: NodeID, _ request: CheckRequest) async throws -> CheckReply
    func wipes() async throws -> WipesReply
    /// What a teardown would destroy, and the texts that permit it.
    func losses() async throws -> LossesReply
    /// What the plan would destroy if it were begun now. Changes nothing, and may take as long as Terraform takes to plan.
    func preview(_ request: ApplyRequest) async throws -> LossesReply
    func submit(_ request: WarrantRequest, by caller: Caller) async throws -> DoneReply
    func override(_ request: OverrideRequest, by caller: Caller) async throws -> DoneReply
    /// All evidence, or that about one subject (`node NAME`, `cluster NAME`, `mesh`).
    func evidence(about subject: String?) async throws -> EvidenceReply
    /// What became of all telemetry.
    func books() async throws -> BooksReply
    /// The Prometheus page.
    func metrics() async -> String
    /// Healthy, or why not.
    func health() async -> (healthy: Bool, text: String)
}
