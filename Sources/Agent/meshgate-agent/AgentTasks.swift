// SPDX-License-Identifier: Apache-2.0

import AgentLink
import DiskWipe
import HostProbe
import MeshModel

/// Carries out what the coordinator ordered: questions here or by the wiper, wipes by the wiper alone. This process never opens a disk.
struct AgentTasks: TaskHandler {
    let node: NodeID
    let prober: HostProber
    let wiperSocket: String

    func perform(_ task: NodeTask) async -> TaskReport.Result {
        switch task.order {
        case .probe(.disks): .facts(await DiskFacts(socket: wiperSocket).forCoordinator())
        case .probe(let probe): .facts(await prober.answer(probe))
        case .wipe(let envelope): await wipe(envelope)
        }
    }

    /// A wiper that cannot be asked before it began is a refusal. Once it was asked, only its account or "unknown" is true.
    private func wipe(_ envelope: WarrantEnvelope) async -> TaskReport.Result {
        let client = WiperClient(socketPath: wiperSocket)
        do {
            _ = try await client.status()
        } catch {
            return .refused(TaskRefusal(.unsupported, "this host's wiper cannot be asked: \(error)"))
        }
        do {
            return try await client.wipe(envelope, node: node)
        } catch {
            return .failed("the wipe's end is not known: \(error); look at the disk before anything else")
        }
    }
}
