// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
import MeshModel
import MeshSystem

extension HostProber {
    /// Who this machine is. The uptime is the boot clock's, which also counts sleep.
    func hostFact() throws -> HostFact {
        let bootPath = "\(procroot)/sys/kernel/random/boot_id"
        let bootText = try word("the boot id", bootPath)
        guard let bootID = BootID(bootText) else {
            throw HostProbeError.unexpected(what: "the boot id", path: bootPath, found: bootText, wanted: BootID.grammar)
        }
        return HostFact(
            hostname: try word("the host name", "\(procroot)/sys/kernel/hostname"), bootID: bootID,
            uptime: TimeSpan(.milliseconds(now().boot)), kernelRelease: try kernelRelease(), machine: Self.machine(),
            agentVersion: agentVersion)
    }

    func kernelRelease() throws -> String { try word("the kernel release", "\(procroot)/sys/kernel/osrelease") }

    /// A short file's content without the white space around it.
    func word(_ what: String, _ path: String) throws -> String {
        guard let bytes = try bytes(what, path, limit: 4096) else {
            throw HostProbeError.cannotRead(what: what, path: path, cause: words(ENOENT))
        }
        let text = bytes.drop { $0 <= 0x20 }.reversed().drop { $0 <= 0x20 }.reversed()
        guard !text.isEmpty else { throw HostProbeError.unexpected(what: what, path: path, found: "", wanted: "a word") }
        return String(decoding: Array(text), as: UTF8.self)
    }

    /// A file's content; `nil` when there is no such file.
    func bytes(_ what: String, _ path: String, limit: Int) throws -> [UInt8]? {
        do {
            return try LinuxFileStore().read(path, limit: limit)
        } catch {
            throw HostProbeError.cannotRead(what: what, path: path, cause: String(describing: error))
        }
    }

    private static func machine() -> String {
        var names = utsname()
        guard uname(&names) == 0 else { return "unknown" }
        return withUnsafeBytes(of: &names.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

/// What the kernel says about its own clock.
enum KernelClock {
    /// Whether something keeps the clock in step with the world; `nil` when the kernel does not say.
    static func synchronised() -> Bool? {
        let answer = meshgate_clock_synchronised()
        return answer < 0 ? nil : answer == 1
    }
}
