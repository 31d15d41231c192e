// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import MeshTesting
import Planning
import Running
import StandInTesting
import Testing

@testable import ToolDrivers

@Suite("The step driver, with real child processes")
struct RealProcessTests {
    /// Carries `east/cilium` out with a shell script in place of cilium.
    private func outcome(of script: String?, deadline: Duration = .seconds(20)) async throws -> Outcome {
        let spec = try Bench.spec()
        return try await StandInWorld.with(spec) { world in
            let bin = world.directory + "/bin"
            let files = LinuxFileStore()
            try files.createDirectory(bin)
            if let script { try files.write(Array("#!/bin/sh\n\(script)\n".utf8), to: bin + "/cilium", mode: 0o755) }
            let bench = try Bench(world, spec, runner: ProcessCommandRunner(), searchPath: [bin])
            var step = try bench.step("east", "cilium")
            step.deadline = TimeSpan(deadline)
            return await bench.driver.carryOut(step, plan: bench.plan)
        }
    }

    @Test("a tool that is not installed is named, with the places that were searched")
    func missing() async throws {
        let outcome = try await outcome(of: nil)
        guard case .failed(let why) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(why.contains("cilium"))
        #expect(why.contains("/bin"))
    }

    @Test("output without end is bounded, and the last words are kept")
    func endless() async throws {
        let outcome = try await outcome(
            of: "exec 2>&1; /usr/bin/head -c 12000000 /dev/zero | /usr/bin/tr '\\0' x; echo; echo 'Error: the last word'; exit 3",
            deadline: .seconds(120))
        #expect(outcome == .failed("`cilium install` ended with exit code 3: Error: the last word"))
    }

    @Test("a tool that ignores the request to end is killed after its grace")
    func stubborn() async throws {
        let outcome = try await outcome(of: "trap '' TERM; while :; do /bin/sleep 1; done", deadline: .milliseconds(200))
        guard case .unknown = outcome else {
            Issue.record("\(outcome)")
            return
        }
    }

    @Test("a tool inherits nothing of our environment")
    func environment() async throws {
        let outcome = try await outcome(of: "/usr/bin/env | /usr/bin/sort | /usr/bin/tr '\\n' ' '; exit 1")
        guard case .failed(let why) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(!why.contains("HOME=/root") && !why.contains("USER="))
        #expect(why.contains("/work/home"))
        #expect(why.contains("KUBECONFIG="))
    }
}
