// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Counts what Hubble sees between two clusters while their connectivity test runs.
package protocol FlowWitness: Sendable {
    /// Begins to count; an earlier count of the same two is given up.
    func begin(_ parties: TestFlows.Parties)
    /// What was seen since `begin`. Waits until every node has spoken of the time after this call, but not for long: who has not spoken then is
    /// named in the answer.
    func end(_ parties: TestFlows.Parties) async throws -> TestFlows
}
