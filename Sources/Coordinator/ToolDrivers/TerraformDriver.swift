// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Running

/// Terraform: plan to a file, count what it would do, apply exactly that file.
struct TerraformDriver: Sendable {
    let tools: Toolbox
    let directory: String

    private var path: String { tools.absolute(directory) }
    /// One file per purpose: a look in the middle of an apply must not swap the plan that is being applied.
    private enum Purpose: String { case observe, apply }
    private func planFile(_ purpose: Purpose) -> String { tools.workDirectory + "/terraform-\(purpose.rawValue).plan" }
    private static let quiet = ["TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"]

    /// What is left to change.
    func observe() async throws -> ProvisionFact {
        let fact = try await plan(into: planFile(.observe))
        // A plan holds the values of variables, secrets included.
        try tools.files.remove(planFile(.observe))
        return fact
    }

    private func plan(into file: String) async throws -> ProvisionFact {
        try await initialise()
        let plan = try await run(["plan", "-input=false", "-lock-timeout=60s", "-out=\(file)"])
        guard plan.succeeded else { throw DriverError.tool("terraform plan", plan) }
        let show = try await run(["show", "-json", file], outputLimit: JSON.longest)
        guard show.succeeded else { throw DriverError.tool("terraform show -json", show) }
        guard let json = JSON.decode(show.standardOutput) else {
            throw DriverError.unreadable(what: "the plan", where: "terraform show -json")
        }
        return try Self.count(json, directory: directory)
    }

    /// Applies the plan that was just looked at; a plan that would delete is refused even if a gate let it through before.
    func apply(step: StepID, deadline: Duration) async throws -> Outcome {
        let file = planFile(.apply)
        let fact = try await plan(into: file)
        guard fact.deletes == 0 else {
            try tools.files.remove(file)
            return .refused("terraform would delete or replace \(fact.deletes) objects in \(directory)")
        }
        let result = try await run(["apply", "-input=false", "-lock-timeout=60s", "-json", file], step: step, deadline: deadline)
        try tools.files.remove(file)
        return Outcome(result, command: "terraform apply", done: "\(fact.creates) created, \(fact.changes) changed")
    }

    /// An unknown major of the plan format is refused: its actions might mean something else.
    static func count(_ json: HelmValue, directory: String) throws -> ProvisionFact {
        guard let version = json["format_version"]?.string, version.hasPrefix("1.") else {
            throw DriverError.unreadable(
                what: "the plan (format_version \(json["format_version"]?.string ?? "missing"))", where: "terraform show")
        }
        var fact = ProvisionFact(directory: directory, creates: 0, changes: 0, deletes: 0)
        for change in json["resource_changes"]?.list ?? [] {
            let actions = (change["change", "actions"]?.list ?? []).compactMap(\.string)
            if actions.contains("delete") || actions.contains("forget") {
                fact.deletes += 1
            } else if actions.contains("create") {
                fact.creates += 1
            } else if actions.contains("update") {
                fact.changes += 1
            }
        }
        return fact
    }

    private func initialise() async throws {
        let result = try await run(["init", "-input=false", "-no-color"])
        guard result.succeeded else { throw DriverError.tool("terraform init", result) }
    }

    private func run(
        _ arguments: [String], step: StepID? = nil, deadline: Duration = .seconds(600), outputLimit: Int = 4 << 20
    ) async throws -> CommandResult {
        try await tools.run(
            "terraform", arguments, in: path, step: step, deadline: deadline, extra: Self.quiet, outputLimit: outputLimit)
    }
}
