// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Plays one scenario inside the virtual machine that `Tests/VM/run.sh` boots: `meshgate-vm-guest SCENARIO`.
@main
enum VMGuest {
    static func main() async {
        let checks = Checks()
        let name = CommandLine.arguments.dropFirst().first ?? "-"
        if let scenario = Scenario(rawValue: name) {
            do {
                try await scenario.play(Stage(machine: try Machine(), checks: checks))
            } catch {
                checks.expect(false, "came to its end", "\(error)")
            }
        } else {
            checks.expect(false, "scenario", "there is no \"\(name)\"; known are \(Scenario.allCases.map(\.rawValue))")
        }
        checks.finish()
        // The machine goes off right after, with whatever the console has not sent yet.
        tcdrain(1)
        exit(checks.failed == 0 ? 0 : 1)
    }
}
