// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import MeshSystem
import Running
import Testing

@testable import ToolDrivers

/// A terraform that is a shell script: what a broken build, a wrapper or a provider may make of it.
@Suite("The Terraform driver, with a terraform that misbehaves")
struct MisbehavingTerraformTests {
    private static let version = #"echo '{"type":"version","ui":"1.2"}'"#
    private static let create =
        #"{"format_version":"1.2","complete":true,"resource_changes":[{"address":"a.b","change":{"actions":["create"]}}]}"#
    /// A good one; `cases` come first.
    private static func terraform(_ cases: String) -> String {
        """
        case "$1" in
        \(cases)
        version) echo '{"terraform_version":"1.11.4"}' ;;
        show) echo '\(create)' ;;
        console) exit 1 ;;
        *) \(version) ;;
        esac
        """
    }

    private func apply(_ cases: String, deadline: Duration = .seconds(60)) async throws -> Result<Outcome, any Error> {
        var outcome: Result<Outcome, any Error> = .failure(CancellationError())
        try await TerraformBench.with("", tool: Self.terraform(cases)) { bench in
            var driver = try bench.driver
            driver.grace = .milliseconds(200)
            do {
                outcome = .success(try await driver.apply(phase: nil, step: TerraformBench.step, deadline: deadline, permitted: nil))
            } catch {
                outcome = .failure(error)
            }
        }
        return outcome
    }

    private func words(_ cases: String) async throws -> String {
        switch try await apply(cases) {
        case .success(let outcome): "\(outcome)"
        case .failure(let error): "\(error)"
        }
    }

    @Test("the good one of these tests is believed")
    func good() async throws { #expect(try await apply("").get() == .succeeded("1 created, 0 changed")) }

    @Test("one that hangs and hears no signal is killed, and its outcome is unknown")
    func hang() async throws {
        let outcome = try await apply(
            "apply) trap '' INT TERM; \(Self.version); while :; do sleep 1; done ;;", deadline: .milliseconds(300))
        guard case .unknown = try outcome.get() else { return #expect(Bool(false), "\(outcome)") }
    }

    @Test("one whose output has another major is refused before anything is applied", arguments: ["2.0", "0.1", "11.0"])
    func otherMajor(_ ui: String) async throws {
        let text = try await words(#"plan) echo '{"type":"version","ui":"\#(ui)"}' ;; apply) touch applied ;;"#)
        #expect(text.contains("ui \(ui) is not supported; ui 1.x is"))
    }

    @Test("exit code 0 with garbage, or with nothing, proves nothing")
    func garbage() async throws {
        #expect(try await words("apply) head -c 4096 /dev/urandom ;;").contains("is not in the form this version understands"))
        #expect(try await words("apply) exit 0 ;;").contains("is not in the form this version understands"))
        #expect(try await words("show) echo 'No plan.' ;;").contains("the plan from terraform show -json"))
        #expect(try await words("init) exit 0 ;;").contains("terraform init"))
    }

    @Test("a plan longer than is read is refused, not guessed from its ends")
    func endless() async throws {
        let text = try await words(#"show) printf '{"format_version":"1.2","x":"'; head -c 70000000 /dev/zero | tr '\0' a; echo '"}' ;;"#)
        #expect(text.contains("is longer than"))
    }

    @Test("a flood of progress and of garbage costs no memory and hides no error")
    func flood() async throws {
        let text = try await words(
            #"apply) \#(Self.version); yes '{"type":"apply_progress","hook":{"resource":{"addr":"a.b"},"action":"create"}}' | head -c 300000; echo; echo '{"type":"diagnostic","diagnostic":{"severity":"error","summary":"disk full","detail":"no"}}'; head -c 4000000 /dev/zero; exit 1 ;;"#
        )
        #expect(text.contains("disk full"))
    }

    @Test("one that is killed midway has failed, and its plan is gone")
    func killed() async throws {
        try await TerraformBench.with(
            "", tool: Self.terraform("apply) \(Self.version); kill -9 $$ ;; plan) \(Self.version); touch \"${5#-out=}\" ;;")
        ) { bench in
            await #expect { try await bench.apply() } throws: { "\($0)".contains("signal 9") }
            for directory in try #require(try TerraformBench.files.list(bench.root + "/work/terraform")) {
                #expect(try TerraformBench.files.list(bench.root + "/work/terraform/" + directory) == [])
            }
        }
    }

    @Test("one that leaves a process behind is not waited for")
    func doubleFork() async throws {
        let clock = ContinuousClock()
        let began = clock.now
        let outcome = try await apply("apply) \(Self.version); (setsid sleep 60 &) ; exit 0 ;;")
        #expect(try outcome.get() == .succeeded("1 created, 0 changed"))
        #expect(clock.now - began < .seconds(45))
    }

    @Test("exit code 0 with the wrong state is not believed by the gate: it plans again")
    func wrongState() async throws {
        try await TerraformBench.with("", tool: Self.terraform("")) { bench in
            let outcome = try await bench.apply()
            #expect(outcome == .succeeded("1 created, 0 changed"))
            #expect(try await bench.facts().phases.first?.creates == 1)
        }
    }

    @Test(
        "a version outside the supported range is refused, and so is one that does not say", arguments: ["1.8.5", "2.0.0", "0.12.31", "x"])
    func versions(_ version: String) async throws {
        try await TerraformBench.with("", tool: Self.terraform("version) echo '{\"terraform_version\":\"\(version)\"}' ;;")) { bench in
            let facts = try await bench.facts()
            #expect(try #require(facts.ground.problem).contains("terraform \(version) is not supported"))
            #expect(facts.phases.isEmpty)
        }
    }

    @Test("a lock that lets a second one in is found out, and one that cannot be tried is not believed")
    func brokenLock() async throws {
        try await TerraformBench.with("", tool: Self.terraform("console) cat ;;")) { bench in
            let (answer, words) = try await TerraformLockProbe(driver: bench.driver, patience: .milliseconds(100)).tryTwo("s3")
            #expect(answer == .broken)
            #expect(words == "two terraforms held the state of backend s3 at the same time")
        }
        try await TerraformBench.with("", tool: Self.terraform("")) { bench in
            let (answer, _) = try await TerraformLockProbe(driver: bench.driver).tryTwo("s3")
            #expect(answer == .unknown)
        }
    }

    @Test("what a failed provisioner printed stays out of the report")
    func provisioner() async throws {
        let line =
            #"{"type":"diagnostic","diagnostic":{"severity":"error","summary":"local-exec provisioner error","detail":"Error running command 'login --pass hush'","address":"a.b"}}"#
        let text = try await words("apply) \(Self.version); echo '\(line.replacing("'", with: "'\"'\"'"))'; exit 1 ;;")
        #expect(text.contains("local-exec provisioner error (a.b)"))
        #expect(!text.contains("hush"))
    }
}
