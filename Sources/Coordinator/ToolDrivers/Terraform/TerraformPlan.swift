// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import MeshTrust

/// What a saved plan would do, as `terraform show -json` tells it. Addresses and actions only: the values, secrets among them, are skipped
/// while reading and never become text of ours.
struct TerraformPlan: Hashable, Sendable {
    enum Action: Hashable, Sendable {
        case none, create, read, update, delete, replace, forget
        /// A word, or an order of words, that this version does not know.
        case unknown([String])

        init(_ words: [String]) {
            self =
                switch words {
                case ["no-op"]: .none
                case ["create"]: .create
                case ["read"]: .read
                case ["update"]: .update
                case ["delete"]: .delete
                case ["delete", "create"], ["create", "delete"]: .replace
                // Not destroyed, but out of Terraform's sight, and with it out of every later teardown.
                case ["forget"], ["create", "forget"]: .forget
                default: .unknown(words)
                }
        }
    }

    struct Change: Hashable, Sendable {
        var address: String
        var action: Action
        /// Such as `replace_because_tainted` or `delete_because_no_resource_config`.
        var reason: String?
        var imports = false
    }

    var terraformVersion: String
    var changes: [Change]
    /// Objects that were changed outside of Terraform since its last apply.
    var drift: [Change] = []
    /// Addresses whose changes Terraform put off to a later plan.
    var deferred: [String] = []
    /// Orders to providers beside the changes of resources.
    var invocations = 0
    /// False when the plan leaves something out: a target was given, or changes were deferred.
    var complete: Bool?
    var errored: Bool
    /// Every resource of the configuration, without instances.
    var configured: [String] = []

    /// - Parameter bytes: the whole output. An unknown major of the format is refused: its actions might mean something else.
    init(json bytes: [UInt8]) throws {
        guard let document = try? JSONDecoder().decode(Document.self, from: Data(bytes)) else {
            throw DriverError.unreadable(what: "the plan", where: "terraform show -json")
        }
        guard document.formatVersion.hasPrefix("1.") else {
            throw DriverError.unreadable(
                what: "the plan (format_version \(document.formatVersion.prefix(16)))", where: "terraform show -json")
        }
        terraformVersion = document.terraformVersion ?? "?"
        changes = (document.resourceChanges ?? []).map(\.asChange)
        drift = (document.resourceDrift ?? []).map(\.asChange)
        deferred = (document.deferredChanges ?? []).map { $0.resourceChange?.address ?? "?" }
        invocations = (document.actionInvocations?.count ?? 0) + (document.deferredActionInvocations?.count ?? 0)
        complete = document.complete
        errored = document.errored ?? false
        configured = document.configuration?.rootModule?.addresses(under: "", depth: 0) ?? []
    }

    /// What would be made, altered, and taken away.
    var counts: (creates: Int, changes: Int, deletes: Int) {
        var (creates, updates, deletes) = (0, 0, 0)
        for change in changes {
            switch change.action {
            case .create: creates += 1
            case .update: updates += 1
            case .delete, .replace, .forget: deletes += 1
            case .none where change.imports: updates += 1
            case .none, .read: continue
            case .unknown: updates += 1
            }
        }
        return (creates, updates, deletes)
    }

    /// How many times Terraform will say that it begins something when it applies this.
    var operations: Int {
        changes.reduce(0) { sum, change in
            switch change.action {
            case .create, .update, .delete: sum + 1
            case .replace: sum + 2
            case .none, .read, .forget, .unknown: sum
            }
        }
    }

    /// Addresses that would be destroyed, replaced or forgotten.
    var deletions: [String] { losing.map(\.address) }

    /// The same without these addresses.
    func without(_ addresses: [String]) -> Self {
        var copy = self
        copy.changes.removeAll { addresses.contains($0.address) }
        return copy
    }

    private var losing: [Change] { changes.filter { [.delete, .replace, .forget].contains($0.action) } }

    /// The same as a person signs for it.
    var losses: TerraformLosses? {
        TerraformLosses(
            losing.map { change in
                let verb = change.action == .delete ? "delete" : change.action == .replace ? "replace" : "forget"
                return "\(verb) \(change.address)" + (change.reason.map { " (\($0.replacing("_", with: " ")))" } ?? "")
            }, digester: sha256)
    }
}

/// The parts of Terraform's document that are read.
private struct Document: Decodable {
    var formatVersion: String
    var terraformVersion: String?
    var resourceChanges: [ResourceChange]?
    var resourceDrift: [ResourceChange]?
    var deferredChanges: [Deferred]?
    var actionInvocations: [Skipped]?
    var deferredActionInvocations: [Skipped]?
    var complete: Bool?
    var errored: Bool?
    var configuration: Configuration?

    private enum CodingKeys: String, CodingKey {
        case complete, errored, configuration
        case formatVersion = "format_version"
        case terraformVersion = "terraform_version"
        case resourceChanges = "resource_changes"
        case resourceDrift = "resource_drift"
        case deferredChanges = "deferred_changes"
        case actionInvocations = "action_invocations"
        case deferredActionInvocations = "deferred_action_invocations"
    }

    struct ResourceChange: Decodable {
        struct Details: Decodable {
            var actions: [String]
            var importing: Skipped?
        }
        var address: String
        var change: Details
        var actionReason: String?
        var deposed: String?

        private enum CodingKeys: String, CodingKey {
            case address, change, deposed
            case actionReason = "action_reason"
        }

        var asChange: TerraformPlan.Change {
            TerraformPlan.Change(
                address: address, action: .init(change.actions), reason: deposed == nil ? actionReason : "deposed_object",
                imports: change.importing != nil)
        }
    }
    struct Deferred: Decodable {
        struct Addressed: Decodable { var address: String? }
        var resourceChange: Addressed?
        private enum CodingKeys: String, CodingKey { case resourceChange = "resource_change" }
    }
    struct Configuration: Decodable {
        var rootModule: Module?
        private enum CodingKeys: String, CodingKey { case rootModule = "root_module" }
    }
    final class Module: Decodable {
        struct Resource: Decodable { var address: String? }
        struct Call: Decodable { var module: Module? }
        var resources: [Resource]?
        var moduleCalls: [String: Call]?
        private enum CodingKeys: String, CodingKey {
            case resources
            case moduleCalls = "module_calls"
        }

        /// Modules nest as deep as people write them; a document of a thousand levels was not written by Terraform.
        func addresses(under path: String, depth: Int) -> [String] {
            guard depth < 32 else { return [] }
            let own = (resources ?? []).compactMap { $0.address.map { path + $0 } }
            let below = (moduleCalls ?? [:]).sorted { $0.key < $1.key }.flatMap { name, call in
                call.module?.addresses(under: "\(path)module.\(name).", depth: depth + 1) ?? []
            }
            return own + below
        }
    }
    /// Something that is counted and not looked into.
    struct Skipped: Decodable { init(from decoder: any Decoder) throws {} }
}
