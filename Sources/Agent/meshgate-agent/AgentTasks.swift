// SPDX-License-Identifier: Apache-2.0

import AgentLink
import DiskWipe
import HostProbe
import Logging
import MeshModel

/// Carries out what the coordinator ordered: questions here, by the wiper or by the prober, wipes by the wiper alone. This process never opens
/// a disk, and never a port.
struct AgentTasks: TaskHandler {
    let node: NodeID
    let prober: HostProber
    let wiperSocket: String
    let proberSocket: String
    let log: Logger

    private var frames: VLANProbe { VLANProbe(prober, ProberClient(socketPath: proberSocket)) }

    /// A kernel that gives no news now may give some later.
    private static let pause = Duration.seconds(60)

    /// Links that drop are told at once; all else is asked.
    func watch(_ tell: @escaping @Sendable (ProbeKind, [Fact]) -> Void) async {
        while !Task.isCancelled {
            do {
                try await LinkWatch(prober).run { tell(.links, $0) }
            } catch {
                log.warning("changes of links are not told, only asked", metadata: ["why": "\(error)"])
            }
            // Cancelled: the loop sees it.
            try? await Task.sleep(for: Self.pause)
        }
    }

    func perform(_ task: NodeTask, progress: @escaping @Sendable (TaskProgress) -> Void) async -> TaskReport.Result {
        let disks = DiskFacts(socket: wiperSocket)
        switch task.order {
        case .probe(.disks): return .facts(await disks.forCoordinator())
        case .probe(.blankness(let checks, let seed)): return .facts(await disks.blankness(checks, seed: seed))
        case .probe(.virtualDisks(let serials)):
            // Of other guests' disks the coordinator needs to know nothing.
            let facts = await disks.virtualDisks(serials: serials)
            return .facts(
                facts.filter { if case .virtualDisk(let disk) = $0 { disk.serial.map(serials.contains) ?? false } else { true } })
        case .probe(.hypervisorFiles(let selector)): return .facts(await disks.hypervisorFiles(selector))
        case .probe(.paths(let targets, let tokens)):
            return .facts(await ProberClient(socketPath: proberSocket).answer(targets, tokens: tokens))
        case .probe(.outside(let targets)): return .facts(await ProberClient(socketPath: proberSocket).answer(targets))
        case .probe(.kernel): return .facts(await ProberClient(socketPath: proberSocket).completed(await prober.answer(.kernel)))
        case .probe(.vlans(let targets, let tokens)): return .facts(await frames.answer(targets, tokens: tokens))
        case .probe(let probe): return .facts(await prober.answer(probe))
        case .listen(let window):
            do {
                try await ProberClient(socketPath: proberSocket).listen(window)
                return .facts([])
            } catch {
                return .failed("this node does not answer datagrams: \(error); start meshgate-prober on it")
            }
        case .listenFrames(let window):
            do {
                try await frames.listen(window)
                return .facts([])
            } catch {
                return .failed("this node does not answer frames: \(error); start meshgate-prober on it")
            }
        case .wipe(let envelope):
            return await asking("the wipe's end is not known") { client in
                try await client.wipe(envelope, node: node) { phase, done, total in
                    progress(TaskProgress(task: task.id, phase: phase, done: done, total: total))
                }
            }
        case .arm(let envelope): return await asking("whether the wiper is armed is not known") { try await $0.arm(envelope, node: node) }
        }
    }

    /// A wiper that cannot be asked before it began is a refusal. Once it was asked, only its account or "unknown" is true.
    private func asking(
        _ unknown: String, _ order: (WiperClient) async throws -> TaskReport.Result
    ) async -> TaskReport.Result {
        let client = WiperClient(socketPath: wiperSocket)
        do {
            _ = try await client.status()
        } catch let busy as WiperBusy {
            return .refused(TaskRefusal(.overloaded, busy.description))
        } catch {
            return .refused(TaskRefusal(.unsupported, "this host's wiper cannot be asked: \(error)"))
        }
        do {
            return try await order(client)
        } catch {
            return .failed("\(unknown): \(error); look at the host before anything else")
        }
    }
}
