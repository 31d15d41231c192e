// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import Planning

/// The append-only truth on disk.
package protocol Journal: Sendable {
    /// Makes all entries durable together, or throws; after a throw nothing of the journal may be believed until it is reopened.
    func append(_ entries: [JournalEntry], at: Moment) async throws -> JournalHead
    /// Every record in order, the chain checked; a break is thrown with its place.
    func replay(_ body: (JournalRecord) throws -> Void) async throws
    /// The hash at `sequence`, or `nil` when the journal does not reach that far.
    func hash(at sequence: UInt64) async throws -> Digest?
}

/// Whoever acts: drivers and the fleet. Neither call waits for the work to end; what came of it returns as an `Input`.
package protocol Hands: Sendable {
    /// Carries `step` out. The same step and attempt again (after a restart) is the same order.
    func begin(_ step: Step, attempt: Int, warrant: WarrantEnvelope?, context: HandsContext) async
    /// Asks for evidence.
    func observe(_ orders: [ProbeOrder], context: HandsContext) async
}

/// What every order carries.
package struct HandsContext: Sendable {
    package var plan: Plan
    package var run: RunID
    package var epoch: Generation
    package var now: Moment
    package init(plan: Plan, run: RunID, epoch: Generation, now: Moment) {
        self.plan = plan
        self.run = run
        self.epoch = epoch
        self.now = now
    }
}
