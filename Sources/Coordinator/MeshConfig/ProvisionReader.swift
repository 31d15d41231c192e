// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Reads `provision:`.
extension SpecReader {
    func readProvision(_ spec: Section) -> MeshSpec.Provision? {
        guard let section = spec.section("provision", "\"provision\"", keys: ["terraform"]) else { return nil }
        guard
            let terraform = section.section("terraform", "\"terraform\"", keys: ["directory", "varsFrom", "environment", "phases"])
        else {
            if !section.has("terraform") { section.missing("terraform", "a map with \"directory\"") }
            return nil
        }
        let source = terraform.optional("varsFrom", Form<MeshSpec.Provision.VariableSource>.word) ?? .files
        let environment = terraform.list("environment", .variableName)
        let phases = readPhases(terraform)
        return terraform.required("directory", .text).map {
            MeshSpec.Provision(terraformDirectory: $0, variablesFrom: source, environment: environment, phases: phases)
        }
    }

    /// The list of phases as it stands in the file, if there is one.
    func phaseItems(_ spec: Section) -> [YAMLTree] {
        guard case .list(let items)? = spec.value("provision")?.entry("terraform")?.value.entry("phases")?.value.content else { return [] }
        return items
    }

    private func readPhases(_ terraform: Section) -> [MeshSpec.Provision.Phase]? {
        guard terraform.has("phases") else { return nil }
        return terraform.items("phases").enumerated().compactMap { index, item -> MeshSpec.Provision.Phase? in
            let keys = ["name", "addresses", "variables", "createsOnly"]
            guard let section = Section(item, item.title("phase", index), keys: keys, log: log) else { return nil }
            let addresses = section.list("addresses", .terraformAddress) ?? []
            let variables = readVariables(section)
            let createsOnly = section.optional("createsOnly", Form<Bool>.bool)
            return section.required("name", .name).map {
                MeshSpec.Provision.Phase(name: $0, addresses: addresses, variables: variables, createsOnly: createsOnly)
            }
        }
    }

    private func readVariables(_ phase: Section) -> [String: String] {
        guard let tree = phase.value("variables") else { return [:] }
        guard case .map(let entries) = tree.content else {
            log.add(tree.place, "\"variables\" of \(phase.title) wants a map of names and values, not \(tree.kindInWords)")
            return [:]
        }
        var variables: [String: String] = [:]
        for entry in entries {
            guard isIdentifier(entry.key), case .scalar(let text, _) = entry.value.content else {
                log.add(
                    entry.place,
                    "\(quoted(entry.key)) in \"variables\" of \(phase.title) wants a name of letters, digits and '_' and one value")
                continue
            }
            variables[entry.key] = text
        }
        return variables
    }
}

private func isIdentifier(_ text: String) -> Bool {
    guard let first = text.utf8.first, text.utf8.count <= 128, !(0x30...0x39).contains(first) else { return false }
    return text.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || byte == 0x5f
    }
}

extension Form where Value == String {
    /// The name of an environment variable. Never its value: mesh.yaml is committed and read by many.
    fileprivate static var variableName: Self {
        Form(wanted: "the name of an environment variable such as PROXMOX_VE_API_TOKEN") { text, _ in isIdentifier(text) ? text : nil }
    }

    /// As `-target` takes it.
    fileprivate static var terraformAddress: Self {
        Form(wanted: "an address such as module.east or proxmox_virtual_environment_vm.worker") { text, _ in
            guard text.utf8.count <= 512, let first = text.unicodeScalars.first, first.properties.isAlphabetic, !text.hasSuffix("."),
                text.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value != 0x7f })
            else { return nil }
            return text
        }
    }
}
