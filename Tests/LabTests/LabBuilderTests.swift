// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Testing

@testable import Lab

@Suite("A real lab", .serialized, .enabled(if: RealLab.isPossible, "needs root, the lab's tools and the built meshgate"))
struct LabBuilderTests {
    private let directory: Scratch

    init() throws { directory = try Scratch() }

    /// A lab that is gone afterwards, whatever happened.
    private func withLab(_ contents: [LabPlan.DiskContent] = [], _ body: (RealLab) async throws -> Void) async throws {
        let lab = try RealLab(directory, contents: contents)
        try await lab.builder.up()
        do {
            try await body(lab)
        } catch {
            try await RealLab.down()
            throw error
        }
        try await RealLab.down()
        #expect(RealLab.traces(directory) == [])
    }

    @Test("nodes reach each other across clusters and the coordinator, each with a host name, processes and disk of its own")
    func whole() async throws {
        try await withLab { lab in
            let west = try lab.node("wrk-w-1")
            #expect(try await lab.run(in: "wrk-e-1", "ping", "-c1", "-W2", west.address.description).succeeded)
            #expect(try await lab.run(in: "wrk-e-1", "ping", "-c1", "-W2", lab.builder.topology.coordinator.description).succeeded)
            #expect(try await lab.run(in: "wrk-e-1", "hostname").outputText == "wrk-e-1\n")
            #expect(try await lab.run(in: "wrk-e-1", "ls", "/sys/block").outputText == "vdb\n")
            #expect(try await lab.run(in: "wrk-e-1", "cat", "/sys/block/vdb/loop/backing_file").outputText.hasSuffix("/wrk-e-1-data.img\n"))
            #expect(try await lab.run(in: "cp-e-1", "test", "-e", "/dev/vdb").succeeded == false)
            let processes = try await lab.run(in: "wrk-e-1", "ls", "/proc").outputText.split(separator: "\n").filter { Int32($0) != nil }
            #expect(processes.count == 2, "its first process and ls")
            #expect(try await lab.run(in: "wrk-e-1", "sh", "-c", "exit 7").exit == .exited(7))
        }
    }

    @Test("ports listen as on a Talos node with Cilium; the NodePort only while clustermesh is enabled")
    func ports() async throws {
        try await withLab { lab in
            let (cp, worker) = (try lab.node("cp-w-1"), try lab.node("wrk-w-1"))
            let west = try lab.builder.topology.cluster(of: cp)
            for (address, port, wanted) in [
                (cp.address, 6443, true), (west.endpoint, 6443, true), (cp.address, 50000, true), (worker.address, 4240, true),
                (worker.address, 6443, false), (worker.address, west.nodePort, false),
            ] {
                #expect(try await lab.connects(from: "wrk-e-2", to: address, port: port) == wanted, "\(address):\(port)")
            }
            try LabFiles.makePath(lab.builder.paths.world(of: west))
            try LabWorldFixture.enableClustermesh(lab.builder.paths.world(of: west))
            // The node looks once in a tenth of a second; each refused attempt of ours takes longer than that.
            var reached = false
            for _ in 0..<50 where !reached { reached = try await lab.connects(from: "wrk-e-2", to: worker.address, port: west.nodePort) }
            #expect(reached)
        }
    }

    @Test("a lost VLAN cuts the cluster's network both ways, leaves the management wire, counts frames, and is repaired")
    func lostVLAN() async throws {
        try await withLab { lab in
            let node = try lab.node("wrk-w-2")
            let fault = LabFault(lab.builder.topology, runner: ProcessCommandRunner())
            #expect(try await lab.connects(from: "wrk-e-1", to: node.address, port: 4240))
            try await fault.dropVLAN(of: node)
            try await fault.dropVLAN(of: node)
            #expect(try await lab.connects(from: "wrk-e-1", to: node.address, port: 4240) == false)
            #expect(try await lab.connects(from: "wrk-w-2", to: try lab.node("cp-w-1").address, port: 6443) == false)
            #expect(try await lab.run(in: "wrk-w-2", "ping", "-c1", "-W2", lab.builder.topology.coordinator.description).succeeded)
            #expect(try await fault.droppedFrames(of: node) ?? 0 > 0)
            try await fault.repairVLAN(of: node)
            try await fault.repairVLAN(of: node)
            #expect(try await lab.connects(from: "wrk-e-1", to: node.address, port: 4240))
            #expect(try await fault.droppedFrames(of: node) == nil)
        }
    }

    @Test("what an earlier life left is on /dev/vdb inside the node, and what the node clears is cleared on the image")
    func dirtyDisks() async throws {
        let names = ["wrk-e-1", "wrk-e-2", "wrk-w-1", "wrk-w-2"]
        let kinds: [LabPlan.DiskContent.Kind] = [.bluestore, .lvm, .ext4, .blank]
        let contents = try zip(names, kinds).map { LabPlan.DiskContent(node: try #require(NodeID($0)), kind: $1) }
        try await withLab(contents) { lab in
            func bytes(_ node: String, _ offset: Int, _ count: Int) async throws -> String {
                let read = ["skip=\(offset)", "count=\(count)", "bs=64k", "iflag=skip_bytes,count_bytes", "status=none"]
                return try await lab.run(in: node, "dd", "if=/dev/vdb", read[0], read[1], read[2], read[3], read[4]).outputText
            }
            for offset in [0, 1 << 30, 10 << 30] { #expect(try await bytes("wrk-e-1", offset, 22) == "bluestore block device") }
            #expect(try await bytes("wrk-e-2", 0x218, 8) == "LVM2 001")
            #expect(try await bytes("wrk-w-1", 0x478, 8) == "old-data")
            #expect(try await bytes("wrk-w-2", 0, 4096).utf8.allSatisfy { $0 == 0 })
            let image = lab.builder.paths.image(try #require(try lab.node("wrk-e-1").disk))
            #expect(BlueStoreLabel.isGenuine(try LabDisks.block(of: image, at: 10 << 30)))
            let clear = try await lab.run(
                in: "wrk-e-1", "dd", "if=/dev/zero", "of=/dev/vdb", "bs=4096", "count=1", "seek=\(10 << 18)", "conv=fsync", "status=none")
            #expect(clear.succeeded)
            #expect(try LabDisks.block(of: image, at: 10 << 30).allSatisfy { $0 == 0 })
        }
    }

    @Test("down twice is fine, and a second lab under the same prefix is refused")
    func twice() async throws {
        try await withLab { _ in
            let other = try Scratch()
            await #expect(throws: LabError.self) { try await RealLab(other).builder.up() }
            #expect(RealLab.traces(directory).isEmpty == false)
        }
        #expect(try await LabBuilder.down(prefix: RealLab.prefix) == false)
    }

    @Test("what somebody else made under our names is neither used nor removed")
    func foreign() async throws {
        let tools = LabTools(runner: ProcessCommandRunner())
        let name = RealLab.prefix + "-fabric"
        try await tools.run("ip", ["netns", "add", name])
        await #expect(throws: LabError.self) { try await RealLab(directory).builder.up() }
        #expect(LabFiles.exists("/run/netns/\(name)"))
        #expect(try await LabBuilder.down(prefix: RealLab.prefix) == false)
        try await tools.run("ip", ["netns", "delete", name])
        #expect(RealLab.traces(directory) == [])
    }

    @Test("killed before any of its commands, down still finds and removes all of it", arguments: [1, 2, 4, 5, 9, 11, 12, 15, 19])
    func killed(at count: Int) async throws {
        let lab = try RealLab(directory, runner: DyingRunner(after: count))
        await #expect(throws: (any Error).self) { try await lab.builder.up() }
        #expect(RealLab.traces(directory).isEmpty == false)
        try await RealLab.down()
        #expect(RealLab.traces(directory) == [])
    }

    @Test("interrupted while it is built, a lab takes itself down again")
    func interrupted() async throws {
        let lab = try RealLab(directory)
        let building = Task { try await lab.builder.up() }
        let deadline = ContinuousClock().now.advanced(by: .seconds(10))
        while LabLedger.current(RealLab.prefix)?.namespaces.isEmpty ?? true, ContinuousClock().now < deadline { await Task.yield() }
        building.cancel()
        await #expect(throws: CancellationError.self) { try await building.value }
        #expect(RealLab.traces(directory) == [])
    }

    @Test("an agent's clock can be wrong while its boot clock is right", .enabled(if: LabPreflight.fakeTimeLibrary != nil))
    func skew() async throws {
        try await withLab { lab in
            let skew = try LabClockSkew.environment(seconds: 120)
            let settings = skew.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            let result = try await ProcessCommandRunner().run(
                Invocation(
                    RealLab.program,
                    ["lab", "enter", "--prefix", RealLab.prefix, "--node", "wrk-e-1", "--", "env"] + settings + ["date", "+%s"],
                    environment: LabTools.environment, deadline: .seconds(20)))
            let shown = try #require(Int64(result.outputText.dropLast()))
            #expect((118...125).contains(shown - SystemClock.now().wall.seconds))
        }
    }
}

/// Works until it has run some commands, then every call fails: what a kill leaves, seen from outside.
actor DyingRunner: CommandRunner {
    struct Dead: Error {}
    private var left: Int
    init(after count: Int) { left = count }

    func run(_ invocation: Invocation, onOutput: OutputObserver?) async throws -> CommandResult {
        guard left > 0 else { throw Dead() }
        left -= 1
        return try await ProcessCommandRunner().run(invocation, onOutput: onOutput)
    }
}

/// Plays the stand-in `cilium clustermesh enable`.
enum LabWorldFixture {
    static func enableClustermesh(_ directory: String) throws { try LabFiles.write("", to: directory + "/clustermesh-enabled") }
}
