// SPDX-License-Identifier: Apache-2.0

/// One installation of a chart, wherever it is written down.
struct HelmUse {
    struct Setting {
        /// Dotted: `clustermesh.apiserver.service.nodePort`.
        let key: String
        /// As it is written; `nil` for a list or map whose parts are settings of their own.
        let value: String?
        let isText: Bool
        let spot: Spot
    }
    /// The chart's own name, without repository: `cilium`.
    let chart: String
    let version: String?
    let namespace: String?
    let context: String?
    let settings: [Setting]
    let spot: Spot
    /// Values come from a place that could not be read, so a missing setting means nothing.
    let isComplete: Bool
    /// The command's other than constant parts: one script installs several clusters.
    let isParameterised: Bool

    func setting(_ key: String) -> Setting? { settings.last { $0.key == key } }
    func value(_ key: String) -> String? { setting(key)?.value }
    func isOn(_ key: String) -> Bool { value(key) == "true" }
}

extension HelmUse {
    static func all(
        _ invocations: [Invocation], _ modules: [TerraformModule], _ documents: [TreeView.Document], _ embedded: [EmbeddedYAML],
        _ tree: SourceTree
    ) -> [HelmUse] {
        invocations.compactMap { fromCommand($0, documents) }
            + modules.flatMap { module in
                module.blocks("resource", "helm_release").map { fromRelease($0, module, embedded) }
            } + documents.flatMap(fromPlaybook)
    }

    // MARK: - Commands

    private static func fromCommand(_ call: Invocation, _ documents: [TreeView.Document]) -> HelmUse? {
        let chart: String
        switch (call.program, call.words.first) {
        case ("cilium", "install"), ("cilium", "upgrade"): chart = "cilium"
        case ("helm", "install"), ("helm", "upgrade"), ("helm", "template"):
            guard let name = chartName(call) else { return nil }
            chart = name
        default: return nil
        }
        var complete = true
        var settings: [Setting] = []
        for argument in call.values("-f", "--values", "--helm-values") {
            guard let file = document(argument.text, near: call.spot.file, documents) else {
                complete = false
                continue
            }
            for document in file.documents { settings += flatten(document, "", file.spot) }
        }
        for argument in call.values("--set", "--set-string", "--helm-set", "--helm-set-string") {
            settings += split(argument.text, argument.spot)
        }
        return HelmUse(
            chart: chart, version: call.values("--version").first?.text, namespace: call.values("-n", "--namespace").first?.text,
            context: call.values("--context", "--kube-context").first?.text, settings: settings, spot: call.spot, isComplete: complete,
            isParameterised: call.words.contains { $0.contains("${") })
    }

    /// `helm install NAME CHART`, `helm upgrade --install NAME CHART`.
    private static func chartName(_ call: Invocation) -> String? {
        let withValue: Set<String> = [
            "--version", "-n", "--namespace", "--set", "--set-string", "-f", "--values", "--kube-context", "--kubeconfig", "--repo",
            "--timeout", "--set-json", "--set-file", "--description", "--context",
        ]
        var names: [String] = []
        var skip = false
        for word in call.words.dropFirst() {
            if skip { skip = false } else if word.hasPrefix("-") { skip = withValue.contains(word) } else { names.append(word) }
        }
        guard let last = names.last, names.count > 1 || call.has("--generate-name") else { return nil }
        return basename(last)
    }

    private static func document(_ path: String, near file: String, _ documents: [TreeView.Document]) -> TreeView.Document? {
        let candidates = [joined(directory(of: file), path), joined("", path)].compactMap { $0 }
        return documents.first { candidates.contains($0.path) }
    }

    /// `a.b=1,c={x,y}`; a backslash protects a comma.
    static func split(_ text: String, _ spot: Spot) -> [Setting] {
        var parts: [[UInt8]] = [[]]
        var depth = 0
        var isProtected = false
        for byte in text.utf8 {
            if isProtected {
                isProtected = false
            } else if byte == .ascii("\\") {
                isProtected = true
            } else if byte == .ascii("{") {
                depth += 1
            } else if byte == .ascii("}") {
                depth = max(0, depth - 1)
            } else if byte == .ascii(","), depth == 0 {
                parts.append([])
                continue
            }
            parts[parts.count - 1].append(byte)
        }
        return parts.compactMap { part in
            guard let equals = part.firstIndex(of: .ascii("=")) else { return nil }
            let key = part[..<equals].text
            guard !key.isEmpty else { return nil }
            return Setting(key: key, value: part[(equals + 1)...].text, isText: false, spot: spot)
        }
    }

    // MARK: - Terraform

    private static func fromRelease(_ block: TerraformBlock, _ module: TerraformModule, _ embedded: [EmbeddedYAML]) -> HelmUse {
        var settings: [Setting] = []
        var complete = true
        for nested in block.body.blocks("set") + block.body.blocks("set_sensitive") {
            settings += setting(nested.body.attribute("name")?.value, nested.body.attribute("value")?.value, block)
        }
        for item in block.body.attribute("set")?.value.elements ?? [] {
            settings += setting(item.items.first { $0.name == "name" }?.value, item.items.first { $0.name == "value" }?.value, block)
        }
        if let values = block.body.attribute("values")?.value {
            for element in values.elements {
                if case .call("yamlencode", let parts) = element.kind, let object = parts.first {
                    settings += flatten(object, "", block)
                } else if case .text(_, .some) = element.kind {
                    continue  // A heredoc; it is among the embedded ones.
                } else {
                    complete = false
                }
            }
            if values.elements.isEmpty { complete = false }
        }
        for text in embedded
        where text.owner.file.path == block.file.path && text.owner.block.offset == block.block.offset && text.attribute == "values" {
            for document in text.documents { settings += flatten(document, "", text.spot) }
        }
        let chart = block.body.attribute("chart")?.value.plainText.map(basename) ?? ""
        return HelmUse(
            chart: chart, version: block.body.attribute("version").map { $0.value.textWithHoles ?? "${...}" },
            namespace: block.body.attribute("namespace")?.value.plainText, context: block.name, settings: settings, spot: block.spot,
            isComplete: complete, isParameterised: false)
    }

    private static func setting(_ name: HCLExpression?, _ value: HCLExpression?, _ block: TerraformBlock) -> [Setting] {
        guard let name, let key = name.plainText else { return [] }
        return [Setting(key: key, value: value?.textWithHoles ?? "${...}", isText: false, spot: block.file.spot(name.offset))]
    }

    private static func flatten(_ value: HCLExpression, _ prefix: String, _ block: TerraformBlock) -> [Setting] {
        guard case .object(let items) = value.kind else {
            let isText = if case .text = value.kind { true } else { false }
            return [Setting(key: prefix, value: value.textWithHoles ?? list(value), isText: isText, spot: block.file.spot(value.offset))]
        }
        return items.flatMap { item -> [Setting] in
            guard let name = item.name else { return [] }
            let key = prefix.isEmpty ? name : "\(prefix).\(name)"
            if case .object = item.value.kind { return flatten(item.value, key, block) }
            return flatten(item.value, key, block).map {
                Setting(key: $0.key, value: $0.value, isText: $0.isText, spot: block.file.spot(item.key.offset))
            }
        }
    }

    private static func list(_ value: HCLExpression) -> String? {
        guard case .list(let elements) = value.kind else { return "${...}" }
        return "{\(elements.map { $0.textWithHoles ?? "${...}" }.joined(separator: ","))}"
    }

    // MARK: - YAML

    static func flatten(_ node: YAMLNode, _ prefix: String, _ spot: (SourcePlace) -> Spot) -> [Setting] {
        node.entries.flatMap { entry -> [Setting] in
            let key = prefix.isEmpty ? entry.key : "\(prefix).\(entry.key)"
            switch entry.value.content {
            case .map(let entries) where !entries.isEmpty: return flatten(entry.value, key, spot)
            case .map: return [Setting(key: key, value: nil, isText: false, spot: spot(entry.place))]
            case .list(let items):
                let text = items.map { $0.text ?? "" }.joined(separator: ",")
                return [Setting(key: key, value: "{\(text)}", isText: false, spot: spot(entry.place))]
            case .scalar(let text, let isPlain):
                return [Setting(key: key, value: text, isText: !isPlain, spot: spot(entry.place))]
            }
        }
    }

    /// Tasks of Ansible that install a chart.
    private static func fromPlaybook(_ document: TreeView.Document) -> [HelmUse] {
        ansibleTasks(document).compactMap { task in
            guard
                let entry = task.node.entry("kubernetes.core.helm") ?? task.node.entry("community.kubernetes.helm")
                    ?? task.node.entry("helm"),
                let chart = entry.value["chart_ref"]?.text.map({ filledIn($0, task.play) })
            else { return nil }
            let values = entry.value["values"] ?? entry.value["release_values"]
            return HelmUse(
                chart: basename(chart), version: entry.value["chart_version"]?.text,
                namespace: (entry.value["namespace"] ?? entry.value["release_namespace"])?.text, context: entry.value["context"]?.text,
                settings: values.map { flatten($0, "", document.spot) } ?? [], spot: document.spot(entry.place), isComplete: false,
                isParameterised: true)
        }
    }
}

/// `{{ name }}` as the play's own variables have it.
private func filledIn(_ text: String, _ play: YAMLNode) -> String {
    guard text.hasPrefix("{{"), text.hasSuffix("}}") else { return text }
    return play["vars"]?.entry(trimmed(text.dropFirst(2).dropLast(2)))?.value.text ?? text
}

/// A task of a playbook with the play around it.
struct AnsibleTask {
    let play: YAMLNode
    let node: YAMLNode
}

/// The tasks of the plays in a document; blocks within blocks are followed.
func ansibleTasks(_ document: TreeView.Document) -> [AnsibleTask] {
    document.documents.flatMap(\.elements).filter { $0.entry("hosts") != nil }.flatMap { play in
        var open = ["pre_tasks", "tasks", "post_tasks", "handlers"].flatMap { play[$0]?.elements ?? [] }
        var found: [AnsibleTask] = []
        var index = 0
        while index < open.count {
            let node = open[index]
            index += 1
            found.append(AnsibleTask(play: play, node: node))
            for key in ["block", "rescue", "always"] { open += node[key]?.elements ?? [] }
        }
        return found
    }
}
