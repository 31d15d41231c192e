// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshModel
import MeshSystem
import Testing

@testable import HostProbe

/// A directory that plays /, filled file by file and removed with the last reference.
final class FakeRoot: Sendable {
    let path = NSTemporaryDirectory() + "hostprobe-\(UUID().uuidString)"

    init(_ files: [String: String]) throws {
        for (name, content) in files { try put(name, Array(content.utf8)) }
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func put(_ name: String, _ content: [UInt8]) throws {
        let file = URL(fileURLWithPath: path + "/" + name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(content).write(to: file)
    }

    var prober: HostProber {
        let moment = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 90_500)
        return HostProber(
            sysroot: path + "/sys", procroot: path + "/proc", bootroot: path + "/boot", moduleroot: path + "/lib/modules",
            etcroot: path + "/etc", agentVersion: "1.2.3"
        ) { moment }
    }
}

@Suite struct KernelTests {
    static let release = ["proc/sys/kernel/osrelease": "6.18.0-talos\n"]
    static let config = "# CONFIG_NET_CLS_BPF is not set\nCONFIG_BPF=y\nCONFIG_VXLAN=m\nCONFIG_OTHER=y\nCONFIG_BPF_JIT=\nCONFIG_CGROUPS\n"

    private func kernel(_ root: FakeRoot) async throws -> KernelFact {
        let facts = await root.prober.answer(.kernel)
        guard facts.count == 1, case .kernel(let fact) = facts[0] else { throw ShellFailure(description: "\(facts)") }
        return fact
    }

    @Test("a packed configuration is read and every wanted option has an answer") func packed() async throws {
        let root = try FakeRoot(Self.release)
        try root.put("proc/config.gz", try Gzip.compress(Array(Self.config.utf8)))
        let fact = try await kernel(root)
        #expect(fact.release == "6.18.0-talos")
        #expect(fact.optionsFrom == root.path + "/proc/config.gz")
        #expect(Set(fact.options.keys) == KernelOptions.wanted)
        #expect(fact.options.filter { $0.value != .absent } == ["BPF": .builtIn, "VXLAN": .module])
        #expect(!fact.btf && !fact.bpffs && !fact.cgroup2)
        #expect(fact.lockdown == nil && fact.loadedModules.isEmpty)
    }

    @Test("without a packed configuration the one in /boot counts, and without either nothing is claimed") func fallback() async throws {
        let root = try FakeRoot(Self.release.merging(["boot/config-6.18.0-talos": Self.config]) { $1 })
        #expect(try await kernel(root).options["BPF"] == .builtIn)
        #expect(try await kernel(root).optionsFrom == root.path + "/boot/config-6.18.0-talos")
        let bare = try await kernel(try FakeRoot(Self.release))
        #expect(bare.options.isEmpty && bare.optionsFrom == nil)
    }

    @Test("btf, mounts, lockdown and modules are seen") func surroundings() async throws {
        let root = try FakeRoot(
            Self.release.merging([
                "sys/kernel/btf/vmlinux": "x", "sys/kernel/security/lockdown": "none [integrity] confidentiality\n",
                "proc/modules": "rbd 118784 0 - Live 0x0\nceph 421888 1 rbd, Live 0x0\n",
                "proc/self/mountinfo": """
                25 1 0:22 / /sys/fs/cgroup rw,nosuid shared:4 master:1 - cgroup2 cgroup rw
                26 1 0:23 / /sys/fs/bpf rw - bpf bpf rw,mode=700
                broken line
                27 1 0:24 / /mnt/a\\040b rw -

                """,
            ]) { $1 })
        let fact = try await kernel(root)
        #expect(fact.btf && fact.bpffs && fact.cgroup2)
        #expect(fact.lockdown == "integrity")
        #expect(fact.loadedModules == ["ceph", "rbd"])
    }

    @Test("what tracing and storage services ask for is seen, and what cannot be seen is not claimed") func servicesGround() async throws {
        let bare = try await kernel(try FakeRoot(Self.release))
        #expect(bare.tracefs == false && bare.loadableModules == nil && bare.lockdown == nil)
        let root = try FakeRoot(
            Self.release.merging([
                "proc/filesystems": "nodev\tsysfs\nnodev\ttracefs\n\text4\n", "sys/kernel/security/lsm": "capability,yama",
                "lib/modules/6.18.0-talos/modules.dep":
                    "kernel/drivers/block/rbd.ko.xz: kernel/net/ceph/libceph.ko.xz\nkernel/drivers/block/loop.ko:\n",
                "lib/modules/6.18.0-talos/modules.builtin": "kernel/fs/ceph/ceph.ko\n",
            ]) { $1 })
        let fact = try await kernel(root)
        #expect(fact.tracefs == true)
        #expect(fact.loadableModules == ["ceph", "rbd"])
        // securityfs is there and lists no lockdown: this kernel has none.
        #expect(fact.lockdown == "none")
    }

    @Test("a decompression bomb in place of the configuration is an unavailable fact") func bomb() async throws {
        let root = try FakeRoot(Self.release)
        try root.put("proc/config.gz", try Gzip.compress([UInt8](repeating: 0, count: 8 << 20), level: 9))
        let facts = await root.prober.answer(.kernel)
        guard case .unavailable(let text) = facts.first else { throw ShellFailure(description: "\(facts)") }
        #expect(text.contains("cannot read the kernel configuration from \(root.path)/proc/config.gz"))
    }

    @Test("a kernel without a release says where it was looked for") func noRelease() async throws {
        let root = try FakeRoot([:])
        let wanted = "cannot read the kernel release from \(root.path)/proc/sys/kernel/osrelease: No such file or directory"
        #expect(await root.prober.answer(.kernel) == [.unavailable(wanted)])
    }

    @Test("host facts come from the files, the uptime from the boot clock") func host() async throws {
        let boot = "8f9d1c8a-0000-4000-8000-1234567890ab"
        let root = try FakeRoot(
            Self.release.merging(["proc/sys/kernel/random/boot_id": boot + "\n", "proc/sys/kernel/hostname": "wrk-e-1\n"]) { $1 })
        let facts = await root.prober.answer(.host)
        guard case .host(let fact) = facts.first else { throw ShellFailure(description: "\(facts)") }
        #expect(fact.hostname == "wrk-e-1" && fact.bootID.text == boot && fact.kernelRelease == "6.18.0-talos")
        #expect(fact.uptime == TimeSpan(.milliseconds(90_500)) && fact.agentVersion == "1.2.3")
        try root.put("proc/sys/kernel/random/boot_id", Array("not an id\n".utf8))
        #expect(await root.prober.answer(.host).first.map { if case .unavailable = $0 { true } else { false } } == true)
    }

    @Test("this machine answers for itself") func live() async throws {
        let prober = HostProber(agentVersion: "1.2.3")
        let facts = await prober.answer(.host) + prober.answer(.kernel)
        guard facts.count == 2, case .host(let host) = facts[0], case .kernel(let kernel) = facts[1] else {
            throw ShellFailure(description: "\(facts)")
        }
        let release = try shell("uname -r").trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(host.bootID == (try SystemClock.bootID()))
        #expect(host.kernelRelease == release && kernel.release == release)
        #expect(host.machine == (try shell("uname -m")).trimmingCharacters(in: .whitespacesAndNewlines))
        if kernel.optionsFrom != nil { #expect(kernel.options.values.contains(.builtIn)) }
    }

    @Test("a clock answer holds the asked time, and two times of ours in order") func clock() async throws {
        let asked = Timestamp(seconds: 1_700_000_000)
        let facts = await HostProber(agentVersion: "1").answer(.clock(asked: asked))
        guard case .clock(let fact) = facts.first else { throw ShellFailure(description: "\(facts)") }
        #expect(fact.asked == asked && fact.received > asked && fact.replied >= fact.received && fact.arrived == nil)
        #expect(fact.synchronised != nil)
    }

    @Test("disks are somebody else's") func disks() async {
        let facts = await HostProber(agentVersion: "1").answer(.disks)
        #expect(facts == [.unavailable("cannot tell about disks: that is answered by the wiper, which alone may open them")])
    }
}
