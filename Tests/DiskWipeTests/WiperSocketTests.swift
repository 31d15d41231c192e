// SPDX-License-Identifier: Apache-2.0

import Glibc
import LocalLink
import MeshModel
import MeshSystem
import Synchronization
import Testing

@testable import DiskWipe

@Suite("wiper socket", .serialized)
struct WiperSocketTests {
    /// A server on a private directory, without disks unless there is a bench; ended and awaited at the end.
    private func serving(
        _ change: (inout WiperConfiguration) -> Void = { _ in }, _ body: (WiperConfiguration) async throws -> Void
    ) async throws {
        let directory = "/tmp/meshgate-sock-\(try KernelEntropy().hexID(byteCount: 6))"
        try LinuxFileStore().createDirectory("\(directory)/dev")
        var configuration = Bench.configuration(directory)
        change(&configuration)
        let server = try WiperServer(configuration: configuration, boot: try SystemClock.bootID())
        async let running: Void = server.run()
        do {
            try await body(configuration)
        } catch {
            server.stop()
            throw error
        }
        server.stop()
        try await running
        #expect(access(configuration.socketPath, F_OK) != 0)
        _ = try await ProcessCommandRunner().run(Invocation("rm", ["-rf", directory], deadline: .seconds(10)))
    }

    @Test("inventory and status are answered, disarmed too, and the socket is for its owner alone")
    func answers() async throws {
        try await serving { configuration in
            let client = WiperClient(socketPath: configuration.socketPath)
            let facts = try await client.inventory()
            guard case .wiper(let wiper)? = facts.first, facts.count == 1 else { return #expect(Bool(false), "\(facts)") }
            #expect(wiper.store == nil && wiper.disarmed?.contains("wipe arm NODE") == true && wiper.challenge != nil)
            let status = try await client.status()
            #expect(status.disarmedBecause?.contains("wipe arm NODE") == true && status.claims.isEmpty)
            var info = stat()
            #expect(lstat(configuration.socketPath, &info) == 0 && info.st_mode & 0o777 == 0o600)
        }
    }

    @Test(
        "what a Proxmox host has written down is answered to the one who asked, and of others' machines nothing; elsewhere it is said why not"
    )
    func hypervisorFiles() async throws {
        let directory = try ProxmoxDirectory()
        try await serving({ $0.hypervisorRoot = directory.path }) { configuration in
            let client = WiperClient(socketPath: configuration.socketPath)
            let facts = try await client.hypervisorFiles(GuestSelector(names: ["wrk-e-1"]))
            guard case .hypervisorFiles(let host)? = facts.first, facts.count == 1 else { return #expect(Bool(false), "\(facts)") }
            #expect(host.guests.map(\.vmid) == [101] && host.neighbours.isEmpty)
        }
        withExtendedLifetime(directory) {}
        try await serving({ $0.hypervisorRoot = "/nonexistent" }) { configuration in
            let error = await #expect(throws: LocalLinkError.self) {
                try await WiperClient(socketPath: configuration.socketPath).hypervisorFiles(GuestSelector())
            }
            #expect("\(error.map(String.init(describing:)) ?? "")".contains("is this a Proxmox host?"))
        }
    }

    @Test("an order for another node, and one without a warrant, are refused")
    func refusals() async throws {
        try await serving { configuration in
            let client = WiperClient(socketPath: configuration.socketPath)
            let empty = WarrantEnvelope(text: "", signatures: [])
            guard case .refused(let other) = try await client.wipe(empty, node: try #require(NodeID("elsewhere"))) else {
                return #expect(Bool(false))
            }
            #expect(other.code == .wrongNode)
            guard case .refused(let missing) = try await client.wipe(empty, node: Bench.node) else { return #expect(Bool(false)) }
            #expect(missing.code == .warrantMissing)
        }
    }

    @Test("a user who is not on the list gets no answer")
    func strangers() async throws {
        try await serving({ $0.allowedUsers = [geteuid() + 1] }) { configuration in
            await #expect(throws: LocalLinkError.self) { try await WiperClient(socketPath: configuration.socketPath).status() }
        }
    }

    @Test("no wiper there is told as such")
    func nobody() async throws {
        await #expect(throws: LocalLinkError.self) { try await WiperClient(socketPath: "/tmp/meshgate-none.sock").status() }
        await #expect(throws: LocalLinkError.socketPath("relative")) { try await WiperClient(socketPath: "relative").status() }
    }

    @Test("frames of garbage, of any length, cut or too long, leave the server answering the next")
    func fuzz() async throws {
        try await serving { configuration in
            var random = SeededGenerator(seed: 3)
            for round in 0..<300 {
                let socket = try LocalSocket.connect(configuration.socketPath, to: "wiper")
                var frame = (0..<Int.random(in: 0...64, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
                switch round % 4 {
                case 0: frame = [0, 0, 0, UInt8(frame.count)] + frame
                case 1: frame = [0, 4, 0, 1] + frame
                case 2: frame = [0, 0, 0, 6] + Array("{\"a\":{".utf8)
                default: break
                }
                _ = frame.withUnsafeBytes { Glibc.send(socket.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                shutdown(socket.descriptor, Int32(SHUT_WR))
                _ = try? socket.receive(WiperResponse.self, patience: .seconds(5))
            }
            #expect(try await WiperClient(socketPath: configuration.socketPath).inventory().count == 1)
        }
    }

    @Test("a wiper with as many requests as it takes refuses an order without having looked at it, so that it is sent again")
    func overloaded() async throws {
        try await serving { configuration in
            let waiting = try (0..<32).map { _ in try LocalSocket.connect(configuration.socketPath, to: "wiper") }
            let client = WiperClient(socketPath: configuration.socketPath)
            // Taken in the order in which they came; before the last of those is taken, ours is not looked at.
            let envelope = WarrantEnvelope(text: String(repeating: "x", count: 100_000), signatures: ["y"])
            for result in [try await client.wipe(envelope, node: Bench.node), try await client.arm(envelope, node: Bench.node)] {
                guard case .refused(let refusal) = result else { return #expect(Bool(false), "\(result)") }
                #expect(refusal.code == .overloaded && refusal.detail.contains("busy with 32 requests"))
            }
            await #expect(throws: WiperBusy.self) { try await client.status() }
            for socket in waiting { shutdown(socket.descriptor, Int32(SHUT_RDWR)) }
        }
    }

    @Test("a caller who says nothing is borne for a while and holds up nobody")
    func silence() async throws {
        try await serving { configuration in
            let silent = try (0..<5).map { _ in try LocalSocket.connect(configuration.socketPath, to: "wiper") }
            #expect(try await WiperClient(socketPath: configuration.socketPath).inventory().count == 1)
            for socket in silent { shutdown(socket.descriptor, Int32(SHUT_RDWR)) }
        }
    }

    @Test("a whole wipe through the socket, with progress, and again refused", .enabled(if: Bench.possible, Bench.why))
    func wipe() async throws {
        try await Bench.with { bench in
            let disk = try await bench.disk(size: 64 << 20)
            try bench.plant(BlueStoreLabel.encode(Bench.label()), at: 0, on: disk)
            let server = try WiperServer(configuration: bench.configuration, boot: bench.boot)
            async let running: Void = server.run()
            let client = WiperClient(socketPath: bench.configuration.socketPath)
            let envelope = try await bench.sign(try bench.terms(for: try #require(disks(try await client.inventory()).first)))
            let said = Mutex<[UInt64]>([])
            let report = try Bench.report(
                try await client.wipe(envelope, node: Bench.node) { _, bytes, _ in said.withLock { $0.append(bytes) } })
            #expect(report.ending == .cleared && !said.withLock { $0 }.isEmpty)
            guard case .refused(let refusal) = try await client.wipe(envelope, node: Bench.node) else { return #expect(Bool(false)) }
            #expect(refusal.code == .warrantDone)
            #expect(try await client.status().claims == [WiperStatus.Claim(warrant: report.warrant, fate: .done)])
            server.stop()
            try await running
        }
    }

    @Test(
        "stopped in the middle of a wipe, the server ends only when the wipe is recorded and told", .enabled(if: Bench.possible, Bench.why))
    func stopped() async throws {
        try await Bench.with { bench in
            _ = try await bench.disk(size: 4 << 30)
            let server = try WiperServer(configuration: bench.configuration, boot: bench.boot)
            async let running: Void = server.run()
            let client = WiperClient(socketPath: bench.configuration.socketPath)
            let envelope = try await bench.sign(
                try bench.terms(for: try #require(disks(try await client.inventory()).first), method: .zero))
            let report = try Bench.report(try await client.wipe(envelope, node: Bench.node) { _, _, _ in server.stop() })
            #expect(report.ending == .interrupted)
            try await running
            #expect(
                server.status.claims == [WiperStatus.Claim(warrant: report.warrant, fate: .interrupted(afterBytes: report.bytesWritten))])
        }
    }

    private func disks(_ facts: [Fact]) -> [DiskFact] { facts.compactMap { if case .disk(let disk) = $0 { disk } else { nil } } }
}
