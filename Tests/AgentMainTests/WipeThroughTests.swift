// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import Foundation
import Glibc
import MeshModel
import MeshSystem
import MeshTrust
import Testing

/// The longest way through this half of the product: coordinator, agent process, wiper process, a real block device, a warrant signed by ssh-keygen.
@Suite(.timeLimit(.minutes(2)), .enabled(if: LoopDisk.isPossible, "needs root, losetup, mke2fs and ssh-keygen, to wipe a loop device"))
struct WipeThroughTests {
    @Test("an ext4 on a disk is seen by the coordinator, wiped under a signed warrant once, and not a second time") func wipe() async throws
    {
        let scratch = try Scratch()
        let disk = try LoopDisk(scratch)
        try run("/sbin/mke2fs", "-q", "-t", "ext4", disk.device)
        try run("/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "admin", "-f", scratch.path + "/key")
        let publicKey = try String(contentsOfFile: scratch.path + "/key.pub", encoding: .utf8)
        let signers = try scratch.put("allowed_signers", "admin namespaces=\"meshgate-wipe\" \(publicKey)")
        let (socket, wiperState, nodeKey) = (scratch.path + "/w.sock", scratch.path + "/wiper", scratch.path + "/node-key")
        #expect(try await AgentProgram("wiper", "arm", "--wiper-state", wiperState).ending().code == 0)
        let wiper = try AgentProgram(
            "wiper", "serve", "--node", "wrk-e-1", "--wiper-state", wiperState, "--wiper-socket", socket, "--signers", signers,
            "--node-key",
            nodeKey, "--allow-loop-disks", "--devroot", disk.devroot)
        let coordinator = try TestCoordinator(directory: scratch.path + "/ca")
        let token = try scratch.put("token", try coordinator.token(for: "wrk-e-1"))
        let agent = try AgentProgram(
            "run", "--coordinator", try await coordinator.address(), "--node", "wrk-e-1", "--state", scratch.path + "/state",
            "--join-token-file", token, "--node-key", nodeKey, "--wiper-socket", socket)
        let session = await coordinator.inbox.session()
        while access(socket, F_OK) != 0 { await Task.yield() }

        let (before, armed) = try await inventory(coordinator, session.node, "inventory-1")
        let seen = try #require(before)
        #expect(seen.name == "vdb" && !seen.blank && seen.signatures.contains { $0.kind == "ext4" } && armed?.disarmed == nil)
        let envelope = try warrant(for: seen, armed, session: session, key: scratch.path + "/key")
        let result = try await coordinator.ask(session.node, .wipe(envelope), id: "wipe-1").result
        guard case .wiped(let report) = result else { throw WipeProblem(description: "\(result)") }
        #expect(report.ending == .cleared && report.bytesVerified > 0)
        let (after, mark) = try await inventory(coordinator, session.node, "inventory-2")
        #expect(after?.blank == true && mark?.store?.id == armed?.store?.id && mark?.store?.records == 3)
        let seed = Digest.sha256([9])
        let check = BlanknessCheck(disk: seen.identity, share: 10)
        let proof = try await coordinator.ask(session.node, .probe(.blankness([check], seed: seed)), id: "proof").result
        guard case .facts(let facts) = proof, case .blankness(let fact)? = facts.first else {
            throw WipeProblem(description: "\(proof)")
        }
        // Method labels left what lies between; the proof of a whole disk says where.
        #expect(fact.seed == seed && fact.strata.map(\.name) == ["head", "tail", "labels", "sample"] && !fact.isProof)
        let labels = try await coordinator.ask(
            session.node, .probe(.blankness([BlanknessCheck(disk: seen.identity, share: 0)], seed: seed)), id: "proof-2"
        ).result
        guard case .facts(let second) = labels, case .blankness(let clean)? = second.first else {
            throw WipeProblem(description: "\(labels)")
        }
        #expect(clean.isProof && clean.strata.map(\.name) == ["labels"])
        await #expect(coordinator.inbox.progress.isEmpty == false)
        let again = try await coordinator.ask(session.node, .wipe(envelope), id: "wipe-2").result
        guard case .refused(let refusal) = again else { throw WipeProblem(description: "\(again)") }
        #expect(refusal.code == .warrantDone)

        agent.terminate()
        wiper.terminate()
        #expect(await agent.ending().code == 0)
        #expect(await wiper.ending().code == 0)
        await coordinator.stop()
    }

    private func inventory(_ coordinator: TestCoordinator, _ node: NodeID, _ id: String) async throws -> (DiskFact?, WiperFact?) {
        let result = try await coordinator.ask(node, .probe(.disks), id: id).result
        guard case .facts(let facts) = result else { throw WipeProblem(description: "\(result)") }
        let disk = facts.lazy.compactMap { if case .disk(let disk) = $0 { disk } else { nil } }.first
        return (disk, facts.lazy.compactMap { if case .wiper(let wiper) = $0 { wiper } else { nil } }.first)
    }

    private func warrant(for disk: DiskFact, _ wiper: WiperFact?, session: SessionStatus, key: String) throws -> WarrantEnvelope {
        let now = SystemClock.now().wall
        let terms = WarrantTerms(
            mesh: "lab", id: try #require(WarrantID(try KernelEntropy().hexID())), plan: .sha256([1]), step: StepID("east", "wipe"),
            node: session.node, nodeKey: session.peer.key, boot: session.bootID, store: try #require(wiper?.store),
            disk: disk.identity, holds: WarrantTerms.holds(disk.signatures), fingerprint: try #require(disk.fingerprint), method: .labels,
            notBefore: now, notAfter: now + .seconds(600))
        let file = key + ".warrant"
        try terms.text.write(toFile: file, atomically: true, encoding: .utf8)
        try run("/usr/bin/ssh-keygen", "-q", "-Y", "sign", "-n", WarrantTerms.namespace, "-f", key, file)
        return WarrantEnvelope(text: terms.text, signatures: [try String(contentsOfFile: file + ".sig", encoding: .utf8)])
    }
}

/// A loop device over a sparse file, shown as `vdb` in a device directory of its own; detached with the last reference.
private final class LoopDisk: Sendable {
    static let tools: [String] = ["/sbin/losetup", "/sbin/mke2fs", "/usr/bin/ssh-keygen"]
    static let isPossible = geteuid() == 0 && tools.allSatisfy { access($0, X_OK) == 0 }
    let device: String
    let devroot: String

    init(_ scratch: Scratch) throws {
        let image = try scratch.put("disk.img", "")
        guard truncate(image, 64 << 20) == 0 else { throw WipeProblem(description: "truncate: \(errno)") }
        device = try run("/sbin/losetup", "--find", "--show", image).trimmingCharacters(in: .whitespacesAndNewlines)
        devroot = scratch.path + "/dev"
        try FileManager.default.createDirectory(atPath: devroot, withIntermediateDirectories: true)
        var status = stat()
        guard stat(device, &status) == 0, mknod(devroot + "/vdb", S_IFBLK | 0o600, status.st_rdev) == 0 else {
            throw WipeProblem(description: "mknod: \(errno)")
        }
    }

    deinit { _ = try? run("/sbin/losetup", "--detach", device) }
}

struct WipeProblem: Error, CustomStringConvertible {
    let description: String
}

@discardableResult
private func run(_ program: String, _ arguments: String...) throws -> String {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardOutput = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw WipeProblem(description: "\(program) \(arguments): \(process.terminationStatus)") }
    return String(decoding: data, as: UTF8.self)
}
