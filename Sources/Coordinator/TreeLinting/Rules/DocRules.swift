// SPDX-License-Identifier: Apache-2.0

import Linting

/// L-DOC-1
func runbookOptions(_ view: TreeView) -> [LocatedFinding] {
    let byName = Dictionary(view.scripts.map { (basename($0.path), $0) }, uniquingKeysWith: { first, _ in first })
    return view.invocations.compactMap { call in
        guard let script = byName[call.program] else { return nil }
        let known = Set(
            script.shell.arms.filter { ["${1}", "${opt}", "${key}", "${OPTION}", "${arg}"].contains($0.subject) }.flatMap(\.patterns))
        guard known.contains(where: { $0.hasPrefix("-") && !$0.contains("*") }) else { return nil }
        for argument in call.arguments where argument.text.hasPrefix("-") && argument.text != "-" && argument.text != "--" {
            let name = argument.text.prefix { $0 != "=" }
            // A pattern may end with a star: `--name=*`.
            let fits = known.contains { pattern in
                !["-*", "--*", "*"].contains(pattern) && glob(Array(pattern.utf8), Array(argument.text.utf8)) || pattern == name
            }
            guard !fits else { continue }
            return finding(
                "L-DOC-1", call.origin == .script ? .error : .info, argument.spot,
                "\(basename(script.path)) does not know the option \(name); it would stop with an error")
        }
        return nil
    }
}

/// L-DOC-2
func columnsCut(_ view: TreeView) -> [LocatedFinding] {
    (view.scripts + view.pages.flatMap(\.codes)).flatMap { script in
        script.shell.commands.enumerated().compactMap { index, command -> LocatedFinding? in
            guard command.name == "qm", command.words.dropFirst().first?.text == "list" else { return nil }
            let pipeline = script.shell.commands.dropFirst(index + 1).prefix { $0.readsPipe && $0.nesting == command.nesting }
            guard pipeline.contains(where: { $0.name == "cut" && $0.words.contains { $0.text.hasPrefix("-c") } }) else { return nil }
            return finding(
                "L-DOC-2", script.origin == .script ? .error : .warning, script.spot(command.offset),
                "cutting columns of `qm list` makes 100 of VM 1100, and a name filter takes any VM that has it; this reaches other machines",
                fix: "the VMs of the plan, by id and name")
        }
    }
}

/// L-DOC-3
func pagesLead(_ view: TreeView) -> [LocatedFinding] {
    var directories: Set<String> = [""]
    for path in view.tree.paths {
        var rest = directory(of: path)
        while directories.insert(rest).inserted { rest = directory(of: rest) }
    }
    return view.pages.flatMap { page in links(page, view, directories) + numbers(page) + names(page, view) }
}

private func links(_ page: TreeView.Page, _ view: TreeView, _ directories: Set<String>) -> [LocatedFinding] {
    page.markdown.links.compactMap { link in
        let spot = Spot(file: page.path, place: link.place)
        let target = String(link.target.prefix { $0 != "#" && $0 != "?" })
        let word = basename(String(link.text.prefix { $0 != " " }))
        let known = [".sh", ".tf", ".yaml", ".yml", ".md", ".cfg"]
        if known.contains(where: { word.hasSuffix($0) }), known.contains(where: { target.hasSuffix($0) }), basename(target) != word {
            return finding("L-DOC-3", .info, spot, "the link says \(word) and leads to \(basename(target))")
        }
        guard !target.isEmpty, !target.contains("://"), !target.hasPrefix("mailto:"), !target.hasPrefix("<"), !target.hasPrefix("/"),
            let path = joined(directory(of: page.path), target)
        else { return nil }
        let exists = view.tree.paths.contains(path) || directories.contains(path)
        return exists ? nil : finding("L-DOC-3", .info, spot, "the link leads to \(path), which is not there")
    }
}

private func numbers(_ page: TreeView.Page) -> [LocatedFinding] {
    // A list that numbers all its steps 1 leaves the counting to Markdown.
    let lists = Dictionary(grouping: page.markdown.items) { [$0.list, $0.indent] }.values.filter { items in items.contains { $0.number > 1 }
    }
    return lists.flatMap { items in
        zip(items, items.dropFirst()).compactMap { before, item -> LocatedFinding? in
            guard item.number == before.number else { return nil }
            return finding(
                "L-DOC-3", .info, Spot(file: page.path, place: SourcePlace(line: item.line, column: item.indent + 1)),
                "there are two steps \(item.number); the other one is on line \(before.line)")
        }
    }
}

/// Scripts that are called by a name which differs from the file's by a dash or an underscore.
private func names(_ page: TreeView.Page, _ view: TreeView) -> [LocatedFinding] {
    func plain(_ name: String) -> String { String(name.lowercased().filter { $0 != "-" && $0 != "_" }) }
    let scripts = Set(view.scripts.map { basename($0.path) })
    let byPlain = Dictionary(scripts.map { (plain($0), $0) }, uniquingKeysWith: { first, _ in first })
    return page.codes.flatMap(\.invocations).compactMap { call in
        guard call.program.hasSuffix(".sh"), !scripts.contains(call.program), let meant = byPlain[plain(call.program)] else { return nil }
        return finding("L-DOC-3", .info, call.spot, "there is no \(call.program); the file is called \(meant)")
    }
}
