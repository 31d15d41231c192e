// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import MeshSystem

/// Gives a node its own view of the machine: /proc of its PID namespace, /sys of its network namespace, and a /dev that holds the usual
/// character devices and its own data disk under the name the guest would give it. Runs inside the node's fresh mount namespace.
struct LabNodeMounts {
    struct Disk {
        /// `vdb`.
        var name: String
        var loop: LabLoop
    }

    let hostname: String
    let disk: Disk?

    func make() throws {
        try check(meshgate_mounts_private(), "make the mounts private", "/")
        try check(meshgate_set_hostname(hostname, hostname.utf8.count), "set the host name", hostname)
        try mount("proc", on: "/proc", flags: UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC))
        try mount("sysfs", on: "/sys", flags: UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC))
        try mount("tmpfs", on: "/dev", flags: UInt(MS_NOSUID), data: "mode=0755,size=1m")
        for (name, major, minor) in [
            ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0),
        ] as [(String, UInt32, UInt32)] {
            try check(meshgate_make_node("/dev/\(name)", 0, 0o666, major, minor), "make a device node", "/dev/\(name)")
        }
        for (name, target) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
            try check(symlink(target, "/dev/\(name)") == 0 ? 0 : -errno, "make a link", "/dev/\(name)")
        }
        try check(mkdir("/dev/shm", 0o1777) == 0 ? 0 : -errno, "make a directory", "/dev/shm")
        if let disk { try show(disk) }
        try showKernel()
    }

    /// The guest's kernel is this machine's own, and is shown as it is but for one option: the Ceph of a lab is a stand-in that maps no block
    /// device, so that a machine without CONFIG_BLK_DEV_RBD can play a storage node. securityfs tells whether the kernel is locked down.
    private func showKernel() throws {
        _ = meshgate_mount("securityfs", "/sys/kernel/security", "securityfs", UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC), nil)
        let packed = "/proc/config.gz"
        if let bytes = LabFiles.bytes(packed), let config = try? Gzip.decompress(bytes, limits: Gzip.Limits(outputBytes: 4 << 20)) {
            try replace(packed, with: Gzip.compress(config + Self.storageOptions))
        } else if let release = LabFiles.text("/proc/sys/kernel/osrelease"), let config = LabFiles.bytes("/boot/config-\(release)") {
            try replace("/boot/config-\(release)", with: config + Self.storageOptions)
        }
    }

    /// Where the copy lies that the node is shown.
    static let kernelConfiguration = "/dev/lab-kernel-config"
    private static let storageOptions = Array("\nCONFIG_BLK_DEV_RBD=y\nCONFIG_CEPH_LIB=y\n".utf8)

    private func replace(_ path: String, with bytes: [UInt8]) throws {
        let copy = Self.kernelConfiguration
        let descriptor = open(copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw LabError.system(doing: "write", on: copy, errno: errno) }
        let written = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
        guard written == bytes.count else { throw LabError.unexpected(doing: "write \(copy)", found: "\(written) of \(bytes.count) bytes") }
        try check(meshgate_mount(copy, path, nil, UInt(MS_BIND), nil), "show another kernel configuration at", path)
    }

    /// The guest sees one disk, `vdb`. In /sys/block a tmpfs of symbolic links hides the loop devices of the other nodes.
    private func show(_ disk: Disk) throws {
        let loop = disk.loop
        try check(meshgate_make_node("/dev/\(disk.name)", 1, 0o660, loop.major, loop.minor), "make a device node", "/dev/\(disk.name)")
        try check(chown("/dev/\(disk.name)", 0, Self.diskGroup) == 0 ? 0 : -errno, "give a device to its group", "/dev/\(disk.name)")
        let real = "/sys/devices/virtual/block/\(loop.name)"
        guard LabFiles.exists(real) else { throw LabError.unexpected(doing: "find the disk in /sys", found: "no \(real)") }
        try mount("tmpfs", on: "/sys/block", flags: UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC), data: "mode=0755,size=64k")
        try check(symlink(real, "/sys/block/\(disk.name)") == 0 ? 0 : -errno, "make a link", "/sys/block/\(disk.name)")
    }

    /// Debian's fixed group id of `disk`.
    private static let diskGroup: gid_t = 6

    private func mount(_ type: String, on target: String, flags: UInt, data: String? = nil) throws {
        try check(meshgate_mount(type, target, type, flags, data), "mount \(type)", target)
    }

    private func check(_ code: Int32, _ doing: String, _ on: String) throws {
        guard code >= 0 else { throw LabError.system(doing: doing, on: on, errno: -code) }
    }
}
