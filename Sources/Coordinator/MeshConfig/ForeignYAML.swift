// SPDX-License-Identifier: Apache-2.0

package import MeshModel
internal import TreeLinting

/// Reads the YAML of another tool: each document as a tree. As careful as with a mesh file (no anchors, no tags, bounded in size and depth),
/// and without an opinion about its keys.
package func readForeignYAML(_ text: String, file: String) throws(MeshFaults) -> [HelmValue] {
    let log = FaultLog(file: file)
    var trees: [HelmValue] = []
    for document in documents(text) {
        guard let root = YAMLComposer.compose(document, log: log) else { throw log.faults }
        trees.append(value(root))
    }
    guard log.isEmpty else { throw log.faults }
    return trees
}

/// Reads the YAML of another tool for a proposal that a person looks over: as that tool reads it, aliases and merges (`<<`) followed within bounds.
/// Explicit tags mean nothing here, so what is to be carried out as written goes through `readForeignYAML`, which refuses them.
package func readSharedYAML(_ text: String, file: String) throws(MeshFaults) -> [HelmValue] {
    let reading = readTreeYAML(text)
    if let (place, problem) = reading.fault {
        let log = FaultLog(file: file)
        log.add(Place(line: place.line, column: place.column), problem)
        throw log.faults
    }
    return reading.documents.map(value).filter { $0 != .null }
}

/// Split at lines of `---`. Documents of nothing but comments are left out.
private func documents(_ text: String) -> [String] {
    var documents: [[Substring]] = [[]]
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
        if line == "---" || line.hasPrefix("--- #") || line == "---\r" {
            documents.append([])
        } else {
            documents[documents.count - 1].append(line)
        }
    }
    return documents.filter { lines in
        lines.contains { line in line.contains { !$0.isWhitespace } && line.first { !$0.isWhitespace } != "#" }
    }.map { $0.joined(separator: "\n") }
}

private func value(_ tree: YAMLTree) -> HelmValue {
    switch tree.content {
    case .list(let items): .list(items.map(value))
    case .map(let entries): .map(Dictionary(entries.map { ($0.key, value($0.value)) }, uniquingKeysWith: { first, _ in first }))
    case .scalar(let text, let plain): value(text, isPlain: plain)
    }
}

private func value(_ node: YAMLNode) -> HelmValue {
    switch node.content {
    case .list(let items): .list(items.map(value))
    case .map(let entries): .map(Dictionary(entries.map { ($0.key, value($0.value)) }, uniquingKeysWith: { first, _ in first }))
    case .scalar(let text, let isPlain): value(text, isPlain: isPlain)
    }
}

private func value(_ text: String, isPlain: Bool) -> HelmValue {
    guard isPlain else { return .string(text) }
    return if isNullWord(text) {
        .null
    } else if let number = decimal(text) {
        .integer(Int64(number))
    } else if text == "true" || text == "false" {
        .bool(text == "true")
    } else {
        .string(text)
    }
}
