// SPDX-License-Identifier: Apache-2.0

import DiskWipe
import Glibc
import MeshModel
import MeshSystem

/// The disks of this host.
struct DiskFacts {
    let socket: String

    /// What the wiper says; this process has no devices.
    func forCoordinator() async -> [Fact] { await told { try await $0.inventory() } }

    /// Whether what was wiped reads as zero where the seed says.
    func blankness(_ checks: [BlanknessCheck], seed: Digest) async -> [Fact] { await told { try await $0.blankness(checks, seed: seed) } }

    /// The disks of this hypervisor's guests.
    func virtualDisks(serials: [String]) async -> [Fact] { await told { try await $0.virtualDisks(serials: serials) } }

    /// What this hypervisor has written down of itself, and of the machines that are selected.
    func hypervisorFiles(_ selector: GuestSelector) async -> [Fact] {
        await told(about: "the guests") { try await $0.hypervisorFiles(selector) }
    }

    private func told(about subject: String = "the disks", _ ask: (WiperClient) async throws -> [Fact]) async -> [Fact] {
        do {
            return try await ask(WiperClient(socketPath: socket))
        } catch {
            return [.unavailable("cannot tell about \(subject): \(error)")]
        }
    }

    /// The same for a person at the host, who may also be there before any wiper runs: without its socket the disks are read here.
    func forPeople() async -> [Fact] {
        guard access(socket, F_OK) != 0 else { return await forCoordinator() }
        do {
            return try await OwnThread.run(named: "disks") { try DiskInventory().disks().map(Fact.disk) }
        } catch {
            return [.unavailable("cannot tell about the disks: \(error)")]
        }
    }
}
