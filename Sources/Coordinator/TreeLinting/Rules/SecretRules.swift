// SPDX-License-Identifier: Apache-2.0

import Linting

/// L-SEC-1
func credentialsIgnored(_ view: TreeView) -> [LocatedFinding] {
    var outputs: [(paths: [String], shown: String, spot: Spot)] = []
    // Where a script is started is not in the tree: next to itself, at the root, or where Terraform is.
    let places = [""] + view.modules.map(\.directory)
    for script in view.scripts {
        for redirection in script.shell.commands.flatMap(\.redirections) where redirection.sign.contains(">") {
            let target = script.expand(redirection.target.text)
            guard isCredentialName(target), !target.hasPrefix("/"), !target.contains("$"), !target.hasPrefix("~"), !target.hasPrefix("&")
            else {
                continue
            }
            let paths = ([directory(of: script.path)] + places).compactMap { joined($0, target) }
            outputs.append((paths, target, script.spot(redirection.offset)))
        }
    }
    for module in view.modules {
        for file in module.blocks("resource", "local_file") + module.blocks("resource", "local_sensitive_file") {
            guard let name = file.body.attribute("filename")?.value.textWithHoles?.replacing("${path.module}/", with: ""),
                isCredentialName(name), !name.contains("${"), !name.hasPrefix("/")
            else { continue }
            outputs.append(([joined(module.directory, name)].compactMap { $0 }, name, file.spot))
        }
    }
    for settings in view.settings {
        for entry in settings.entries where entry.key == "log_path" && !entry.value.hasPrefix("/") && !entry.value.hasPrefix("~") {
            let spot = Spot(file: settings.path, place: SourcePlace(line: entry.line, column: 1))
            outputs.append(([joined(directory(of: settings.path), entry.value)].compactMap { $0 }, entry.value, spot))
        }
    }
    return outputs.filter { output in !output.paths.isEmpty && !output.paths.contains(where: view.ignored.ignores) }
        .firsts { "\($0.spot.file) \(directory(of: $0.shown))" }
        .map { output in
            let parent = directory(of: output.shown)
            return finding(
                "L-SEC-1", .error, output.spot, "\"\(output.shown)\" may hold credentials, and no .gitignore leaves it out",
                fix: parent.isEmpty ? "\(output.shown) in .gitignore" : "\(parent)/ in .gitignore")
        }
}

/// L-SEC-2
func argumentsNotLogged(_ view: TreeView) -> [LocatedFinding] {
    let settings = view.settings.flatMap { settings in
        settings.entries.filter { $0.key == "display_args_to_stdout" && ["true", "yes", "on", "1"].contains($0.value.lowercased()) }.map {
            entry in
            let log = settings.entries.first { $0.key == "log_path" }.map { " and to \($0.value)" } ?? ""
            return finding(
                "L-SEC-2", .error, Spot(file: settings.path, place: SourcePlace(line: entry.line, column: 1)),
                "every argument of every task goes to the screen\(log), tokens and keys among them", fix: "display_args_to_stdout = false")
        }
    }
    let traces = view.scripts.flatMap { script in
        script.shell.commands.filter { command in
            command.name == "set" && command.words.contains { $0.text.hasPrefix("-") && !$0.text.hasPrefix("--") && $0.text.contains("x") }
        }.compactMap { command -> LocatedFinding? in
            let secret = (script.shell.commands.flatMap { $0.words + $0.assignments.map(\.value) }).contains { word in
                word.text.split(separator: "$").contains { $0.hasPrefix("{") && isSecretVariable($0.dropFirst().prefix { $0 != "}" }) }
            }
            guard secret else { return nil }
            return finding("L-SEC-2", .error, script.spot(command.offset), "set -x prints the secrets that this script handles")
        }
    }
    return settings + traces
}

/// PWD is where the shell stands.
private func isSecretVariable(_ name: Substring) -> Bool { name != "PWD" && name != "OLDPWD" && isSecretName(String(name)) }

/// L-SEC-3
func certificatesChecked(_ view: TreeView) -> [LocatedFinding] {
    let switches: Set<String> = [
        "insecure", "tls_insecure", "skip_tls_verify", "insecure_skip_verify", "pm_tls_insecure", "skip_ssl_validation",
    ]
    let providers = view.modules.flatMap { module in
        module.blocks("provider").flatMap { provider -> [LocatedFinding] in
            let off = provider.body.allAttributes.filter { attribute in
                if case .bool(true) = attribute.value.kind { switches.contains(attribute.name) } else { false }
            }.map { attribute in
                finding(
                    "L-SEC-3", .error, provider.file.spot(attribute.offset),
                    "provider \"\(provider.name)\" does not check who answers; whoever stands between reads its token")
            }
            let ssh = provider.body.blocks("ssh").compactMap { ssh -> LocatedFinding? in
                guard let password = ssh.body.attribute("password") else { return nil }
                return finding(
                    "L-SEC-3", .error, provider.file.spot(password.offset),
                    "provider \"\(provider.name)\" logs in with a password over SSH", fix: "a key of its own user, by an agent")
            }
            return off + ssh
        }
    }
    let calls = view.invocations.compactMap { call -> LocatedFinding? in
        let off =
            switch call.program {
            case "curl":
                call.words.first { $0 == "--insecure" || ($0.hasPrefix("-") && !$0.hasPrefix("--") && $0.dropFirst().contains("k")) }
            case "wget": call.words.first { $0 == "--no-check-certificate" }
            default: call.words.first { $0.hasPrefix("--insecure-skip-tls-verify") && !$0.hasSuffix("=false") }
            }
        guard let off else { return nil }
        return finding("L-SEC-3", call.atMost(.error), call.spot, "\(call.program) \(off) does not check who answers")
    }
    let ansible = view.settings.flatMap { settings in
        settings.entries.filter { $0.key == "host_key_checking" && ["false", "no", "off", "0"].contains($0.value.lowercased()) }.map {
            entry in
            finding(
                "L-SEC-3", .error, Spot(file: settings.path, place: SourcePlace(line: entry.line, column: 1)),
                "Ansible does not check who answers over SSH")
        }
    }
    return providers + calls + ansible
}

/// L-SEC-4
func secretsMarked(_ view: TreeView) -> [LocatedFinding] {
    view.modules.flatMap { module in
        module.variables.compactMap { variable in
            guard isSecretName(variable.name) else { return nil }
            if let mark = variable.body.attribute("sensitive"), case .bool(true) = mark.value.kind { return nil }
            if let mark = variable.body.attribute("ephemeral"), case .bool(true) = mark.value.kind { return nil }
            return finding(
                "L-SEC-4", .error, variable.spot, "variable \"\(variable.name)\" is a secret and would be printed with every plan",
                fix: "sensitive = true")
        }
    }
}

/// L-CTX-1
func contextsNamed(_ view: TreeView) -> [LocatedFinding] {
    let calls = (view.scripts + view.pages.flatMap(\.codes)).flatMap { script -> [LocatedFinding] in
        // An exported KUBECONFIG is a choice, as far as it says the same everywhere.
        let exports = script.shell.commands.flatMap { command in
            exported(command) + (command.words.isEmpty ? command.assignments : [])
        }.filter { $0.name == "KUBECONFIG" }
        let relative = exports.compactMap { export -> LocatedFinding? in
            let value = script.expand(export.value.text)
            guard !value.isEmpty, !["/", "~", "$", "\""].contains(where: { value.hasPrefix($0) }) else { return nil }
            return finding(
                "L-CTX-1", .warning, script.spot(export.offset),
                "KUBECONFIG=\(value) means another file in another directory; with none there, tools fall back to what they find")
        }
        let without = script.invocations.compactMap { call -> LocatedFinding? in
            guard reachesCluster(call), exports.isEmpty, !call.command.assignments.contains(where: { $0.name == "KUBECONFIG" }) else {
                return nil
            }
            return finding(
                "L-CTX-1", call.atMost(.error), call.spot,
                "\(call.program) \(call.verbs.prefix(2).joined(separator: " ")) goes to whatever context is current",
                fix: contextOption(call.program))
        }
        return relative + without
    }
    return calls + view.documents.flatMap(playbookContexts)
}

private func contextOption(_ program: String) -> String { program == "helm" ? "--kube-context ..." : "--context ..." }

private let changingVerbs: Set<String> = [
    "apply", "create", "delete", "replace", "patch", "edit", "label", "annotate", "taint", "drain", "cordon", "uncordon", "scale",
    "rollout",
    "set", "run", "expose", "autoscale", "exec", "cp", "debug",
]
private let lookingVerbs: Set<String> = [
    "get", "describe", "logs", "top", "wait", "port-forward", "auth", "api-resources", "cluster-info", "proxy", "attach", "events", "diff",
]

private func reachesCluster(_ call: Invocation) -> Bool {
    guard !call.has("--context", "--kube-context", "--kubeconfig", "--help", "-h"), let verb = call.verbs.first else { return false }
    // A page that shows how to look around sends nobody's change astray.
    let looks = call.origin == .script
    switch call.program {
    case "kubectl":
        return !call.has("--client") && !call.words.contains("--dry-run=client")
            && (changingVerbs.contains(verb) || looks && lookingVerbs.contains(verb))
    case "helm":
        return ["install", "upgrade", "uninstall", "delete", "rollback"].contains(verb)
            || looks && ["list", "ls", "status", "get", "history", "test"].contains(verb)
    case "cilium":
        return ["install", "upgrade", "uninstall", "clustermesh", "connectivity", "hubble", "config", "encryption"].contains(verb)
            || looks && ["status", "bgp", "sysdump"].contains(verb)
    default: return false
    }
}

private func playbookContexts(_ document: TreeView.Document) -> [LocatedFinding] {
    let offline: Set<String> = ["helm_repository", "helm_template", "helm_plugin", "kustomize", "helm_pull", "helm_registry_auth"]
    return ansibleTasks(document).compactMap { task in
        guard let entry = task.node.entries.first(where: { $0.key.hasPrefix("kubernetes.core.") }),
            case let name = String(entry.key.dropFirst("kubernetes.core.".count)), !offline.contains(name)
        else { return nil }
        let named = entry.value.entry("context") ?? entry.value.entry("kubeconfig") ?? entry.value.entry("host")
        let defaults = (task.play["module_defaults"]?.entries ?? []).contains {
            $0.value.entry("context") != nil || $0.value.entry("kubeconfig") != nil
        }
        let environment = [task.node, task.play].contains {
            $0["environment", "K8S_AUTH_CONTEXT"] != nil || $0["environment", "KUBECONFIG"] != nil
        }
        guard named == nil, !defaults, !environment else { return nil }
        return finding(
            "L-CTX-1", .error, document.spot(entry.place),
            "\(entry.key) goes to whatever context is current, whichever cluster its values name", fix: "context: ...")
    }
}
