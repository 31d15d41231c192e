// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshSystem

/// The stand-in terraform: compares the resources that the directory's `*.tf` name with `terraform.tfstate`. No providers, no network.
struct StandInTerraform: Sendable {
    private let call: StandInCall
    private let words: [String]

    init(_ call: StandInCall) {
        self.call = call
        words = call.arguments.filter { !$0.hasPrefix("-") }
    }

    func run() throws {
        switch words.first {
        case "version" where call.arguments.contains("-json"): call.say(try StandInJSON.encode(["terraform_version": "1.13.3"]))
        case "version": call.say("Terraform v1.13.3 (stand-in of the Meshgate Lab)")
        case "init" where isMachineReadable:
            try report("info", "Terraform 1.13.3", "version", Self.versions)
            try report("info", "Terraform has been successfully initialized!", "init_output", [:])
        case "init":
            call.say("Initializing the backend...\nInitializing provider plugins...\n\nTerraform has been successfully initialized!")
        case "plan": try plan()
        case "show": try show()
        case "apply": try apply()
        default: call.say("The stand-in terraform of the Meshgate Lab: init, plan, show -json, apply -json.")
        }
    }

    private static let versions: HelmValue = ["terraform": "1.13.3", "ui": "1.2"]
    private var isMachineReadable: Bool { call.arguments.contains("-json") }

    private struct Resource: Hashable, Comparable {
        var type: String
        var name: String
        /// Everything between the braces; a change of it is an update.
        var body: String
        var address: String { "\(type).\(name)" }
        static func < (left: Self, right: Self) -> Bool { left.address < right.address }
    }

    private func plan() throws {
        let changes = try changes()
        func count(_ action: String) -> Int { changes.filter { $0.action == action }.count }
        let summary = "Plan: \(count("create")) to add, \(count("update")) to change, \(count("delete")) to destroy."
        if isMachineReadable {
            try report("info", "Terraform 1.13.3", "version", Self.versions)
            try report("info", summary, "change_summary", [:])
        } else if changes.allSatisfy({ $0.action == Self.unchanged }) {
            call.say("No changes. Your infrastructure matches the configuration.")
        } else {
            call.say(summary)
        }
        guard let out = call.arguments.first(where: { $0.hasPrefix("-out=") }) else { return }
        let resources = changes.map { change -> HelmValue in
            [
                "address": .string(change.resource.address), "mode": "managed", "type": .string(change.resource.type),
                "name": .string(change.resource.name), "body": .string(change.resource.body),
                "change": ["actions": [.string(change.action)]],
            ]
        }
        let file: HelmValue = [
            "format_version": "1.2", "terraform_version": "1.13.3", "serial": .count(try state().serial),
            "resource_changes": .list(resources), "complete": .bool(targets.isEmpty),
            "configuration": [
                "root_module": ["resources": .list(try wantedResources().map { ["address": .string($0.address)] })]
            ],
        ]
        try LabFiles.write(StandInJSON.encode(file), to: call.absolute(String(out.dropFirst(5))), mode: 0o600)
    }

    private func show() throws {
        guard call.arguments.contains("-json"), words.count == 2 else {
            throw StandInFailure.plain("Error: the stand-in terraform shows a saved plan with -json only")
        }
        call.say(try StandInJSON.encode(planFile()))
    }

    /// Applies exactly a saved plan, in the machine-readable UI's lines.
    private func apply() throws {
        guard words.count == 2 else { throw StandInFailure.plain("Error: the stand-in terraform applies a saved plan only") }
        let plan = try planFile()
        var state = try state()
        guard plan["serial"]?.number == state.serial else {
            throw StandInFailure.plain(
                "Error: Saved plan is stale\n\nThe given plan file can no longer be applied because the state was changed by another operation "
                    + "after the plan was created.")
        }
        try report("info", "Terraform 1.13.3", "version", Self.versions)
        var counts = ["create": 0, "update": 0, "delete": 0]
        for change in plan["resource_changes"]?.elements ?? [] {
            let action = change["change", "actions"]?.elements.first?.text ?? ""
            if action == Self.unchanged { continue }
            let resource = Resource(
                type: change["type"]?.text ?? "", name: change["name"]?.text ?? "", body: change["body"]?.text ?? "")
            counts[action, default: 0] += 1
            try report("info", "\(resource.address): \(action)", "apply_start", ["hook": ["action": .string(action)]])
            state.resources = state.resources.filter { $0.address != resource.address } + (action == "delete" ? [] : [resource])
            try report("info", "\(resource.address): \(action) complete", "apply_complete", ["hook": ["action": .string(action)]])
        }
        try save(state.resources, serial: state.serial + 1)
        let summary: HelmValue = [
            "add": .count(counts["create"] ?? 0), "change": .count(counts["update"] ?? 0), "remove": .count(counts["delete"] ?? 0),
            "operation": "apply",
        ]
        try report("info", "Apply complete!", "change_summary", ["changes": summary])
    }

    private func report(_ level: String, _ message: String, _ type: String, _ rest: HelmValue) throws {
        let line: HelmValue = [
            "@level": .string(level), "@message": .string(message), "@module": "terraform.ui", "@timestamp": .string(StandInStore.now()),
            "type": .string(type),
        ]
        call.say(try StandInJSON.encode(line.merged(with: rest)))
    }

    private func planFile() throws -> HelmValue {
        guard let plan = LabFiles.bytes(call.absolute(words[1]), limit: 64 << 20).flatMap(StandInJSON.decode) else {
            throw StandInFailure.plain("Error: Failed to load plan file \(words[1])")
        }
        return plan
    }

    private static let unchanged = "no-op"
    private var targets: [String] { call.arguments.filter { $0.hasPrefix("-target=") }.map { String($0.dropFirst(8)) } }

    /// What each resource would go through, of those that a target names where there are targets; unchanged ones are among them.
    private func changes() throws -> [(resource: Resource, action: String)] {
        let targets = targets
        let isMeant = { (resource: Resource) in targets.isEmpty || targets.contains(resource.address) }
        let have = try state().resources.filter(isMeant)
        if call.arguments.contains("-destroy") { return have.sorted().map { ($0, "delete") } }
        let wanted = try wantedResources().filter(isMeant)
        let made = wanted.map { want in
            let old = have.first { $0.address == want.address }
            return (want, old.map { $0.body == want.body ? Self.unchanged : "update" } ?? "create")
        }
        let deleted = have.filter { old in !wanted.contains { $0.address == old.address } }.map { ($0, "delete") }
        return (made + deleted).sorted { $0.0 < $1.0 }
    }

    /// `resource "TYPE" "NAME" {` at the head of a line, up to `}` at the head of a line.
    private func wantedResources() throws -> [Resource] {
        let files = LabFiles.names(in: call.directory).filter { $0.hasSuffix(".tf") }
        guard !files.isEmpty else { throw StandInFailure.plain("Error: No configuration files in \(call.directory)") }
        var resources: [Resource] = []
        for file in files {
            var current: Resource?
            for line in (LabFiles.text(call.directory + "/" + file) ?? "").split(separator: "\n") {
                if line.hasPrefix("resource ") {
                    let names = line.split(separator: "\"", omittingEmptySubsequences: false)
                    guard names.count > 3 else { throw StandInFailure.plain("Error: Invalid resource block in \(file): \(line)") }
                    current = Resource(type: String(names[1]), name: String(names[3]), body: "")
                } else if line == "}", let done = current {
                    resources.append(done)
                    current = nil
                } else {
                    current?.body += line.filter { $0 != " " } + "\n"
                }
            }
        }
        return resources
    }

    private var stateFile: String { call.directory + "/terraform.tfstate" }

    private func state() throws -> (resources: [Resource], serial: Int) {
        guard LabFiles.exists(stateFile) else { return ([], 0) }
        guard let tree = LabFiles.bytes(stateFile, limit: 64 << 20).flatMap(StandInJSON.decode), tree["version"] == 4 else {
            throw StandInFailure.plain("Error: Failed to read state file \(stateFile)")
        }
        let resources = (tree["resources"]?.elements ?? []).compactMap { entry -> Resource? in
            guard let type = entry["type"]?.text, let name = entry["name"]?.text else { return nil }
            let body = entry["instances"]?.elements.first?["attributes", "body"]?.text ?? ""
            return Resource(type: type, name: name, body: body)
        }
        return (resources, tree["serial"]?.number ?? 0)
    }

    private func save(_ resources: [Resource], serial: Int) throws {
        let entries = resources.sorted().map { resource -> HelmValue in
            [
                "mode": "managed", "type": .string(resource.type), "name": .string(resource.name),
                "instances": [["attributes": ["body": .string(resource.body)]]],
            ]
        }
        let tree: HelmValue = ["version": 4, "terraform_version": "1.13.3", "serial": .count(serial), "resources": .list(entries)]
        try LabFiles.write(StandInJSON.encode(tree, pretty: true) + "\n", to: stateFile + ".new", mode: 0o600)
        try LabFiles.rename(stateFile + ".new", to: stateFile)
    }
}
