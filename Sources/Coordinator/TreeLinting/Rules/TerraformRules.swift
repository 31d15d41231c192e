// SPDX-License-Identifier: Apache-2.0

import Linting
import MeshModel

/// L-TF-1
func targetsResolve(_ view: TreeView) -> [LocatedFinding] {
    guard !view.modules.isEmpty else { return [] }
    let known = addresses(of: view)
    let sorted = known.sorted()
    return view.invocations.flatMap { call -> [LocatedFinding] in
        guard call.program == "terraform" || call.program == "tofu" else { return [] }
        var targets = call.values("--target", "-target", "--replace", "-replace")
        if call.verbs.first == "taint" || call.verbs.first == "untaint" {
            targets += call.arguments.dropFirst().filter { !$0.text.hasPrefix("-") }
        }
        return targets.compactMap { target in
            let address = withoutIndices(target.text)
            guard !address.isEmpty, !address.contains("${"), !known.contains(address) else { return nil }
            let meant = nearest(address, of: sorted)
            // A page may speak of somebody else's tree.
            guard call.origin == .script || meant != nil else { return nil }
            let near = meant.map { " Near: \"\($0)\"" } ?? ""
            return finding(
                "L-TF-1", call.atMost(.error), target.spot,
                "target \"\(target.text)\" matches nothing; Terraform would say \"no changes\" and exit 0.\(near)")
        }
    }
}

private func withoutIndices(_ address: String) -> String {
    var depth = 0
    return String(
        address.filter { character in
            if character == "[" { depth += 1 }
            defer { if character == "]" { depth -= 1 } }
            return depth == 0
        })
}

/// What can be targeted: resources and modules of the root modules, and what is within those modules as far as the tree has it.
private func addresses(of view: TreeView) -> Set<String> {
    let byDirectory = Dictionary(view.modules.map { ($0.directory, $0) }, uniquingKeysWith: { first, _ in first })
    var found: Set<String> = []
    func add(_ module: TerraformModule, _ prefix: String, _ depth: Int) {
        for block in module.resourcesAndData { found.insert(prefix + block.address) }
        for call in module.calls {
            let address = "\(prefix)module.\(call.name)"
            guard found.insert(address).inserted, depth < 6, let source = call.body.attribute("source")?.value.plainText,
                source.hasPrefix("."), let inner = joined(module.directory, source).flatMap({ byDirectory[$0] })
            else { continue }
            add(inner, address + ".", depth + 1)
        }
    }
    for module in view.modules { add(module, "", 0) }
    return found
}

/// L-TF-2
func providersFromResources(_ view: TreeView) -> [LocatedFinding] {
    view.modules.flatMap { module in
        module.blocks("provider").compactMap { provider in
            for attribute in provider.body.allAttributes {
                for (reference, _) in module.references(of: attribute.value, in: provider.file) {
                    guard let address = TerraformModule.address(of: reference), !address.hasPrefix("data."),
                        module.byAddress[address] != nil
                    else { continue }
                    let alias = provider.body.attribute("alias")?.value.plainText.map { ".\($0)" } ?? ""
                    return finding(
                        "L-TF-2", .warning, provider.file.spot(attribute.offset),
                        "provider \"\(provider.name)\(alias)\" is configured from \(address), made in the same run; split the root module")
                }
            }
            return nil
        }
    }
}

/// L-TF-3
func bootstrapOrder(_ view: TreeView) -> [LocatedFinding] {
    view.modules.flatMap { module -> [LocatedFinding] in
        // Without one the configuration comes with the machine, as user data.
        let applies = !module.blocks("resource", "talos_machine_configuration_apply").isEmpty
        let bootstraps = module.blocks("resource", "talos_machine_bootstrap").compactMap { block -> LocatedFinding? in
            let needs = module.dependencies(of: block)
            guard applies, !needs.contains(where: { $0.hasPrefix("talos_machine_configuration_apply.") }) else { return nil }
            return finding(
                "L-TF-3", .error, block.spot,
                "\(block.address) does not depend on any talos_machine_configuration_apply; it may be sent to a machine that has no configuration yet",
                fix: "depends_on = [talos_machine_configuration_apply....]")
        }
        let kubeconfigs = module.blocks("resource", "talos_cluster_kubeconfig").compactMap { block -> LocatedFinding? in
            guard !module.dependencies(of: block).contains(where: { $0.hasPrefix("data.talos_cluster_health.") }) else { return nil }
            return finding(
                "L-TF-3", .warning, block.spot,
                "\(block.address) does not wait for a healthy cluster; who uses it may meet an API that is not there",
                fix: "depends_on = [data.talos_cluster_health....]")
        }
        return bootstraps + kubeconfigs
    }
}

/// L-TF-4
func sidesStaySeparate(_ view: TreeView) -> [LocatedFinding] {
    let sides = sides(view)
    return view.modules.flatMap { module in
        module.blocks.flatMap { block -> [LocatedFinding] in
            guard ["resource", "data", "module", "output", "provider"].contains(block.block.type) else { return [] }
            let alias = block.body.attribute("alias")?.value.plainText ?? ""
            guard let own = side(of: block.block.type == "provider" ? alias : block.name, among: sides) else { return [] }
            return block.references.compactMap { reference -> LocatedFinding? in
                guard TerraformModule.address(of: reference) != nil || reference.root == "local" || reference.root == "var",
                    let other = side(of: reference.path, among: sides), other != own
                else { return nil }
                let name = block.block.type == "output" ? "output.\(block.name)" : block.address
                return finding(
                    "L-TF-4", .error, block.file.spot(reference.offset), "\"\(name)\" (\(own)) refers to \"\(reference.path)\" (\(other))")
            }
        }
    }
}

/// L-TF-5
func hiddenFiles(_ view: TreeView) -> [LocatedFinding] {
    let marks = ["-", "~", ".off", ".disabled", ".bak", ".hide", ".hidden", ".old"]
    func lives(_ path: String) -> String {
        let blocks =
            view.modules.flatMap(\.files).first { $0.path == path }.map { file in
                file.hcl.body.blocks.filter { $0.type == "resource" || $0.type == "module" }
            } ?? []
        guard !blocks.isEmpty else { return "hiding \(basename(path)) would delete what it made" }
        let names = blocks.map { $0.labels.joined(separator: ".") }
        let more = names.count > 4 ? ", ..." : ""
        return "hiding \(basename(path)) would delete \(names.count) live objects: \(names.prefix(4).joined(separator: ", "))\(more)"
    }
    let pairs = view.tree.paths.sorted().compactMap { path -> LocatedFinding? in
        guard let mark = marks.first(where: { path.hasSuffix(".tf" + $0) }) else { return nil }
        let shown = String(path.dropLast(mark.count))
        guard view.tree.paths.contains(shown) else { return nil }
        return finding(
            "L-TF-5", .error, Spot(file: path, place: SourcePlace(line: 1, column: 1)),
            "\(basename(path)) is \(basename(shown)) put aside; \(lives(shown))")
    }
    let renames = view.invocations.compactMap { call -> LocatedFinding? in
        guard call.program == "mv" || call.program == "git" && call.starts(with: "mv") else { return nil }
        let names = call.words.filter { !$0.hasPrefix("-") }.suffix(2)
        guard names.count == 2, let from = names.first, let to = names.last, from.hasSuffix(".tf"),
            marks.contains(where: { to.hasSuffix(".tf" + $0) })
        else { return nil }
        let path = view.modules.flatMap(\.files).map(\.path).first { basename($0) == basename(from) } ?? from
        return finding("L-TF-5", call.atMost(.error), call.spot, lives(path))
    }
    return pairs + renames
}

/// L-TF-6
func indexedAddresses(_ view: TreeView) -> [LocatedFinding] {
    view.modules.flatMap { module in
        module.blocks.flatMap { block in
            block.references.compactMap { reference -> LocatedFinding? in
                for (step, next) in zip(reference.steps, reference.steps.dropFirst()) {
                    guard case .name(let name) = step, ["ipv4_addresses", "ipv6_addresses"].contains(name), case .index(let index) = next,
                        case .number(let number) = index.kind
                    else { continue }
                    return finding(
                        "L-TF-6", .error, block.file.spot(reference.offset),
                        "index [\(number)] into \(name) depends on interface order; match by MAC or interface name")
                }
                return nil
            }
        }
    }
}

/// L-TF-7
func variablesUsed(_ view: TreeView) -> [LocatedFinding] {
    view.modules.flatMap { module -> [LocatedFinding] in
        let used = Set(module.blocks.flatMap(\.references).filter { $0.root == "var" && $0.names.count > 1 }.map { $0.names[1] })
        // Somebody else may write JSON beside these files.
        let isWhole = !view.tree.paths.contains { directory(of: $0) == module.directory && $0.hasSuffix(".tf.json") }
        let unused =
            !isWhole
            ? []
            : module.variables.filter { !used.contains($0.name) }.map { variable in
                finding("L-TF-7", .warning, variable.spot, "variable \"\(variable.name)\" is never used; what is set there changes nothing")
            }
        return unused + swappedVariables(module)
    }
}

/// A worker that takes what was meant for control planes, although there is a variable for workers.
private func swappedVariables(_ module: TerraformModule) -> [LocatedFinding] {
    let names = Set(module.variables.map(\.name))
    let pairs = [
        ("control", "worker"), ("controlplane", "worker"), ("cp", "worker"), ("control", "wrk"), ("cp", "wrk"), ("master", "worker"),
    ]
    return module.resources.flatMap { resource in
        resource.references.compactMap { reference -> LocatedFinding? in
            guard reference.root == "var", reference.names.count > 1 else { return nil }
            let name = reference.names[1]
            for (mine, other) in pairs {
                let parts = tokens(name)
                guard tokens(resource.name).contains(other), parts.contains(mine) else { continue }
                let wanted = parts.map { $0 == mine ? other : $0 }.joined(separator: "_")
                guard let better = names.first(where: { $0.lowercased() == wanted }) else { continue }
                return finding(
                    "L-TF-7", .warning, resource.file.spot(reference.offset),
                    "\(resource.address) is made with var.\(name); var.\(better) is there and not used for it")
            }
            return nil
        }.firsts(by: \.message)
    }
}

/// L-TF-9
func manifestsReadable(_ view: TreeView) -> [LocatedFinding] {
    view.modules.flatMap { module in
        module.resourcesAndData.compactMap { block -> LocatedFinding? in
            switch (block.block.type, block.type) {
            case ("data", "kubectl_path_documents"):
                guard let pattern = block.body.attribute("pattern"), isContent(pattern.value) else { return nil }
                return finding(
                    "L-TF-9", .error, block.file.spot(pattern.offset),
                    "\"pattern\" is a path, and here it is given the content of manifests",
                    fix: "data \"kubectl_file_documents\" with content")
            case ("resource", "kubectl_manifest"):
                guard let body = block.body.attribute("yaml_body"), let why = severalDocuments(body.value, module) else { return nil }
                return finding(
                    "L-TF-9", .error, block.file.spot(body.offset),
                    "\(block.address) takes one document, and \(why); the others would be left out",
                    fix: "for_each over data.kubectl_file_documents....manifests")
            case ("resource", "kubernetes_manifest"):
                return finding(
                    "L-TF-9", .error, block.spot,
                    "\(block.address) is planned against the API, so there is no plan before the cluster is there", fix: "kubectl_manifest")
            default: return nil
            }
        } + naiveSplits(module)
    }
}

private func isContent(_ value: HCLExpression) -> Bool {
    value.references.contains { ["response_body", "body", "content"].contains($0.names.last ?? "") }
}

private func severalDocuments(_ value: HCLExpression, _ module: TerraformModule) -> String? {
    if let text = value.textWithHoles {
        let documents = text.split(separator: "\n", omittingEmptySubsequences: false).split { $0.trimmingDashes }.filter { part in
            part.contains { !$0.allSatisfy(\.isWhitespace) && !$0.hasPrefix("#") }
        }
        return documents.count > 1 ? "there are \(documents.count) in its text" : nil
    }
    guard let reference = value.reference else { return nil }
    if reference.path.hasPrefix("data.kubectl_path_documents."), reference.names.last == "pattern" { return "a pattern is none" }
    guard reference.path.hasPrefix("data.http."), let address = TerraformModule.address(of: reference),
        let source = module.byAddress[address]?.body.attribute("url")?.value.textWithHoles
    else { return nil }
    let name = basename(source)
    return ["install", "components", "bundle", "all-in-one"].contains(where: { name.contains($0) }) ? "\(name) has many" : nil
}

extension Substring {
    fileprivate var trimmingDashes: Bool { hasPrefix("---") && dropFirst(3).allSatisfy(\.isWhitespace) }
}

private func naiveSplits(_ module: TerraformModule) -> [LocatedFinding] {
    var found: [LocatedFinding] = []
    for block in module.blocks {
        for attribute in block.body.allAttributes {
            attribute.value.walk { value in
                guard case .call("split", let arguments) = value.kind, let separator = arguments.first?.plainText,
                    trimmed(separator.replacing("\n", with: " ")) == "---"
                else { return }
                found.append(
                    finding(
                        "L-TF-9", .error, block.file.spot(value.offset),
                        "splitting manifests at \"---\" also splits texts within them", fix: "data \"kubectl_file_documents\""))
            }
        }
    }
    return found
}

/// L-TF-10
func stateLocks(_ view: TreeView) -> [LocatedFinding] {
    view.modules.flatMap { module in
        module.blocks("terraform").flatMap { block in
            block.body.blocks("backend").filter { $0.labels.first == "s3" }.compactMap { backend -> LocatedFinding? in
                guard let lock = backend.body.attribute("use_lockfile"), case .bool(true) = lock.value.kind else { return nil }
                let endpoints =
                    (backend.body.attribute("endpoint").map { [$0.value] } ?? [])
                    + (backend.body.attribute("endpoints")?.value.items.map(\.value) ?? [])
                guard let foreign = endpoints.compactMap(\.plainText).first(where: { !$0.contains("amazonaws.com") }) else { return nil }
                return finding(
                    "L-TF-10", .warning, block.file.spot(lock.offset),
                    "use_lockfile needs conditional writes, and nothing shows that \(foreign) has them; a lock that is not refused is none",
                    fix: "let gate state-lock try it, or use a backend with a lock of its own")
            }
        }
    }
}

/// L-TF-11
func stateForgotten(_ view: TreeView) -> [LocatedFinding] {
    view.invocations.compactMap { call in
        guard call.program == "terraform" || call.program == "tofu", call.starts(with: "state", "rm"), call.words.count > 2,
            call.words.dropFirst(2).contains(where: { $0.contains("$") || $0.contains("`") || $0.contains("*") })
        else { return nil }
        return finding(
            "L-TF-11", call.atMost(.error), call.spot,
            "forgetting everything in the state leaves machines, disks and secrets that nobody owns; destroy by plan instead")
    }
}
