// SPDX-License-Identifier: Apache-2.0

import Linting
import MeshModel

/// L-PIN-1
func sourcesPinned(_ view: TreeView) -> [LocatedFinding] {
    let terraform = textsOfTerraform(view).flatMap { item in
        webAddresses(in: item.text).filter { moves($0) && isFetched($0) }.map { moving($0, item.spot) }
    }
    let releases = view.helmUses.filter {
        $0.version == nil && !$0.chart.hasPrefix("rook-ceph") && !$0.chart.isEmpty && !$0.chart.contains("${")
            && $0.chart != "csi-digitalocean"
    }.map { use in
        finding("L-PIN-1", .warning, use.spot, "chart \(use.chart) has no version and can change under you; pin and record sha256")
    }
    let patches = view.documents.flatMap { file in
        file.documents.flatMap { document in
            (document["cluster", "extraManifests"]?.elements ?? []).filter { moves($0.text?[...] ?? "") }.map {
                moving($0.text?[...] ?? "", file.spot($0.place))
            }
        }
    }
    let calls = view.invocations.flatMap { call -> [LocatedFinding] in
        guard ["curl", "wget", "kubectl", "helm"].contains(call.program) else { return [] }
        return call.arguments.filter { $0.text.contains("://") && moves($0.text[...]) && isFetched($0.text[...]) }.map {
            moving($0.text[...], $0.spot)
        }
    }
    return terraform + releases + patches + calls
}

/// Links for people may move; what is put into a cluster may not.
private func isFetched(_ address: Substring) -> Bool {
    ["raw.", "/releases/", "/raw/", ".yaml", ".yml", ".tgz", ".git"].contains { address.contains($0) }
}

private func moving(_ address: Substring, _ spot: Spot) -> LocatedFinding {
    finding("L-PIN-1", .warning, spot, "\"\(address)\" can change under you; pin and record sha256")
}

/// L-OWN-1
func objectsHaveOneOwner(_ view: TreeView) -> [LocatedFinding] {
    fetchedTwice(view) + view.modules.flatMap(plannedTwice) + writtenTwice(view)
}

/// The same manifest by Talos at boot and by Terraform.
private func fetchedTwice(_ view: TreeView) -> [LocatedFinding] {
    var talos: [String: Spot] = [:]
    for text in view.yamlTexts {
        for item in text.documents.flatMap({ $0["cluster", "extraManifests"]?.elements ?? [] }) {
            if let address = item.text, talos[address] == nil { talos[address] = text.spot(item.place) }
        }
    }
    return view.modules.flatMap { module in
        module.blocks("data", "http").compactMap { data -> LocatedFinding? in
            guard let url = data.body.attribute("url"), let text = url.value.textWithHoles, let other = talos[text] else { return nil }
            return finding(
                "L-OWN-1", .error, data.file.spot(url.offset),
                "what \(basename(text)) holds is made by Terraform here and by Talos' extraManifests (\(other.file):\(other.place.line))")
        }
    }
}

/// One source of manifests under two kinds of resources.
private func plannedTwice(_ module: TerraformModule) -> [LocatedFinding] {
    var first: [String: TerraformBlock] = [:]
    var found: [LocatedFinding] = []
    for block in module.resources.filter({ ["kubectl_manifest", "kubernetes_manifest"].contains($0.type) }) {
        let sources = Set(block.references.filter { $0.root == "data" && $0.names.count > 2 }.map { "data.\($0.names[1]).\($0.names[2])" })
        for source in sources.sorted() {
            guard let other = first[source] else {
                first[source] = block
                continue
            }
            guard other.type != block.type else { continue }
            found.append(
                finding("L-OWN-1", .error, block.spot, "what \(source) holds is made by \(block.address) and by \(other.address)"))
        }
    }
    return found
}

/// The same object written out twice for the same cluster.
private func writtenTwice(_ view: TreeView) -> [LocatedFinding] {
    var first: [String: Spot] = [:]
    var found: [LocatedFinding] = []
    func take(_ identity: String, _ shown: String, _ spot: Spot) {
        guard let other = first[identity] else {
            first[identity] = spot
            return
        }
        found.append(finding("L-OWN-1", .error, spot, "\(shown) is made here and at \(other.file):\(other.place.line)"))
    }
    for module in view.modules {
        for block in module.resources where block.type == "kubernetes_namespace" || block.type == "kubernetes_namespace_v1" {
            guard let name = block.body.blocks("metadata").first?.body.attribute("name")?.value.plainText else { continue }
            take("\(provider(block)) v1 Namespace  \(name)", "Namespace \(name)", block.spot)
        }
    }
    for text in view.embedded where text.owner.block.type == "resource" && text.attribute == "yaml_body" {
        for document in text.documents {
            guard let version = document["apiVersion"]?.text, let kind = document["kind"]?.text,
                let name = document["metadata", "name"]?.text,
                !name.contains("${")
            else { continue }
            let namespace = document["metadata", "namespace"]?.text ?? ""
            take("\(provider(text.owner)) \(version) \(kind) \(namespace) \(name)", "\(kind) \(name)", text.spot(document.place))
        }
    }
    return found
}

/// The cluster that a resource goes to, by the side that its provider's name speaks of, or by the name itself.
private func provider(_ block: TerraformBlock) -> String {
    let name = block.body.attribute("provider")?.value.reference?.names.last ?? ""
    return tokens(name).last ?? ""
}
