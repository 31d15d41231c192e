// SPDX-License-Identifier: Apache-2.0

internal import Linting

/// A tree after reading: each file once, by what it is.
struct TreeView {
    struct Document {
        let path: String
        let documents: [YAMLNode]
        func spot(_ place: SourcePlace) -> Spot { Spot(file: path, place: place) }
    }
    struct Page {
        let path: String
        let markdown: MarkdownPage
        let codes: [Script]
    }
    struct Settings {
        let path: String
        let entries: [INIEntry]
    }

    let tree: SourceTree
    let charts: [HelmChart]
    let modules: [TerraformModule]
    let lockFiles: [TerraformFile]
    let scripts: [Script]
    let pages: [Page]
    let documents: [Document]
    let embedded: [EmbeddedYAML]
    let settings: [Settings]
    let ignored: IgnoreRules
    /// What the readers could not make sense of.
    let faults: [LocatedFinding]
    /// All calls of programs, in scripts and pages.
    let invocations: [Invocation]
    let helmUses: [HelmUse]

    init(_ tree: SourceTree, charts: [HelmChart], yaml: YAMLReader) {
        var terraform: [String: [TerraformFile]] = [:]
        var (lockFiles, scripts, pages, documents, settings) = ([TerraformFile](), [Script](), [Page](), [Document](), [Settings]())
        var faults: [LocatedFinding] = []
        var ignored = IgnoreRules()
        for file in tree.files {
            switch Kind(file) {
            case .terraform, .lock:
                let read = TerraformFile(path: file.path, hcl: HCLReader.read(file.text))
                faults += read.hcl.faults.map { readFinding(read.spot($0.offset), $0.problem) }
                if Kind(file) == .lock { lockFiles.append(read) } else { terraform[directory(of: file.path), default: []].append(read) }
            case .shell:
                let script = Script(path: file.path, shell: ShellReader.read(file.text), origin: .script)
                faults += script.shell.faults.map { readFinding(script.spot($0.offset), $0.problem) }
                scripts.append(script)
            case .markdown: pages.append(Self.page(file))
            case .yaml:
                let reading = yaml(file.text)
                // A template is not YAML before it is filled in, which is no fault.
                if let fault = reading.fault, !file.text.contains("{{"), !file.text.contains("{%") {
                    faults.append(readFinding(Spot(file: file.path, place: fault.place), fault.problem, severity: .info))
                }
                documents.append(Document(path: file.path, documents: reading.documents))
            case .ini: settings.append(Settings(path: file.path, entries: INIReader.read(file.text)))
            case .ignore: ignored.add(file.text, in: directory(of: file.path))
            case .other: break
            }
        }
        self.tree = tree
        self.charts = charts
        modules = terraform.sorted { $0.key < $1.key }.map { TerraformModule(directory: $0.key, files: $0.value) }
        embedded = modules.flatMap { Self.embedded($0, yaml) }
        self.faults = faults + tree.unread.map { readFinding(Spot(file: $0.path, place: SourcePlace(line: 1, column: 1)), $0.why) }
        (self.lockFiles, self.scripts, self.pages, self.documents, self.settings) = (lockFiles, scripts, pages, documents, settings)
        self.ignored = ignored
        invocations = (scripts + pages.flatMap(\.codes)).flatMap(\.invocations)
        helmUses = HelmUse.all(invocations, modules, documents, embedded, tree)
    }

    /// Every YAML text, files and embedded ones, with the way to a place in it.
    var yamlTexts: [(documents: [YAMLNode], spot: (SourcePlace) -> Spot)] {
        documents.map { ($0.documents, $0.spot) } + embedded.map { ($0.documents, $0.spot) }
    }

    private enum Kind {
        case terraform, lock, shell, markdown, yaml, ini, ignore, other

        init(_ file: SourceTree.File) {
            let name = basename(file.path)
            let extensionName = name.lastIndex(of: ".").map { String(name[name.index(after: $0)...]).lowercased() } ?? ""
            switch extensionName {
            case "tf": self = .terraform
            case "sh", "bash": self = .shell
            case "md", "markdown": self = .markdown
            case "yaml", "yml": self = .yaml
            case "cfg", "ini": self = .ini
            case "hcl" where name == ".terraform.lock.hcl": self = .lock
            case "gitignore": self = .ignore
            default:
                let first = file.text.utf8.prefix(64).prefix { $0 != 0x0A }
                let words = String(decoding: first, as: UTF8.self)
                self = words.hasPrefix("#!") && words.contains("sh") ? .shell : .other
            }
        }
    }

    private static func page(_ file: SourceTree.File) -> Page {
        let page = MarkdownReader.read(file.text)
        var codes = page.codes.compactMap { code -> Script? in
            if let language = code.language, !["", "bash", "sh", "shell", "console", "zsh"].contains(language.lowercased()) { return nil }
            let text =
                code.isFenced
                ? code.text.split(separator: "\n", omittingEmptySubsequences: false).map(withoutPrompt).joined(separator: "\n")
                : withoutPrompt(code.text[...])
            return Script(path: file.path, shell: ShellReader.read(text), origin: .page, base: code.place)
        }
        // Cookbooks put the whole command into the text of the link to its script.
        codes += page.links.compactMap { link in
            guard link.text.prefix(while: { $0 != " " }).hasSuffix(".sh") else { return nil }
            return Script(path: file.path, shell: ShellReader.read(link.text), origin: .page, base: link.place)
        }
        return Page(path: file.path, markdown: page, codes: codes)
    }

    private static func embedded(_ module: TerraformModule, _ yaml: YAMLReader) -> [EmbeddedYAML] {
        module.blocks.flatMap { block in
            block.body.allAttributes.flatMap { attribute -> [EmbeddedYAML] in
                var found: [EmbeddedYAML] = []
                attribute.value.walk { value in
                    guard case .text(_, let body?) = value.kind, let text = value.textWithHoles, text.contains(":") else { return }
                    let reading = yaml(text)
                    guard !reading.documents.isEmpty else { return }
                    found.append(
                        EmbeddedYAML(
                            file: block.file, firstLine: block.file.hcl.source.place(body).line, documents: reading.documents, owner: block,
                            attribute: attribute.name))
                }
                return found
            }
        }
    }
}

/// `$ ` and `root@pve:~# ` in front of a command are blanked out, so that columns stay.
private func withoutPrompt(_ line: Substring) -> String {
    let blanks = line.prefix { $0 == " " }
    let rest = line.dropFirst(blanks.count)
    let prompt: Substring
    if rest.hasPrefix("$ ") {
        prompt = rest.prefix(2)
    } else if let sign = rest.firstIndex(where: { $0 == "#" || $0 == "$" || $0 == " " }), rest[sign] != " ", rest[..<sign].contains("@") {
        prompt = rest[...sign]
    } else {
        return String(line)
    }
    return String(repeating: " ", count: blanks.count + prompt.count) + rest.dropFirst(prompt.count)
}

func readFinding(_ spot: Spot, _ problem: String, severity: Severity = .warning) -> LocatedFinding {
    finding("L-READ-1", severity, spot, "cannot be checked from here on: \(problem)")
}

func finding(_ rule: String, _ severity: Severity, _ spot: Spot, _ message: String, fix: String? = nil) -> LocatedFinding {
    LocatedFinding(
        rule: rule, severity: severity, file: spot.file, line: spot.place.line, column: spot.place.column, message: message, fix: fix)
}
