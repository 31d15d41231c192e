// SPDX-License-Identifier: Apache-2.0

/// Makes one program's wall clock wrong through libfaketime, and only that: CLOCK_MONOTONIC and CLOCK_BOOTTIME stay right, as they do on a
/// host whose clock was set wrongly.
package enum LabClockSkew {
    /// What the program needs in its environment.
    package static func environment(seconds: Int) throws -> [String: String] {
        guard let library = LabPreflight.fakeTimeLibrary else {
            let requirement = LabPreflight.clockRequirement
            throw LabError.unexpected(doing: "skew a clock", found: "no \(requirement.tool); apt-get install \(requirement.package)")
        }
        // Swift finds a program's arguments beside its environment on the stack, and libfaketime would move that away by adding this
        // variable. Given one with names that do not exist, it makes new ones and changes the variable where it stands.
        let shared = "/meshgate-lab-none-sem /meshgate-lab-none-shm"
        return [
            "LD_PRELOAD": library, "FAKETIME": "\(seconds < 0 ? "" : "+")\(seconds)s", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_SHARED": shared,
        ]
    }
}
