// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import MeshSystem
import Running
import Testing

@testable import ToolDrivers

@Suite("The Terraform driver, with the real terraform", .enabled(if: TerraformBench.real != nil, "terraform is not installed"))
struct RealTerraformTests {
    static let two = """
        variable "size" {
          default = "small"
        }
        resource "terraform_data" "east" {
          input = var.size
        }
        resource "terraform_data" "west" {
          count            = 2
          input            = "w"
          triggers_replace = var.size
        }
        output "endpoint" {
          value = "https://10.0.0.1:6443"
        }
        output "kubeconfig" {
          value     = "hush-hush-kubeconfig"
          sensitive = true
        }
        """

    @Test("what is planned is applied and shown, and a second look finds nothing left")
    func create() async throws {
        try await TerraformBench.with(Self.two) { bench in
            let before = try await bench.facts()
            #expect(before.ground.problem == nil)
            #expect(before.ground.stateLock == .holds)
            #expect(before.phases == [ProvisionFact(directory: "tf", creates: 3, changes: 0, deletes: 0)])
            #expect(try await bench.apply() == .succeeded("3 created, 0 changed"))
            #expect(bench.progress.lines.contains("terraform_data.east: create begins"))
            let bars = bench.bars.all
            #expect(bars.count == 6 && bars.allSatisfy { $0.phase == .applying && $0.total == 3 })
            #expect(bars.map(\.done) == bars.map(\.done).sorted() && bars.last?.done == 3 && bars.last?.current == nil)
            #expect(bars.first?.done == 0 && bars.first?.current?.name.hasPrefix("terraform_data.") == true)
            #expect(bench.progress.lines.contains { $0.hasPrefix("terraform_data.west[1]: create done in ") })
            #expect(try await bench.facts().phases == [ProvisionFact(directory: "tf", creates: 0, changes: 0, deletes: 0)])
            #expect(try await bench.apply() == .succeeded("0 created, 0 changed"))
            // A directory of ours was used, and nothing was left in the admin's but the state.
            #expect(try TerraformBench.files.list(bench.root + "/tf") == ["main.tf", "terraform.tfstate"])
        }
    }

    @Test("a replacement, and a deletion, are seen before and refused at the apply")
    func refused() async throws {
        try await TerraformBench.with(Self.two) { bench in
            _ = try await bench.apply()
            try bench.configure(Self.two.replacing("\"small\"", with: "\"large\""))
            let fact = try #require(try await bench.facts().phases.first)
            #expect([fact.creates, fact.changes, fact.deletes] == [0, 1, 2])
            #expect(fact.refusals == nil)
            #expect(
                fact.losses?.objects == [
                    "replace terraform_data.west[0] (replace because cannot update)",
                    "replace terraform_data.west[1] (replace because cannot update)",
                ])
            guard case .refused(let why) = try await bench.apply() else { return #expect(Bool(false), "was applied") }
            #expect(why.contains("would replace terraform_data.west[1] (replace because cannot update), and no warrant allows it"))

            try bench.configure("resource \"terraform_data\" \"east\" {\n  input = \"small\"\n}\n")
            guard case .refused(let gone) = try await bench.apply() else { return #expect(Bool(false), "was applied") }
            #expect(gone.contains("would delete terraform_data.west[0] (delete because no resource config)"))
            #expect(try bench.state.count == 3)
        }
    }

    @Test("a phase changes what it names and nothing else, and a name that matches nothing is refused though terraform says no changes")
    func phases() async throws {
        try await TerraformBench.with(Self.two) { bench in
            var bench = bench
            bench.provision.phases = [
                .init(name: "ground", addresses: ["terraform_data.west"], variables: ["size": "huge"]),
                .init(name: "typo", addresses: ["terraform_data.eats"]), .init(name: "rest"),
            ]
            let facts = try await bench.facts().phases
            #expect(facts.map(\.creates) == [2, 0, 3])
            #expect(facts[0].refusals == nil)
            #expect(facts[1].refusals?.count == 1)
            #expect(try #require(facts[1].refusals?.first).contains("terraform_data.eats matches no object of the plan"))
            #expect(try #require(facts[1].refusals?.first).contains("The configuration has terraform_data.east, terraform_data.west"))
            guard case .refused = try await bench.apply("typo") else { return #expect(Bool(false), "was applied") }
            #expect(try await bench.apply("ground") == .succeeded("2 created, 0 changed"))
            #expect(try bench.state == ["terraform_data.west", "terraform_data.west"])
            await #expect(throws: DriverError.self) { try await bench.apply("no such phase") }
        }
    }

    @Test("a phase that pulls in what it does not name is refused")
    func dependency() async throws {
        let chain = """
            resource "terraform_data" "network" {
              input = "n"
            }
            resource "terraform_data" "machine" {
              input = terraform_data.network.output
            }
            """
        try await TerraformBench.with(chain) { bench in
            var bench = bench
            bench.provision.phases = [.init(name: "machines", addresses: ["terraform_data.machine"])]
            guard case .refused(let why) = try await bench.apply("machines") else { return #expect(Bool(false), "was applied") }
            #expect(why.contains("terraform_data.network would be created, and the phase does not name it"))
            #expect(try bench.state.isEmpty)
        }
    }

    @Test("a locked state is respected, and whoever holds it is named")
    func locked() async throws {
        let slow = """
            resource "terraform_data" "slow" {
              provisioner "local-exec" {
                command = "touch ../inside; sleep 60"
              }
            }
            """
        try await TerraformBench.with(slow) { bench in
            let driver = try bench.driver
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { _ = try await driver.apply(phase: nil, step: TerraformBench.step, deadline: .seconds(60), permitted: nil) }
                await bench.progress.wait(for: "provisioner begins")
                // Another machine's terraform, as it were: it knows nothing of our claims, and does not wait.
                let result = try await bench.driver.run(
                    ["plan", "-json", "-input=false", "-lock-timeout=0s"], call: bench.driver.lookCall)
                let errors = result.outputText.split(separator: "\n").compactMap { TerraformLine(String($0))?.diagnostic }
                let holder = try #require(errors.lazy.compactMap(\.lockHolder).first)
                #expect(holder.hasPrefix("apply by "))
                #expect(holder.contains("lock id "))
                // Our own look does not wait for an hour either.
                await #expect(throws: DriverError.self) { try await driver.observe([nil]) }
                group.cancelAll()
            }
        }
    }

    @Test("stopped in the middle of an apply, terraform writes its state and unlocks it")
    func interrupted() async throws {
        let slow = """
            resource "terraform_data" "quick" {
              input = "q"
            }
            resource "terraform_data" "slow" {
              depends_on = [terraform_data.quick]
              provisioner "local-exec" {
                command = "touch under-way; sleep 60"
              }
            }
            """
        try await TerraformBench.with(slow) { bench in
            let run = Task { try await bench.apply() }
            await bench.progress.wait(for: "slow: provisioner begins")
            // Until the command itself runs, terraform may still leave the resource out.
            let end = ContinuousClock.now.advanced(by: .seconds(30))
            while try TerraformBench.files.read(bench.root + "/tf/under-way", limit: 1) == nil, ContinuousClock.now < end {
                try await Task.sleep(for: .milliseconds(10))
            }
            run.cancel()
            await #expect(throws: CancellationError.self) { try await run.value }
            // What was made is known, the half-made one as tainted: nothing is lost, nothing would be made twice.
            #expect(try bench.state.sorted() == ["terraform_data.quick", "terraform_data.slow"])
            let fact = try #require(try await bench.facts().phases.first)
            #expect(fact.deletes == 1)
            #expect(fact.losses?.objects == ["replace terraform_data.slow (replace because tainted)"])
        }
    }

    @Test("an apply that outlives its deadline is interrupted, and its outcome is unknown")
    func deadline() async throws {
        let slow = "resource \"terraform_data\" \"slow\" {\n  provisioner \"local-exec\" {\n    command = \"sleep 60\"\n  }\n}\n"
        try await TerraformBench.with(slow) { bench in
            guard case .unknown = try await bench.apply(deadline: .seconds(1)) else { return #expect(Bool(false), "known") }
            #expect(try bench.state == ["terraform_data.slow"])
        }
    }

    @Test("outputs are read whole, and a sensitive one is in no transcript, no progress and no description")
    func outputs() async throws {
        try await TerraformBench.with(Self.two) { bench in
            _ = try await bench.apply()
            let outputs = try await bench.driver.outputs()
            #expect(outputs["endpoint"]?.value.string == "https://10.0.0.1:6443")
            let secret = try #require(outputs["kubeconfig"])
            #expect(secret.value.string == "hush-hush-kubeconfig")
            #expect(!"\(secret) \(String(reflecting: secret)) \(outputs)".contains("hush"))
            var dumped = ""
            dump(secret, to: &dumped)
            #expect(!dumped.contains("hush"))
            let written = try bench.written
            #expect(written.contains("\"tool\" : \"terraform\""))
            #expect(written.contains("terraform_data.east: create begins"))
            #expect(!written.contains("hush"))
            #expect(!bench.progress.lines.joined().contains("hush"))
        }
    }

    @Test("credentials pass by name only, variables of a phase not as arguments, and neither is in a transcript")
    func environment() async throws {
        let echo = """
            variable "shape" {
              default = "none"
            }
            resource "terraform_data" "a" {
              input = var.shape
              provisioner "local-exec" {
                command = "echo token $CLOUD_TOKEN; test -n \\"$CLOUD_TOKEN\\" && test -z \\"$UNLISTED\\" && test $HOME != /root"
              }
            }
            """
        try await TerraformBench.with(echo) { bench in
            var bench = bench
            bench.variables = ["CLOUD_TOKEN": "correct-horse", "UNLISTED": "x"]
            bench.provision.environment = ["CLOUD_TOKEN"]
            bench.provision.phases = [.init(name: "all", variables: ["shape": "round-and-odd"])]
            #expect(try await bench.apply("all") == .succeeded("1 created, 0 changed"))
            let written = try bench.written
            #expect(!written.contains("correct-horse"))
            #expect(!written.contains("round-and-odd"))
            #expect(!bench.progress.lines.joined().contains("correct-horse"))
        }
    }

    @Test("the lock is tried with two terraforms, and found to hold")
    func lockProbe() async throws {
        try await TerraformBench.with(Self.two) { bench in
            _ = try await bench.facts()
            let (answer, words) = try await TerraformLockProbe(driver: bench.driver).tryTwo("local")
            #expect(answer == .holds)
            #expect(words.contains("refused"))
            // The one that held it has gone: nobody is locked out by our curiosity.
            #expect(try await bench.apply() == .succeeded("3 created, 0 changed"))
        }
    }

    @Test("a saved plan that has become stale is not applied")
    func stale() async throws {
        try await TerraformBench.with(Self.two) { bench in
            let driver = try bench.driver
            _ = try await bench.facts()
            _ = try await driver.run(["plan", "-input=false", "-out=\(bench.root)/old.plan"], call: driver.lookCall)
            _ = try await bench.apply()
            await #expect {
                try await driver.apply(file: bench.root + "/old.plan", step: TerraformBench.step, deadline: .seconds(60))
            } throws: { "\($0)".contains("Saved plan is stale") }
        }
    }

    @Test("a dry run plans and judges, and stops where something would change")
    func dryRun() async throws {
        try await TerraformBench.with(Self.two) { bench in
            var bench = bench
            bench.dryRun = true
            await #expect { try await bench.apply() } throws: { "\($0)".contains("dry run: would run `terraform apply ") }
            let state = try bench.state
            #expect(state.isEmpty)
        }
    }

    @Test("an error of the configuration is reported in terraform's words, and no plan is taken for it")
    func broken() async throws {
        try await TerraformBench.with("resource \"terraform_data\" \"a\" {\n  nonsense = 1\n}\n") { bench in
            let fact = try #require(try await bench.facts().phases.first)
            #expect(try #require(fact.problem).contains("Unsupported argument"))
            try bench.configure("resource {")
            let facts = try await bench.facts()
            #expect(try #require(facts.ground.problem).contains("terraform init"))
            #expect(facts.phases.isEmpty)
        }
    }

    @Test("a workspace that the admin selected stays selected")
    func workspace() async throws {
        try await TerraformBench.with(Self.two) { bench in
            try FileManager.default.createDirectory(atPath: bench.root + "/tf/.terraform", withIntermediateDirectories: true)
            try TerraformBench.files.write(Array("stage".utf8), to: bench.root + "/tf/.terraform/environment")
            _ = try await bench.apply()
            #expect(FileManager.default.fileExists(atPath: bench.root + "/tf/terraform.tfstate.d/stage/terraform.tfstate"))
            #expect(!FileManager.default.fileExists(atPath: bench.root + "/tf/terraform.tfstate"))
        }
    }
}
