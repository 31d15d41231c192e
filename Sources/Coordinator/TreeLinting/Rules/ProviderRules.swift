// SPDX-License-Identifier: Apache-2.0

import Linting
import MeshModel

/// A provider that a module asks for.
private struct Wanted {
    let name: String
    let source: String
    let constraint: (text: String, spot: Spot)?
}

private func wanted(_ module: TerraformModule) -> [Wanted] {
    module.blocks("terraform").flatMap { block in
        block.body.blocks("required_providers").flatMap(\.body.attributes).map { attribute in
            let items = attribute.value.items
            let source = items.first { $0.name == "source" }?.value.plainText ?? "hashicorp/\(attribute.name)"
            let version =
                items.first { $0.name == "version" }.map { ($0.value, $0.key.offset) }
                ?? attribute.value.plainText.map { _ in (attribute.value, attribute.offset) }
            return Wanted(
                name: attribute.name, source: normalised(source),
                constraint: version.flatMap { value, offset in value.plainText.map { ($0, block.file.spot(offset)) } })
        }
    }
}

private func normalised(_ source: String) -> String {
    let parts = source.lowercased().split(separator: "/")
    return parts.count == 2 ? "registry.terraform.io/\(parts.joined(separator: "/"))" : parts.joined(separator: "/")
}

/// L-TF-8
func providersLocked(_ view: TreeView) -> [LocatedFinding] {
    let byDirectory = Dictionary(view.modules.map { ($0.directory, $0) }, uniquingKeysWith: { first, _ in first })
    let locks = view.lockFiles.flatMap { lock -> [LocatedFinding] in
        guard let root = byDirectory[directory(of: lock.path)] else { return [] }
        let entries = Dictionary(
            lock.hcl.body.blocks.filter { $0.type == "provider" }.map { ($0.labels.first?.lowercased() ?? "", $0) },
            uniquingKeysWith: { first, _ in first })
        return reachable(from: root, byDirectory).flatMap(wanted).compactMap { wanted -> LocatedFinding? in
            guard let (constraint, spot) = wanted.constraint, let entry = entries[wanted.source],
                let version = entry.body.attribute("version")?.value.plainText, !VersionConstraint.allows(constraint, version)
            else { return nil }
            return finding(
                "L-TF-8", .error, spot,
                "provider \"\(wanted.name)\" is to be \(constraint), and the lock file has \(version); `terraform init` fails without -upgrade"
            )
        }
    }
    return locks + view.modules.flatMap(undeclared)
}

private func reachable(from root: TerraformModule, _ byDirectory: [String: TerraformModule]) -> [TerraformModule] {
    var found = [root]
    var seen: Set<String> = [root.directory]
    var index = 0
    while index < found.count {
        for call in found[index].calls {
            guard let source = call.body.attribute("source")?.value.plainText, source.hasPrefix("."),
                let inner = joined(found[index].directory, source).flatMap({ byDirectory[$0] }), seen.insert(inner.directory).inserted
            else { continue }
            found.append(inner)
        }
        index += 1
    }
    return found
}

/// Providers that a module uses and does not name: their source is a guess, and their version whatever comes.
private func undeclared(_ module: TerraformModule) -> [LocatedFinding] {
    let names = Set(wanted(module).map(\.name)).union(["terraform"])
    return module.resourcesAndData.compactMap { block -> (String, TerraformBlock)? in
        let provider =
            block.body.attribute("provider")?.value.reference?.root ?? block.type.split(separator: "_").first.map(String.init) ?? ""
        return provider.isEmpty || names.contains(provider) ? nil : (provider, block)
    }.firsts(by: \.0).map { provider, block in
        finding(
            "L-TF-8", .warning, block.spot,
            "provider \"\(provider)\" is used by \(block.address) and not in required_providers; any version may come",
            fix: "\(provider) = { source = \"...\", version = \"...\" }")
    }
}

/// Terraform's version constraints: `>= 1.2, < 2`, `~> 0.3.1`.
enum VersionConstraint {
    /// True also for what cannot be read: a finding needs certainty.
    static func allows(_ constraint: String, _ version: String) -> Bool {
        guard let have = numbers(version[...]) else { return true }
        return constraint.split(separator: ",").allSatisfy { part in
            let text = trimmed(part)
            let sign = text.prefix { "=<>!~".contains($0) }
            guard let want = numbers(text.dropFirst(sign.count)) else { return true }
            let order = compare(have, want)
            switch sign {
            case "", "=": return order == 0
            case "!=": return order != 0
            case ">": return order > 0
            case ">=": return order >= 0
            case "<": return order < 0
            case "<=": return order <= 0
            case "~>": return order >= 0 && have.prefix(want.count - 1).elementsEqual(want.dropLast())
            default: return true
            }
        }
    }

    private static func numbers(_ text: Substring) -> [Int]? {
        let plain = trimmed(text).drop { $0 == "v" }
        let parts = plain.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        guard !parts.isEmpty, parts.count <= 4, !parts.contains(nil) else { return nil }
        return parts.compactMap { $0 }
    }

    private static func compare(_ left: [Int], _ right: [Int]) -> Int {
        for index in 0..<max(left.count, right.count) {
            let (a, b) = (index < left.count ? left[index] : 0, index < right.count ? right[index] : 0)
            if a != b { return a < b ? -1 : 1 }
        }
        return 0
    }
}
