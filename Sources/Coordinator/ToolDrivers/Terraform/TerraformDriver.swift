// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import MeshTrust
import Running

/// Terraform in one directory: plan to a file, judge what the file would do, apply exactly that file.
///
///     version -> init -> plan -out FILE -> show FILE -> policy -> apply FILE -> (the gate looks again)
///                                                          \-> refused, and FILE is gone
///
/// Plans live in a directory of ours, for as long as they are needed: they hold the values of variables, secrets included. When a call has
/// to be stopped, Terraform gets one interrupt, as from Ctrl-C, and time to write its state and to unlock it; a lock is never forced.
struct TerraformDriver: Sendable {
    let tools: Toolbox
    let provision: MeshSpec.Provision
    /// How long Terraform may take to stop. A test's patience is shorter.
    var grace = Duration.seconds(300)

    /// Plan files with `applyable` and `complete`, `init -json`: 1.9. Its major is what promises the forms that we read.
    static let oldest = SemanticVersion(1, 9, 0)
    static let supported = "1.9 or newer of major 1"

    init(tools: Toolbox, provision: MeshSpec.Provision) {
        self.tools = tools
        self.provision = provision
    }

    private var path: String { tools.absolute(provision.terraformDirectory) }
    private var workDirectory: String {
        tools.workDirectory + "/terraform/" + Digest.sha256(Array(path.utf8)).description.prefix(12)
    }
    /// One file per purpose: a look in the middle of an apply must not swap the plan that is being applied.
    private enum Purpose: String { case observe, apply, destroy, drift }
    private func planFile(_ purpose: Purpose) -> String { workDirectory + "/\(purpose.rawValue).plan" }

    // MARK: looking

    /// Whether Terraform can be worked with, and what is left to change in these phases; `nil` is the whole.
    func observe(_ phases: [MeshSpec.Provision.Phase?]) async throws -> [Fact] {
        try await look(phases) { .provision(try await observe($0)) }
    }

    /// The same for a teardown: what is left to destroy.
    func observeDestruction(_ phases: [MeshSpec.Provision.Phase?]) async throws -> [Fact] {
        try await look(phases) { .destruction(try await destruction(of: $0)) }
    }

    private func look(
        _ phases: [MeshSpec.Provision.Phase?], _ each: (MeshSpec.Provision.Phase?) async throws -> Fact
    ) async throws -> [Fact] {
        // Another look ends soon. A change may take an hour, and what is seen meanwhile would be old when it ends.
        while !tools.claims.claim(path, changing: false) {
            guard !tools.claims.isChanged(path) else { throw DriverError.busy(provision.terraformDirectory) }
            try await Task.sleep(for: .milliseconds(50))
        }
        defer { tools.claims.release(path) }
        var ground = TerraformFact(directory: provision.terraformDirectory)
        do {
            ground.version = try await version()
            try await initialise()
        } catch let error as DriverError {
            ground.problem = "\(error)"
            return [.terraform(ground)]
        }
        (ground.stateLock, ground.lockWords) = try await TerraformLockProbe(driver: self).probe()
        var facts: [Fact] = [.terraform(ground)]
        for phase in phases { facts.append(try await each(phase)) }
        return facts
    }

    /// A phase that cannot be planned yet, as an earlier one has to be applied first, says so and hides no other.
    private func observe(_ phase: MeshSpec.Provision.Phase?) async throws -> ProvisionFact {
        var fact = ProvisionFact(directory: provision.terraformDirectory, phase: phase?.name, creates: 0, changes: 0, deletes: 0)
        do {
            let plan = try await plan(.observe, phase)
            try tools.files.remove(planFile(.observe))
            (fact.creates, fact.changes, fact.deletes) = plan.counts
            fact.losses = plan.losses
            let refusals = TerraformPolicy(phase).judge(plan)
            if !refusals.isEmpty { fact.refusals = refusals.prefix(20).map(\.description) }
            if !plan.drift.isEmpty { fact.drift = plan.drift.prefix(100).map(\.address) }
        } catch let error as DriverError {
            try tools.files.remove(planFile(.observe))
            if case .locked = error { throw error }
            fact.problem = "\(error)"
        }
        return fact
    }

    /// What was changed outside of Terraform since its last apply (G-TF-04); nothing is written.
    func drift() async throws -> [TerraformPlan.Change] {
        try await claimed {
            try await prepare()
            defer { try? tools.files.remove(planFile(.drift)) }
            let plan = try await plan(.drift, nil, extra: ["-refresh-only"])
            return plan.drift
        }
    }

    /// The values that the configuration hands out, secret ones marked. They are in no transcript.
    func outputs() async throws -> [String: TerraformOutput] {
        let result = try await run(["output", "-json"], outputLimit: JSON.longest, call: quiet)
        guard result.succeeded else { throw failure("terraform output", result) }
        guard result.droppedBytes == 0 else { throw DriverError.tooLong(what: "terraform output", limit: JSON.longest) }
        guard case .map(let all)? = JSON.decode(result.standardOutput) else {
            throw DriverError.unreadable(what: "the outputs", where: "terraform output -json")
        }
        return try all.mapValues { entry in
            guard let value = entry["value"], let sensitive = entry["sensitive"]?.bool else {
                throw DriverError.unreadable(what: "an output", where: "terraform output -json")
            }
            return TerraformOutput(value: value, sensitive: sensitive)
        }
    }

    // MARK: changing

    /// Applies the plan that was just judged. What it would take away must be exactly what was signed for, whatever a gate saw before.
    func apply(phase name: String?, step: StepID, deadline: Duration, permitted: PermittedLosses?) async throws -> Outcome {
        let phase = try phase(name)
        return try await claimed {
            try await prepare()
            defer { try? tools.files.remove(planFile(.apply)) }
            let plan = try await plan(.apply, phase, step: step)
            let refusals = TerraformPolicy(phase).judge(plan).map(\.description) + unsigned(plan.losses, permitted)
            guard refusals.isEmpty else { return refused(refusals) }
            let counts = plan.counts
            let gone = counts.deletes > 0 ? ", \(counts.deletes) deleted or replaced" : ""
            return try await apply(
                file: planFile(.apply), phase, step: step, deadline: deadline, operations: plan.operations,
                done: "\(counts.creates) created, \(counts.changes) changed\(gone)")
        }
    }

    // MARK: destroying

    /// What is left to destroy of one phase, or of the whole.
    private func destruction(of phase: MeshSpec.Provision.Phase?) async throws -> DestructionFact {
        var fact = DestructionFact(directory: provision.terraformDirectory, phase: phase?.name)
        do {
            defer { try? tools.files.remove(planFile(.observe)) }
            let plan = try await destroyPlan(.observe, phase)
            fact.losses = plan.losses
            let refusals = TerraformPolicy.destroying.judge(plan)
            if !refusals.isEmpty { fact.refusals = refusals.prefix(20).map(\.description) }
        } catch let error as DriverError {
            if case .locked = error { throw error }
            fact.problem = "\(error)"
        }
        return fact
    }

    /// Destroys what was signed for, all of it and nothing else. Whatever is gone already makes the plan another one than was signed: the rest is
    /// then listed and signed for anew.
    func destroy(phase name: String?, step: StepID, deadline: Duration, permitted: PermittedLosses) async throws -> Outcome {
        let phase = try phase(name)
        return try await claimed {
            try await prepare()
            defer { try? tools.files.remove(planFile(.destroy)) }
            let plan = try await destroyPlan(.destroy, phase, step: step)
            guard let losses = plan.losses else { return .succeeded("nothing is left to destroy") }
            let refusals = TerraformPolicy.destroying.judge(plan).map(\.description) + unsigned(losses, permitted)
            guard refusals.isEmpty else { return refused(refusals) }
            return try await apply(
                file: planFile(.destroy), phase, step: step, deadline: deadline, operations: plan.operations,
                done: "\(losses.count) destroyed")
        }
    }

    /// The plan that destroys a phase: what it names, or for one that names nothing all that no other phase names; and whatever depends on that,
    /// since it cannot stay. It is listed, too.
    private func destroyPlan(
        _ purpose: Purpose, _ phase: MeshSpec.Provision.Phase?, step: StepID? = nil
    ) async throws -> TerraformPlan {
        let all = try await plan(purpose, phase, extra: ["-destroy"], step: step)
        guard let phase, phase.addresses.isEmpty else { return all }
        let others = (provision.phases ?? []).filter { $0.name != phase.name }.flatMap(\.addresses).map(TerraformAddress.init)
        let own = Set(all.deletions.filter { address in !others.contains { $0.covers(address) } })
        if own.count == Set(all.deletions).count { return all }
        guard !own.isEmpty else { return all.without(all.deletions) }
        return try await plan(purpose, phase, extra: ["-destroy"] + own.sorted().map { "-target=" + $0 }, step: step)
    }

    private func phase(_ name: String?) throws -> MeshSpec.Provision.Phase? {
        let phase = provision.phases?.first { $0.name == name }
        guard (name == nil) == (phase == nil) else { throw DriverError.unreadable(what: "phase \(name ?? "?")", where: "the plan") }
        return phase
    }

    /// What speaks against the losses of a plan.
    private func unsigned(_ losses: TerraformLosses?, _ permitted: PermittedLosses?) -> [String] {
        guard let losses, losses.digest != permitted?.objects else { return [] }
        let why = permitted == nil ? "no warrant allows it" : "the warrant is for other objects"
        return losses.objects.prefix(5).map { "would \($0), and \(why)" } + (losses.count > 5 ? ["and \(losses.count - 5) more"] : [])
    }

    /// Exactly this plan; Terraform itself refuses it when the state has moved on meanwhile.
    func apply(
        file: String, _ phase: MeshSpec.Provision.Phase? = nil, step: StepID, deadline: Duration, operations: Int = 0,
        done: String = "applied"
    ) async throws -> Outcome {
        let report = TerraformReport()
        let progress = TerraformProgress(total: operations) { [advanced = tools.advanced] in advanced(step, $0) }
        var call = ui(report)
        call.hear = {
            report.hear($0)
            progress.hear($0)
        }
        call.changes = true
        let result = try await run(
            ["apply", "-input=false", "-lock-timeout=60s", "-json", file], phase, step: step, deadline: deadline, call: call)
        if result.exit == .timedOut { return .unknown("`terraform apply` did not end before its deadline and was interrupted") }
        try check(report, result, command: "terraform apply")
        return .succeeded(done)
    }

    private func refused(_ refusals: [String]) -> Outcome {
        let shown = refusals.prefix(5) + (refusals.count > 5 ? ["and \(refusals.count - 5) more"] : [])
        return .refused("terraform in \(provision.terraformDirectory): \(shown.joined(separator: "; "))")
    }

    // MARK: the calls

    /// Waits for a look of ours in the same directory to end.
    private func claimed<Value>(_ body: () async throws -> Value) async throws -> Value {
        while !tools.claims.claim(path, changing: true) { try await Task.sleep(for: .milliseconds(100)) }
        defer { tools.claims.release(path) }
        return try await body()
    }

    private func prepare() async throws {
        _ = try await version()
        try await initialise()
    }

    private func version() async throws -> String {
        let result = try await run(["version", "-json"], call: ui(nil))
        guard result.succeeded, let text = JSON.decode(result.standardOutput)?["terraform_version"]?.string else {
            throw failure("terraform version -json", result)
        }
        // A pre-release is of the version that it leads to.
        let release = text.split(separator: "-").first.map(String.init) ?? text
        guard let version = SemanticVersion(release), version >= Self.oldest, version.major == Self.oldest.major else {
            throw DriverError.unsupported(tool: "terraform", found: text, supported: Self.supported)
        }
        return text
    }

    /// The lock file is read and never written: which providers run is decided by whoever commits it.
    private func initialise() async throws {
        try tools.files.createDirectory(workDirectory)
        let report = TerraformReport()
        let result = try await run(["init", "-input=false", "-lockfile=readonly", "-json"], call: ui(report))
        try check(report, result, command: "terraform init")
    }

    private func plan(
        _ purpose: Purpose, _ phase: MeshSpec.Provision.Phase?, extra: [String] = [], step: StepID? = nil
    ) async throws -> TerraformPlan {
        let file = planFile(purpose)
        let report = TerraformReport()
        let targets = (phase?.addresses ?? []).map { "-target=" + $0 }
        let planned = try await run(
            ["plan", "-input=false", "-lock-timeout=60s", "-json", "-out=" + file] + extra + targets, phase, step: step, call: ui(report))
        try check(report, planned, command: "terraform plan")
        let shown = try await run(["show", "-json", file], phase, outputLimit: JSON.longest, call: quiet)
        guard shown.succeeded else { throw failure("terraform show -json", shown) }
        guard shown.droppedBytes == 0 else { throw DriverError.tooLong(what: "the plan from terraform show -json", limit: JSON.longest) }
        return try TerraformPlan(json: shown.standardOutput)
    }

    /// Standard output is the machine-readable UI: `report` hears it, and people see what may be seen of it.
    private func ui(_ report: TerraformReport?) -> Toolbox.Call {
        var call = quiet
        call.recording = .redacted
        guard let report else { return call }
        call.recording = .lines { TerraformLine($0)?.shown }
        call.hear = { report.hear($0) }
        return call
    }

    /// A look whose output holds secrets.
    private var quiet: Toolbox.Call {
        Toolbox.Call(ending: .interrupt, grace: grace, recording: .withheld, changes: false, secrets: secrets)
    }

    /// A tool's end and what it said on the way. Exit code 0 from a tool that speaks another language proves nothing.
    private func check(_ report: TerraformReport, _ result: CommandResult, command: String) throws {
        if let ui = report.ui, !ui.hasPrefix(TerraformReport.uiMajor) {
            throw DriverError.unsupported(tool: "the output of `\(command)`, ui", found: ui, supported: "ui 1.x")
        }
        if let holder = report.errors.lazy.compactMap(\.lockHolder).first { throw DriverError.locked(holder) }
        guard result.succeeded else {
            guard result.exit != .timedOut, !report.errors.isEmpty else { throw failure(command, result) }
            let words = report.errors.prefix(3).map(\.words).joined(separator: "; ")
            throw DriverError.said(command, Redactor(secrets: secrets).clean(words))
        }
        guard report.ui != nil else { throw DriverError.unreadable(what: "the first line", where: "\(command) -json") }
    }

    private func failure(_ command: String, _ result: CommandResult) -> DriverError {
        // Standard output may hold values; what terraform has to say about a failure is on standard error.
        let words = CommandResult(exit: result.exit, standardError: result.standardError).lastWords
        return .said(command, "\(result.exit): \(Redactor(secrets: secrets).clean(words))")
    }

    func run(
        _ arguments: [String], _ phase: MeshSpec.Provision.Phase? = nil, step: StepID? = nil, deadline: Duration = .seconds(600),
        outputLimit: Int = 4 << 20, call: Toolbox.Call
    ) async throws -> CommandResult {
        try await tools.run(
            "terraform", arguments, in: path, step: step, deadline: deadline, extra: try environment(phase), outputLimit: outputLimit,
            call: call)
    }

    // MARK: environment

    private static let settings = ["TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"]

    private func environment(_ phase: MeshSpec.Provision.Phase?) throws -> [String: String] {
        var all = Self.settings
        if let own = try ownDataDirectory() { all["TF_DATA_DIR"] = own }
        // Terraform looks for it in HOME, which is ours; a mirror or a registry's credentials that are set up there go on working.
        if tools.environment["TF_CLI_CONFIG_FILE"] == nil, let home = tools.environment["HOME"],
            try tools.files.list(home)?.contains(".terraformrc") == true
        {
            all["TF_CLI_CONFIG_FILE"] = home + "/.terraformrc"
        }
        for name in provision.environment ?? [] { all[name] = tools.lookUp(name) }
        // Not by `-var`: arguments are seen by every user of the machine.
        for (name, value) in phase?.variables ?? [:] { all["TF_VAR_" + name] = value }
        return all
    }

    /// Where `init` keeps providers and the backend's settings. Ours, so that two people do not meet in one `.terraform`; but where the admin
    /// has one, theirs: settings given by `-backend-config` and the selected workspace are in there and nowhere else, and without them
    /// Terraform would look at an empty state and create everything a second time.
    private func ownDataDirectory() throws -> String? {
        try tools.files.list(path + "/.terraform") == nil ? workDirectory + "/data" : nil
    }

    /// The document in which `init` notes the backend.
    var backendFile: String {
        get throws { (try ownDataDirectory() ?? path + "/.terraform") + "/terraform.tfstate" }
    }

    /// Values of the listed variables. A home is no secret, and stands in many a path.
    private var secrets: [String] {
        (provision.environment ?? []).filter { $0 != "HOME" && $0 != "USER" }.compactMap(tools.lookUp)
    }

    var lockKey: String { "terraform-lock:" + path }
    var lookCall: Toolbox.Call { ui(nil) }
}

/// One output of a Terraform configuration. A sensitive one never shows its value by accident.
struct TerraformOutput: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    let value: HelmValue
    let sensitive: Bool

    var description: String { sensitive ? Redactor.mark : "\(value)" }
    var debugDescription: String { description }
    var customMirror: Mirror { Mirror(self, children: ["value": description]) }
}
