// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import MeshSystem

/// Answers read-only questions about this machine: who it is, its links and routes, what it can reach, its clock and its kernel.
/// It needs no privilege. What could not be read becomes `Fact.unavailable` with the reason, which satisfies no gate.
package struct HostProber: Sendable {
    let sysroot: String
    let procroot: String
    let bootroot: String
    let moduleroot: String
    let etcroot: String
    let agentVersion: String
    let now: NowSource

    /// The roots are where /sys, /proc, /boot, /lib/modules and /etc are seen; tests hand in others.
    package init(
        sysroot: String = "/sys", procroot: String = "/proc", bootroot: String = "/boot",
        moduleroot: String = "/lib/modules", etcroot: String = "/etc", agentVersion: String, now: @escaping NowSource = SystemClock.now
    ) {
        self.sysroot = sysroot
        self.procroot = procroot
        self.bootroot = bootroot
        self.moduleroot = moduleroot
        self.etcroot = etcroot
        self.agentVersion = agentVersion
        self.now = now
    }

    /// The facts for one probe; never empty except for a reach without targets. Disks are asked of the wiper, not here.
    package func answer(_ probe: NodeTask.Probe) async -> [Fact] {
        let received = now().wall
        do {
            switch probe {
            case .host: return [.host(try await OwnThread.run(named: "probe") { try hostFact() })]
            case .kernel: return [.kernel(try await OwnThread.run(named: "probe") { try kernelFact() })]
            case .links: return try await OwnThread.run(named: "probe") { try networkFacts() }
            case .clock(let asked): return [.clock(clockFact(asked: asked, received: received))]
            case .reach(let targets, let attempts, let timeout):
                return try await ConnectSweep(targets: targets, attempts: attempts, timeout: timeout.duration).facts()
            case .handshakes(let targets, let anchors): return try await HandshakeSweep(targets: targets, anchors: anchors).facts()
            case .hypervisorFiles:
                throw HostProbeError.notAnsweredHere(probe.kind.rawValue, by: "the wiper, whose group may read /etc/pve")
            case .outside: throw HostProbeError.notAnsweredHere(probe.kind.rawValue, by: "the prober, which reads what strangers send")
            case .paths, .vlans:
                throw HostProbeError.notAnsweredHere(probe.kind.rawValue, by: "the prober, which alone may send raw packets")
            case .disks, .blankness, .virtualDisks:
                throw HostProbeError.notAnsweredHere(probe.kind.rawValue, by: "the wiper, which alone may open them")
            }
        } catch {
            return [.unavailable(String(describing: error))]
        }
    }

    private func clockFact(asked: Timestamp, received: Timestamp) -> ClockFact {
        let synchronised = KernelClock.synchronised()
        return ClockFact(asked: asked, received: received, replied: now().wall, synchronised: synchronised)
    }
}
