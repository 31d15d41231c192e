// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshModel
internal import MeshSystem

/// Looks, before anything is made, whether this machine can carry a lab, and says what is missing.
package struct LabPreflight: Sendable {
    /// One thing that is missing, and what to do about it.
    package struct Finding: Hashable, Sendable, CustomStringConvertible {
        package let problem: String
        package let remedy: String
        /// Without it only the part of a lab that needs no rights can run.
        package let concernsRights: Bool
        package var description: String { "\(problem): \(remedy)" }
    }

    /// A tool that a lab calls and the Debian package that brings it.
    package struct Requirement: Hashable, Sendable {
        package let tool: String
        package let package: String
    }

    /// Every tool of a whole lab.
    package static let requirements: [Requirement] = [
        Requirement(tool: "ip", package: "iproute2"), Requirement(tool: "nft", package: "nftables"),
        Requirement(tool: "losetup", package: "mount"), Requirement(tool: "mkfs.ext4", package: "e2fsprogs"),
        Requirement(tool: "pvcreate", package: "lvm2"), Requirement(tool: "ssh-keygen", package: "openssh-client"),
        Requirement(tool: "tee", package: "coreutils"),
    ]
    /// Needed for clock-skew only, and found as a library: `libfaketimeMT.so.1`.
    package static let clockRequirement = Requirement(tool: "libfaketimeMT.so.1", package: "libfaketime")

    package let findings: [Finding]
    /// What can be built here once the missing tools are there.
    package var possibleMode: LabPlan.Mode { findings.contains { $0.concernsRights } ? .loopback : .full }

    /// Looks at this machine with the eyes of one plan: a tool that the plan does not call may be missing.
    package init(plan: LabPlan) {
        var findings = plan.mode == .full ? Self.rights() : []
        for requirement in Self.requirements where Self.find(requirement.tool) == nil {
            if requirement.tool == "pvcreate", !plan.contents.contains(where: { $0.kind == .lvm }) { continue }
            if plan.mode == .loopback, requirement.tool != "ssh-keygen" { continue }
            findings.append(Self.absent(requirement))
        }
        if !plan.skews.isEmpty, Self.fakeTimeLibrary == nil { findings.append(Self.absent(Self.clockRequirement)) }
        self.findings = findings
    }

    /// Where Debian puts libfaketime, for this machine's architecture.
    package static var fakeTimeLibrary: String? {
        LabFiles.names(in: "/usr/lib").map { "/usr/lib/\($0)/faketime/libfaketimeMT.so.1" }.first(where: LabFiles.exists)
    }

    private static func rights() -> [Finding] {
        guard geteuid() == 0 else {
            return [
                Finding(
                    problem: "not root", remedy: "run it with sudo; as it is, only loopback agents and file-backed checks run",
                    concernsRights: true)
            ]
        }
        let status = LabFiles.text("/proc/self/status") ?? ""
        let effective =
            status.split(separator: "\n").first { $0.hasPrefix("CapEff:") }?.split(separator: "\t").last
            .flatMap { UInt64($0, radix: 16) } ?? 0
        let needed: [(name: String, bit: UInt64)] = [("CAP_NET_ADMIN", 12), ("CAP_SYS_ADMIN", 21), ("CAP_MKNOD", 27)]
        var findings = needed.filter { effective >> $0.bit & 1 == 0 }.map { capability in
            Finding(problem: "root without \(capability.name)", remedy: "run it outside the container, or grant it", concernsRights: true)
        }
        if !LabFiles.exists("/dev/loop-control") {
            findings.append(Finding(problem: "no /dev/loop-control", remedy: "load the loop module (modprobe loop)", concernsRights: true))
        }
        return findings
    }

    private static func absent(_ requirement: Requirement) -> Finding {
        Finding(problem: "no \(requirement.tool)", remedy: "apt-get install \(requirement.package)", concernsRights: false)
    }

    private static func find(_ tool: String) -> String? {
        Invocation.systemPath.map { "\($0)/\(tool)" }.first { access($0, X_OK) == 0 }
    }
}
